import Admission
import Dialects
import Domain
import Feed
import HTTPServing
import HTTPWire
import JSONText
import Policy

extension Gateway {
    /// The routes this key may name, as the dialect lists models; one of them when it is named.
    func listModels(_ exchange: Exchange, in dialect: ClientDialect, named name: String?) async {
        do throws(CallFailure) {
            let serving = try world()
            let key = try recognise(exchange, for: .models, in: serving)
            let body: [UInt8]
            if let name {
                body = try Self.route(name, of: key).body(in: dialect)
            } else {
                body = ListedModel.list(key.routes.map(Self.model), in: dialect)
            }
            try? await exchange.respond(status: 200, fields: Self.fields(serving), body: body)
        } catch { await refuse(exchange, error, in: dialect) }
    }

    /// Ollama's `POST /api/show`: what is known of one model.
    func describeModel(_ exchange: Exchange) async {
        do throws(CallFailure) {
            let serving = try world()
            let key = try recognise(exchange, for: .models, in: serving)
            guard let body = try await read(exchange) else { return }
            let name = (try? JSONValue.parse(body)).flatMap { $0["model"]?.string ?? $0["name"]?.string }
            guard let name else { throw CallFailure(.modelRequired, parameter: "model") }
            let model = try Self.route(name, of: key)
            try? await exchange.respond(
                status: 200, fields: Self.fields(serving), body: model.ollamaDescription.bytes)
        } catch { await refuse(exchange, error, in: .ollama) }
    }

    /// Ollama's `GET /api/version`: the version of its API this node speaks.
    func tellOllamaVersion(_ exchange: Exchange) async {
        try? await exchange.respond(
            status: 200, fields: ["content-type": "application/json"], text: #"{"version":"0.6.3"}"#)
    }

    func recognise(
        _ exchange: Exchange, for endpoint: Endpoint, in serving: ServingSnapshot
    ) throws(CallFailure) -> AdmittedKey {
        let now = clock.now()
        do throws(Refusal) {
            return try admission.authenticate(
                bearer(exchange), for: endpoint, from: origin(of: exchange, at: now), at: now,
                in: serving.compiled)
        } catch { throw CallFailure(error) }
    }

    private static func route(_ name: String, of key: AdmittedKey) throws(CallFailure) -> ListedModel {
        guard let route = key.tenant.route(named: name), key.canUse(route) else {
            throw CallFailure(.routeNotFound, parameter: "model")
        }
        return model(route)
    }

    private static func model(_ route: CompiledRoute) -> ListedModel {
        ListedModel(id: route.name, created: route.id.createdAt.microseconds / 1_000_000)
    }

    private static func fields(_ serving: ServingSnapshot) -> HeaderFields {
        ["content-type": "application/json", "x-eclusa-snapshot": "\(serving.version)"]
    }
}

import Admission
import Dialects
import Domain
import Feed
import HTTPServing
import HTTPWire
import Policy

extension Gateway {
    /// `GET /v1/models` and `GET /v1/models/{id}`: the routes this key may name.
    func listModels(_ exchange: Exchange) async {
        do throws(CallFailure) {
            let serving = try world()
            let key = try recognise(exchange, in: serving)
            let prefix = "/v1/models/"
            var body: [UInt8]
            if exchange.path.hasPrefix(prefix) {
                let name = String(exchange.path.dropFirst(prefix.utf8.count))
                guard let route = key.tenant.route(named: name), key.canUse(route) else {
                    throw CallFailure(.routeNotFound, parameter: "model")
                }
                body = Self.model(route).body()
            } else {
                body = OpenAIModel.list(key.routes.map(Self.model))
            }
            try? await exchange.respond(
                status: 200,
                fields: [
                    "content-type": "application/json", "x-eclusa-snapshot": "\(serving.version)",
                ], body: body)
        } catch { await refuse(exchange, error) }
    }

    private func recognise(
        _ exchange: Exchange, in serving: ServingSnapshot
    ) throws(CallFailure) -> AdmittedKey {
        let now = clock.now()
        do throws(Refusal) {
            return try admission.authenticate(
                bearer(exchange), for: .models, from: origin(of: exchange, at: now), at: now,
                in: serving.compiled)
        } catch { throw CallFailure(error) }
    }

    private static func model(_ route: CompiledRoute) -> OpenAIModel {
        OpenAIModel(id: route.name, created: route.id.createdAt.microseconds / 1_000_000)
    }
}

package import EventLoops
import HTTPServing
import HTTPWire
import JSONText
package import Transport

/// A provider on one loop: speaks the real wire formats and does what the model's name says. Loop thread.
package final class StandIn {
    package struct Options: Sendable {
        /// The only key taken; nil takes any.
        package var apiKey: String?
        /// The largest request body taken.
        package var maximumBodyBytes = 64 << 20
        package init(apiKey: String? = nil) { self.apiKey = apiKey }
    }

    package let totals: Totals
    let loop: EventLoop
    let options: Options
    private var server: HTTPServer?
    private var openAI = OpenAIScripts()
    private var spareScratch: [Scratch] = []

    /// Memory of one answer under way.
    final class Scratch {
        var head = HeadWriter()
        var body = GrowableBytes()
    }

    package init(loop: EventLoop, options: Options = Options(), totals: Totals = Totals()) {
        self.loop = loop
        self.options = options
        self.totals = totals
    }

    /// Starts to answer; returns the bound address.
    @discardableResult
    package func listen(
        on address: SocketAddress, reusePort: Bool = false
    ) throws(SystemError) -> SocketAddress {
        let server = self.server ?? HTTPServer(loop: loop) { [unowned self] in await handle($0) }
        self.server = server
        return try server.listen(on: address, reusePort: reusePort)
    }

    /// Stops accepting and ends what is under way after the time.
    package func drain(withinNanoseconds nanoseconds: Int64) async {
        await server?.drain(withinNanoseconds: nanoseconds)
    }

    /// An access key it takes where Bedrock is asked for, as `ID:SECRET`, and with a session token.
    package static let accessKey = ScriptedBedrock.accessKey
    package static let lentAccessKey = ScriptedBedrock.accessKey + ":" + ScriptedBedrock.sessionToken

    /// A service account's key its token endpoint at this address takes.
    package static func serviceAccount(at address: String) -> String {
        ScriptedTokens.account(at: address).text
    }

    /// Connections open now.
    package var connectionCount: Int { server?.connectionCount ?? 0 }

    private func handle(_ exchange: Exchange) async {
        // A client that is gone needs no answer: whatever could not be sent is dropped with its connection.
        do {
            let path = exchange.pathBytes
            if exchange.path.hasSuffix("/echo") { return try await echo(exchange) }
            if path.elementsEqual("/v1/chat/completions".utf8), exchange.method == .post {
                try await OpenAIChat(standIn: self, exchange: exchange).answer()
            } else if let scripted = Self.scripted(exchange) {
                try await ScriptedExchange(
                    standIn: self, exchange: exchange, dialect: scripted.dialect, model: scripted.model,
                    isStream: scripted.isStream
                ).answer()
            } else if exchange.method == .post, exchange.path == "/token" {
                try await ScriptedTokens(standIn: self, exchange: exchange).answer()
            } else if exchange.method == .post, Self.isSmall(exchange.path) {
                try await ScriptedEmbeddings(standIn: self, exchange: exchange, path: exchange.path).answer()
            } else if exchange.method == .get {
                try await answerRead(exchange)
            } else {
                try await fail(exchange, .unknownPath(exchange.path))
            }
        } catch {
            totals.add(.abandoned)
        }
    }

    /// The dialect of a path, and what the path says besides.
    private static func scripted(
        _ exchange: Exchange
    ) -> (dialect: ScriptedDialect, model: String, isStream: Bool)? {
        guard exchange.method == .post else { return nil }
        let path = exchange.path
        if path == "/v1/messages" { return (.anthropic, "", false) }
        if path == "/api/chat" { return (.ollama, "", false) }
        if path == "/v1/responses" { return (.responses, "", false) }
        if path.hasPrefix("/model/") {
            let rest = path.dropFirst("/model/".count)
            if rest.hasSuffix("/converse") { return (.bedrock, String(rest.dropLast(9)), false) }
            if rest.hasSuffix("/converse-stream") { return (.bedrock, String(rest.dropLast(16)), true) }
        }
        let places: [(String, ScriptedDialect)] = [("/v1beta/models/", .gemini), (vertexModels, .vertex)]
        guard let (prefix, dialect) = places.first(where: { path.hasPrefix($0.0) }),
            let colon = path.lastIndex(of: ":")
        else { return nil }
        let model = String(path[..<colon].dropFirst(prefix.utf8.count))
        switch path[path.index(after: colon)...] {
        case "generateContent": return (dialect, model, false)
        case "streamGenerateContent": return (dialect, model, true)
        default: return nil
        }
    }

    private static let vertexModels =
        "/v1/projects/stand-in/locations/europe-west4/publishers/google/models/"

    private static func isSmall(_ path: String) -> Bool {
        let paths = [
            "/v1/embeddings", "/api/embed", "/v1/completions", "/v1/moderations", "/v1/images/generations",
            "/v1/audio/speech", "/v1/audio/transcriptions",
        ]
        return paths.contains(path) || path.hasSuffix(":batchEmbedContents") || path.hasSuffix(":predict")
    }

    private func answerRead(_ exchange: Exchange) async throws(TransportError) {
        let json: HeaderFields = ["content-type": "application/json"]
        let path = exchange.path
        if path == "/stand-in/totals" {
            return try await exchange.respond(status: 200, fields: json, body: totals.body())
        }
        if path == "/stand-in/service-account" {
            let account = Self.serviceAccount(at: exchange.fieldText(.host) ?? "")
            return try await exchange.respond(status: 200, fields: json, text: account)
        }
        if path == "/foundation-models" {
            let none = UnsafeRawBufferPointer(start: nil, count: 0)
            if let failure = ScriptedBedrock.refusal(exchange, body: none) {
                return try await exchange.respond(
                    status: failure.status, fields: json,
                    body: ScriptedDialect.bedrock.errorBody(failure).bytes)
            }
            return try await exchange.respond(
                status: 200, fields: json, text: #"{"modelSummaries":[{"modelId":"stand-in"}]}"#)
        }
        if path == "/v1beta1/publishers/google/models" {
            return try await exchange.respond(
                status: 200, fields: json,
                text: #"{"publisherModels":[{"name":"publishers/google/models/stand-in"}]}"#)
        }
        if path == "/v1beta/models" || path == "/api/tags" {
            return try await exchange.respond(
                status: 200, fields: json, text: #"{"models":[{"name":"models/stand-in"}]}"#)
        }
        if path == "/v1/models" {
            return try await exchange.respond(status: 200, fields: json, body: OpenAIModelList.body())
        }
        if path.hasPrefix("/v1/models/") {
            let name = String(path.dropFirst("/v1/models/".count))
            guard Behaviour(model: name) != nil else { return try await fail(exchange, .unknownModel(name)) }
            return try await exchange.respond(status: 200, fields: json, body: OpenAIModelList.body(of: name))
        }
        try await fail(exchange, .unknownPath(path))
    }

    /// What came in, told as it came.
    private func echo(_ exchange: Exchange) async throws(TransportError) {
        let fields = HeaderFields(exchange.head.fields, in: exchange.headBytes)
        let target = String(decoding: exchange.rawTarget, as: UTF8.self)
        var count = 0
        do {
            while let part = try await exchange.nextBodyPart() { count += part.count }
        } catch { return }
        let told: JSONValue = [
            "method": .string("\(exchange.method)"), "target": .string(target),
            "fields": .array(fields.all.map { .string("\($0.name): \($0.value)") }),
            "bytes": .number(JSONNumber(count)),
        ]
        try await exchange.respond(
            status: 200,
            fields: [
                "content-type": "application/json", "set-cookie": "a=b", "openai-organization": "org-secret",
                "x-ratelimit-limit-requests": "7", "x-eclusa-cost": "0", "etag": "\"v1\"",
            ], body: told.bytes)
    }

    func fail(_ exchange: Exchange, _ failure: OpenAIFailure) async throws(TransportError) {
        totals.add(.errors)
        try await exchange.respond(status: failure.status, fields: failure.fields, body: failure.body)
    }

    /// How a model of OpenAI's format answers; nil when there is no such model.
    func script(openAI model: UnsafeRawBufferPointer) -> OpenAIScript? { openAI.script(model) }

    func takeScratch() -> Scratch { spareScratch.popLast() ?? Scratch() }

    func give(_ scratch: Scratch) {
        scratch.body.removeAll(keeping: 256 * 1024)
        if spareScratch.count < 256 { spareScratch.append(scratch) }
    }
}

/// The scripts in use, found by the model's bytes; bounded, since clients choose the names.
struct OpenAIScripts {
    private static let capacity = 64
    private var scripts: [OpenAIScript] = []

    mutating func script(_ model: UnsafeRawBufferPointer) -> OpenAIScript? {
        for script in scripts where script.model.count == model.count && script.model.elementsEqual(model) {
            return script
        }
        guard let behaviour = Behaviour(model: String(decoding: model, as: UTF8.self)) else { return nil }
        let script = OpenAIScript(behaviour: behaviour, model: model)
        if scripts.count == Self.capacity { scripts.removeFirst() }
        scripts.append(script)
        return script
    }
}

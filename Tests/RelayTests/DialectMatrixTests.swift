import Contract
import Domain
import HTTPCalling
import HTTPWire
import JSONText
import StandInProvider
import TestSupport
import Testing
import Transport

@testable import Relay

@Suite("any dialect in, any provider out")
struct DialectMatrixTests {
    static let kinds: [ProviderKind] = [.openAI, .anthropic, .gemini, .ollama, .bedrock, .vertex]
    /// Quotes, an escape, characters beyond the first plane, and one that splits lines for some clients.
    static let text = "água \"水\" \\ \u{1F30A} \u{2028}end"

    static func members(_ text: String) throws -> JSONObject {
        try #require(try JSONValue.parse(Array(text.utf8)).object)
    }

    static func plan(_ kind: ProviderKind, _ model: String = "stand-in") -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.kind = kind
        plan.model = model
        return plan
    }

    @Test("an answer arrives whole and is billed to the token", arguments: DialectClient.allCases, kinds)
    func chat(_ client: DialectClient, _ kind: ProviderKind) async throws {
        try await GatewayBench.run(Self.plan(kind)) { bench in
            for stream in [false, true] {
                let said = try await client.call(bench, Self.text, stream: stream)
                #expect(said.status == 200 && said.error == nil, "\(said.response.text)")
                #expect(said.text.hasPrefix("You said: \(Self.text)."), "\(said.response.text)")
                #expect(said.stop != nil)
                #expect(said.response.fields["x-eclusa-provider"] == "\(bench.parts.provider)")
                let events = try await bench.events()
                let event = try #require(events.last)
                #expect(events.count == (stream ? 2 : 1))
                #expect(event.usage.input == said.input && event.usage.output == said.output)
                #expect(event.costState == .settled && event.ending == .completed)
                #expect(event.isStream == stream && event.attempts == 1)
                let prompt = events.reduce(0) { $0 + Int($1.usage.input) }
                let completion = events.reduce(0) { $0 + Int($1.usage.output) }
                #expect(prompt == bench.standIn.totals[.promptTokens])
                #expect(completion == bench.standIn.totals[.completionTokens])
            }
            #expect(bench.standIn.connectionCount == 1)
        }
    }

    @Test("a stream asked for with usage ends with what it cost, translated or not", arguments: kinds)
    func cost(_ kind: ProviderKind) async throws {
        try await GatewayBench.run(Self.plan(kind)) { bench in
            let answer = try await bench.chat(stream: true, usage: true)
            let last = try JSONValue.parse(Array((answer.events.dropLast().last ?? "").utf8))
            let event = try await bench.event()
            #expect(last["usage"]?["prompt_tokens"] != nil, "\(answer.text)")
            #expect(last["x_eclusa"]?["cost"]?.string == event.cost.description)
            #expect(last["x_eclusa"]?["cost_state"] == "settled")
        }
    }

    @Test("cached and thought tokens are billed as such", arguments: kinds)
    func figures(_ kind: ProviderKind) async throws {
        // Only Claude is asked to think at Bedrock; a colon is what most names there have.
        let model = kind == .bedrock ? "us.anthropic.claude-3-7:stand-in-cached" : "stand-in-cached"
        try await GatewayBench.run(Self.plan(kind, model)) { bench in
            for (index, stream) in [false, true].enumerated() {
                let said = try await DialectClient.openAI.call(
                    bench, "hi", stream: stream,
                    more: Self.members(#"{"reasoning_effort":"low","max_completion_tokens":9000}"#))
                #expect(said.status == 200 && said.thought.contains("Let me think"), "\(said.response.text)")
                let event = try await bench.events()[index]
                #expect(event.usage.cachedInput == event.usage.input / 2)
                // Bedrock does not say which of its tokens were thoughts.
                #expect(event.usage.reasoning > 0 || kind == .bedrock)
                #expect(event.usage.output > event.usage.reasoning)
            }
        }
    }

    static func tools(_ client: DialectClient) throws -> JSONObject {
        let schema = #"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}"#
        let text =
            switch client {
            case .responses:
                #"{"tools":[{"type":"function","name":"forecast","parameters":\#(schema)},"#
                    + #"{"type":"function","name":"alarm","parameters":\#(schema)}]}"#
            case .openAI, .azure, .ollama, .ollamaGenerate:
                #"{"tools":[{"type":"function","function":{"name":"forecast","parameters":\#(schema)}},"#
                    + #"{"type":"function","function":{"name":"alarm","parameters":\#(schema)}}]}"#
            case .anthropic:
                #"{"tools":[{"name":"forecast","input_schema":\#(schema)},"#
                    + #"{"name":"alarm","input_schema":\#(schema)}]}"#
            case .gemini, .geminiArray:
                #"{"tools":[{"functionDeclarations":[{"name":"forecast","parametersJsonSchema":\#(schema)},"#
                    + #"{"name":"alarm","parametersJsonSchema":\#(schema)}]}]}"#
            }
        return try members(text)
    }

    static let toolClients = DialectClient.allCases.filter { $0 != .ollamaGenerate }

    @Test("tools are called, alone and two at once", arguments: toolClients, kinds)
    func tools(_ client: DialectClient, _ kind: ProviderKind) async throws {
        let tools = try Self.tools(client)
        try await GatewayBench.run(Self.plan(kind)) { bench in
            for (text, names) in [("Lisbon", ["forecast"]), ("both, please", ["forecast", "alarm"])] {
                for stream in [false, true] {
                    let said = try await client.call(bench, text, stream: stream, more: tools)
                    #expect(said.status == 200 && said.calls.map(\.name) == names, "\(said.response.text)")
                    for call in said.calls {
                        #expect(call.arguments["city"]?.string == text && call.arguments["days"] == 7)
                    }
                    #expect(said.stop != nil)
                }
            }
        }
    }

    static let errors = [400, 401, 404, 413, 429, 500, 503, 529]

    @Test(
        "a provider's error keeps its status and speaks the caller's dialect",
        arguments: DialectClient.allCases, kinds)
    func errors(_ client: DialectClient, _ kind: ProviderKind) async throws {
        for status in Self.errors {
            try await GatewayBench.run(Self.plan(kind, "stand-in-error-\(status)")) { bench in
                let said = try await client.call(bench, "hi")
                #expect(said.status == (status == 401 ? 502 : status), "\(said.response.text)")
                #expect(said.error?.isEmpty == false, "\(said.response.text)")
                #expect(said.response.fields.contains("x-eclusa-error-code"))
                if status == 429 { #expect(said.response.fields["retry-after"] != nil) }
                let value = try said.response.json
                switch client {
                case .openAI, .azure, .responses: #expect(value["error"]?["type"] != nil)
                case .anthropic: #expect(value["type"] == "error" && value["error"]?["type"] != nil)
                case .gemini, .geminiArray:
                    #expect(said.response.text.hasPrefix(#"{"error":"#))
                    #expect(value["error"]?["code"]?.exactInt64 == Int64(said.status))
                case .ollama, .ollamaGenerate: #expect(value["error"]?.string != nil)
                }
            }
        }
    }

    static let breaks = [
        "chunks-10-cut", "chunks-10-no-done", "chunks-10-malformed", "chunks-10-error-event",
    ]

    @Test("a broken stream never looks whole", arguments: DialectClient.allCases, kinds)
    func breaks(_ client: DialectClient, _ kind: ProviderKind) async throws {
        for model in Self.breaks {
            try await GatewayBench.run(Self.plan(kind, "stand-in-\(model)")) { bench in
                let connection = try await bench.dial()
                let body = client.body("hi", stream: true)
                var head = "POST \(client.path(stream: true)) HTTP/1.1\r\nhost: x\r\n"
                for field in client.fields(bench.key).all { head += "\(field.name): \(field.value)\r\n" }
                try await connection.send(
                    Array((head + "content-length: \(body.utf8.count)\r\n\r\n" + body).utf8))
                while try await connection.fill() {}
                let text = String(decoding: connection.buffered, as: UTF8.self)
                connection.close()
                #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(model): \(text)")
                #expect(text.contains("error") && !text.hasSuffix("0\r\n\r\n"), "\(model): \(text)")
                for word in [
                    "[DONE]", "message_stop", "response.completed", "\"finishReason\"", "\"done\":true",
                    "finish_reason\":\"stop",
                ] {
                    #expect(!text.contains(word), "\(model): \(text)")
                }
                let event = try await bench.event()
                #expect(event.costState == .estimated && event.ending != .completed)
                #expect(event.usage.input > 0 && event.usage.output > 0)
            }
        }
    }

    @Test("each client gets its own shape when the key is bad", arguments: DialectClient.allCases)
    func badKey(_ client: DialectClient) async throws {
        try await GatewayBench.run { bench in
            let answer = try await bench.post(
                client.path(stream: false), client.body("hi"), fields: client.fields("ek_bad"))
            let said = try Said(answer, by: client, stream: false)
            #expect(said.status == 401 && said.error != nil)
            let none = try await bench.post(client.path(stream: false), client.body("hi"))
            #expect(none.status == 401)
        }
    }

    @Test("models are listed in each dialect, tokens counted, and one model described")
    func lists() async throws {
        try await GatewayBench.run { bench in
            let key = bench.key
            func get(_ path: String, _ fields: HeaderFields) async throws -> JSONValue {
                let answer = try await bench.client.request(
                    .get, "http://\(bench.address)\(path)", fields: fields)
                #expect(answer.status == 200, "\(answer.text)")
                return try answer.json
            }
            let openAI = try await get("/v1/models", ["authorization": "Bearer \(key)"])
            #expect(openAI["data"]?[0]?["id"] == "gpt-test")
            let anthropic = try await get(
                "/v1/models", ["x-api-key": key, "anthropic-version": "2023-06-01"])
            #expect(anthropic["data"]?[0]?["type"] == "model" && anthropic["has_more"] == false)
            let gemini = try await get("/v1beta/models", ["x-goog-api-key": key])
            #expect(gemini["models"]?[0]?["name"] == "models/gpt-test")
            let byQuery = try await get("/v1/models/gpt-test?key=\(key)", [:])
            #expect(byQuery["name"] == "models/gpt-test")
            let tags = try await get("/api/tags", ["authorization": "Bearer \(key)"])
            #expect(tags["models"]?[0]?["model"] == "gpt-test")
            let shown = try await bench.post(
                "/api/show", #"{"model":"gpt-test"}"#, fields: ["authorization": "Bearer \(key)"])
            #expect(try shown.json["details"] != nil)
            let counted = try await bench.post(
                "/v1/messages/count_tokens", DialectClient.anthropic.body("hi"),
                fields: DialectClient.anthropic.fields(key))
            #expect(try (counted.json["input_tokens"]?.exactInt64 ?? 0) > 0)
            let total = try await bench.post(
                "/v1beta/models/gpt-test:countTokens", DialectClient.gemini.body("hi"),
                fields: DialectClient.gemini.fields(key))
            #expect(try (total.json["totalTokens"]?.exactInt64 ?? 0) > 0)
            #expect(bench.standIn.totals[.calls] == 0)
        }
    }

    @Test("what the provider's dialect has no words for is left out and named")
    func dropped() async throws {
        try await GatewayBench.run(Self.plan(.anthropic)) { bench in
            let said = try await DialectClient.openAI.call(
                bench, "hi", more: Self.members(#"{"logit_bias":{},"store":true}"#))
            #expect(said.status == 200 && said.response.fields["x-eclusa-dropped"] == "logit_bias, store")
            let refused = try await DialectClient.openAI.call(bench, "hi", more: Self.members(#"{"n":3}"#))
            #expect(refused.status == 400 && refused.error?.contains("'n'") == true)
        }
    }

    @Test("a route may refuse it instead; what can be said in the provider's dialect is answered")
    func rejected() async throws {
        var plan = Self.plan(.anthropic)
        plan.snapshot = { fixture, _ in
            fixture.content.routes = fixture.content.routes.map {
                RouteEntry(
                    id: $0.id, tenant: $0.tenant, name: $0.name, rules: RouteRules(untranslated: .reject),
                    steps: $0.steps)
            }
        }
        try await GatewayBench.run(plan) { bench in
            let refused = try await DialectClient.openAI.call(
                bench, "hi", more: Self.members(#"{"store":true}"#))
            #expect(refused.status == 400 && refused.error?.contains("'store'") == true)
            #expect(bench.standIn.totals[.calls] == 0)
            #expect(try await DialectClient.openAI.call(bench, "hi").status == 200)
        }
    }
}

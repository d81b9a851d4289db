import Contract
import Domain
import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
import Policy
import StandInProvider
import TestSupport
import Testing
import Transport

@testable import Relay

@Suite("calls passed through to a provider")
struct PassThroughTests {
    /// A tenant's own provider `mine` behind the route, the platform's beside it, and a key for the endpoint.
    private static func plan(
        _ kind: ProviderKind = .openAI, model: String = "stand-in",
        permitted: KeyPermissions = KeyPermissions(endpoints: EndpointSet([.chat, .passthrough]))
    ) -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.kind = kind
        plan.model = model
        plan.snapshot = { fixture, parts in
            fixture.content.providers = fixture.content.providers.map {
                ProviderEntry(
                    id: $0.id, tenant: parts.tenant, name: "mine", kind: $0.kind, baseURL: $0.baseURL,
                    credentials: $0.credentials, options: $0.options,
                    headers: [ExtraHeader(name: "x-team", value: "locks")], timeouts: $0.timeouts)
            }
            fixture.content.providers.append(
                ProviderEntry(
                    id: ProviderID(high: 1, low: 2), tenant: nil, name: "shared", kind: .openAI,
                    baseURL: fixture.content.providers[0].baseURL, credentials: []))
            fixture.content.keys = fixture.content.keys.map {
                KeyEntry(
                    id: $0.id, tenant: $0.tenant, workspace: $0.workspace, publicID: $0.publicID,
                    secretHash: $0.secretHash, permitted: permitted)
            }
        }
        return plan
    }

    private static func call(
        _ bench: GatewayBench, _ method: HTTPMethod, _ path: String, fields: HeaderFields = [:],
        body: String = ""
    ) async throws -> Response {
        var fields = fields
        if !fields.contains("authorization") { fields.append("authorization", "Bearer \(bench.key)") }
        return try await bench.client.request(
            method, "http://\(bench.address)\(path)", fields: fields, body: Array(body.utf8))
    }

    @Test("method, path, query and fields arrive; credentials, hops and our own words do not")
    func echo() async throws {
        try await GatewayBench.run(Self.plan()) { bench in
            let answer = try await Self.call(
                bench, .put, "/passthrough/mine/echo?a=%20b&key=\(bench.key)&c",
                fields: [
                    "x-custom": "1", "cookie": "a=b", "x-api-key": "mine", "x-eclusa-session": "s",
                    "x-forwarded-for": "1.2.3.4", "x-team": "theirs", "openai-beta": "assistants=v2",
                    "openai-organization": "org-theirs", "te": "trailers",
                ], body: "hello")
            #expect(answer.status == 200, "\(answer.text)")
            let told = try answer.json
            #expect(told["method"] == "PUT" && told["bytes"] == 5)
            #expect(told["target"] == "/v1/echo?a=%20b&c")
            let fields = (told["fields"]?.array ?? []).compactMap(\.string)
            for field in ["x-custom: 1", "x-team: locks", "openai-beta: assistants=v2", "content-length: 5"] {
                #expect(fields.contains(field), "\(fields)")
            }
            #expect(fields.contains("authorization: Bearer sk-test"))
            for word in ["cookie", "x-eclusa", "x-forwarded", "org-theirs", "x-api-key", "te:", bench.key] {
                #expect(!fields.contains { $0.contains(word) }, "\(word) in \(fields)")
            }
            #expect(answer.fields["etag"] == "\"v1\"" && answer.fields["x-ratelimit-limit-requests"] == "7")
            for name in ["set-cookie", "openai-organization", "x-eclusa-cost"] {
                #expect(answer.fields[name] == nil)
            }
            #expect(answer.fields["x-eclusa-provider"] == "\(bench.parts.provider)")
            let event = try await bench.event()
            #expect(event.endpoint == .passthrough && event.status == 200 && event.costState == .unpriced)
            #expect(event.provider == bench.parts.provider && event.key == bench.parts.keyID)
        }
    }

    @Test("every method passes; HEAD has no content, and a chunked request arrives whole")
    func methods() async throws {
        try await GatewayBench.run(Self.plan()) { bench in
            for method in [HTTPMethod.get, .post, .put, .patch, .delete] {
                let answer = try await Self.call(bench, method, "/passthrough/mine/echo")
                #expect(try answer.json["method"]?.string == "\(method)")
            }
            let head = try await Self.call(bench, .head, "/passthrough/mine/echo")
            #expect(head.status == 200 && head.body.isEmpty)
            let connection = try await bench.dial()
            let part = String(repeating: "x", count: 0x3000)
            try await connection.send(
                Array(
                    ("POST /passthrough/mine/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                        + "authorization: Bearer \(bench.key)\r\ntransfer-encoding: chunked\r\n\r\n"
                        + "3000\r\n\(part)\r\n3000\r\n\(part)\r\n0\r\n\r\n").utf8))
            while try await connection.fill() {}
            let text = String(decoding: connection.buffered, as: UTF8.self)
            connection.close()
            #expect(text.contains("\"bytes\":\(0x6000)"), "\(text)")
        }
    }

    @Test(
        "usage is billed by the provider's own figures, at the price of the model that was named",
        arguments: [ProviderKind.openAI, .anthropic, .gemini, .ollama, .bedrock, .vertex])
    func usage(_ kind: ProviderKind) async throws {
        try await GatewayBench.run(Self.plan(kind)) { bench in
            let model = #""model":"stand-in","#
            let text = #""messages":[{"role":"user","content":"hi"}]"#
            let google = #"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#
            let vertex = "/v1/projects/stand-in/locations/europe-west4/publishers/google/models/stand-in"
            let (plain, streamed, body): (String, String, String) =
                switch kind {
                case .openAI, .azureOpenAI, .openAICompatible:
                    ("/chat/completions", "/chat/completions", "{\(model)\(text)}")
                case .anthropic: ("/v1/messages", "/v1/messages", #"{\#(model)"max_tokens":9,\#(text)}"#)
                case .ollama: ("/api/chat", "/api/chat", "{\(model)\(text)}")
                case .gemini:
                    (
                        "/v1beta/models/stand-in:generateContent",
                        "/v1beta/models/stand-in:streamGenerateContent?alt=sse", google
                    )
                case .vertex:
                    (vertex + ":generateContent", vertex + ":streamGenerateContent?alt=sse", google)
                case .bedrock:
                    (
                        "/model/stand-in/converse", "/model/stand-in/converse-stream",
                        #"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#
                    )
                }
            let asked = [
                (plain, kind == .ollama ? body.dropLast() + #","stream":false}"# : body),
                (
                    streamed,
                    kind == .openAI
                        ? body.dropLast() + #","stream":true,"stream_options":{"include_usage":true}}"#
                        : kind == .anthropic ? body.dropLast() + #","stream":true}"# : body
                ),
            ]
            for (path, body) in asked {
                let answer = try await Self.call(
                    bench, .post, "/passthrough/mine" + path,
                    fields: ["content-type": "application/json", "anthropic-version": "2023-06-01"],
                    body: body)
                #expect(answer.status == 200, "\(path): \(answer.text)")
            }
            let events = try await bench.events()
            #expect(events.count == 2)
            for event in events {
                #expect(event.costState == .settled && event.cost.nanos > 0 && event.usage.output > 0)
                #expect(event.endpoint == .passthrough && event.model == bench.parts.model)
            }
            #expect(events.reduce(0) { $0 + Int($1.usage.input) } == bench.standIn.totals[.promptTokens])
        }
    }

    @Test("a stream passes in the turn it comes, and one that is cut looks cut")
    func cut() async throws {
        try await GatewayBench.run(Self.plan(model: "stand-in-chunks-10-cut")) { bench in
            let body =
                #"{"model":"stand-in-chunks-10-cut","stream":true,"#
                + #""messages":[{"role":"user","content":"hi"}]}"#
            await #expect(throws: CallError.self) {
                _ = try await Self.call(bench, .post, "/passthrough/mine/chat/completions", body: body)
            }
            let event = try await bench.event()
            #expect(event.ending == .upstreamCut && event.costState == .estimated)
        }
    }

    @Test("a provider's refusal of our credential is a 502, any other answer is passed on as it is")
    func errors() async throws {
        try await GatewayBench.run(Self.plan()) { bench in
            for (status, wanted) in [(400, 400), (401, 502), (403, 502), (404, 404), (429, 429), (500, 500)] {
                let answer = try await Self.call(
                    bench, .post, "/passthrough/mine/chat/completions",
                    body: #"{"model":"stand-in-error-\#(status)","messages":[]}"#)
                #expect(answer.status == wanted, "\(answer.text)")
                #expect(!answer.text.contains("sk-test"))
            }
        }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var path = "/passthrough/mine/models"
        var permitted = KeyPermissions(endpoints: EndpointSet([.passthrough]))
        let status: Int
    }

    private static let refusals = [
        Refusal(testDescription: "a key that may do everything", permitted: .everything, status: 403),
        Refusal(
            testDescription: "a key for other endpoints",
            permitted: KeyPermissions(endpoints: EndpointSet([.chat])), status: 403),
        Refusal(
            testDescription: "a key held to routes",
            permitted: KeyPermissions(
                endpoints: EndpointSet([.passthrough]), routes: [RouteID(high: 1, low: 1)]), status: 403),
        Refusal(
            testDescription: "a key held to models",
            permitted: KeyPermissions(
                endpoints: EndpointSet([.passthrough]), models: [ModelID(high: 1, low: 1)]), status: 403),
        Refusal(testDescription: "no such provider", path: "/passthrough/other/models", status: 404),
        Refusal(testDescription: "the platform's provider", path: "/passthrough/shared/models", status: 404),
        Refusal(testDescription: "no path", path: "/passthrough/mine", status: 404),
        Refusal(testDescription: "no provider", path: "/passthrough//models", status: 404),
        Refusal(testDescription: "dots", path: "/passthrough/mine/../x", status: 400),
        Refusal(testDescription: "escaped dots", path: "/passthrough/mine/%2e%2e/x", status: 400),
        Refusal(testDescription: "a hidden segment", path: "/passthrough/mine/a%2f..%2fb", status: 400),
        Refusal(testDescription: "escapes of escapes", path: "/passthrough/mine/%252e%252e/x", status: 400),
        Refusal(testDescription: "an empty segment", path: "/passthrough/mine/a//b", status: 400),
        Refusal(testDescription: "a backslash", path: "/passthrough/mine/a%5cb", status: 400),
        Refusal(testDescription: "from elsewhere", path: "/x/../passthrough/mine/models", status: 400),
        Refusal(
            testDescription: "too long", path: "/passthrough/mine/" + String(repeating: "a", count: 4096),
            status: 404),
    ]

    @Test("what may not pass is refused, and nobody is dialled", arguments: refusals)
    func refused(_ example: Refusal) async throws {
        try await GatewayBench.run(Self.plan(permitted: example.permitted)) { bench in
            let answer = try await Self.call(bench, .get, example.path)
            // A path of dots may be another place altogether.
            #expect(answer.status == example.status || answer.status == 404 && example.status == 400)
            #expect(bench.standIn.connectionCount == 0)
        }
    }

    @Test("a key that a strict budget binds passes nothing through; rates count every call")
    func limits() async throws {
        var plan = Self.plan()
        plan.bounds = [LimitTerms(metric: .cost, mode: .enforce, period: .day, amount: 1_000_000_000)]
        try await GatewayBench.run(plan) { bench in
            let answer = try await Self.call(bench, .get, "/passthrough/mine/models")
            #expect(answer.status == 403)
        }
        plan.bounds = [LimitTerms(metric: .requests, mode: .enforce, period: .day, amount: 2)]
        try await GatewayBench.run(plan) { bench in
            var statuses: [Int] = []
            for _ in 0..<3 {
                statuses.append(try await Self.call(bench, .get, "/passthrough/mine/models").status)
            }
            #expect(statuses.prefix(2).allSatisfy { $0 == 200 } && statuses[2] != 200, "\(statuses)")
        }
    }
}

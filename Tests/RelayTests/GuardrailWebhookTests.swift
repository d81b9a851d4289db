import Contract
import Cryptography
import Domain
import EventLoops
import Feed
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import LocalStore
import Policy
import StandInProvider
import Telemetry
import TestSupport
import Testing
import Transport

@testable import Relay

/// Answers the questions of guardrails as a test says. Lives on the bench's loop.
private final class Judge {
    struct Question {
        let fields: HeaderFields
        let body: [UInt8]
        let json: JSONValue

        var texts: [String] { json["data"]?["texts"]?.array?.compactMap(\.string) ?? [] }
        var type: String? { json["type"]?.string }

        /// Whether the question is signed by a secret, and by nobody else if `alone`.
        func isSigned(by secret: String, alone: Bool = true) -> Bool {
            guard let secret = WebhookSecret(secret), let id = fields["webhook-id"],
                let timestamp = fields["webhook-timestamp"].flatMap({ Int64($0) })
            else { return false }
            let signatures = (fields["webhook-signature"] ?? "").split(separator: " ").map(String.init)
            let own = secret.signature(id: id, timestamp: timestamp, body: body)
            return alone ? signatures == [own] : signatures.contains(own)
        }
    }

    enum Reply {
        case says(JSONValue)
        case raw(status: Int, String)
        /// Never answers.
        case silence
    }

    private(set) var asked: [Question] = []
    private let server: HTTPServer
    let url: String

    init(on loop: EventLoop, _ reply: @escaping (Question) -> Reply) throws {
        var note: (Question) -> Void = { _ in }
        server = HTTPServer(loop: loop) { exchange in
            guard let content = try? await exchange.readBody(limit: 16 << 20) else { return }
            let body = Array(content)
            let names: [StaticString] = [
                "webhook-id", "webhook-timestamp", "webhook-signature", "content-type",
            ]
            var fields = HeaderFields()
            for name in names {
                if let value = exchange.joinedFieldText(name) { fields.append("\(name)", value) }
            }
            let limits = JSONLimits(maximumBytes: 16 << 20)
            let question = Question(
                fields: fields, body: body, json: (try? JSONValue.parse(body, limits: limits)) ?? .null)
            note(question)
            switch reply(question) {
            case .says(let answer):
                try? await exchange.respond(
                    status: 200, fields: ["content-type": "application/json"], body: answer.bytes)
            case .raw(let status, let text): try? await exchange.respond(status: status, text: text)
            case .silence: await loop.sleep(nanoseconds: 5_000_000_000)
            }
        }
        let any = try #require(SocketAddress("127.0.0.1:0"))
        url = "http://\(try server.listen(on: any))/judge"
        note = { [unowned self] in asked.append($0) }
    }

    func end() async { await server.drain(withinNanoseconds: 100_000_000) }
}

@Suite("guardrails of calls that ask a webhook")
struct GuardrailWebhookTests {
    private static let id = GuardrailID(high: 5, low: 6)
    private static let secret = WebhookSecret().text

    /// What a test wants of the guardrail.
    private struct Wish: Sendable {
        var sides = GuardrailSides.input
        var action = GuardrailAction.redact
        var mode = GuardrailMode.enforce
        var onFailure = GuardrailFailure.block
        var timeout: Int32 = 10_000
        var secrets = GuardrailWebhookTests.secret
        var overlapUntil: Timestamp?
        var kind = ProviderKind.openAI
        var isEgressOpen = true
        /// Where the provider is, instead of the stand-in.
        var upstream: String?
    }

    /// A gateway whose tenant has one guardrail, and the judge that it asks.
    private static func run(
        _ wish: Wish = Wish(), _ reply: @escaping @Sendable (Judge.Question) -> Judge.Reply,
        _ body: @escaping @Sendable (GatewayBench, Judge) async throws -> Void
    ) async throws {
        try await GatewayBench.run { try await judged(wish, reply, on: $0, body) }
    }

    private static func judged(
        _ wish: Wish, _ reply: @escaping @Sendable (Judge.Question) -> Judge.Reply, on outer: GatewayBench,
        _ body: @escaping @Sendable (GatewayBench, Judge) async throws -> Void
    ) async throws {
        let judge = try Judge(on: outer.loop, reply)
        let url = try #require(BaseURL(judge.url))
        var plan = GatewayBench.Plan()
        plan.kind = wish.kind
        plan.isEgressOpen = wish.isEgressOpen
        plan.upstreamAddress = wish.upstream
        plan.timeouts = ProviderTimeouts(
            connect: 30_000, firstByte: 60_000, betweenChunks: 60_000, total: 120_000)
        plan.snapshot = { fixture, parts in
            let webhook = GuardrailWebhook(
                url: url, timeout: wish.timeout, onFailure: wish.onFailure, overlapUntil: wish.overlapUntil)
            fixture.content.guardrails = [
                GuardrailEntry(
                    id: id, tenant: parts.tenant, name: "judge",
                    rule: GuardrailRule(kind: .webhook, action: wish.action, webhook: webhook),
                    sides: wish.sides, mode: wish.mode,
                    secret: SealedCredential(
                        Secret(utf8: wish.secrets), of: .guardrail(id), under: fixture.fleetKey))
            ]
        }
        let bench = try await GatewayBench.nested(plan, in: outer)
        do {
            try await body(bench, judge)
        } catch { Issue.record(error) }
        await bench.end()
        await judge.end()
    }

    private static let allow: Judge.Reply = .says(["verdict": "allow"])
    private static let block: Judge.Reply = .says(["verdict": "block"])

    /// Redacts a name.
    private static func redacting(_ question: Judge.Question) -> Judge.Reply {
        let texts = question.texts.map { JSONValue.string($0.replacing("Ada", with: "[name]")) }
        return .says(["verdict": "redact", "texts": .array(texts)])
    }

    private static func mark(_ effect: GuardrailMark.Effect, _ count: UInt16 = 1) -> GuardrailMark {
        GuardrailMark(guardrail: id, effect: effect, count: count)
    }

    @Test("a question is signed, says whose call it is, and the call goes on as the webhook says")
    func asked() async throws {
        try await Self.run(Wish(), { _ in Self.allow }) { bench, judge in
            let said = try await DialectClient.openAI.call(bench, "hi Ada")
            #expect(said.status == 200 && said.text.hasPrefix("You said: hi Ada"))
            let question = try #require(judge.asked.first)
            #expect(question.isSigned(by: Self.secret) && question.texts == ["hi Ada"])
            #expect(question.type == "guardrail.input")
            #expect(question.json["data"]?["guardrail"]?.string == "\(Self.id)")
            #expect(question.json["data"]?["tenant"]?.string == "\(bench.parts.tenant)")
            #expect(question.json["data"]?["key"]?.string == "\(bench.parts.keyID)")
            #expect(question.json["data"]?["model"] == "gpt-test")
            #expect(question.json["data"]?["request"]?.string == said.response.fields["x-request-id"])
            #expect(try await bench.event().marks.isEmpty)
        }
    }

    @Test(
        "what the webhook changes of a request the provider reads; what it refuses nobody reads",
        arguments: [DialectClient.openAI, .anthropic, .gemini, .ollama, .responses], [false, true])
    func requests(_ client: DialectClient, _ stream: Bool) async throws {
        try await Self.run(
            Wish(kind: .anthropic),
            { $0.texts.joined().contains("Eve") ? Self.block : Self.redacting($0) }
        ) { bench, judge in
            let redacted = try await client.call(bench, "hi Ada", stream: stream)
            #expect(redacted.text.hasPrefix("You said: hi [name]"), "\(redacted.response.text)")
            #expect(try await bench.event().marks == [Self.mark(.redacted)])
            let refused = try await client.call(bench, "hi Eve", stream: stream)
            #expect(refused.status == 400 && judge.asked.count == 2)
            #expect(refused.error == "The guardrail 'judge' does not let this request through.")
            #expect(bench.standIn.totals[.calls] == 1)
        }
    }

    @Test(
        "an answer is changed or kept back, whole or in pieces, in any dialect",
        arguments: [DialectClient.openAI, .anthropic, .gemini, .ollama, .responses], [false, true])
    func answers(_ client: DialectClient, _ stream: Bool) async throws {
        try await Self.run(
            Wish(sides: .output),
            { $0.texts.joined().contains("Eve") ? Self.block : Self.redacting($0) }
        ) { bench, judge in
            let redacted = try await client.call(bench, "hi Ada", stream: stream)
            #expect(redacted.status == 200 && redacted.stop != nil, "\(redacted.response.text)")
            #expect(redacted.text.hasPrefix("You said: hi [name]"), "\(redacted.response.text)")
            #expect(judge.asked.map(\.type) == [stream ? "guardrail.output_piece" : "guardrail.output"])
            #expect(try await bench.event().marks == [Self.mark(.redacted)])
            let refused = try await client.call(bench, "hi Eve", stream: stream)
            #expect(refused.status == 400, "\(refused.response.text)")
            #expect(refused.error == "The guardrail 'judge' does not let this answer through.")
            let event = try #require(try await bench.events().last)
            #expect(event.errorCode == "guardrail_blocked" && event.usage.output > 0)
            #expect(event.attempts == 1 && event.marks == [Self.mark(.blocked)])
        }
    }

    /// A provider that streams 3,000 words, and a last one that depends on what it is asked.
    private static func talker(on loop: EventLoop) throws -> (server: HTTPServer, address: String) {
        let server = HTTPServer(loop: loop) { exchange in
            let asked = (try? await exchange.readBody(limit: 1 << 20)).map { Array($0) } ?? []
            let last = String(decoding: asked, as: UTF8.self).contains("Eve") ? "Eve" : "end"
            let words = [String](repeating: "word ", count: 3000) + [last]
            let events = words.map {
                #"data: {"id":"1","choices":[{"index":0,"delta":{"content":"\#($0)"}}]}"#
            }
            let stop = #"data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
            try? await exchange.respond(
                status: 200, fields: ["content-type": "text/event-stream"],
                text: (events + [stop, "data: [DONE]"]).map { $0 + "\n\n" }.joined())
        }
        let any = try #require(SocketAddress("127.0.0.1:0"))
        return (server, "\(try server.listen(on: any))")
    }

    @Test("a long stream is let through piece by piece; one that is refused later ends with an error")
    func longStream() async throws {
        try await GatewayBench.run { outer in
            let talker = try Self.talker(on: outer.loop)
            let wish = Wish(sides: .output, upstream: talker.address)
            let reply: @Sendable (Judge.Question) -> Judge.Reply = {
                $0.texts.joined().contains("Eve") ? Self.block : Self.allow
            }
            try await Self.judged(wish, reply, on: outer) { bench, judge in
                let whole = try await DialectClient.openAI.call(bench, "hi", stream: true)
                #expect(whole.status == 200 && whole.stop != nil)
                #expect(whole.text == String(repeating: "word ", count: 3000) + "end")
                #expect(judge.asked.flatMap(\.texts).joined() == whole.text && judge.asked.count > 2)
                let last = try #require(judge.asked.last?.json["data"])
                #expect(last["is_last"] == true)
                #expect(last["piece"] == .number(JSONNumber(Int64(judge.asked.count - 1))))
                let connection = try await bench.dial()
                let body = DialectClient.openAI.body("Eve", stream: true)
                try await connection.send(bench.rawRequest(body))
                var received: [UInt8] = []
                while try await connection.fill() {
                    received += connection.buffered
                    connection.consume(connection.buffered.count)
                }
                connection.close()
                let text = String(decoding: received, as: UTF8.self)
                #expect(text.contains("word") && !text.contains("Eve") && !text.contains("[DONE]"))
                #expect(text.contains("does not let this answer through"))
            }
            await talker.server.drain(withinNanoseconds: 100_000_000)
        }
    }

    @Test("without an answer, closed keeps the request back and open lets it through")
    func unanswered() async throws {
        let replies: [@Sendable (Judge.Question) -> Judge.Reply] = [
            { _ in .raw(status: 500, "no") }, { _ in .raw(status: 204, "") },
            { _ in .raw(status: 302, "elsewhere") }, { _ in .raw(status: 200, "<html>") },
            { _ in .says(["verdict": "redact", "texts": ["one", "too many"]]) },
            { _ in .raw(status: 200, #"{"verdict":"allow"}"# + String(repeating: " ", count: 70_000)) },
        ]
        for reply in replies {
            try await Self.run(Wish(onFailure: .block), reply) { bench, _ in
                let refused = try await DialectClient.anthropic.call(bench, "hi")
                #expect(refused.status == 503, "\(refused.response.text)")
                #expect(refused.response.fields["x-eclusa-error-code"] == "guardrail_unavailable")
                #expect(refused.response.fields["retry-after"] != nil)
                #expect(refused.error == "The guardrail 'judge' could not be asked about this request.")
                #expect(bench.standIn.totals[.calls] == 0)
                let metrics = bench.metrics.text()
                #expect(
                    metrics.contains(
                        #"eclusa_guardrail_effects_total{kind="webhook",effect="unanswered"} 1"#))
            }
            try await Self.run(Wish(onFailure: .allow), reply) { bench, _ in
                let said = try await DialectClient.anthropic.call(bench, "hi")
                #expect(said.status == 200 && said.text.hasPrefix("You said: hi"))
                #expect(try await bench.event().marks == [Self.mark(.unanswered)])
            }
        }
    }

    @Test("one that is silent is waited for no longer than it may take, and then left alone for a while")
    func silent() async throws {
        try await Self.run(Wish(timeout: 100), { _ in .silence }) { bench, judge in
            for _ in 0..<8 {
                let refused = try await DialectClient.openAI.call(bench, "hi")
                #expect(refused.status == 503)
                #expect(refused.response.fields["x-eclusa-error-code"] == "guardrail_unavailable")
            }
            // Five in a row, and no more: the others did not wait.
            #expect((5..<8).contains(judge.asked.count))
        }
        try await Self.run(Wish(sides: .output, timeout: 100), { _ in .silence }) { bench, _ in
            for stream in [false, true] {
                let refused = try await DialectClient.openAI.call(bench, "hi", stream: stream)
                #expect(refused.status == 503)
                #expect(refused.error == "The guardrail 'judge' could not be asked about this answer.")
            }
            // The provider has answered, and wants its money.
            #expect(try await bench.events().allSatisfy { $0.usage.output > 0 && $0.attempts == 1 })
        }
    }

    @Test("one that observes holds nothing up, though it never answers; what it says is counted")
    func observed() async throws {
        try await Self.run(Wish(sides: .both, mode: .observe), { _ in .silence }) { bench, judge in
            for stream in [false, true] {
                let said = try await DialectClient.openAI.call(bench, "hi", stream: stream)
                #expect(said.status == 200 && said.text.hasPrefix("You said: hi"))
            }
            while judge.asked.count < 4 { await bench.loop.sleep(nanoseconds: 2_000_000) }
            #expect(try await bench.events().allSatisfy { $0.marks.isEmpty })
        }
        try await Self.run(Wish(sides: .input, mode: .observe), { _ in Self.block }) { bench, _ in
            let said = try await DialectClient.openAI.call(bench, "hi")
            #expect(said.status == 200)
            let line = #"eclusa_guardrail_effects_total{kind="webhook",effect="observed"} 1"#
            while !bench.metrics.text().contains(line) { await bench.loop.sleep(nanoseconds: 2_000_000) }
        }
    }

    @Test("while two secrets overlap both sign, and afterwards the new one alone")
    func overlap() async throws {
        let (new, old) = (WebhookSecret().text, WebhookSecret().text)
        let now = SnapshotFixture().now
        for (until, isOld) in [(now.advanced(bySeconds: 60), true), (now, false)] {
            let wish = Wish(secrets: "\(new) \(old)", overlapUntil: until)
            try await Self.run(wish, { _ in Self.allow }) { bench, judge in
                _ = try await DialectClient.openAI.call(bench, "hi")
                let question = try #require(judge.asked.first)
                #expect(question.isSigned(by: new, alone: !isOld))
                #expect(question.isSigned(by: old, alone: false) == isOld)
            }
        }
    }

    @Test("a webhook in a place that the operator does not allow is not asked")
    func egress() async throws {
        var plan = Wish()
        plan.isEgressOpen = false
        try await Self.run(plan, { _ in Self.allow }) { bench, judge in
            let refused = try await DialectClient.openAI.call(bench, "hi")
            #expect(refused.status == 503 && judge.asked.isEmpty)
        }
    }

    @Test("a secret sealed for another guardrail opens nowhere: the snapshot is refused")
    func foreignSecret() throws {
        var (fixture, parts) = SnapshotFixture.small()
        let url = try #require(BaseURL("https://judge.example"))
        fixture.content.guardrails = [
            GuardrailEntry(
                id: Self.id, tenant: parts.tenant, name: "judge",
                rule: GuardrailRule(kind: .webhook, webhook: GuardrailWebhook(url: url)),
                secret: SealedCredential(
                    Secret(utf8: Self.secret), of: .guardrail(GuardrailID(high: 9, low: 9)),
                    under: fixture.fleetKey))
        ]
        let compiled = try CompiledSnapshot(fixture.built())
        #expect(throws: SecretNotOpened.self) {
            try ServingSnapshot(compiled, openingWith: fixture.fleetKey)
        }
    }
}

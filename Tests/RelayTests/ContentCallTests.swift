import Contract
import Domain
import EventLoops
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import Policy
import StandInProvider
import TestSupport
import Testing
import Transport

@testable import Metering
@testable import Relay

@Suite("what is said in calls is kept for tenants that want it")
struct ContentCallTests {
    private static func plan(
        _ percent: UInt8 = 100, _ model: String = "stand-in", kind: ProviderKind = .openAI,
        more: @escaping @Sendable (inout SnapshotFixture, SnapshotFixture.Parts) -> Void = { _, _ in }
    ) -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.model = model
        plan.kind = kind
        plan.snapshot = { fixture, parts in
            fixture.content.tenants = [TenantEntry(id: parts.tenant, contentPercent: percent)]
            more(&fixture, parts)
        }
        return plan
    }

    private static let kinds: [ProviderKind] = [.openAI, .anthropic, .gemini, .ollama]

    private static func left(_ bench: GatewayBench) -> [ContentLog.Entry] {
        bench.contents.take(maximumBytes: .max, maximumCount: .max)
    }

    private static func text(_ said: ContentLog.Said?) -> String {
        String(decoding: said?.bytes ?? [], as: UTF8.self)
    }

    @Test(
        "the request as it came and the whole answer, also of a stream, in any dialect and from any provider",
        arguments: DialectClient.allCases, kinds)
    func both(_ client: DialectClient, _ kind: ProviderKind) async throws {
        try await GatewayBench.run(Self.plan(kind: kind)) { bench in
            for stream in [false, true] {
                let said = try await client.call(bench, "how deep is the lock", stream: stream)
                #expect(said.status == 200 && said.stop != nil, "\(said.response.text)")
                let event = try #require(try await bench.events().last)
                let entries = Self.left(bench)
                let entry = try #require(entries.first)
                #expect(entries.count == 1 && entry.call == event.id && entry.tenant == event.tenant)
                #expect(entry.startedAt == event.startedAt)
                #expect(Self.text(entry.request) == client.body("how deep is the lock", stream: stream))
                // What is kept of a stream reads like the answer to a call without one.
                let answer = try JSONValue.parse(try #require(entry.answer).bytes)
                #expect(answer.text.contains(said.text), "\(answer.text)")
                #expect(entry.answer?.byteCount == entry.answer?.bytes.count)
                if !stream { #expect(Self.text(entry.answer) == said.response.text) }
                #expect(event.ending == .completed && event.usage.output == said.output)
            }
        }
    }

    @Test(
        "of other tenants nothing is kept, and their streams go the straight way", arguments: [false, true])
    func off(_ stream: Bool) async throws {
        try await GatewayBench.run(Self.plan(0)) { bench in
            let said = try await DialectClient.openAI.call(bench, "hi", stream: stream)
            #expect(said.status == 200)
            #expect(Self.left(bench).isEmpty)
        }
    }

    @Test("of a share of calls about so many are kept")
    func share() async throws {
        try await GatewayBench.run(Self.plan(50)) { bench in
            for _ in 0..<200 {
                let answer = try await bench.chat()
                #expect(answer.status == 200)
            }
            // 1 in 10^12 that fewer than 50 or more than 150 are.
            #expect((50...150).contains(Self.left(bench).count))
        }
    }

    @Test("a call that fails keeps what was asked; one that was refused was no call")
    func failures() async throws {
        try await GatewayBench.run(Self.plan(100, "stand-in-error-500")) { bench in
            let failed = try await bench.chat()
            #expect(failed.status == 500)
            let entry = try #require(Self.left(bench).first)
            #expect(Self.text(entry.request) == GatewayBench.body() && entry.answer == nil)
            let refused = try await bench.chat(key: "ek_nobody")
            #expect(refused.status == 401)
            #expect(Self.left(bench).isEmpty)
        }
    }

    @Test("guardrails come first: what they redact is kept redacted, what they keep back is not kept")
    func guarded() async throws {
        let emails = GuardrailRule(kind: .personalData, action: .redact, personalData: [.email])
        let codename = GuardrailRule(kind: .words, action: .block, texts: ["bluebird"])
        let plan = Self.plan { fixture, parts in
            let rules = [(emails, GuardrailSides.both), (codename, .output)]
            fixture.content.guardrails = rules.enumerated().map {
                GuardrailEntry(
                    id: GuardrailID(high: 5, low: UInt64($0.offset)), tenant: parts.tenant,
                    name: "rule \($0.offset)", subject: .tenant, rule: $0.element.0, sides: $0.element.1,
                    mode: .enforce)
            }
        }
        try await GatewayBench.run(plan) { bench in
            for stream in [false, true] {
                _ = try await DialectClient.openAI.call(bench, "I am a@b.co", stream: stream)
                let entry = try #require(Self.left(bench).first)
                #expect(Self.text(entry.request).contains("I am [redacted: email]"))
                #expect(Self.text(entry.answer).contains("You said: I am [redacted: email]"))
                let blocked = try await DialectClient.openAI.call(bench, "of bluebird", stream: stream)
                #expect(blocked.status == 400)
                let kept = Self.left(bench)
                #expect(kept.count == 1 && !Self.text(kept.first?.answer).contains("bluebird"))
            }
        }
    }

    @Test("an answer that is given again is kept with each call", arguments: [false, true])
    func cached(_ stream: Bool) async throws {
        let plan = Self.plan { fixture, _ in
            fixture.content.routes = fixture.content.routes.map {
                RouteEntry(
                    id: $0.id, tenant: $0.tenant, name: $0.name,
                    rules: RouteRules(cache: RouteCache(seconds: 60)), steps: $0.steps)
            }
        }
        try await GatewayBench.run(plan) { bench in
            let first = try await DialectClient.openAI.call(bench, "hi")
            let second = try await DialectClient.openAI.call(bench, "hi", stream: stream)
            #expect(second.response.fields["x-eclusa-cache"] == "hit" && second.text == first.text)
            let kept = Self.left(bench).map { Self.text($0.answer) }
            #expect(kept == [first.response.text, first.response.text])
        }
    }

    @Test("of a long answer the beginning is kept, and its length is known; the client gets all of it")
    func long() async throws {
        let piece = String(repeating: "word ", count: 200)
        let pieces = 120
        let event = #"{"id":"1","choices":[{"index":0,"delta":{"content":"\#(piece)"}}]}"#
        let stream = Array(repeating: "data: \(event)\n\n", count: pieces).joined() + "data: [DONE]\n\n"
        let whole =
            #"{"id":"1","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","#
            + #""content":""#
            + String(repeating: piece, count: pieces) + #""}}]}"#
        try await GatewayBench.run { bench in
            let provider = HTTPServer(loop: bench.loop) { exchange in
                let body = try? await exchange.readBody(limit: 1 << 20)
                let asked = String(
                    decoding: body ?? UnsafeRawBufferPointer(start: nil, count: 0), as: UTF8.self)
                let isStream = asked.contains(#""stream":true"#)
                try? await exchange.respond(
                    status: 200,
                    fields: ["content-type": isStream ? "text/event-stream" : "application/json"],
                    text: isStream ? stream : whole)
            }
            var plan = Self.plan()
            plan.upstreamAddress = "\(try provider.listen(on: try #require(SocketAddress("127.0.0.1:0"))))"
            let gateway = try await GatewayBench.nested(plan, in: bench)
            for isStream in [false, true] {
                let said = try await DialectClient.openAI.call(gateway, "hi", stream: isStream)
                #expect(said.text.utf8.count == piece.utf8.count * pieces)
                let answer = try #require(Self.left(gateway).first?.answer)
                #expect(answer.byteCount > 120_000 && answer.bytes.count < 80_000)
                #expect(Self.text(answer).contains(piece + piece))
            }
            await gateway.end()
            await provider.drain(withinNanoseconds: 1_000_000_000)
        }
    }

    @Test("a form with files, a sound and vectors are not kept; their calls are")
    func otherKinds() async throws {
        try await GatewayBench.run(Self.plan()) { bench in
            let vectors = try await bench.post(
                "/v1/embeddings", #"{"model":"gpt-test","input":"hi"}"#,
                fields: ["authorization": "Bearer \(bench.key)"])
            #expect(vectors.status == 200, "\(vectors.text)")
            let entry = try #require(Self.left(bench).first)
            #expect(Self.text(entry.request).contains(#""input":"hi""#) && entry.answer == nil)
        }
    }
}

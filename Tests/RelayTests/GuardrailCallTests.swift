import Contract
import Domain
import EventLoops
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

@Suite("guardrails of calls")
struct GuardrailCallTests {
    static let id = GuardrailID(high: 5, low: 6)

    /// A tenant with one guardrail.
    private static func plan(
        _ rule: GuardrailRule, _ sides: GuardrailSides = .both, mode: GuardrailMode = .enforce,
        subject: @escaping @Sendable (SnapshotFixture.Parts) -> GuardrailSubject = { _ in .tenant },
        kind: ProviderKind = .openAI
    ) -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.kind = kind
        plan.snapshot = { fixture, parts in
            fixture.content.guardrails = [
                GuardrailEntry(
                    id: id, tenant: parts.tenant, name: "house rule", subject: subject(parts), rule: rule,
                    sides: sides, mode: mode)
            ]
        }
        return plan
    }

    private static let emails = GuardrailRule(kind: .personalData, action: .redact, personalData: [.email])
    private static let codename = GuardrailRule(kind: .words, action: .block, texts: ["bluebird"])
    private static let kinds: [ProviderKind] = [.openAI, .anthropic, .gemini, .ollama]

    @Test(
        "a request is refused in its dialect, and no provider hears of it", arguments: DialectClient.allCases)
    func blockedInput(_ client: DialectClient) async throws {
        try await GatewayBench.run(Self.plan(Self.codename, .input)) { bench in
            for stream in [false, true] {
                let said = try await client.call(bench, "tell me of bluebird", stream: stream)
                #expect(said.status == 400)
                #expect(said.error == "The guardrail 'house rule' does not let this request through.")
                #expect(said.response.fields["x-eclusa-error-code"] == "guardrail_blocked")
                #expect(!said.response.text.contains("bluebird"))
            }
            #expect(bench.standIn.totals[.calls] == 0)
            #expect(try await bench.events().isEmpty)
            let metrics = bench.metrics.text()
            #expect(
                metrics.contains(#"eclusa_guardrail_effects_total{kind="words",effect="blocked"} 2"#))
        }
    }

    @Test(
        "what is redacted of a request the provider never reads", arguments: DialectClient.allCases, kinds)
    func redactedInput(_ client: DialectClient, _ kind: ProviderKind) async throws {
        try await GatewayBench.run(Self.plan(Self.emails, .input, kind: kind)) { bench in
            for stream in [false, true] {
                let said = try await client.call(bench, "I am a@b.co", stream: stream)
                // The stand-in repeats what it reads.
                #expect(said.text.hasPrefix("You said: I am [redacted: email]"), "\(said.response.text)")
            }
            let events = try await bench.events()
            #expect(events.count == 2)
            #expect(
                events.allSatisfy {
                    $0.marks == [GuardrailMark(guardrail: Self.id, effect: .redacted, count: 1)]
                        && $0.costState == .settled
                })
        }
    }

    @Test(
        "an answer is redacted, whole or in pieces, in any dialect", arguments: DialectClient.allCases, kinds)
    func redactedOutput(_ client: DialectClient, _ kind: ProviderKind) async throws {
        try await GatewayBench.run(Self.plan(Self.emails, .output, kind: kind)) { bench in
            for stream in [false, true] {
                let said = try await client.call(bench, "I am a@b.co", stream: stream)
                #expect(said.status == 200 && said.stop != nil, "\(said.response.text)")
                #expect(said.text.hasPrefix("You said: I am [redacted: email]"), "\(said.response.text)")
                let event = try await bench.events().last
                #expect(event?.marks.map(\.effect) == [.redacted])
                #expect(event?.usage.output == said.output && event?.ending == .completed)
            }
        }
    }

    @Test("an answer that must not be given is kept back, and billed all the same", arguments: kinds)
    func blockedOutput(_ kind: ProviderKind) async throws {
        try await GatewayBench.run(Self.plan(Self.codename, .output, kind: kind)) { bench in
            for client in [DialectClient.openAI, .anthropic, .gemini, .ollama, .responses] {
                let said = try await client.call(bench, "of bluebird")
                #expect(said.status == 400)
                #expect(said.error == "The guardrail 'house rule' does not let this answer through.")
                #expect(!said.response.text.contains("bluebird"))
                let event = try #require(try await bench.events().last)
                #expect(event.errorCode == "guardrail_blocked" && event.usage.output > 0)
                #expect(event.attempts == 1 && event.marks.map(\.effect) == [.blocked])
            }
        }
    }

    @Test("a stream that says too much is stopped: before its first byte by a status, later by an error")
    func stoppedStream() async throws {
        try await GatewayBench.run(Self.plan(Self.codename, .output)) { bench in
            let early = try await DialectClient.openAI.call(bench, "bluebird", stream: true)
            #expect(early.status == 400 && !early.response.text.contains("bluebird"))
        }
        let pieces = [String](repeating: "word ", count: 400) + ["blue", "bird", " flies"]
        let answer = pieces.map { #"data: {"id":"1","choices":[{"index":0,"delta":{"content":"\#($0)"}}]}"# }
        try await GatewayBench.run { bench in
            let provider = HTTPServer(loop: bench.loop) { exchange in
                _ = try? await exchange.readBody(limit: 1 << 20)
                try? await exchange.respond(
                    status: 200, fields: ["content-type": "text/event-stream"],
                    text: (answer + ["data: [DONE]"]).map { $0 + "\n\n" }.joined())
            }
            let any = try #require(SocketAddress("127.0.0.1:0"))
            var plan = Self.plan(Self.codename, .output)
            plan.upstreamAddress = "\(try provider.listen(on: any))"
            let gateway = try await GatewayBench.nested(plan, in: bench)
            let connection = try await gateway.dial()
            try await connection.send(gateway.rawRequest(GatewayBench.body(stream: true)))
            var received: [UInt8] = []
            while try await connection.fill() {
                received += connection.buffered
                connection.consume(connection.buffered.count)
            }
            let answer = String(decoding: received, as: UTF8.self)
            connection.close()
            #expect(answer.contains("d wor"))  // as the window let it go
            #expect(!answer.contains("blue") && !answer.contains("[DONE]"))
            #expect(answer.contains("does not let this answer through"))
            let event = try await gateway.event()
            #expect(event.errorCode == "guardrail_blocked" && event.marks.map(\.effect) == [.blocked])
            await gateway.end()
            await provider.drain(withinNanoseconds: 100_000_000)
        }
    }

    @Test("one that observes lets everything through as it came, and counts", arguments: [false, true])
    func observed(_ stream: Bool) async throws {
        try await GatewayBench.run(Self.plan(Self.codename, mode: .observe)) { bench in
            let said = try await DialectClient.openAI.call(bench, "of bluebird", stream: stream)
            #expect(said.status == 200 && said.text.contains("bluebird"))
            let event = try await bench.event()
            #expect(event.marks == [GuardrailMark(guardrail: Self.id, effect: .observed, count: 2)])
        }
    }

    @Test("one looks at the calls of its subject alone")
    func subjects() async throws {
        let rows: [(@Sendable (SnapshotFixture.Parts) -> GuardrailSubject, Int)] = [
            ({ .key($0.keyID) }, 400), ({ .route($0.route) }, 400), ({ .workspace($0.workspace) }, 400),
            ({ _ in .key(KeyID(high: 1, low: 1)) }, 200), ({ _ in .route(RouteID(high: 1, low: 1)) }, 200),
            ({ _ in .workspace(WorkspaceID(high: 1, low: 1)) }, 200),
        ]
        for (subject, status) in rows {
            try await GatewayBench.run(Self.plan(Self.codename, subject: subject)) { bench in
                let said = try await DialectClient.openAI.call(bench, "bluebird")
                #expect(said.status == status)
            }
        }
    }

    @Test("streams that can only be guarded as a whole are refused, and whole ones are guarded")
    func completions() async throws {
        try await GatewayBench.run(Self.plan(Self.emails, .output)) { bench in
            let fields: HeaderFields = ["authorization": "Bearer \(bench.key)"]
            let stream = try await bench.post(
                "/v1/completions", #"{"model":"gpt-test","prompt":"hi","stream":true}"#, fields: fields)
            #expect(stream.status == 400 && stream.text.contains("only as a whole"), "\(stream.text)")
        }
    }
}

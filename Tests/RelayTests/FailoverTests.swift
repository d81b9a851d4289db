import Contract
import Cryptography
import Domain
import HTTPCalling
import HTTPWire
import JSONText
import StandInProvider
import TestSupport
import Testing
import Transport

@testable import Relay

@Suite("another attempt, and when there is none")
struct FailoverTests {
    /// A route to these models of the stand-in, tried in this order.
    static func plan(_ models: [String], kinds: [ProviderKind] = [.openAI]) -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, parts in
            let provider = fixture.content.providers[0]
            let base = provider.baseURL.description
            let root = String(base.dropLast("/v1".count))
            var targets: [TargetEntry] = []
            for (index, model) in models.enumerated() {
                let kind = kinds[index % kinds.count]
                let id = fixture.addProvider(kind: kind, baseURL: kind == .openAI ? base : root)
                targets.append(
                    TargetEntry(
                        provider: id, model: parts.model, upstreamModel: model, priority: Int32(index)))
            }
            fixture.content.routes = fixture.content.routes.map {
                RouteEntry(id: $0.id, tenant: $0.tenant, name: $0.name, targets: targets)
            }
            fixture.content.providers = fixture.content.providers.map {
                ProviderEntry(
                    id: $0.id, tenant: $0.tenant, kind: $0.kind, baseURL: $0.baseURL,
                    credentials: $0.credentials,
                    timeouts: ProviderTimeouts(connect: 500, firstByte: 400, betweenChunks: 2000, total: 9000)
                )
            }
        }
        return plan
    }

    static let passing = [
        "stand-in-error-429", "stand-in-error-500", "stand-in-error-502", "stand-in-error-503",
        "stand-in-error-529", "stand-in-error-401", "stand-in-reset", "stand-in-hang",
    ]

    @Test("what one target fails at, the next one does", arguments: passing, [false, true])
    func next(_ model: String, _ stream: Bool) async throws {
        try await GatewayBench.run(Self.plan([model, "stand-in"])) { bench in
            let said = try await DialectClient.openAI.call(bench, "hi", stream: stream)
            #expect(said.status == 200 && said.text.hasPrefix("You said: hi"), "\(said.response.text)")
            #expect(said.response.fields["x-eclusa-attempts"] == "2")
            let event = try await bench.event()
            #expect(event.attempts == 2 && event.ending == .completed && event.usage.input == said.input)
        }
    }

    static let wholes = ["stand-in-cut", "stand-in-malformed", "stand-in-lying-length"]

    @Test("an answer that broke before anything was passed on is asked for again", arguments: wholes)
    func broken(_ model: String) async throws {
        try await GatewayBench.run(Self.plan([model, "stand-in"], kinds: [.openAI, .anthropic])) { bench in
            let said = try await DialectClient.openAI.call(bench, "hi")
            #expect(said.status == 200 && said.text.hasPrefix("You said: hi"), "\(said.response.text)")
            #expect(try await bench.event().attempts == 2)
        }
    }

    @Test("the next target may speak another dialect", arguments: DialectClient.allCases)
    func dialects(_ client: DialectClient) async throws {
        let kinds: [ProviderKind] = [.anthropic, .gemini, .openAI]
        let plan = Self.plan(["stand-in-error-500", "stand-in-error-503", "stand-in"], kinds: kinds)
        try await GatewayBench.run(plan) { bench in
            for stream in [false, true] {
                let said = try await client.call(bench, "hi", stream: stream)
                #expect(said.status == 200 && said.text.hasPrefix("You said: hi"), "\(said.response.text)")
                #expect(said.response.fields["x-eclusa-attempts"] == "3")
            }
        }
    }

    @Test("what is wrong with the request is wrong everywhere", arguments: [400, 404, 413, 422])
    func refused(_ status: Int) async throws {
        try await GatewayBench.run(Self.plan(["stand-in-error-\(status)", "stand-in"])) { bench in
            let said = try await DialectClient.openAI.call(bench, "hi")
            #expect(said.status == status)
            #expect(try await bench.event().attempts == 1)
        }
    }

    @Test("a stream that has begun is not begun again")
    func begun() async throws {
        try await GatewayBench.run(Self.plan(["stand-in-chunks-10-error-event", "stand-in"])) { bench in
            let connection = try await bench.dial()
            try await connection.send(bench.rawRequest(GatewayBench.body(stream: true)))
            while try await connection.fill() {}
            let text = String(decoding: connection.buffered, as: UTF8.self)
            connection.close()
            #expect(text.contains("The stand-in broke") && !text.contains("[DONE]"))
            let event = try await bench.event()
            #expect(event.attempts == 1 && event.ending == .providerError)
            #expect(bench.standIn.totals[.calls] == 1)
        }
    }

    @Test("a target that fails is left alone, and an outage makes few extra attempts")
    func outage() async throws {
        try await GatewayBench.run(Self.plan(["stand-in-error-500", "stand-in"])) { bench in
            for _ in 0..<100 {
                let said = try await DialectClient.openAI.call(bench, "hi")
                #expect(said.status == 200)
            }
            // Five failures open the breaker; after its rest single calls look whether it is well again.
            let extra = bench.standIn.totals[.calls] - 100
            #expect((5...8).contains(extra))
        }
        try await GatewayBench.run(Self.plan(["stand-in-error-500", "stand-in-error-502"])) { bench in
            for _ in 0..<100 {
                let said = try await DialectClient.openAI.call(bench, "hi")
                #expect(said.status >= 500)
            }
            #expect(bench.standIn.totals[.calls] <= 120)
        }
    }

    @Test(
        "targets kept for long prompts, or for refused contents, answer those",
        arguments: [
            ("stand-in-error-400-long", TargetUse.contextWindow),
            ("stand-in-error-400-policy", .contentPolicy),
        ])
    func kept(_ model: String, _ use: TargetUse) async throws {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, parts in
            fixture.content.routes = fixture.content.routes.map {
                RouteEntry(
                    id: $0.id, tenant: $0.tenant, name: $0.name,
                    targets: [
                        TargetEntry(provider: parts.provider, model: parts.model, upstreamModel: model),
                        TargetEntry(
                            provider: parts.provider, model: parts.model, upstreamModel: "stand-in",
                            terms: TargetTerms(use: use)),
                    ])
            }
        }
        try await GatewayBench.run(plan) { bench in
            for stream in [false, true] {
                let said = try await DialectClient.openAI.call(bench, "hi", stream: stream)
                #expect(said.status == 200, "\(said.response.text)")
                #expect(said.response.fields["x-eclusa-model"] == "stand-in")
                #expect(said.response.fields["x-eclusa-attempts"] == "2")
            }
        }
    }

    @Test("a target sets members of the body, in any dialect", arguments: [DialectClient.openAI, .anthropic])
    func parameters(_ client: DialectClient) async throws {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, parts in
            fixture.content.routes = fixture.content.routes.map {
                RouteEntry(
                    id: $0.id, tenant: $0.tenant, name: $0.name,
                    targets: [
                        TargetEntry(
                            provider: parts.provider, model: parts.model, upstreamModel: "stand-in",
                            terms: TargetTerms(parameters: [
                                TargetParameter(name: "reasoning_effort", json: "\"high\""),
                                TargetParameter(name: "temperature", json: "null"),
                            ]))
                    ])
            }
        }
        try await GatewayBench.run(plan) { bench in
            for stream in [false, true] {
                let said = try await client.call(bench, "hi", stream: stream)
                #expect(said.status == 200 && said.thought.contains("Let me think"), "\(said.response.text)")
                let event = try await bench.events().last
                #expect(event?.costState == .settled && event?.usage.output == said.output)
            }
        }
    }

    @Test("calls of one session go to one target")
    func session() async throws {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, parts in
            fixture.content.routes = fixture.content.routes.map {
                RouteEntry(
                    id: $0.id, tenant: $0.tenant, name: $0.name, rules: RouteRules(strategy: .affinity),
                    targets: (1...4).map { number in
                        TargetEntry(
                            provider: parts.provider, model: ModelID(at: fixture.now),
                            upstreamModel: "stand-in-chunks-\(number)")
                    })
            }
        }
        try await GatewayBench.run(plan) { bench in
            var models: Set<String> = []
            for session in 0..<12 {
                var seen: Set<String> = []
                for _ in 0..<4 {
                    let answer = try await bench.chat(fields: ["x-eclusa-session": "s\(session)"])
                    seen.insert(answer.fields["x-eclusa-model"] ?? "")
                }
                #expect(seen.count == 1)
                models.formUnion(seen)
            }
            #expect(models.count > 1)
        }
    }

    @Test("a credential that is refused rests, and another one serves")
    func credentials() async throws {
        var plan = GatewayBench.Plan()
        plan.standInKey = "sk-good"
        plan.snapshot = { fixture, _ in
            let key = fixture.fleetKey
            fixture.content.providers = fixture.content.providers.map { provider in
                let entries = ["sk-bad", "sk-good"].map { secret in
                    CredentialEntry(
                        id: CredentialID(at: .epoch),
                        sealed: SealedCredential(Secret(utf8: secret), of: provider.id, under: key))
                }
                return ProviderEntry(
                    id: provider.id, tenant: nil, kind: .openAI, baseURL: provider.baseURL,
                    credentials: entries)
            }
        }
        try await GatewayBench.run(plan) { bench in
            var attempts = 0
            for _ in 0..<20 {
                let said = try await DialectClient.openAI.call(bench, "hi")
                #expect(said.status == 200, "\(said.response.text)")
                attempts += Int(said.response.fields["x-eclusa-attempts"] ?? "") ?? 0
            }
            #expect(attempts == 21)
        }
    }
}

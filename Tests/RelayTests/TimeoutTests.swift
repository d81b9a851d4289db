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

@Suite("how long a call waits, and for what")
struct TimeoutTests {
    /// The plan of `FailoverTests`, with timeouts of the route's own.
    private static func plan(
        _ models: [String], _ timeouts: RouteTimeouts, kinds: [ProviderKind] = [.openAI]
    ) -> GatewayBench.Plan {
        var plan = FailoverTests.plan(models, kinds: kinds)
        let make = plan.snapshot
        plan.snapshot = { fixture, parts in
            make?(&fixture, parts)
            fixture.content.routes = fixture.content.routes.map {
                RouteEntry(
                    id: $0.id, tenant: $0.tenant, name: $0.name, rules: RouteRules(timeouts: timeouts),
                    steps: $0.steps)
            }
        }
        return plan
    }

    private static let kinds: [ProviderKind] = [.openAI, .anthropic, .gemini, .ollama]
    private static let clients: [DialectClient] = [.openAI, .responses, .anthropic, .gemini, .ollama]

    @Test(
        "a stream that announces an answer and then says nothing is asked for elsewhere",
        arguments: clients, kinds)
    func firstToken(_ client: DialectClient, _ kind: ProviderKind) async throws {
        let timeouts = RouteTimeouts(firstByte: 5000, firstToken: 250)
        let plan = Self.plan(["stand-in-gap-2000ms", "stand-in"], timeouts, kinds: [kind])
        try await GatewayBench.run(plan) { bench in
            let said = try await client.call(bench, "hi", stream: true)
            #expect(said.status == 200 && said.text.hasPrefix("You said: hi"), "\(said.response.text)")
            #expect(said.stop != nil && said.response.fields["x-eclusa-attempts"] == "2")
            let event = try await bench.event()
            #expect(event.attempts == 2 && event.ending == .completed && event.costState == .settled)
        }
    }

    @Test("where there is no other target, the client hears of it as an error with a status of its own")
    func noToken() async throws {
        let plan = Self.plan(["stand-in-gap-2000ms"], RouteTimeouts(firstByte: 5000, firstToken: 250))
        try await GatewayBench.run(plan) { bench in
            let said = try await DialectClient.openAI.call(bench, "hi", stream: true)
            #expect(said.status == 504 && said.text.isEmpty)
            #expect(said.response.fields["x-eclusa-error-code"] == "upstream_timeout")
            #expect(try await bench.event().ending == .timedOut)
        }
    }

    @Test("once the first token is there, only the time between two pieces counts", arguments: kinds)
    func token(_ kind: ProviderKind) async throws {
        let timeouts = RouteTimeouts(firstByte: 5000, firstToken: 2000, betweenChunks: 4000)
        let plan = Self.plan(["stand-in-chunks-8-gap-300ms"], timeouts, kinds: [kind])
        try await GatewayBench.run(plan) { bench in
            for client in [DialectClient.openAI, .anthropic] {
                let said = try await client.call(bench, "hi", stream: true)
                #expect(said.status == 200 && said.stop != nil, "\(said.response.text)")
            }
        }
    }

    @Test("an answer without any token is passed on as it is")
    func empty() async throws {
        let answer = [
            #"data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            #"data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":null}]}"#,
            #"data: {"id":"1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":0,"total_tokens":3}}"#,
            "data: [DONE]",
        ]
        try await GatewayBench.run { bench in
            let provider = HTTPServer(loop: bench.loop) { exchange in
                _ = try? await exchange.readBody(limit: 1 << 20)
                try? await exchange.respond(
                    status: 200, fields: ["content-type": "text/event-stream"],
                    text: answer.map { $0 + "\n\n" }.joined())
            }
            let any = try #require(SocketAddress("127.0.0.1:0"))
            var plan = Self.plan(["stand-in"], RouteTimeouts(firstToken: 2000))
            plan.upstreamAddress = "\(try provider.listen(on: any))"
            let gateway = try await GatewayBench.nested(plan, in: bench)
            let said = try await gateway.chat(stream: true, usage: true)
            #expect(said.status == 200)
            let events = said.text.split(separator: "\n\n")
            #expect(events.count == 4 && events[0] == answer[0] && events[1] == answer[1])
            #expect(events[2].contains(#""x_eclusa":{"cost""#) && events[3] == answer[3])
            await gateway.end()
            await provider.drain(withinNanoseconds: 100_000_000)
        }
    }

    @Test("the time for the whole call counts over all attempts")
    func total() async throws {
        let timeouts = RouteTimeouts(firstByte: 400, total: 600)
        try await GatewayBench.run(Self.plan(["stand-in-hang", "stand-in-hang", "stand-in"], timeouts)) {
            bench in
            let begun = bench.loop.now
            let said = try await DialectClient.openAI.call(bench, "hi")
            #expect(said.status == 504)
            #expect(try await bench.event().attempts == 2)
            #expect(bench.loop.now - begun < 15_000_000_000)
        }
    }
}

@Suite("accounts and budgets that bear no more")
struct BudgetUseTests {
    /// A route to a model, and to another one that is kept for budgets and costs a hundredth.
    private static func plan(_ model: String) -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, parts in
            let (cheap, _) = fixture.addModel()
            fixture.content.prices = fixture.content.prices.map { price in
                guard price.model == cheap, let rates = PriceRates(input: 10_000_000, output: 20_000_000)
                else { return price }
                return PriceEntry(
                    id: price.id, model: cheap, tenant: nil, effectiveFrom: .epoch, rates: rates)
            }
            fixture.content.routes = fixture.content.routes.map {
                RouteEntry(
                    id: $0.id, tenant: $0.tenant, name: $0.name,
                    targets: [
                        TargetEntry(provider: parts.provider, model: parts.model, upstreamModel: model),
                        TargetEntry(
                            provider: parts.provider, model: cheap, upstreamModel: "stand-in",
                            terms: TargetTerms(use: .budget)),
                    ])
            }
        }
        return plan
    }

    @Test(
        "an account at a provider that is used up is answered by the target kept for budgets",
        arguments: ["stand-in-error-402", "stand-in-error-429-quota"], [false, true])
    func account(_ model: String, _ stream: Bool) async throws {
        try await GatewayBench.run(Self.plan(model)) { bench in
            let said = try await DialectClient.openAI.call(bench, "hi", stream: stream)
            #expect(said.status == 200, "\(said.response.text)")
            #expect(said.response.fields["x-eclusa-model"] == "stand-in")
            #expect(try await bench.event().attempts == 2)
        }
    }

    @Test("a rate limit of the provider is no used up account")
    func rate() async throws {
        try await GatewayBench.run(Self.plan("stand-in-error-429")) { bench in
            let said = try await DialectClient.openAI.call(bench, "hi")
            #expect(said.status == 429)
        }
    }

    @Test("a budget of ours that does not bear the usual target sends the call to the one kept for that")
    func budget() async throws {
        var plan = Self.plan("stand-in-chunks-3")
        // A call of 50 tokens of output costs some 200 micro-dollars at the usual target.
        plan.bounds = [LimitTerms(metric: .cost, mode: .enforce, period: .day, amount: 300_000)]
        plan.patienceNanoseconds = 60_000_000_000
        try await GatewayBench.run(plan) { bench in
            let body =
                #"{"model":"gpt-test","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#
            var models: [String] = []
            for _ in 0..<12 {
                let answer = try await bench.chat(body)
                #expect(answer.status == 200, "\(answer.text)")
                models.append(answer.fields["x-eclusa-model"] ?? "")
            }
            #expect(models.first == "stand-in-chunks-3" && models.last == "stand-in")
            #expect(models == models.sorted(by: >))
            let spent = try await bench.events().reduce(0) { $0 + $1.cost.nanos }
            #expect(spent <= 300_000)
        }
    }
}

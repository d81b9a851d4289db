import Contract
import Domain
import EventLoops
import Feed
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import LocalStore
import Policy
import Routing
import StandInProvider
import Telemetry
import TestSupport
import Testing
import Transport

@testable import Relay

@Suite("a second target beside the first, and copies")
struct HedgingTests {
    /// A route to these models in this order, hedged after so many milliseconds.
    private static func plan(
        _ models: [String], after milliseconds: Int32, kinds: [ProviderKind] = [.openAI],
        uses: [TargetUse] = [], bounds: [LimitTerms] = [], percentile: Int32 = 0
    ) -> GatewayBench.Plan {
        var plan = FailoverTests.plan(models, kinds: kinds)
        plan.bounds = bounds
        plan.patienceNanoseconds = 60_000_000_000
        let make = plan.snapshot
        plan.snapshot = { fixture, parts in
            make?(&fixture, parts)
            let retries = RetryRules(
                attempts: 3, attemptsPerTarget: 2, backoff: 0, hedgeAfter: milliseconds,
                hedgePercentile: percentile)
            fixture.content.routes = fixture.content.routes.map { route in
                RouteEntry(
                    id: route.id, tenant: route.tenant, name: route.name,
                    rules: RouteRules(
                        retries: retries, timeouts: RouteTimeouts(firstByte: 5000, total: 9000)),
                    targets: route.targets.enumerated().map { index, target in
                        guard index < uses.count, uses[index] != .traffic else { return target }
                        return TargetEntry(
                            provider: target.provider, model: target.model,
                            upstreamModel: target.upstreamModel,
                            terms: TargetTerms(weight: 1000, use: uses[index]))
                    })
            }
        }
        return plan
    }

    private static func count(_ name: String, _ bench: GatewayBench) -> String? {
        let line = bench.metrics.text().split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line.map { String($0.dropFirst(name.count + 1)) }
    }

    @Test(
        "when the first target is slow, the second one answers; the first is left, and billed by an estimate",
        arguments: [ProviderKind.openAI, .anthropic], [false, true])
    func slow(_ kind: ProviderKind, _ stream: Bool) async throws {
        let plan = Self.plan(["stand-in-delay-3000ms", "stand-in"], after: 100, kinds: [.openAI, kind])
        try await GatewayBench.run(plan) { bench in
            let begun = bench.loop.now
            let said = try await DialectClient.openAI.call(bench, "hi", stream: stream)
            #expect(said.status == 200 && said.text.hasPrefix("You said: hi"), "\(said.response.text)")
            #expect(said.response.fields["x-eclusa-attempts"] == "2")
            #expect(said.response.fields["x-eclusa-model"] == "stand-in")
            #expect(bench.loop.now - begun < 2_900_000_000)
            let events = try await bench.events()
            #expect(events.map(\.purpose).sorted { $0.rawValue < $1.rawValue } == [.call, .hedge])
            let call = try #require(events.first { $0.purpose == .call })
            let left = try #require(events.first { $0.purpose == .hedge })
            #expect(call.costState == .settled && call.usage.output == said.output)
            #expect(left.costState == .estimated && left.usage.output == call.usage.output)
            #expect(left.cost > .zero && left.id != call.id && left.provider != call.provider)
            #expect(Self.count("eclusa_hedges_total", bench) == "1")
        }
    }

    @Test("by a percentile, a second target is asked once the first one's own times say that it is late")
    func percentile() async throws {
        let plan = Self.plan(["stand-in-delay-1500ms", "stand-in"], after: 0, percentile: 95)
        try await GatewayBench.run(plan) { bench in
            // Nobody knows yet how long it takes.
            let alone = try await bench.chat()
            #expect(alone.status == 200 && alone.fields["x-eclusa-attempts"] == "1")
            let serving = try #require(bench.gateway.live.current)
            let route = try #require(serving.compiled.tenant(bench.parts.tenant)?.route(named: "gpt-test"))
            let first = try #require(
                bench.gateway.upstreams.upstream(route.targets[0], of: route, in: serving))
            for _ in 1..<FirstByteTimes.minimumCount {
                first.state.firstBytes?.observe(nanoseconds: 30_000_000)
            }
            // One of twenty took long, which is above the percentile.
            #expect(first.state.firstBytes?.percentile(95) == 30_000_000)
            let begun = bench.loop.now
            let hedged = try await bench.chat()
            #expect(hedged.status == 200 && hedged.fields["x-eclusa-attempts"] == "2")
            #expect(hedged.fields["x-eclusa-model"] == "stand-in")
            #expect(bench.loop.now - begun >= 30_000_000)
            #expect(Self.count("eclusa_hedges_total", bench) == "1")
        }
    }

    @Test("the fixed time is the least that is waited, whatever the percentile says")
    func floor() async throws {
        let plan = Self.plan(["stand-in-delay-300ms", "stand-in"], after: 60_000, percentile: 50)
        try await GatewayBench.run(plan) { bench in
            let serving = try #require(bench.gateway.live.current)
            let route = try #require(serving.compiled.tenant(bench.parts.tenant)?.route(named: "gpt-test"))
            let first = try #require(
                bench.gateway.upstreams.upstream(route.targets[0], of: route, in: serving))
            for _ in 0..<30 { first.state.firstBytes?.observe(nanoseconds: 1_000_000) }
            let answer = try await bench.chat()
            #expect(answer.status == 200 && answer.fields["x-eclusa-attempts"] == "1")
        }
    }

    @Test("a target that answers in time is asked alone")
    func quick() async throws {
        try await GatewayBench.run(Self.plan(["stand-in", "stand-in-chunks-2"], after: 2000)) { bench in
            for stream in [false, true] {
                let said = try await DialectClient.openAI.call(bench, "hi", stream: stream)
                #expect(said.status == 200 && said.response.fields["x-eclusa-attempts"] == "1")
            }
            #expect(try await bench.events().map(\.purpose) == [.call, .call])
        }
    }

    @Test("the first target's answer counts when it comes first after all, or alone")
    func first() async throws {
        for second in ["stand-in-delay-3000ms", "stand-in-error-500", "stand-in-reset"] {
            try await GatewayBench.run(Self.plan(["stand-in-delay-400ms", second], after: 100)) { bench in
                let said = try await DialectClient.openAI.call(bench, "hi")
                #expect(said.status == 200, "\(said.response.text)")
                #expect(said.response.fields["x-eclusa-model"] == "stand-in-delay-400ms")
                #expect(said.response.fields["x-eclusa-attempts"] == "2")
                // Only one that was still at work may charge.
                let isAtWork = second == "stand-in-delay-3000ms"
                #expect(try await bench.events().count == (isAtWork ? 2 : 1))
            }
        }
    }

    @Test("when both fail, the call goes on as after any failure")
    func bothFail() async throws {
        let models = ["stand-in-delay-300ms-error-500", "stand-in-error-502", "stand-in"]
        try await GatewayBench.run(Self.plan(models, after: 100)) { bench in
            let said = try await DialectClient.openAI.call(bench, "hi")
            #expect(said.status == 200 && said.response.fields["x-eclusa-attempts"] == "3")
            #expect(try await bench.events().map(\.purpose) == [.call])
        }
    }

    @Test("a client that leaves ends both attempts")
    func clientGone() async throws {
        try await GatewayBench.run(Self.plan(["stand-in-hang", "stand-in-hang"], after: 50)) { bench in
            let client = try await bench.dial()
            try await client.send(bench.rawRequest(GatewayBench.body()))
            while bench.standIn.totals[.calls] < 2 { await bench.loop.sleep(nanoseconds: 5_000_000) }
            client.close()
            while bench.gateway.callsInFlight > 0 { await bench.loop.sleep(nanoseconds: 5_000_000) }
            var events = try await bench.events()
            while !events.contains(where: { $0.purpose == .call }) {
                await bench.loop.sleep(nanoseconds: 5_000_000)
                events = try await bench.events()
            }
            #expect(events.first { $0.purpose == .call }?.ending == .clientGone)
        }
    }

    @Test("second targets are bounded like all extra attempts: a slow target does not double the calls")
    func budget() async throws {
        try await GatewayBench.run(Self.plan(["stand-in-delay-60ms", "stand-in"], after: 5)) { bench in
            for _ in 0..<100 {
                let answer = try await bench.chat()
                #expect(answer.status == 200)
            }
            #expect((100...121).contains(bench.standIn.totals[.calls]))
        }
    }

    @Test("both attempts are held against a strict budget before the first is dialled")
    func held() async throws {
        let body = #"{"model":"gpt-test","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#
        let worst = (Int64(body.utf8.count) + 2 * 50) * 1000
        for (amount, status) in [(2 * worst - 1, 402), (2 * worst, 200)] {
            let bound = LimitTerms(metric: .cost, mode: .enforce, period: .day, amount: amount)
            let plan = Self.plan(["stand-in-delay-400ms", "stand-in"], after: 50, bounds: [bound])
            try await GatewayBench.run(plan) { bench in
                let answer = try await bench.chat(body)
                #expect(answer.status == status)
                guard status == 200 else { return }
                let spent = try await bench.events().reduce(0) { $0 + $1.cost.nanos }
                let row = try #require(await bench.outbox.heldGrants()?.first)
                #expect(row.spent == spent && spent <= amount)
            }
        }
    }

    // MARK: Copies

    @Test(
        "a shadow target gets a copy; the answer is thrown away, and nobody is billed for it",
        arguments: [false, true])
    func mirror(_ stream: Bool) async throws {
        let plan = Self.plan(
            ["stand-in", "stand-in-chunks-3"], after: 0, kinds: [.openAI, .anthropic],
            uses: [.traffic, .shadow],
            bounds: [LimitTerms(metric: .cost, mode: .enforce, period: .day, amount: 1_000_000_000)])
        try await GatewayBench.run(plan) { bench in
            let said = try await DialectClient.openAI.call(bench, "hi", stream: stream)
            #expect(said.status == 200 && said.response.fields["x-eclusa-model"] == "stand-in")
            var events = try await bench.events()
            while events.count < 2 {
                await bench.loop.sleep(nanoseconds: 5_000_000)
                events = try await bench.events()
            }
            let copy = try #require(events.first { $0.purpose == .mirror })
            #expect(copy.ending == .completed && copy.costState == .settled && copy.usage.output > 0)
            #expect(copy.grants.isEmpty)
            let call = try #require(events.first { $0.purpose == .call })
            #expect(await bench.outbox.heldGrants()?.first?.spent == call.cost.nanos)
        }
    }

    @Test("a copy never holds a call up, and what is too much is left out")
    func mirrorApart() async throws {
        let plan = Self.plan(["stand-in", "stand-in-hang"], after: 0, uses: [.traffic, .shadow])
        try await GatewayBench.run(plan) { bench in
            for _ in 0..<70 {
                let answer = try await bench.chat()
                #expect(answer.status == 200)
            }
            #expect(bench.gateway.mirrors.count <= 64 && bench.gateway.callsInFlight == 0)
            #expect(
                bench.metrics.text().contains(#"eclusa_mirrored_calls_total{outcome="left_out"}"#))
            bench.gateway.endCalls()
            while !bench.gateway.mirrors.isEmpty { await bench.loop.sleep(nanoseconds: 5_000_000) }
        }
    }
}

import Contract
import Domain
import Policy
import TestSupport
import Testing

@Suite("explanations")
struct ExplanationTests {
    @Test("an explanation names the limits a call counts in, the targets of every use, and the cost at each")
    func whole() throws {
        var (fixture, parts) = SnapshotFixture.small()
        for (number, routes) in [[], [parts.route], [RouteID(high: 9, low: 9)]].enumerated() {
            fixture.content.limits.append(
                LimitEntry(
                    id: LimitID(high: 7, low: UInt64(number)), tenant: parts.tenant, name: "limit-\(number)",
                    subject: .tenant, match: LimitMatch(routes: routes), metric: .cost,
                    amount: 5_000_000_000, period: .day))
        }
        fixture.content.routes = [
            RouteEntry(
                id: parts.route, tenant: parts.tenant, name: "gpt-test",
                targets: [100, 1000].map { window in
                    TargetEntry(
                        provider: parts.provider, model: parts.model, upstreamModel: "w\(window)",
                        terms: TargetTerms(use: window == 100 ? .traffic : .contextWindow),
                        contextWindow: window)
                })
        ]
        let snapshot = try fixture.compiled()
        func explained(_ input: Int64) -> Explanation {
            explain(
                ExplainedCall(
                    key: parts.key.publicID, route: "gpt-test", endpoint: .chat, origin: CallOrigin(),
                    facts: CallFacts(now: fixture.now, inputTokens: input, outputTokens: 10)), in: snapshot)
        }
        let short = explained(100)
        #expect(short.refusal == nil && short.limits.map(\.name) == ["limit-0", "limit-1"])
        #expect(short.targets.map(\.entry.upstreamModel) == ["w100", "w1000"])
        #expect(short.targets.map(\.use) == [.traffic, .contextWindow])
        #expect(short.targets.map(\.position) == [0, 0])
        // A dollar in and two out per million tokens.
        #expect(short.targets.map(\.cost) == [NanoUSD(nanos: 120_000), NanoUSD(nanos: 120_000)])
        let long = explained(101)
        #expect(long.targets.map(\.position) == [nil, 0])
        #expect(long.targets.map(\.exclusion) == [.contextWindow, nil])
    }
}

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
                    facts: CallFacts(now: fixture.now, inputTokens: input, outputTokens: 10),
                    extent: CallExtent(bodyBytes: 4, promptBytes: 4, maximumOutput: 10)), in: snapshot)
        }
        let short = explained(100)
        #expect(short.refusal == nil && short.claims.map(\.limit.name) == ["limit-0", "limit-1"])
        #expect(short.targets.map(\.entry.upstreamModel) == ["w100", "w1000"])
        #expect(short.targets.map(\.use) == [.traffic, .contextWindow])
        #expect(short.targets.map(\.position) == [0, 0])
        // A dollar in and two out per million tokens.
        #expect(short.targets.map(\.cost) == [NanoUSD(nanos: 120_000), NanoUSD(nanos: 120_000)])
        let long = explained(101)
        #expect(long.targets.map(\.position) == [nil, 0])
        #expect(long.targets.map(\.exclusion) == [.contextWindow, nil])
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var metric = LimitMetric.cost
        var period = LimitPeriod.day
        var mode = LimitMode.enforce
        var isCheaper = false
        let used: Int64
        let fits: Bool?
        var use = TargetUse.traffic
        var isRefused = false
    }

    // Of a thousand tokens, or of a tenth of a cent. A call of 400 bytes and 100 tokens of output costs, at a
    // dollar in and two out, 600,000 nano-dollars at its worst and 300,000 usually; a tenth elsewhere.
    static let rows = [
        Row(testDescription: "fits to the last token", metric: .outputTokens, used: 900, fits: true),
        Row(testDescription: "a token more", metric: .outputTokens, used: 901, fits: false, isRefused: true),
        Row(testDescription: "fits at its worst", used: 400_000, fits: true),
        Row(testDescription: "does not fit at its worst", used: 400_001, fits: false, isRefused: true),
        Row(testDescription: "soft holds what is usual", mode: .soft, used: 700_000, fits: true),
        Row(testDescription: "soft ends too", mode: .soft, used: 700_001, fits: false, isRefused: true),
        Row(testDescription: "a shadow refuses nothing", mode: .shadow, used: 2_000_000, fits: false),
        Row(testDescription: "of a rate nothing is said", period: .minute, used: 2_000_000, fits: nil),
        Row(
            testDescription: "targets kept for it", isCheaper: true, used: 400_001, fits: true, use: .budget),
        Row(
            testDescription: "not borne there either", isCheaper: true, used: 940_001, fits: false,
            isRefused: true),
    ]

    @Test("budgets are asked for what a node would hold, and refuse as it would", arguments: rows)
    func budgets(_ row: Row) throws {
        var (fixture, parts) = SnapshotFixture.small()
        let amount: Int64 = row.metric == .cost ? 1_000_000 : 1000
        fixture.content.limits = [
            LimitEntry(
                id: LimitID(high: 7, low: 7), tenant: parts.tenant, name: "budget", subject: .tenant,
                metric: row.metric, amount: amount, period: row.period, mode: row.mode)
        ]
        let (model, price) = fixture.addModel()
        fixture.content.prices.removeAll { $0.id == price }
        let cheap = try #require(PriceRates(input: 100_000_000, output: 200_000_000))
        fixture.content.prices.append(
            PriceEntry(id: price, model: model, tenant: nil, effectiveFrom: .epoch, rates: cheap))
        var targets = [TargetEntry(provider: parts.provider, model: parts.model, upstreamModel: "usual")]
        if row.isCheaper {
            targets.append(
                TargetEntry(
                    provider: parts.provider, model: model, upstreamModel: "cheap",
                    terms: TargetTerms(use: .budget)))
        }
        fixture.content.routes = [
            RouteEntry(id: parts.route, tenant: parts.tenant, name: "gpt-test", targets: targets)
        ]
        let found = explain(
            ExplainedCall(
                key: parts.key.publicID, route: "gpt-test", endpoint: .chat, origin: CallOrigin(),
                facts: CallFacts(now: fixture.now, inputTokens: 100, outputTokens: 100),
                extent: CallExtent(bodyBytes: 400, promptBytes: 400, maximumOutput: 100)),
            in: try fixture.compiled())
        let verdict = found.verdict { _ in (row.used, amount) }
        #expect(verdict.code == (row.isRefused ? .budgetExceeded : nil))
        #expect(verdict.use == row.use)
        #expect(found.claims.map { $0.fits(verdict.use, used: row.used, of: amount) } == [row.fits])
    }
}

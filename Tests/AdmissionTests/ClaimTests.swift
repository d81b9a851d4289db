import Contract
import Domain
import Policy
import TestSupport
import Testing

@testable import Admission

@Suite("what a call asks of its limits")
struct ClaimTests {
    private static func limit(
        _ metric: LimitMetric, _ period: LimitPeriod, _ mode: LimitMode = .enforce, amount: Int64 = 1000,
        name: String = "a limit", subject: LimitSubject = .tenant, tenant: TenantID
    ) -> LimitEntry {
        LimitEntry(
            id: LimitID(at: .epoch), tenant: tenant, name: name, subject: subject, metric: metric,
            amount: amount, period: period, mode: mode)
    }

    /// The claims of a call of 400 bytes, 200 of them read by the model, at 1 dollar in and 2 dollars out.
    private static func claims(
        _ metric: LimitMetric, _ period: LimitPeriod, _ mode: LimitMode = .enforce, output: Int64?,
        choices: Int64 = 1
    ) throws -> CallClaims {
        var (fixture, parts) = SnapshotFixture.small()
        fixture.content.limits = [limit(metric, period, mode, tenant: parts.tenant)]
        return try claims(
            fixture, parts,
            CallExtent(bodyBytes: 400, promptBytes: 200, maximumOutput: output, choices: choices))
    }

    private static func claims(
        _ fixture: SnapshotFixture, _ parts: SnapshotFixture.Parts, _ extent: CallExtent,
        by admission: Admission = Admission(seed: 1)
    ) throws -> CallClaims {
        let snapshot = try CompiledSnapshot(fixture.built())
        let (route, bearer) = (Array("gpt-test".utf8), Array(parts.key.reveal().utf8))
        return try route.withUnsafeBytes { route in
            try bearer.withUnsafeBytes { bearer in
                let permit = try admission.admit(
                    bearer, route: route, endpoint: .chat, at: fixture.now, in: snapshot)
                return admission.claims(of: permit.admitted, extent, at: fixture.now)
            }
        }
    }

    struct Row: Sendable {
        let metric: LimitMetric
        let period: LimitPeriod
        var mode = LimitMode.enforce
        var output: Int64? = 100
        var choices: Int64 = 1
        let amount: Int64
        var imposes = false
    }

    static let rows = [
        Row(metric: .requests, period: .minute, amount: 1),
        Row(metric: .requests, period: .day, amount: 1),
        Row(metric: .concurrency, period: .open, amount: 1),
        // Strict budgets: every byte a token, every token at the dearest price.
        Row(metric: .inputTokens, period: .day, amount: 400),
        Row(metric: .inputTokens, period: .day, output: nil, amount: 400),
        Row(metric: .outputTokens, period: .day, amount: 100),
        Row(metric: .totalTokens, period: .day, choices: 3, amount: 700),
        Row(metric: .cost, period: .month, amount: 400_000 + 200_000),
        Row(metric: .cost, period: .month, output: nil, amount: 400_000 + 2 * 4_096_000, imposes: true),
        Row(metric: .outputTokens, period: .lifetime, output: nil, choices: 2, amount: 8192, imposes: true),
        Row(metric: .outputTokens, period: .day, output: .max, choices: 1000, amount: 1_000_000_000),
        // Soft ones, shadows and rates: what is usual.
        Row(metric: .cost, period: .day, mode: .soft, amount: 50_000 + 200_000),
        Row(metric: .cost, period: .day, mode: .shadow, output: nil, amount: 50_000 + 2 * 256_000),
        Row(metric: .totalTokens, period: .minute, output: nil, amount: 50 + 256),
        Row(metric: .totalTokens, period: .minute, output: 10, amount: 60),
    ]

    @Test("amounts: the worst case for strict budgets, the usual one for the rest", arguments: rows)
    func amounts(_ row: Row) throws {
        let claims = try Self.claims(
            row.metric, row.period, row.mode, output: row.output, choices: row.choices)
        #expect(claims.claims.map(\.amount) == [row.amount])
        #expect(claims.imposedOutput == (row.imposes ? 4096 : nil))
        #expect(claims.limits.map(\.name) == ["a limit"])
    }

    @Test("of several targets the dearest counts, with its dearest tokens; what has no price costs nothing")
    func dearest() throws {
        var (fixture, parts) = SnapshotFixture.small()
        fixture.content.limits = [Self.limit(.cost, .day, tenant: parts.tenant)]
        let (model, price) = fixture.addModel()
        let rates = try #require(
            PriceRates(
                input: 1_000_000_000, cachedInput: 100_000_000, cacheWrite: 1_250_000_001,
                output: 3_000_000_000, reasoning: 5_000_000_000))
        fixture.content.prices.removeAll { $0.id == price }
        fixture.content.prices.append(
            PriceEntry(id: price, model: model, tenant: nil, effectiveFrom: .epoch, rates: rates))
        _ = fixture.addRoute(
            "gpt-test", of: parts.tenant, to: [(parts.provider, parts.model), (parts.provider, model)])
        fixture.content.routes.removeAll { $0.id == parts.route }
        let extent = CallExtent(bodyBytes: 400, promptBytes: 200, maximumOutput: 100)
        // 400 × 1.250000001 and 100 × 5 dollars a million, and what rounding may add.
        #expect(try Self.claims(fixture, parts, extent).claims.map(\.amount) == [500_000 + 500_000 + 2])
        fixture.content.prices = []
        #expect(try Self.claims(fixture, parts, extent).claims.map(\.amount) == [0])
    }

    @Test("no cost is above what was held for it, whatever the tokens were")
    func bound() throws {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<2000 {
            func rate() -> Int64 { Int64.random(in: 0...20_000_000_000, using: &generator) }
            let rates = try #require(
                PriceRates(
                    input: rate(), cachedInput: rate(), cacheWrite: rate(), output: rate(), reasoning: rate())
            )
            let most = TokenUsage(
                input: Int64.random(in: 0...5000, using: &generator),
                output: Int64.random(in: 0...5000, using: &generator))
            let cached = Int64.random(in: 0...most.input, using: &generator)
            let used = TokenUsage(
                input: most.input, cachedInput: cached,
                cacheWrite: Int64.random(in: 0...(most.input - cached), using: &generator),
                output: most.output, reasoning: Int64.random(in: 0...most.output, using: &generator))
            #expect(rates.cost(of: used) <= rates.ceiling(of: most))
        }
    }

    @Test("limits of others, of another route and of other keys ask nothing")
    func applicable() throws {
        var (fixture, parts) = SnapshotFixture.small()
        let (other, _) = fixture.addTenant()
        let foreign = Self.limit(.requests, .minute, name: "foreign", tenant: other)
        let elsewhere = Self.limit(
            .requests, .minute, name: "elsewhere", subject: .workspace(WorkspaceID(high: 1, low: 1)),
            tenant: parts.tenant)
        let here = Self.limit(
            .requests, .minute, name: "here", subject: .workspace(parts.workspace), tenant: parts.tenant)
        let own = Self.limit(
            .requests, .minute, name: "own", subject: .key(parts.keyID), tenant: parts.tenant)
        fixture.content.limits = [foreign, elsewhere, here]
        fixture.content.keys[0].limits = [own]
        let extent = CallExtent(bodyBytes: 1, promptBytes: 1)
        #expect(try Self.claims(fixture, parts, extent).limits.map(\.name) == ["here", "own"])
    }

    @Test("without limits nothing is asked")
    func none() throws {
        let (fixture, parts) = SnapshotFixture.small()
        let claims = try Self.claims(fixture, parts, CallExtent(bodyBytes: 1, promptBytes: 1))
        #expect(claims.claims.isEmpty && claims.imposedOutput == nil && !claims.learnsOutput)
    }

    @Test("the usual length of answers is learned, near what 95 of 100 stay below, and forgotten in bulk")
    func learning() {
        var expectation = OutputExpectation()
        var generator = SeededGenerator(seed: 3)
        let (key, route) = (KeyID(high: 1, low: 1), RouteID(high: 1, low: 2))
        #expect(expectation.output(of: key, route) == nil)
        for _ in 0..<4000 {
            expectation.learn(Int64.random(in: 0...1000, using: &generator), of: key, route)
        }
        #expect((880...1000).contains(expectation.output(of: key, route) ?? 0))
        for index in 0..<UInt64(OutputExpectation.maximumSubjects) {
            expectation.learn(1, of: KeyID(high: 2, low: index), route)
        }
        #expect(expectation.output(of: key, route) == nil)
    }

    @Test(
        "durations are written as OpenAI writes them",
        arguments: [
            (0, "0ms"), (1, "1ms"), (20_000_000, "20ms"), (1_000_000_000, "1s"), (1_000_000_001, "2s"),
            (59_000_000_000, "59s"), (360_000_000_000, "6m0s"), (5_400_000_000_000, "1h30m0s"),
        ] as [(Int64, String)])
    func durations(_ nanoseconds: Int64, _ text: String) {
        #expect(LimitFields.duration(nanoseconds) == text)
    }

    @Test("names that are no visible ASCII are made so")
    func names() throws {
        let limit = CompiledLimit(
            Self.limit(
                .requests, .minute, amount: 10, name: "café \"x\\y\"\n", tenant: TenantID(high: 1, low: 1)))
        let fields = LimitFields.fields([
            LimitStanding(limit, remaining: -3, amount: 10, resetNanoseconds: 1)
        ])
        #expect(fields.first { $0.name.description == "ratelimit" }?.value == #""caf? \"x\\y\"";r=0;t=1"#)
        #expect(LimitFields.fields([]).isEmpty)
    }
}

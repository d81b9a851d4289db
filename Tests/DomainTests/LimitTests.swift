import Domain
import Testing

@Suite("limits")
struct LimitTests {
    @Test(
        "the kind follows from metric and period",
        arguments: [
            (.requests, .minute, .rate), (.totalTokens, .hour, .rate), (.cost, .month, .budget),
            (.requests, .lifetime, .budget), (.concurrency, .open, .concurrency),
        ] as [(LimitMetric, LimitPeriod, LimitKind)])
    func kind(_ metric: LimitMetric, _ period: LimitPeriod, _ kind: LimitKind) {
        #expect(LimitKind(metric, period) == kind)
    }

    @Test(
        "what does not fit together is refused at its field",
        arguments: [
            (.requests, .minute, .enforce, 1, [], []), (.cost, .month, .soft, 1, [50, 80, 100], []),
            (.concurrency, .minute, .enforce, 1, [], ["/period"]),
            (.requests, .open, .enforce, 1, [], ["/period"]),
            (.requests, .minute, .soft, 1, [], ["/mode"]),
            (.requests, .minute, .enforce, 1, [80], ["/thresholds"]),
            (.cost, .day, .enforce, 1, [80, 80], ["/thresholds"]),
            (.cost, .day, .enforce, 1, [0], ["/thresholds"]),
            (.cost, .day, .enforce, 1, [101], ["/thresholds"]),
            (.cost, .day, .enforce, 0, [], ["/amount"]), (.cost, .day, .enforce, .max, [], ["/amount"]),
        ] as [(LimitMetric, LimitPeriod, LimitMode, Int64, [Int], [String])])
    func rules(
        _ metric: LimitMetric, _ period: LimitPeriod, _ mode: LimitMode, _ amount: Int64, _ thresholds: [Int],
        _ pointers: [String]
    ) {
        let problems = Limit.problems(
            name: "a limit", match: .everything, metric: metric, amount: amount, period: period, mode: mode,
            thresholds: thresholds)
        #expect(problems.map(\.pointer) == pointers)
    }

    @Test("an increase counts until it expires, and never overflows")
    func increase() {
        let noon = Timestamp(microseconds: 1_773_057_600_000_000)
        let more = LimitIncrease(amount: 5, expires: noon)
        #expect(LimitIncrease.amount(10, with: more, at: noon.advanced(byMicroseconds: -1)) == 15)
        #expect(LimitIncrease.amount(10, with: more, at: noon) == 10)
        #expect(LimitIncrease.amount(10, with: nil, at: noon) == 10)
        let most = LimitIncrease(amount: Limit.maximumAmount, expires: .distantFuture)
        #expect(LimitIncrease.amount(Limit.maximumAmount, with: most, at: noon) == Limit.maximumAmount)
    }

    @Test("names of the API read back")
    func names() {
        for metric in LimitMetric.allCases { #expect(LimitMetric(name: metric.name) == metric) }
        for period in LimitPeriod.allCases { #expect(LimitPeriod(name: period.name) == period) }
        for mode in LimitMode.allCases { #expect(LimitMode(name: mode.name) == mode) }
        for part in LimitPartition.allCases { #expect(LimitPartition(name: part.name) == part) }
        #expect(LimitMetric(name: "cents") == nil)
    }

    @Test("a metric takes its own figure of a call")
    func metrics() {
        let usage = TokenUsage(input: 10, output: 3)
        let amounts = LimitMetric.allCases.map { $0.amount(of: usage, cost: NanoUSD(nanos: 70)) }
        #expect(amounts == [1, 10, 3, 13, 70, 1])
    }

    @Test("a window holds its start and not its end; a lifetime has none")
    func windows() {
        let start = Timestamp.epoch, end = start.advanced(bySeconds: 10)
        let window = LimitWindow(start: start, end: end)
        #expect(window.contains(start) && !window.contains(end))
        #expect(!window.contains(start.advanced(byMicroseconds: -1)))
        #expect(LimitWindow(start: start, end: nil).contains(.distantFuture))
    }
}

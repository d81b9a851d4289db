import Domain
import Testing

@Suite("price tables")
struct PriceTableTests {
    static func rates(_ input: Int64, _ output: Int64) -> PriceRates {
        PriceRates(
            input: input, cachedInput: input / 10, cacheWrite: input * 5 / 4, output: output,
            reasoning: output * 2)!
    }

    /// Dollars per million tokens: 1.25 and 10; above 200,000 tokens 2.50 and 15; in batches half.
    static let table = PriceTable(
        base: rates(1_250_000_000, 10_000_000_000),
        tiers: [
            PriceTier(above: 200_000, rates: rates(2_500_000_000, 15_000_000_000)),
            PriceTier(above: 1_000_000, rates: rates(5_000_000_000, 30_000_000_000)),
        ], batch: rates(625_000_000, 5_000_000_000))!

    @Test(
        "a cost is exact to the nano-dollar in every tier, with caches, reasoning and batches",
        arguments: [
            // input, cached, written, output, reasoning, batch → nano-dollars
            (1, 0, 0, 0, 0, false, 1250), (0, 0, 0, 1, 0, false, 10_000), (0, 0, 0, 1, 1, false, 20_000),
            (1, 1, 0, 0, 0, false, 125), (1, 0, 1, 0, 0, false, 1563),
            (200_000, 0, 0, 0, 0, false, 250_000_000), (200_001, 0, 0, 0, 0, false, 500_002_500),
            (200_001, 200_001, 0, 1, 0, false, 50_000_250 + 15_000),
            (1_000_000, 0, 0, 0, 0, false, 2_500_000_000),
            (1_000_001, 0, 0, 0, 0, false, 5_000_005_000),
            (1_000_001, 0, 0, 10, 4, false, 5_000_005_000 + 6 * 30_000 + 4 * 60_000),
            (1_000_001, 0, 0, 0, 0, true, 625_000_625), (3, 1, 1, 2, 1, true, 625 + 63 + 781 + 5000 + 10_000),
        ] as [(Int64, Int64, Int64, Int64, Int64, Bool, Int64)])
    func costs(
        _ input: Int64, _ cached: Int64, _ written: Int64, _ output: Int64, _ reasoning: Int64,
        _ isBatch: Bool, _ nanos: Int64
    ) {
        let usage = TokenUsage(
            input: input, cachedInput: cached, cacheWrite: written, output: output, reasoning: reasoning)
        #expect(Self.table.cost(of: usage, isBatch: isBatch).nanos == nanos)
    }

    @Test("tiers rise, and there are at most eight")
    func tiers() {
        let rates = Self.rates(10, 10)
        func table(_ limits: [Int64]) -> PriceTable? {
            PriceTable(base: rates, tiers: limits.map { PriceTier(above: $0, rates: rates) })
        }
        #expect(table([]) != nil && table([1, 2]) != nil && table([1, 2, 3, 4, 5, 6, 7, 8]) != nil)
        #expect(table([2, 1]) == nil && table([1, 1]) == nil && table([0]) == nil)
        #expect(table([1, 2, 3, 4, 5, 6, 7, 8, 9]) == nil)
    }

    @Test(
        "a markup is on top, rounded half up to the nano-dollar",
        arguments: [
            ("0", 999, 999), ("12.5", 1000, 1125), ("12.5", 1, 1), ("50", 1, 2), ("49.99", 1, 1),
            ("0.01", 5000, 5001), ("0.01", 4999, 4999), ("1000", 7, 77), ("1000", Int64.max / 2, .max),
        ] as [(String, Int64, Int64)])
    func markups(_ percent: String, _ nanos: Int64, _ marked: Int64) throws {
        let markup = try #require(Markup(percent: percent))
        #expect(markup.applied(to: NanoUSD(nanos: nanos)).nanos == marked)
        #expect(markup.percent == percent)
    }

    @Test("a markup is 0 to 1000 with at most two decimals", arguments: ["-1", "1000.01", "1.234", "", "x"])
    func wrongMarkups(_ percent: String) {
        #expect(Markup(percent: percent) == nil)
    }

    @Test("the price in force is the latest that has begun, unless it was ended")
    func inForce() {
        func price(_ number: UInt64, _ from: Int64, _ until: Int64? = nil) -> Price {
            Price(
                id: PriceID(high: 0, low: number), model: ModelID(high: 0, low: 1), tenant: nil,
                table: Self.table, effectiveFrom: Timestamp(microseconds: from),
                effectiveUntil: until.map { Timestamp(microseconds: $0) }, createdAt: .epoch)
        }
        let prices = [price(1, 10), price(2, 20, 25), price(3, 30), price(4, 30)]
        let found = [9, 10, 19, 20, 24, 25, 29, 30].map {
            Price.inForce(prices, at: Timestamp(microseconds: $0))?.id.low
        }
        #expect(found == [nil, 1, 1, 2, 2, nil, nil, 4])
    }
}

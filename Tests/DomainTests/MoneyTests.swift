import Domain
import TestSupport
import Testing

@Suite("money and tokens")
struct MoneyTests {
    @Test(
        "decimal dollars are read and written exactly",
        arguments: [
            ("0", 0, "0.00"), ("12", 12_000_000_000, "12.00"), ("0.000125", 125_000, "0.000125"),
            ("-3.5", -3_500_000_000, "-3.50"), ("0.000000001", 1, "0.000000001"),
            ("-0.000000001", -1, "-0.000000001"),
            ("9223372036.854775807", .max, "9223372036.854775807"),
            ("-9223372036.854775808", .min, "-9223372036.854775808"), ("1.10", 1_100_000_000, "1.10"),
        ] as [(String, Int64, String)])
    func decimal(_ text: String, _ nanos: Int64, _ written: String) {
        #expect(NanoUSD(text)?.nanos == nanos)
        #expect(NanoUSD(nanos: nanos).description == written)
        #expect(NanoUSD(written)?.nanos == nanos)
    }

    @Test(
        "anything but a plain decimal is refused",
        arguments: [
            "", "-", "+1", ".5", "5.", "1.0000000001", "01", "00.5", "1e3", "1,5", " 1", "1 ", "0x1", "--1",
            "1.-5",
            "1.5.5", "9223372036.854775808", "-9223372036.854775809", "99999999999", "NaN", "\u{661}",
            "1\u{0}",
        ])
    func refused(_ text: String) {
        #expect(NanoUSD(text) == nil)
    }

    @Test("amounts read back from their texts", arguments: SeededGenerator.seeds)
    func roundTrip(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<2000 {
            let amount = NanoUSD(
                nanos: Int64(bitPattern: generator.next()) >> Int64.random(in: 0..<64, using: &generator))
            #expect(NanoUSD(amount.description) == amount)
        }
    }

    @Test("sums and differences that leave the range are nil")
    func checked() {
        let one = NanoUSD(nanos: 1)
        #expect(one.adding(one) == NanoUSD(nanos: 2))
        #expect(one.subtracting(one) == .zero)
        #expect(NanoUSD(nanos: .max).adding(one) == nil)
        #expect(NanoUSD(nanos: .min).subtracting(one) == nil)
        #expect(NanoUSD.zero < one)
    }

    @Test("a cost is tokens times rate, each component rounded half up once")
    func cost() throws {
        let rates = try #require(
            PriceRates(
                input: 2_500_000_000, cachedInput: 1_250_000_000, cacheWrite: 3_000_000_000,
                output: 10_000_000_000, reasoning: 20_000_000_000))
        let usage = TokenUsage(input: 1000, cachedInput: 400, cacheWrite: 100, output: 50, reasoning: 20)
        // 500 × 2500 + 400 × 1250 + 100 × 3000 + 30 × 10000 + 20 × 20000 nano-USD
        #expect(rates.cost(of: usage).nanos == 1_250_000 + 500_000 + 300_000 + 300_000 + 400_000)
        #expect(usage.plainInput == 500)
        #expect(usage.total == 1050)
        #expect(PriceRates.free.cost(of: usage) == .zero)
    }

    @Test(
        "half a nano-USD rounds up, less rounds down",
        arguments: [(499_999, 0), (500_000, 1), (500_001, 1), (1_499_999, 1), (1_500_000, 2)]
            as [(Int64, Int64)])
    func rounding(_ rate: Int64, _ nanos: Int64) throws {
        let rates = try #require(PriceRates(input: rate, output: 0))
        #expect(rates.cost(of: TokenUsage(input: 1, output: 0)).nanos == nanos)
    }

    @Test("components are rounded apart, never their sum")
    func roundingApart() throws {
        let rates = try #require(
            PriceRates(
                input: 500_000, cachedInput: 500_000, cacheWrite: 500_000, output: 500_000, reasoning: 500_000
            ))
        let usage = TokenUsage(input: 3, cachedInput: 1, cacheWrite: 1, output: 2, reasoning: 1)
        #expect(rates.cost(of: usage).nanos == 5)
    }

    @Test("the dearest usage at the dearest rates does not overflow")
    func largest() throws {
        let top = PriceRates.maximumRate
        let rates = try #require(
            PriceRates(input: top, cachedInput: top, cacheWrite: top, output: top, reasoning: top))
        let usage = TokenUsage(input: .max, cachedInput: 5, cacheWrite: 5, output: .max, reasoning: 7)
        #expect(rates.cost(of: usage).nanos == 2_000_000_000_000_000_000)
    }

    @Test("hostile token counts are clamped, and no part exceeds its whole", arguments: SeededGenerator.seeds)
    func clamped(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let extremes: [Int64] = [.min, -1, 0, 1, 1_000_000_000, 1_000_000_001, .max]
        for _ in 0..<2000 {
            func draw() -> Int64 {
                Bool.random(using: &generator)
                    ? extremes.randomElement(using: &generator) ?? 0 : Int64(bitPattern: generator.next())
            }
            let usage = TokenUsage(
                input: draw(), cachedInput: draw(), cacheWrite: draw(), output: draw(), reasoning: draw())
            let range = 0...TokenUsage.maximumTokens
            #expect(range.contains(usage.input) && range.contains(usage.output))
            #expect(usage.cachedInput >= 0 && usage.cacheWrite >= 0 && usage.plainInput >= 0)
            #expect(usage.plainInput + usage.cachedInput + usage.cacheWrite == usage.input)
            #expect((0...usage.output).contains(usage.reasoning))
        }
    }

    @Test("rates outside 0 to a million dollars per million tokens are refused")
    func rateRange() {
        #expect(PriceRates(input: -1, output: 0) == nil)
        #expect(PriceRates(input: 0, output: PriceRates.maximumRate + 1) == nil)
        #expect(PriceRates.rate("0.15") == 150_000_000)
        #expect(PriceRates.rate("1000000") == PriceRates.maximumRate)
        #expect(PriceRates.rate("1000000.000000001") == nil)
        #expect(PriceRates.rate("-1") == nil)
        #expect(PriceRates.rate("a") == nil)
        #expect(PriceRates.text(150_000_000) == "0.15")
    }
}

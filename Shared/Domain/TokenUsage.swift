/// What one call consumed, in tokens.
///
/// `input` is everything the model read and `output` everything it wrote; `cachedInput` and `cacheWrite` are
/// parts of `input`, `reasoning` is a part of `output` (the OpenTelemetry GenAI reading). Providers' figures
/// are hostile input: `init` clamps, so that no later arithmetic can overflow.
package struct TokenUsage: Hashable, Sendable {
    package let input: Int64
    /// Input served from the provider's prompt cache.
    package let cachedInput: Int64
    /// Input written into the provider's prompt cache.
    package let cacheWrite: Int64
    package let output: Int64
    package let reasoning: Int64

    /// The largest count of tokens one call can claim.
    package static let maximumTokens: Int64 = 1_000_000_000

    package static let zero = TokenUsage(input: 0, output: 0)

    /// Usage with every figure brought into range: 0…10⁹ tokens, no part above its whole.
    package init(
        input: Int64, cachedInput: Int64 = 0, cacheWrite: Int64 = 0, output: Int64, reasoning: Int64 = 0
    ) {
        func clamp(_ value: Int64, _ limit: Int64) -> Int64 { min(max(value, 0), limit) }
        self.input = clamp(input, Self.maximumTokens)
        self.cachedInput = clamp(cachedInput, self.input)
        self.cacheWrite = clamp(cacheWrite, self.input - self.cachedInput)
        self.output = clamp(output, Self.maximumTokens)
        self.reasoning = clamp(reasoning, self.output)
    }

    /// Input that is neither read from nor written to a prompt cache.
    package var plainInput: Int64 { input - cachedInput - cacheWrite }
    package var total: Int64 { input + output }
}

/// Prices of one model, in nano-USD per million tokens (5 USD per million = 5,000,000,000).
package struct PriceRates: Hashable, Sendable {
    package let input: Int64
    package let cachedInput: Int64
    package let cacheWrite: Int64
    package let output: Int64
    package let reasoning: Int64

    /// The highest rate accepted: a million dollars per million tokens.
    package static let maximumRate: Int64 = 1_000_000_000_000_000

    package static let free = PriceRates(input: 0, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0)!

    /// Rates, or nil when one is negative or above `maximumRate`.
    package init?(input: Int64, cachedInput: Int64, cacheWrite: Int64, output: Int64, reasoning: Int64) {
        for rate in [input, cachedInput, cacheWrite, output, reasoning]
        where !(0...Self.maximumRate).contains(rate) {
            return nil
        }
        self.input = input
        self.cachedInput = cachedInput
        self.cacheWrite = cacheWrite
        self.output = output
        self.reasoning = reasoning
    }

    /// Rates of a model without special prices: cache reads and writes cost as input, reasoning as output.
    package init?(input: Int64, output: Int64) {
        self.init(input: input, cachedInput: input, cacheWrite: input, output: output, reasoning: output)
    }

    /// What a usage costs: tokens × rate ÷ 10⁶ for each of the five components (plain input, cached input,
    /// cache writes, plain output, reasoning), each rounded half up to a nano-USD once, then summed.
    ///
    /// Cannot overflow: at most 2 × 10⁹ tokens × 10¹⁵ ÷ 10⁶ = 2 × 10¹⁸ < 2⁶³, and products are taken in 128
    /// bits.
    package func cost(of usage: TokenUsage) -> NanoUSD {
        func component(_ tokens: Int64, _ rate: Int64) -> Int64 {
            Int64(truncatingIfNeeded: (Int128(tokens) * Int128(rate) + 500_000) / 1_000_000)
        }
        return NanoUSD(
            nanos: component(usage.plainInput, input) + component(usage.cachedInput, cachedInput)
                + component(usage.cacheWrite, cacheWrite) + component(usage.output - usage.reasoning, output)
                + component(usage.reasoning, reasoning))
    }

    /// A rate of a decimal text in dollars per million tokens (`0.15`); nil when malformed, negative or too
    /// high.
    package static func rate(_ dollarsPerMillion: String) -> Int64? {
        guard let value = Decimal9.parse(dollarsPerMillion), (0...maximumRate).contains(value) else {
            return nil
        }
        return value
    }

    /// A rate as decimal dollars per million tokens.
    package static func text(_ rate: Int64) -> String { Decimal9.format(rate, minimumDecimals: 2) }
}

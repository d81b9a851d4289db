/// What a model costs: the rates of usual calls, those of calls with long inputs, and those of batches.
package struct PriceTable: Hashable, Sendable {
    package let base: PriceRates
    /// For calls that read more than so many tokens, all of their tokens; rising.
    package let tiers: [PriceTier]
    /// For calls that may wait; nil: as usual ones.
    package let batch: PriceRates?

    package static let maximumTiers = 8

    /// A table, or nil when there are too many tiers or they do not rise.
    package init?(base: PriceRates, tiers: [PriceTier] = [], batch: PriceRates? = nil) {
        guard tiers.count <= Self.maximumTiers,
            tiers.allSatisfy({ (1...TokenUsage.maximumTokens).contains($0.above) }),
            zip(tiers, tiers.dropFirst()).allSatisfy({ $0.above < $1.above })
        else { return nil }
        self.base = base
        self.tiers = tiers
        self.batch = batch
    }

    /// One price for every call.
    package init(_ rates: PriceRates) {
        base = rates
        tiers = []
        batch = nil
    }

    /// The rates of a call that reads so many tokens.
    package func rates(inputTokens: Int64, isBatch: Bool = false) -> PriceRates {
        if isBatch, let batch { return batch }
        return tiers.last { inputTokens > $0.above }?.rates ?? base
    }

    /// What a usage costs; see `PriceRates.cost(of:)`.
    package func cost(of usage: TokenUsage, isBatch: Bool = false) -> NanoUSD {
        rates(inputTokens: usage.input, isBatch: isBatch).cost(of: usage)
    }
}

/// The rates of calls whose input is longer than a limit.
package struct PriceTier: Hashable, Sendable {
    /// Tokens of input: a call with more is charged by this tier.
    package let above: Int64
    package let rates: PriceRates

    package init(above: Int64, rates: PriceRates) {
        self.above = above
        self.rates = rates
    }
}

/// What a tenant pays on top of the platform's prices, in hundredths of a percent: 1,250 is 12.5 %.
package struct Markup: Hashable, Sendable {
    package let hundredths: Int32

    package static let none = Markup(checked: 0)
    /// Up to ten times the price on top.
    package static let allowed: ClosedRange<Int32> = 0...100_000

    private init(checked: Int32) { hundredths = checked }

    package init?(hundredths: Int32) {
        guard Self.allowed.contains(hundredths) else { return nil }
        self.hundredths = hundredths
    }

    /// The cost with the markup on it, rounded half up to a nano-USD; held at the largest amount there is.
    package func applied(to cost: NanoUSD) -> NanoUSD {
        if hundredths == 0 { return cost }
        let product = Int128(cost.nanos) * Int128(10_000 + hundredths)
        return NanoUSD(nanos: Int64(clamping: (product + 5_000) / 10_000))
    }

    /// A decimal percentage with at most two decimals: `12.5`.
    package init?(percent text: String) {
        guard let value = Decimal9.parse(text), value % 10_000_000 == 0 else { return nil }
        self.init(hundredths: Int32(clamping: value / 10_000_000))
    }

    package var percent: String { Decimal9.format(Int64(hundredths) * 10_000_000, minimumDecimals: 0) }
}

/// What a model can do beyond text in and text out.
package enum ModelCapability: String, Sendable, CaseIterable {
    case chat, embeddings, moderation, vision, tools, reasoning
    case structuredOutput = "structured_output"
    case promptCaching = "prompt_caching"
    case audioInput = "audio_input"
    case audioOutput = "audio_output"
    case documentInput = "document_input"
    case imageOutput = "image_output"
    case webSearch = "web_search"

    /// Its place in a `CapabilitySet`: the order of cases, so new ones go to the end.
    var bit: UInt32 { UInt32(Self.allCases.firstIndex(of: self) ?? 31) }
}

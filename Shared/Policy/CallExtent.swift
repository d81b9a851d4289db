import Contract
package import Domain

/// How much a call may use, as far as its request tells.
package struct CallExtent: Sendable, Hashable {
    /// The whole body: no text has more tokens than bytes.
    package var bodyBytes: Int
    /// What else is read, at most: pictures count by their size when they are unpacked, and what is named by
    /// an address or an ID is not in the body. Unit: tokens.
    package var beyondBytes: Int64
    /// What the model reads of it.
    package var promptBytes: Int
    /// The most tokens one answer may have; nil: the request does not say.
    package var maximumOutput: Int64?
    /// Answers asked for.
    package var choices: Int64

    /// What an answer may have when neither the request nor anything else bounds it. Unit: tokens.
    package static let imposedOutput: Int64 = 4096

    package init(
        bodyBytes: Int, beyondBytes: Int64 = 0, promptBytes: Int, maximumOutput: Int64? = nil,
        choices: Int64 = 1
    ) {
        self.bodyBytes = bodyBytes
        self.beyondBytes = min(max(0, beyondBytes), TokenUsage.maximumTokens)
        self.promptBytes = promptBytes
        self.maximumOutput = maximumOutput.map { min(max(0, $0), TokenUsage.maximumTokens) }
        self.choices = min(max(1, choices), 1_000)
    }

    /// No call of this extent uses more.
    func worst(imposing bound: Int64) -> TokenUsage {
        let (output, overflow) = (maximumOutput ?? bound).multipliedReportingOverflow(by: choices)
        let input = min(Int64(bodyBytes) + beyondBytes, TokenUsage.maximumTokens)
        return TokenUsage(input: input, output: overflow ? TokenUsage.maximumTokens : output)
    }

    /// What it will use, if it is like those before it; four bytes a token.
    func expected(output learned: Int64?) -> TokenUsage {
        let usual = learned ?? 256 * choices
        let most = maximumOutput.map { $0.multipliedReportingOverflow(by: choices) }
        return TokenUsage(
            input: Int64((promptBytes + 3) / 4),
            output: most.map { $0.overflow ? usual : min(usual, $0.partialValue) } ?? usual)
    }
}

/// The sizes of one call, worked out when a limit first asks.
package struct CallSizes {
    package let extent: CallExtent
    let admitted: Admitted
    let now: Timestamp
    let learned: Int64?
    let use: TargetUse?

    /// Where a second target may be asked as well, both may charge.
    private var copies: Int64 {
        admitted.route.rules.retries.hedgeAfter > 0 && admitted.route.targets.count > 1 ? 2 : 1
    }

    private lazy var worst = size(
        extent.worst(imposing: CallExtent.imposedOutput), rounding: true)
    private lazy var expected = size(extent.expected(output: learned), rounding: false)

    /// - Parameters:
    ///   - learned: how long answers usually are; nil: not known.
    ///   - use: the targets it will be sent to; nil: those of the usual traffic, and of failures.
    package init(
        _ extent: CallExtent, _ admitted: Admitted, learned: Int64? = nil, only use: TargetUse? = nil,
        at now: Timestamp
    ) {
        self.extent = extent
        self.admitted = admitted
        self.learned = learned
        self.use = use
        self.now = now
    }

    /// What the call asks of a limit, in the metric's unit: its worst case of a strict budget, what is usual
    /// of the others.
    package mutating func amount(of terms: LimitTerms) -> Int64 {
        switch terms.metric {
        case .requests, .concurrency: return 1
        case .inputTokens, .outputTokens, .totalTokens, .cost:
            let size = terms.isStrict ? worst : expected
            let (all, overflow) = terms.metric.amount(of: size.usage, cost: size.cost)
                .multipliedReportingOverflow(by: copies)
            return overflow ? .max : all
        }
    }

    /// The usage, at the dearest price of a target the call may be sent to.
    private func size(_ usage: TokenUsage, rounding: Bool) -> (usage: TokenUsage, cost: NanoUSD) {
        var dearest = NanoUSD.zero
        for target in admitted.route.targets where admitted.key.allows(target) && mayAnswer(target) {
            guard let price = target.price(at: now) else { continue }
            let cost = rounding ? target.ceiling(of: usage, by: price) : target.cost(of: usage, by: price)
            dearest = max(dearest, cost)
        }
        return (usage, dearest)
    }

    /// Copies of calls are not the caller's to pay.
    private func mayAnswer(_ target: CompiledTarget) -> Bool {
        use.map { target.use == $0 } ?? (target.use != .shadow)
    }
}

extension CompiledTarget {
    /// What so many tokens cost the tenant at most, also if fewer are read and another tier counts.
    func ceiling(of usage: TokenUsage, by price: PriceEntry) -> NanoUSD {
        let tiers = price.table.tiers.filter { $0.above < usage.input }.map(\.rates)
        let dearest = tiers.reduce(price.table.base.ceiling(of: usage)) { max($0, $1.ceiling(of: usage)) }
        return owed(dearest, to: price.tenant)
    }
}

extension PriceRates {
    /// What so many tokens cost at most, whatever part of them was cached or thought.
    package func ceiling(of usage: TokenUsage) -> NanoUSD {
        let (read, written) = (max(input, cachedInput, cacheWrite), max(output, reasoning))
        guard let dearest = PriceRates(input: read, output: written) else { return .zero }
        // Each of the five parts of a bill is rounded by itself.
        let isEven = [input, cachedInput, cacheWrite, output, reasoning].allSatisfy { $0 % 1_000_000 == 0 }
        let cost = dearest.cost(of: usage)
        return isEven ? cost : NanoUSD(nanos: cost.nanos + 2)
    }
}

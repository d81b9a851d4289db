package import Contract
package import Domain
package import Policy

/// What a call asks of the limits that bind it.
package struct CallClaims: Sendable {
    package private(set) var claims: [LimitClaim] = []
    /// The limit of each claim.
    package private(set) var limits: [CompiledLimit] = []
    /// The bound the provider must be told of, because the request has none and a strict budget was promised
    /// one. Unit: tokens an answer.
    package private(set) var imposedOutput: Int64?
    /// A strict budget holds what an answer may have at most.
    package private(set) var bindsOutput = false
    /// Whether how long answers usually are matters to one of them.
    package private(set) var learnsOutput = false

    /// What an answer may have when neither the request nor anything else bounds it.
    package static let imposedOutputTokens: Int64 = 4096

    package static let none = CallClaims()

    mutating func add(_ claim: LimitClaim, of limit: CompiledLimit) {
        claims.append(claim)
        limits.append(limit)
    }

    mutating func add(
        _ limit: CompiledLimit, _ account: GrantAccount, _ sizes: inout CallSizes
    ) {
        let terms = limit.terms
        let amount: Int64
        switch terms.metric {
        case .requests, .concurrency: amount = 1
        case .inputTokens, .outputTokens, .totalTokens, .cost:
            let isStrict = terms.kind == .budget && terms.mode == .enforce
            let size = isStrict ? sizes.worst : sizes.expected
            let (all, overflow) = terms.metric.amount(of: size.usage, cost: size.cost)
                .multipliedReportingOverflow(by: sizes.copies)
            amount = overflow ? .max : all
            if isStrict, terms.metric != .inputTokens {
                bindsOutput = true
                if sizes.extent.maximumOutput == nil { imposedOutput = Self.imposedOutputTokens }
            }
            if !isStrict { learnsOutput = true }
        }
        add(LimitClaim(account: account, terms: terms, amount: amount), of: limit)
    }
}

/// The sizes of one call, worked out when a limit first asks.
struct CallSizes {
    let extent: CallExtent
    let admitted: Admitted
    let now: Timestamp
    let learned: Int64?
    let use: TargetUse?

    /// Where a second target may be asked as well, both may charge.
    var copies: Int64 {
        admitted.route.rules.retries.hedgeAfter > 0 && admitted.route.targets.count > 1 ? 2 : 1
    }

    private(set) lazy var worst = size(
        extent.worst(imposing: CallClaims.imposedOutputTokens), rounding: true)
    private(set) lazy var expected = size(extent.expected(output: learned), rounding: false)

    init(
        _ extent: CallExtent, _ admitted: Admitted, learned: Int64?, only use: TargetUse?, at now: Timestamp
    ) {
        self.extent = extent
        self.admitted = admitted
        self.learned = learned
        self.use = use
        self.now = now
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
        return price.tenant == nil ? markup.applied(to: dearest) : dearest
    }
}

extension PriceRates {
    /// What so many tokens cost at most, whatever part of them was cached or thought.
    func ceiling(of usage: TokenUsage) -> NanoUSD {
        let (read, written) = (max(input, cachedInput, cacheWrite), max(output, reasoning))
        guard let dearest = PriceRates(input: read, output: written) else { return .zero }
        // Each of the five parts of a bill is rounded by itself.
        let isEven = [input, cachedInput, cacheWrite, output, reasoning].allSatisfy { $0 % 1_000_000 == 0 }
        let cost = dearest.cost(of: usage)
        return isEven ? cost : NanoUSD(nanos: cost.nanos + 2)
    }
}

extension Admission {
    /// What a call asks of every limit that binds it; nothing, at no cost, for keys without limits.
    ///
    /// - Parameter use: the targets it will be sent to; nil: those of the usual traffic, and of failures.
    package func claims(
        of admitted: Admitted, _ extent: CallExtent, only use: TargetUse? = nil, at now: Timestamp
    ) -> CallClaims {
        guard admitted.key.mayBeLimited else { return .none }
        var sizes = CallSizes(
            extent, admitted, learned: expectation.output(of: admitted.key.record.id, admitted.route.id),
            only: use, at: now)
        var claims = CallClaims()
        admitted.key.forEachLimit(of: admitted.route) { limit, account in
            claims.add(limit, account, &sizes)
        }
        return claims
    }

    /// Notes how long an answer was that counted in a limit.
    package func learn(from event: UsageEvent) {
        guard event.ending == .completed else { return }
        expectation.learn(event.usage.output, of: event.key, event.route)
    }
}

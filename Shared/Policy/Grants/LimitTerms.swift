package import Domain

/// What a node must know of a limit to hold a call against it.
package struct LimitTerms: Hashable, Sendable {
    package let kind: LimitKind
    package let metric: LimitMetric
    package let mode: LimitMode
    package let period: LimitPeriod
    package let amount: Int64

    package init(metric: LimitMetric, mode: LimitMode, period: LimitPeriod, amount: Int64) {
        kind = LimitKind(metric, period)
        self.metric = metric
        self.mode = mode
        self.period = period
        self.amount = amount
    }

    /// A budget that no call may exceed at its worst.
    package var isStrict: Bool { kind == .budget && mode == .enforce }

    var bucketRule: RateBucket.Rule? {
        period.rateSeconds.map {
            RateBucket.Rule(
                amount: amount, periodNanoseconds: $0.period * 1_000_000_000,
                burstNanoseconds: $0.burst * 1_000_000_000)
        }
    }
}

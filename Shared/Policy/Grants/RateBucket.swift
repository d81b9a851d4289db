/// A node's share of a rate: credit refills continuously and is taken by calls. Integers only; no clock of
/// its own.
///
/// The credit is kept in units, not in time: a share that grows gives no free burst, so shares can move
/// between nodes without ever adding up to more than the limit and one burst. Amounts that were not known
/// beforehand may put it into debt.
package struct RateBucket: Hashable, Sendable {
    /// The whole limit: units a period, the period, and the part of it a burst may take at once.
    package struct Rule: Hashable, Sendable {
        package let amount: Int64
        package let periodNanoseconds: Int64
        package let burstNanoseconds: Int64

        package init(amount: Int64, periodNanoseconds: Int64, burstNanoseconds: Int64) {
            self.amount = amount
            self.periodNanoseconds = periodNanoseconds
            self.burstNanoseconds = burstNanoseconds
        }
    }

    package let rule: Rule
    package private(set) var share: Int64 = 0
    // In unit-nanoseconds: one unit is the period.
    private var credit: Int128 = 0
    private var refilledAt: Int64

    package init(_ rule: Rule, at now: Int64) {
        self.rule = rule
        refilledAt = now
    }

    private var unit: Int128 { Int128(rule.periodNanoseconds) }
    /// The share's part of the burst, and at least one unit, so that a small share can be used at all.
    private var capacity: Int128 { max(unit, Int128(share) * Int128(rule.burstNanoseconds)) }

    private mutating func refill(at now: Int64) {
        guard now > refilledAt else { return }
        if credit < capacity {
            credit = min(capacity, credit + Int128(share) * Int128(now - refilledAt))
        }
        refilledAt = now
    }

    /// Changes the share. What is there stays, up to the new capacity.
    ///
    /// - Parameter isFull: begins with the whole burst: only for one that nobody else holds a part of.
    package mutating func setShare(_ share: Int64, isFull: Bool = false, at now: Int64) {
        refill(at: now)
        self.share = share
        credit = isFull ? capacity : min(credit, capacity)
    }

    /// Nanoseconds until so many units can be taken: 0 when they can now, nil when never with this share.
    ///
    /// More than the capacity can be taken when it is full; what is missing becomes debt.
    package mutating func wait(for units: Int64, at now: Int64) -> Int64? {
        refill(at: now)
        let lacking = min(Int128(units) * unit, capacity) - credit
        if lacking <= 0 { return 0 }
        guard share > 0 else { return nil }
        return Int64(clamping: (lacking + Int128(share) - 1) / Int128(share))
    }

    /// Takes units, into debt if need be; a negative number gives back.
    package mutating func take(_ units: Int64, at now: Int64) {
        refill(at: now)
        credit = min(capacity, credit - Int128(units) * unit)
    }

    /// Whole units that can be taken now.
    package mutating func available(at now: Int64) -> Int64 {
        refill(at: now)
        return Int64(clamping: max(0, credit / unit))
    }

    /// Nanoseconds until the bucket is full again.
    package mutating func untilFull(at now: Int64) -> Int64 {
        refill(at: now)
        return share > 0 ? Int64(clamping: (capacity - credit) / Int128(share)) : 0
    }
}

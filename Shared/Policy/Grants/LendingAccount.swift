package import Contract
package import Domain

/// What the control plane has lent of one amount, and the rules of lending: pure; the caller reads it under a
/// lock, lets it answer, and writes back the loans that changed in the same transaction.
///
/// The invariant: what is open of all loans together never exceeds the amount by a grant. Only a node lowers
/// what it was lent, only this raises it.
package struct LendingAccount: Sendable {
    /// What one node was lent.
    package struct Loan: Hashable, Sendable {
        package let id: GrantID
        package let node: NodeID
        package var serial: UInt64 = 0
        package var lent: Int64 = 0
        /// By the usage that came in, and by the node's own word.
        package var settled: Int64 = 0
        package var reported: Int64 = 0
        package var held: Int64 = 0
        package var need: Int64 = 0
        package var hold: Int64 = 0
        package var demand: Int64 = 0
        package var seenAt: Timestamp
        /// The node has no record of it any more: what is open stays counted as used.
        package var isOrphan = false

        package init(id: GrantID, node: NodeID, seenAt: Timestamp) {
            self.id = id
            self.node = node
            self.seenAt = seenAt
        }

        package var used: Int64 { max(settled, reported) }
    }

    /// What to do with the rows, and what to say.
    package struct Outcome: Sendable {
        package var reply: GrantReply
        /// The grant that must be signed and put into the reply.
        package var grant: Grant?
    }

    /// A node that was silent for longer keeps what it has, and is not counted on to give any back.
    package static let liveMicroseconds: Int64 = 5_000_000

    package let account: GrantAccount
    package let metric: LimitMetric
    package let period: LimitPeriod
    package let amount: Int64
    package let window: LimitWindow
    package let epoch: UInt32
    /// After a restore, until every node has said what it was lent: nothing is lent.
    package var isFrozen: Bool
    package var loans: [Loan]

    package init(
        account: GrantAccount, metric: LimitMetric, period: LimitPeriod, amount: Int64, window: LimitWindow,
        epoch: UInt32, isFrozen: Bool = false, loans: [Loan] = []
    ) {
        self.account = account
        self.metric = metric
        self.period = period
        self.amount = amount
        self.window = window
        self.epoch = epoch
        self.isFrozen = isFrozen
        self.loans = loans
    }

    package var kind: LimitKind { LimitKind(metric, period) }

    /// What a loan keeps from being lent again.
    package func open(_ loan: Loan) -> Int64 { kind == .budget ? max(loan.lent, loan.used) : loan.lent }

    /// What can still be lent.
    package var free: Int64 { max(0, amount - loans.reduce(0) { $0 + open($1) }) }

    /// Takes a node's position and answers it.
    ///
    /// - Parameter statement: the position's signed grant, when it was there and its signature is good.
    package mutating func take(
        _ position: GrantPosition, of node: NodeID, statement: Grant? = nil, at now: Timestamp
    ) -> Outcome {
        guard let index = place(position, of: node, statement, at: now) else {
            let isForgotten = canForget(position, of: node)
            return Outcome(
                reply: GrantReply(
                    grant: position.grant, account: account, target: position.lent, amount: amount,
                    wantsStatement: !isForgotten, isClosed: isForgotten))
        }
        adopt(position, index, at: now)
        if position.isClosed {
            let closed = close(index)
            return Outcome(
                reply: GrantReply(grant: closed.id, account: account, amount: amount, isClosed: true))
        }
        let target = target(of: index, at: now)
        var loan = loans[index]
        let isUseless = isUseless(loan)
        let raise = isFrozen || isUseless ? 0 : min(target - loan.lent, free)
        if raise > 0, isWorthRaising(loan, by: target - loan.lent, to: target) {
            loan.lent += raise
            loan.serial += 1
            loans[index] = loan
        }
        let isNews = loan.serial != position.serial
        return Outcome(
            reply: GrantReply(
                grant: loan.id, account: account,
                // Nobody can say yet what others need: whoever was lent something goes on with it.
                target: isFrozen ? loan.lent : isUseless ? min(base(loan), loan.lent) : asked(loan, target),
                amount: amount,
                usedElsewhere: usedElsewhere(index, at: now),
                isAlone: loans.count == 1 && loan.serial == 1),
            grant: isNews
                ? Grant(
                    id: loan.id, node: node, account: account, metric: metric, period: period,
                    window: window, epoch: epoch, serial: loan.serial, lent: loan.lent) : nil)
    }

    /// The loan of a position: found, opened, or taken back from the node's signed grant; nil when that is
    /// needed and not there.
    private mutating func place(
        _ position: GrantPosition, of node: NodeID, _ statement: Grant?, at now: Timestamp
    ) -> Int? {
        let known = loans.firstIndex { $0.id == position.grant && $0.node == node }
        if let known, position.serial <= loans[known].serial { return known }
        if canForget(position, of: node) { return nil }
        var loan = known.map { loans[$0] } ?? Loan(id: position.grant, node: node, seenAt: now)
        if position.serial > 0 {
            guard let statement, statement.id == position.grant, statement.node == node,
                statement.account == account, statement.serial == position.serial
            else { return nil }
            loan.serial = statement.serial
            loan.lent = max(loan.lent, statement.lent)
        }
        if let known {
            loans[known] = loan
            return known
        }
        // The node opens a new one: it has no record of an older one in this window.
        if kind == .budget {
            for index in loans.indices where loans[index].node == node { loans[index].isOrphan = true }
        } else {
            // Its calls of before count still: only what is lent for the first time begins with a burst.
            for lost in loans where lost.node == node && position.serial == 0 {
                loan.serial = max(loan.serial, lost.serial)
            }
            loans.removeAll { $0.node == node }
        }
        loans.append(loan)
        return loans.count - 1
    }

    /// Whether a position may be closed without a loan: its node gives the grant back, and nothing of it
    /// counts here. After a restore a budget that is not known may be spent in part: it is taken back first,
    /// or what was spent of it would be lent again.
    private func canForget(_ position: GrantPosition, of node: NodeID) -> Bool {
        let isLost = isFrozen && kind == .budget && position.serial > 0
        return position.isClosed && !isLost
            && !loans.contains { $0.id == position.grant && $0.node == node }
    }

    private mutating func adopt(_ position: GrantPosition, _ index: Int, at now: Timestamp) {
        var loan = loans[index]
        // A node that has not seen the newest raise cannot have lowered it.
        if position.serial == loan.serial { loan.lent = min(loan.lent, position.lent) }
        if kind == .budget { loan.reported = max(loan.reported, position.spent) }
        loan.held = position.held
        loan.need = position.need
        loan.hold = position.hold
        loan.demand = position.demand
        loan.seenAt = max(loan.seenAt, now)
        loan.isOrphan = false
        loans[index] = loan
    }

    private mutating func close(_ index: Int) -> Loan {
        var loan = loans[index]
        // What is kept back after a kill may have been billed: it stays counted.
        loan.lent = kind == .budget ? min(loan.lent, loan.used + loan.held) : 0
        loan.held = 0
        loan.need = 0
        loan.demand = 0
        if kind == .budget {
            loan.isOrphan = true
            loans[index] = loan
        } else {
            loans.remove(at: index)
        }
        return loan
    }

    private func usedElsewhere(_ index: Int, at now: Timestamp) -> Int64 {
        loans.indices.reduce(0) { sum, other in
            guard other != index else { return sum }
            switch kind {
            case .rate: return sum
            case .budget: return sum + loans[other].used
            case .concurrency:
                return sum + (isLive(loans[other], now) ? loans[other].held : loans[other].lent)
            }
        }
    }

    // MARK: How much to whom

    private func isLive(_ loan: Loan, _ now: Timestamp) -> Bool {
        !loan.isOrphan && now.microseconds(since: loan.seenAt) <= Self.liveMicroseconds
    }

    private func target(of index: Int, at now: Timestamp) -> Int64 {
        kind == .rate ? shareTarget(of: index, at: now) : sliceTarget(of: index, at: now)
    }

    /// A rate follows demand: every live node keeps a hundredth, the rest goes where calls are.
    private func shareTarget(of index: Int, at now: Timestamp) -> Int64 {
        let live = loans.indices.filter { isLive(loans[$0], now) }
        let kept = loans.indices.reduce(0) { live.contains($1) ? $0 : $0 + loans[$1].lent }
        let spare = max(0, amount - kept)
        let count = Int64(live.count)
        let demand = live.reduce(Int128(0)) { $0 + Int128(loans[$1].demand) }
        if demand == 0 {
            // The first ones take the remainder of the division.
            let rank = Int64(live.firstIndex(of: index) ?? 0)
            return spare / count + (rank < spare % count ? 1 : 0)
        }
        let floor = min(spare / 100, spare / (10 * count))
        let pool = spare - floor * count
        func part(_ loan: Int) -> Int64 {
            floor + Int64(Int128(pool) * Int128(loans[loan].demand) / demand)
        }
        var busiest = live[0]
        for other in live where loans[other].demand > loans[busiest].demand { busiest = other }
        guard index == busiest else { return part(index) }
        return spare - live.reduce(0) { $1 == index ? $0 : $0 + part($1) }
    }

    /// A slice is what is used and held, what waits, and something to go on with; near the end, or when
    /// somebody lacks something, only what is held: then every call asks.
    private func sliceTarget(of index: Int, at now: Timestamp) -> Int64 {
        var (reserved, based, needs, demand): (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)
        var (hold, count): (Int64, Int64) = (1, 0)
        for loan in loans {
            guard isLive(loan, now) else {
                reserved += open(loan)
                continue
            }
            count += 1
            based += base(loan)
            needs += loan.need
            demand += loan.demand
            hold = max(hold, loan.hold)
        }
        let loan = loans[index]
        let available = amount - reserved - based - needs
        let isExact = kind == .budget && amount - reserved - based < 2 * hold * count
        guard available > 0, !isExact else { return base(loan) + loan.need }
        if demand > available {
            return base(loan) + loan.need + Int64(Int128(available) * Int128(loan.demand) / Int128(demand))
        }
        let pool = kind == .budget ? available / 2 : available
        let part = demand > 0 ? Int64(Int128(pool) * Int128(loan.demand) / Int128(demand)) : pool / count
        return base(loan) + loan.need + max(loan.demand, part, pool / (100 * count))
    }

    /// Whether all that is free would not do for the call that waits: what nobody can use goes back, so that
    /// two nodes never hold half of a call each.
    private func isUseless(_ loan: Loan) -> Bool {
        let reach = loan.lent - base(loan) + free
        return kind != .rate && loan.need > 0 && reach < loan.need && reach < loan.hold
    }

    private func base(_ loan: Loan) -> Int64 { kind == .budget ? loan.used + loan.held : loan.held }

    /// A raise costs a signature and a write: small ones wait until they have become larger, or are needed.
    private func isWorthRaising(_ loan: Loan, by raise: Int64, to target: Int64) -> Bool {
        if loan.need > 0 || loan.serial == 0 { return true }
        if kind == .rate { return raise * 50 >= loan.lent }
        let goal = target - base(loan)
        return (loan.lent - base(loan)) * 10 < goal * 4
    }

    /// What the node is asked to come down to; small excesses stay.
    private func asked(_ loan: Loan, _ target: Int64) -> Int64 {
        guard target < loan.lent else { return loan.lent }
        if kind == .rate { return (loan.lent - target) * 50 >= loan.lent ? target : loan.lent }
        let (slack, goal) = (loan.lent - base(loan), target - base(loan) - loan.need)
        return goal == 0 || slack > 2 * goal ? target : loan.lent
    }
}

/// When a restored control plane has heard from a node of everything it was lent.
package enum GrantImport {
    /// One round may have begun before; in the next the grants that are missing are noticed; in the one after
    /// it they come with their signatures.
    package static func isWhole(first: UInt64, now round: UInt64) -> Bool { round >= first + 3 }
}

package import Contract
package import Domain

/// A node's half of the grants: holds for calls, what was lent, and what to tell the control plane. Pure: the
/// caller gives the time and moves the messages. One for all loops of a node, behind a lock.
///
/// The invariant: what is held and spent of a grant never exceeds what was lent by a hold. A raise counts
/// once it is on disk, a reduction counts at once and is on disk before the control plane hears of it.
package struct GrantHolder: Sendable {
    package struct Account: Sendable {
        let account: GrantAccount
        package var terms: LimitTerms
        var bucket: RateBucket?
        package var current: HeldGrant?
        /// Of other windows: the next one, lent ahead, and past ones whose calls have not all settled.
        var others: [HeldGrant] = []
        /// In force at the control plane; nil until it has answered.
        var amount: Int64?
        var usedElsewhere: Int64 = 0
        var need: Int64 = 0
        var largestHold: Int64 = 0
        var asked: Int64 = 0
        var demand: Int64 = 0
        var lastUsed: Int64
        var shadowed = 0
    }

    package var accounts: [Account?] = []
    package var slots: [GrantAccount: Int] = [:]
    var vacant: [Int] = []
    var identifiers: any RandomNumberGenerator & Sendable
    /// The control plane's clock at a moment of ours; nil before its first answer.
    var clock: (theirs: Timestamp, at: Int64)?
    var sequence: UInt64
    package var raises: [GrantID: Raise] = [:]
    var decayedAt: Int64
    var rotation = 0
    var round: UInt64 = 0
    /// Calls that a shadow limit would have refused.
    package internal(set) var shadowRefusals: Int64 = 0

    package struct Raise: Sendable {
        package let slot: Int
        package let serial: UInt64
        let lent: Int64
        package let window: LimitWindow
        package let isFull: Bool

        package init(slot: Int, serial: UInt64, lent: Int64, window: LimitWindow, isFull: Bool) {
            self.slot = slot
            self.serial = serial
            self.lent = lent
            self.window = window
            self.isFull = isFull
        }
    }

    /// How long a call waits for what may come.
    package static let patienceNanoseconds: Int64 = 2_000_000_000

    /// - Parameters:
    ///   - sequence: above any the node has used before, if it is known; the control plane corrects it.
    ///   - identifiers: makes the ids of grants; unlike any other process's.
    package init(
        sequence: UInt64, at now: Int64, identifiers: some RandomNumberGenerator & Sendable
    ) {
        self.sequence = sequence
        self.identifiers = identifiers
        decayedAt = now
    }

    // MARK: Calls

    /// Reserves all claims of a call, or none.
    package mutating func hold(_ claims: [LimitClaim], at now: Int64, wall: Timestamp) -> HoldVerdict {
        var lacks: [LimitWait.Lack] = []
        var refusal: LimitRefusal?
        for claim in claims {
            let slot = slot(of: claim, at: now)
            roll(slot, at: now, wall: wall)
            guard let problem = problem(slot, claim, at: now) else { continue }
            if claim.terms.mode == .shadow { continue }
            guard problem.isPassing else {
                note(claims, at: now)
                return .refused(problem.refusal)
            }
            lacks.append(LimitWait.Lack(slot: slot, amount: claim.amount))
            refusal = refusal ?? problem.refusal
        }
        note(claims, at: now)
        if let refusal {
            for lack in lacks {
                accounts[lack.slot]?.need += lack.amount
            }
            return .wait(LimitWait(lacks: lacks, refusal: refusal))
        }
        return .held(claims.map { apply($0, at: now) })
    }

    /// Takes back what a waiting call asked for: before it asks again, or gives up.
    package mutating func endWait(_ wait: LimitWait) {
        for lack in wait.lacks { accounts[lack.slot]?.need -= lack.amount }
    }

    /// Gives a call's holds back and charges what it used; `nil` usage charges nothing: it was never dialled.
    ///
    /// Call it once the usage event is durable.
    package mutating func settle(
        _ holds: [LimitHold], _ usage: (tokens: TokenUsage, cost: NanoUSD)?, at now: Int64
    ) {
        for hold in holds {
            let used = usage.map { hold.metric.amount(of: $0.tokens, cost: $0.cost) } ?? 0
            switch hold.kind {
            case .rate where accounts[hold.slot]?.current?.id == hold.grant:
                accounts[hold.slot]?.bucket?.take(used - hold.amount, at: now)
            case .rate: break
            case .concurrency: withGrant(hold) { $0.held -= 1 }
            case .budget:
                withGrant(hold) {
                    $0.held -= hold.amount
                    $0.spent += used
                }
                accounts[hold.slot]?.asked += used
            }
        }
    }

    private mutating func withGrant(_ hold: LimitHold, _ body: (inout HeldGrant) -> Void) {
        if accounts[hold.slot]?.current?.id == hold.grant {
            body(&accounts[hold.slot]!.current!)
        } else if let index = accounts[hold.slot]?.others.firstIndex(where: { $0.id == hold.grant }) {
            body(&accounts[hold.slot]!.others[index])
        }
    }

    private mutating func apply(_ claim: LimitClaim, at now: Int64) -> LimitHold {
        let slot = slots[claim.account]!
        var hold = claim.amount
        var account = accounts[slot]!
        if account.current == nil { account.current = open(at: now) }
        switch claim.terms.kind {
        case .rate:
            if claim.terms.mode == .shadow {
                let wait = account.bucket?.wait(for: hold, at: now)
                if wait != 0 { hold = 0 }
                if let wait, wait > 0 { shadowRefusals += 1 }
            }
            account.bucket?.take(hold, at: now)
        case .concurrency:
            hold = 1
            account.current!.held += 1
        case .budget:
            if claim.terms.mode == .shadow, account.current!.slack < hold {
                hold = 0
                shadowRefusals += 1
            }
            account.current!.held += hold
        }
        let grant = account.current!.id
        accounts[slot] = account
        return LimitHold(
            slot: slot, grant: grant, kind: claim.terms.kind, metric: claim.terms.metric, amount: hold)
    }

    /// What stands in the way of a claim.
    private struct Problem {
        let refusal: LimitRefusal
        /// Whether it may go away by itself.
        let isPassing: Bool
    }

    private mutating func problem(_ slot: Int, _ claim: LimitClaim, at now: Int64) -> Problem? {
        guard var account = accounts[slot] else { return nil }
        defer { accounts[slot] = account }
        func problem(_ reason: LimitRefusal.Reason, after: Int64, passing: Bool) -> Problem {
            Problem(
                refusal: LimitRefusal(
                    reason: reason, account: claim.account, terms: claim.terms, retryNanoseconds: after,
                    resetsAt: account.current?.window?.end),
                isPassing: passing)
        }
        let second: Int64 = 1_000_000_000
        // Also for a node that was never lent anything, because others have spent it all.
        let spent = account.usedElsewhere + (account.current?.spent ?? 0)
        if claim.terms.kind == .budget, let amount = account.amount, spent > amount - claim.amount,
            account.current.map({ $0.slack < claim.amount || $0.serial == 0 }) ?? true
        {
            return problem(.exhausted, after: second, passing: false)
        }
        guard let grant = account.current, grant.serial > 0, !grant.isClosing, let amount = account.amount
        else {
            let reason: LimitRefusal.Reason =
                switch claim.terms.kind {
                case .rate: .rate
                case .concurrency: .concurrency
                case .budget: .contended
                }
            return problem(reason, after: second, passing: true)
        }
        switch claim.terms.kind {
        case .rate:
            guard let wait = account.bucket?.wait(for: claim.amount, at: now) else {
                return problem(.rate, after: second, passing: false)
            }
            return wait == 0 ? nil : problem(.rate, after: wait, passing: false)
        case .concurrency:
            if grant.slack >= 1 { return nil }
            return problem(
                .concurrency, after: second, passing: account.usedElsewhere + grant.held < amount)
        case .budget:
            if grant.slack >= claim.amount { return nil }
            return problem(.contended, after: second, passing: true)
        }
    }

    /// Counts what was asked for, whether it is given or not: shares follow it.
    private mutating func note(_ claims: [LimitClaim], at now: Int64) {
        for claim in claims {
            guard let slot = slots[claim.account] else { continue }
            if claim.terms.kind != .budget { accounts[slot]!.asked += claim.amount }
            accounts[slot]!.largestHold = max(accounts[slot]!.largestHold, claim.amount)
            accounts[slot]!.lastUsed = now
        }
    }

    // MARK: Accounts

    private mutating func slot(of claim: LimitClaim, at now: Int64) -> Int {
        if let slot = slots[claim.account] {
            if accounts[slot]!.terms != claim.terms { accounts[slot]!.adopt(claim.terms, at: now) }
            return slot
        }
        var account = Account(account: claim.account, terms: claim.terms, lastUsed: now)
        account.bucket = claim.terms.bucketRule.map { RateBucket($0, at: now) }
        return insert(account)
    }

    mutating func insert(_ account: Account) -> Int {
        let slot = vacant.popLast() ?? accounts.count
        if slot == accounts.count { accounts.append(account) } else { accounts[slot] = account }
        slots[account.account] = slot
        return slot
    }

    /// The control plane's clock as far as it is known: calendar windows are its affair.
    func calendar(at now: Int64, wall: Timestamp) -> Timestamp {
        guard let clock else { return wall }
        return clock.theirs.advanced(byMicroseconds: (now - clock.at) / 1000)
    }

    /// Goes over to the next window when the current one has ended.
    mutating func roll(_ slot: Int, at now: Int64, wall: Timestamp) {
        guard let end = accounts[slot]?.current?.window?.end else { return }
        let calendar = calendar(at: now, wall: wall)
        guard calendar >= end, let old = accounts[slot]?.current else { return }
        let next = accounts[slot]!.others.firstIndex { $0.window?.contains(calendar) ?? false }
        accounts[slot]!.current = next.map { accounts[slot]!.others.remove(at: $0) }
        accounts[slot]!.others.append(old)
        accounts[slot]!.usedElsewhere = 0
    }

    mutating func open(at now: Int64) -> HeldGrant {
        let time = Timestamp(microseconds: now / 1000)
        return HeldGrant(id: GrantID(at: time, using: &identifiers), window: nil)
    }

    /// What is left of the rates, slots and budgets of an account now; nil before the control plane answered.
    package mutating func remaining(
        _ account: GrantAccount, at now: Int64
    ) -> (remaining: Int64, limit: Int64, untilFull: Int64)? {
        guard let slot = slots[account], let amount = accounts[slot]?.amount else { return nil }
        if accounts[slot]!.bucket != nil {
            return (
                accounts[slot]!.bucket!.available(at: now), accounts[slot]!.terms.amount,
                accounts[slot]!.bucket!.untilFull(at: now)
            )
        }
        let grant = accounts[slot]!.current
        let used = accounts[slot]!.usedElsewhere + (grant?.spent ?? 0) + (grant?.held ?? 0)
        return (max(0, amount - used), amount, 0)
    }
}

extension GrantHolder.Account {
    /// Demand goes down linearly inside one halving and is gone after two: the last unit too, or an idle node
    /// would ask for its share for ever.
    mutating func decay(over elapsed: Int64) {
        let (quick, slow) = GrantHolder.halvingNanoseconds
        let time = Int128(2 * (terms.kind == .budget ? slow : quick))
        let gone = (Int128(demand) * Int128(elapsed) + time - 1) / time
        demand = Int64(clamping: max(0, Int128(demand) - gone))
    }

    /// The limit was edited: its rate runs on with what is there.
    mutating func adopt(_ terms: LimitTerms, at now: Int64) {
        if terms.bucketRule != self.terms.bucketRule, let rule = terms.bucketRule {
            var fresh = RateBucket(rule, at: now)
            fresh.setShare(current?.lent ?? 0, at: now)
            bucket = fresh
        }
        // Restored, and the control plane has not said what is in force.
        if amount == self.terms.amount { amount = terms.amount }
        self.terms = terms
    }
}

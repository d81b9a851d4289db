package import Contract
package import Domain

/// The node's side of the exchange: one message under way at a time.
extension GrantHolder {
    /// Rates and slots nobody asks for are given back, budgets too, but later: a cut-off node should have
    /// something to spend.
    static let idleNanoseconds: (quick: Int64, slow: Int64) = (60_000_000_000, 600_000_000_000)
    /// Demand is halved so often: it is what was asked for in about the last second, or thirty for budgets.
    static let halvingNanoseconds: (quick: Int64, slow: Int64) = (500_000_000, 15_000_000_000)
    private static let decayNanoseconds: Int64 = 100_000_000

    /// Whether something is needed at once, so that the next message should not wait.
    package var isUrgent: Bool {
        accounts.contains { account in
            guard let account else { return false }
            if account.need > 0 { return true }
            guard let grant = account.current else { return false }
            if grant.serial == 0 { return true }
            // Refilled below 40 per cent of what thirty seconds take.
            return account.terms.kind == .budget && account.asked > 0
                && grant.slack / 4 < account.demand / 10
        }
    }

    package var isEmpty: Bool { slots.isEmpty }

    /// The next message: the next ones of the positions, in turns. Also without any: then it says that there
    /// are none.
    package mutating func request(at now: Int64, wall: Timestamp) -> GrantRequest {
        decay(at: now)
        var positions: [GrantPosition] = []
        while rotation < accounts.count, positions.count < GrantExchange.maximumPositions - 100 {
            defer { rotation += 1 }
            guard accounts[rotation] != nil else { continue }
            roll(rotation, at: now, wall: wall)
            positions += self.positions(of: rotation, at: now).prefix(100)
        }
        sequence += 1
        if rotation >= accounts.count {
            rotation = 0
            round += 1
        }
        return GrantRequest(sequence: sequence, round: round, positions: positions)
    }

    private mutating func positions(of slot: Int, at now: Int64) -> [GrantPosition] {
        if !isIdle(slot, at: now) {
            if accounts[slot]!.current == nil { accounts[slot]!.current = open(at: now) }
            lendAhead(slot, at: now)
        }
        let account = accounts[slot]!
        var positions: [GrantPosition] = []
        if let grant = account.current { positions.append(position(grant, account, within: nil)) }
        for grant in account.others {
            positions.append(position(grant, account, within: grant.window?.start))
        }
        dropIfEmpty(slot, at: now)
        return positions
    }

    private func position(_ grant: HeldGrant, _ account: Account, within: Timestamp?) -> GrantPosition {
        let isCurrent = grant.id == account.current?.id
        return GrantPosition(
            grant: grant.id, account: account.account,
            within: within ?? (grant.serial > 0 ? grant.window?.start : nil), serial: grant.serial,
            lent: max(0, grant.lent), spent: max(0, grant.spent), held: max(0, grant.held + grant.withheld),
            need: isCurrent && !grant.isClosing ? max(0, account.need) : 0,
            hold: account.largestHold, demand: isCurrent ? max(0, account.demand) : 0,
            isClosed: grant.isClosing, statement: grant.isStatementWanted ? grant.statement : nil)
    }

    /// Once a window's grant is there, the next window's is asked for: the turn of a window during an outage
    /// finds money.
    private mutating func lendAhead(_ slot: Int, at now: Int64) {
        guard let account = accounts[slot], account.terms.kind == .budget, let grant = account.current,
            grant.serial > 0, let end = grant.window?.end,
            !account.others.contains(where: { ($0.window?.start ?? .distantPast) >= end })
        else { return }
        let id = open(at: now).id
        accounts[slot]!.others.append(HeldGrant(id: id, window: LimitWindow(start: end, end: nil)))
    }

    /// Whether nobody has asked for it for so long that it is given back.
    private func isIdle(_ slot: Int, at now: Int64) -> Bool {
        let account = accounts[slot]!
        let limit = account.terms.kind == .budget ? Self.idleNanoseconds.slow : Self.idleNanoseconds.quick
        return now - account.lastUsed > limit && account.need == 0
    }

    /// Forgets an account that nobody asks for and nothing is lent of.
    private mutating func dropIfEmpty(_ slot: Int, at now: Int64) {
        guard let account = accounts[slot], account.current == nil, account.others.isEmpty,
            isIdle(slot, at: now)
        else { return }
        slots[account.account] = nil
        accounts[slot] = nil
        vacant.append(slot)
    }

    private mutating func decay(at now: Int64) {
        let elapsed = now - decayedAt
        let isDue = elapsed >= Self.decayNanoseconds
        if isDue { decayedAt = now }
        for slot in accounts.indices where accounts[slot] != nil {
            if isDue { accounts[slot]!.decay(over: elapsed) }
            let demand = Int128(accounts[slot]!.demand) + Int128(accounts[slot]!.asked)
            accounts[slot]!.demand = Int64(clamping: demand)
            accounts[slot]!.asked = 0
        }
    }

    // MARK: Answers

    /// Takes an answer to the last request. What it gives counts after `saved`; what it takes counts now.
    ///
    /// - Parameter verified: the grant a signed statement says, or nil when its signature is not good.
    package mutating func take(
        _ answer: GrantAnswer, to request: GrantRequest, at now: Int64,
        verified: (SignedEnvelope) -> Grant?
    ) -> GrantChanges {
        var changes = GrantChanges()
        if answer.sequence != request.sequence {
            sequence = max(sequence, answer.sequence)
            return changes
        }
        clock = (answer.now, now)
        for reply in answer.replies {
            guard let slot = slots[reply.account] else { continue }
            take(reply, slot, at: now, today: answer.now, verified, &changes)
        }
        return changes
    }

    private mutating func take(
        _ reply: GrantReply, _ slot: Int, at now: Int64, today: Timestamp,
        _ verified: (SignedEnvelope) -> Grant?, _ changes: inout GrantChanges
    ) {
        let isCurrent = accounts[slot]!.current?.id == reply.grant
        let other = accounts[slot]!.others.firstIndex { $0.id == reply.grant }
        guard isCurrent || other != nil else { return }
        if reply.isClosed {
            forget(slot, reply.grant, &changes)
            return
        }
        var grant = isCurrent ? accounts[slot]!.current! : accounts[slot]!.others[other!]
        if isCurrent {
            accounts[slot]!.amount = reply.amount
            accounts[slot]!.usedElsewhere = reply.usedElsewhere
        }
        grant.isStatementWanted = reply.wantsStatement
        if let envelope = reply.statement, let news = verified(envelope), news.id == grant.id,
            news.account == reply.account, news.serial > grant.serial
        {
            grant.statement = envelope
            raises[grant.id] = Raise(
                slot: slot, serial: news.serial, lent: news.lent, window: news.window, isFull: reply.isAlone)
            changes.saves.append(
                SavedGrant(
                    id: grant.id, statement: envelope, lent: news.lent, spent: grant.spent,
                    margin: grant.margin))
        } else {
            // Given back in two steps: on disk nothing is left to use, then the control plane hears of it.
            let isOver = !isCurrent && grant.window?.end.map { $0 <= today } ?? false
            if grant.held == 0, isOver || isIdle(slot, at: now) { grant.isClosing = true }
            let least = accounts[slot]!.terms.kind == .rate ? 0 : grant.spent + grant.held + grant.withheld
            let lowered = max(grant.isClosing ? 0 : reply.target, least)
            if lowered < grant.lent, grant.serial > 0, let statement = grant.statement {
                grant.lent = lowered
                changes.saves.append(
                    SavedGrant(
                        id: grant.id, statement: statement, lent: lowered, spent: grant.spent,
                        margin: grant.margin))
                if isCurrent { accounts[slot]!.bucket?.setShare(lowered, at: now) }
            }
        }
        if isCurrent { accounts[slot]!.current = grant } else { accounts[slot]!.others[other!] = grant }
    }

    private mutating func forget(_ slot: Int, _ id: GrantID, _ changes: inout GrantChanges) {
        changes.deletes.append(id)
        raises[id] = nil
        if accounts[slot]!.current?.id == id {
            let held = accounts[slot]!.current!.held
            // Calls under way still give back to it.
            if held > 0 { accounts[slot]!.others.append(accounts[slot]!.current!) }
            accounts[slot]!.current = nil
            accounts[slot]!.bucket?.setShare(0, at: decayedAt)
        } else {
            accounts[slot]!.others.removeAll { $0.id == id && $0.held == 0 }
        }
        dropIfEmpty(slot, at: decayedAt)
    }

    /// The changes are on disk: what was given may be used. True when calls that wait should ask again.
    package mutating func saved(_ changes: GrantChanges, at now: Int64) -> Bool {
        var isMore = false
        for save in changes.saves {
            guard let raise = raises.removeValue(forKey: save.id), raise.lent == save.lent,
                accounts[raise.slot] != nil
            else { continue }
            isMore = true
            apply(raise, save.id, at: now)
        }
        return isMore
    }

    private mutating func apply(_ raise: Raise, _ id: GrantID, at now: Int64) {
        func raised(_ grant: HeldGrant) -> HeldGrant {
            var fresh = HeldGrant(id: id, window: raise.window)
            fresh.serial = raise.serial
            fresh.lent = raise.lent
            (fresh.spent, fresh.held) = (grant.spent, grant.held)
            (fresh.withheld, fresh.margin) = (grant.withheld, grant.margin)
            (fresh.statement, fresh.isClosing) = (grant.statement, grant.isClosing)
            return fresh
        }
        if let grant = accounts[raise.slot]!.current, grant.id == id {
            accounts[raise.slot]!.current = raised(grant)
            accounts[raise.slot]!.bucket?.setShare(
                raise.lent, isFull: raise.isFull && grant.serial == 0, at: now)
        } else if let index = accounts[raise.slot]!.others.firstIndex(where: { $0.id == id }) {
            accounts[raise.slot]!.others[index] = raised(accounts[raise.slot]!.others[index])
        }
    }

    // MARK: Kills and restarts

    /// What would be kept back after a kill has grown: write these rows, without waiting.
    package mutating func margins() -> [SavedGrant] {
        var saves: [SavedGrant] = []
        for slot in accounts.indices where accounts[slot]?.terms.kind == .budget {
            guard var grant = accounts[slot]!.current, grant.held + grant.withheld > grant.margin,
                let statement = grant.statement
            else { continue }
            grant.margin = grant.held + grant.withheld
            accounts[slot]!.current = grant
            saves.append(
                SavedGrant(
                    id: grant.id, statement: statement, lent: grant.lent, spent: grant.spent,
                    margin: grant.margin))
        }
        return saves
    }

    /// Takes up what an earlier process left on disk; the margin of each is kept back. The first call brings
    /// the limit's terms; of one that is gone the control plane says so.
    package mutating func restore(_ saved: [(SavedGrant, Grant)], at now: Int64, wall: Timestamp) {
        for (save, grant) in saved {
            var held = HeldGrant(id: save.id, window: grant.window)
            held.serial = grant.serial
            held.lent = save.lent
            held.spent = save.spent
            held.margin = save.margin
            held.withheld = min(save.margin, max(0, save.lent - save.spent))
            held.statement = save.statement
            let slot: Int
            if let known = slots[grant.account] {
                slot = known
            } else {
                let terms = LimitTerms(
                    metric: grant.metric, mode: .enforce, period: grant.period, amount: save.lent)
                var account = Account(account: grant.account, terms: terms, lastUsed: now)
                account.bucket = terms.bucketRule.map { RateBucket($0, at: now) }
                slot = insert(account)
            }
            accounts[slot]!.amount = accounts[slot]!.amount ?? accounts[slot]!.terms.amount
            let isNow = grant.window.contains(calendar(at: now, wall: wall))
            if isNow, accounts[slot]!.current == nil {
                accounts[slot]!.current = held
                accounts[slot]!.bucket?.setShare(held.lent, at: now)
            } else {
                accounts[slot]!.others.append(held)
            }
        }
    }
}

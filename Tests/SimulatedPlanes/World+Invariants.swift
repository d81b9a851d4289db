import Contract
import Domain
import Policy

extension World {
    mutating func check() {
        checkBooks()
        checkNodes()
        checkRate()
        checkSlots()
    }

    mutating func violate(_ text: String) { violations.append("\(text) at \(now)") }

    /// No amount is lent twice.
    private mutating func checkBooks() {
        // The books of a restored control plane say more than is true until every node has spoken.
        if restores > 0 { return }
        for account in control.state.accounts.values {
            let open = account.loans.reduce(0) { $0 + account.open($1) }
            if open > account.amount {
                violate("\(account.kind): \(open) of \(account.amount) is lent: \(account.loans)")
            }
        }
    }

    /// No budget is spent above its limit, counting calls under way at their worst; of grants that nobody can
    /// tell of after a restore, what the books have of them.
    private mutating func checkNodes() {
        var spent = billed
        for node in nodes {
            for call in node.calls {
                if let grant = call.budgetGrant { spent[grant, default: 0] += call.worst }
            }
            for account in node.holder.accounts.compactMap(\.self) {
                guard let grant = account.current, account.terms.kind == .budget else { continue }
                let used = grant.held + grant.spent + grant.withheld
                if used > grant.lent { violate("a node uses \(used) of \(grant.lent) lent") }
            }
        }
        var byWindow: [Timestamp: Int64] = [:]
        for (grant, amount) in spent {
            guard let window = control.windows[grant] else { continue }
            byWindow[window, default: 0] += min(amount, forgotten[grant] ?? .max)
        }
        for amount in byWindow.values where amount > budget.terms.amount {
            violate("\(amount) of \(budget.terms.amount) is spent")
        }
    }

    /// In no minute more than what refills in it, and what all shares had saved before: a burst, and of each
    /// node a call, because the smallest share can save that much. Where a node's record and the books are
    /// both lost, a restored control plane may take a rate for one that nobody has used yet, once.
    private mutating func checkRate() {
        admissions.removeAll { $0 < now - 60_000_000_000 }
        let limit = Int(rate.terms.amount)
        let bursts = hasLostDisk ? 1 + restores : 1
        let allowed = limit + bursts * (limit / 6) + nodes.count
        if admissions.count > allowed { violate("\(admissions.count) calls a minute of \(allowed)") }
        let shares = nodes.reduce(Int64(0)) { sum, node in
            guard node.isAlive, let slot = node.holder.slots[rate.account],
                let grant = node.holder.accounts[slot]?.current, !grant.isClosing
            else { return sum }
            return sum + grant.lent
        }
        if shares > rate.terms.amount { violate("shares of \(shares) in \(rate.terms.amount)") }
    }

    private mutating func checkSlots() {
        let calls = nodes.reduce(0) { sum, node in
            sum + node.calls.filter { $0.claims.contains { $0.terms.kind == .concurrency } }.count
        }
        if calls > Int(slots.terms.amount) { violate("\(calls) calls in \(slots.terms.amount) slots") }
    }

    /// Everything is repaired; in the end the control plane knows of every answered call, once.
    mutating func heal() {
        isHealing = true
        control.isDown = false
        for index in nodes.indices {
            nodes[index].isCutIn = false
            nodes[index].isCutOut = false
            start(index)
        }
        for round in 0..<20_000 {
            if round > 400, nodes.allSatisfy({ $0.disk.batches.isEmpty && $0.disk.open.isEmpty }) { break }
            now += 50_000_000
            deliver()
            for index in nodes.indices {
                let ended = nodes[index].calls
                nodes[index].calls = ended.map {
                    SimulatedNode.Call(
                        claims: $0.claims, holds: $0.holds, endsAt: 0, cost: $0.cost, worst: $0.worst)
                }
                finishCalls(index)
                exchange(index)
                upload(index)
            }
        }
        if !hasLostUsage {
            if control.state.events != answered || control.state.settled != answeredCost {
                violate(
                    "\(control.state.events) calls of \(control.state.settled) are booked, "
                        + "\(answered) of \(answeredCost) were answered")
            }
        }
        checkIdle()
    }

    /// Money that nobody holds can be spent: after the repair a call finds what is left.
    private mutating func checkIdle() {
        for node in nodes where !node.waiting.isEmpty {
            for call in node.waiting where call.givesUpAt > now { violate("a call waits for nothing") }
        }
    }
}

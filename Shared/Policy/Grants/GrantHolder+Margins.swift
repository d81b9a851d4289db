package import Domain

/// What a node keeps back of its budgets after a kill, as calls come and go.
extension GrantHolder {
    /// Of the grants that these holds are of, the margins that have grown: write them, without waiting.
    package mutating func margins(of holds: [LimitHold]) -> [(grant: GrantID, margin: Int64)] {
        var grown: [(grant: GrantID, margin: Int64)] = []
        for hold in holds where hold.kind == .budget {
            guard var grant = accounts[hold.slot]?.current, grant.id == hold.grant, grant.statement != nil,
                grant.held + grant.withheld > grant.margin
            else { continue }
            grant.margin = grant.held + grant.withheld
            accounts[hold.slot]!.current = grant
            grown.append((grant.id, grant.margin))
        }
        return grown
    }

    /// Margins that are far above what is held now, lowered. They must be on their way to the disk before the
    /// next hold.
    ///
    /// - Parameter isLast: no call will come any more: down to what is held, if that is less at all.
    package mutating func lowerMargins(toHeld isLast: Bool) -> [(grant: GrantID, margin: Int64)] {
        var lowered: [(grant: GrantID, margin: Int64)] = []
        for slot in accounts.indices where accounts[slot]?.terms.kind == .budget {
            guard var grant = accounts[slot]!.current, grant.statement != nil else { continue }
            let kept = grant.held + grant.withheld
            let room = max(kept, accounts[slot]!.largestHold)
            let margin = isLast ? kept : grant.margin / 4 > room ? 2 * room : grant.margin
            if margin >= grant.margin { continue }
            grant.margin = margin
            accounts[slot]!.current = grant
            lowered.append((grant.id, margin))
        }
        return lowered
    }

    /// Forgets all that was lent: its record on disk is lost, so none of it is spent again. Calls under way
    /// give back to nobody.
    package mutating func abandon() {
        raises = [:]
        for slot in accounts.indices where accounts[slot] != nil {
            accounts[slot]!.current = nil
            accounts[slot]!.others = []
            accounts[slot]!.usedElsewhere = 0
            accounts[slot]!.bucket?.setShare(0, at: decayedAt)
        }
    }
}

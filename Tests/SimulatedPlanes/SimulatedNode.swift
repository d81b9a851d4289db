import Contract
import Domain
import Policy
import TestSupport

/// A node of the simulation: the real holder, a disk, and calls under way.
struct SimulatedNode {
    struct Call {
        let claims: [LimitClaim]
        var holds: [LimitHold]
        let endsAt: Int64
        let cost: Int64
        /// The worst case of its budgets: what a provider may have billed of a call that was killed.
        let worst: Int64

        var budgetGrant: GrantID? { holds.first(where: \.isSpent)?.grant }
    }

    struct Waiting {
        let claims: [LimitClaim]
        let wait: LimitWait
        let givesUpAt: Int64
        let cost: Int64
    }

    /// One durable usage event.
    struct Event: Hashable {
        let grants: [GrantID]
        let cost: Int64
    }

    /// What survives a kill.
    struct Disk {
        var grants: [GrantID: SavedGrant] = [:]
        var batches: [(sequence: Int64, events: [Event])] = []
        var open: [Event] = []
        var nextSequence: Int64 = 1
        var outboxEpoch: UInt64
    }

    let id: NodeID
    var holder: GrantHolder
    var disk: Disk
    var calls: [Call] = []
    var waiting: [Waiting] = []
    var request: (message: GrantRequest, sentAt: Int64)?
    var isAlive = true
    /// Counts its processes: an answer reaches only the one that asked.
    var process = 0
    /// What this node sends is lost; what is sent to it is lost.
    var isCutOut = false
    var isCutIn = false
    var nextExchangeAt: Int64 = 0
    var nextUploadAt: Int64 = 0
    /// The node's own wall clock is off by so much.
    var clockError: Int64 = 0

    init(_ id: NodeID, at now: Int64, using generator: inout SeededGenerator) {
        self.id = id
        disk = Disk(outboxEpoch: generator.next())
        holder = GrantHolder(sequence: 0, at: now, identifiers: SeededGenerator(seed: generator.next()))
    }

    /// What it was lent of budgets in the windows that are now; all there ever was of one it gives back.
    var lentBudgets: [GrantID: Int64] {
        var lent: [GrantID: Int64] = [:]
        for case let account? in holder.accounts where account.terms.kind == .budget {
            if let grant = account.current { lent[grant.id] = grant.isClosing ? .max : grant.lent }
        }
        return lent
    }

    mutating func apply(_ changes: GrantChanges) {
        for save in changes.saves {
            var save = save
            // Spending is the writer's: it grew with the events.
            save.spent = disk.grants[save.id]?.spent ?? 0
            disk.grants[save.id] = save
        }
        for id in changes.deletes { disk.grants[id] = nil }
    }

    mutating func record(_ event: Event) {
        disk.open.append(event)
        for grant in event.grants { disk.grants[grant]?.spent += event.cost }
    }
}

package import Contract
package import Domain

/// What the control plane lent this node of one account in one window, as the node keeps it.
package struct HeldGrant: Hashable, Sendable {
    package let id: GrantID
    package let window: LimitWindow?
    package var serial: UInt64 = 0
    package var lent: Int64 = 0
    package var spent: Int64 = 0
    package var held: Int64 = 0
    /// Kept back after a kill for calls whose rows may be missing.
    package var withheld: Int64 = 0
    /// The most that was held at once, as it is on disk: what would be kept back after a kill.
    package var margin: Int64 = 0
    package var statement: SignedEnvelope?
    /// The node uses it no more, and has said so.
    package var isClosing = false
    package var isStatementWanted = false

    package init(id: GrantID, window: LimitWindow?) {
        self.id = id
        self.window = window
    }

    /// What new calls can be held against. Negative after an overage.
    package var slack: Int64 { lent - spent - held - withheld }
}

/// A grant as it is kept on disk, so that a restarted node goes on with what it was lent.
package struct SavedGrant: Hashable, Sendable {
    package var id: GrantID
    package var statement: SignedEnvelope
    package var lent: Int64
    /// Durable spending: it grows in the transaction that writes the usage events.
    package var spent: Int64
    package var margin: Int64

    package init(id: GrantID, statement: SignedEnvelope, lent: Int64, spent: Int64 = 0, margin: Int64 = 0) {
        self.id = id
        self.statement = statement
        self.lent = lent
        self.spent = spent
        self.margin = margin
    }
}

/// What must be written to disk before the node goes on.
package struct GrantChanges: Hashable, Sendable {
    /// New or changed: `spent` of an existing row stays as it is.
    package var saves: [SavedGrant] = []
    package var deletes: [GrantID] = []

    package init() {}
    package var isEmpty: Bool { saves.isEmpty && deletes.isEmpty }
}

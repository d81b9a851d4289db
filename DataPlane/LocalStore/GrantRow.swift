package import Domain

/// A grant as it is on disk: the signed statement, and what the node made of it.
package struct GrantRow: Hashable, Sendable {
    package let id: GrantID
    /// The signed grant as it came.
    package var statement: [UInt8]
    package var lent: Int64
    package var spent: Int64
    /// The most that was held at once: kept back after a kill.
    package var margin: Int64

    package init(id: GrantID, statement: [UInt8], lent: Int64, spent: Int64 = 0, margin: Int64 = 0) {
        self.id = id
        self.statement = statement
        self.lent = lent
        self.spent = spent
        self.margin = margin
    }

    /// SQLite does not notice a flipped bit inside a value, and these are money.
    var check: Int64 {
        var words = [id.high, id.low, UInt64(bitPattern: lent), UInt64(bitPattern: spent)]
        words.append(UInt64(bitPattern: margin))
        words.append(UInt64(bitPattern: statement.withUnsafeBytes { rowCheck($0) }))
        return words.withUnsafeBytes { rowCheck($0) }
    }
}

/// An amount of a grant.
package struct GrantCharge: Hashable, Sendable {
    package let grant: GrantID
    package let amount: Int64

    package init(grant: GrantID, amount: Int64) {
        self.grant = grant
        self.amount = amount
    }
}

/// A call under way, with the event it becomes when the process is killed.
package struct OpenCall: Hashable, Sendable {
    package let id: UsageEventID
    /// Encoded as in a batch.
    package let event: [UInt8]
    /// Nano-USD, the event's.
    package let cost: Int64
    package let charges: [GrantCharge]

    package init(id: UsageEventID, event: [UInt8], cost: Int64, charges: [GrantCharge]) {
        self.id = id
        self.event = event
        self.cost = cost
        self.charges = charges
    }
}

/// Calls that began and ended since the last commit.
struct CallRecords {
    var begun: [OpenCall] = []
    var ended: [UsageEventID] = []

    var isEmpty: Bool { begun.isEmpty && ended.isEmpty }
}

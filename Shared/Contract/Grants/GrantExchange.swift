package import Domain

/// What a node says of one account: what it holds, what it used of it, and what it needs.
///
/// All totals are cumulative, so a message that is repeated, late or lost changes nothing twice.
package struct GrantPosition: Hashable, Sendable, BinaryRecord {
    /// The node's id of the grant; a new one opens a grant.
    package var grant: GrantID
    package var account: GrantAccount
    /// Any moment of the window meant; nil means the one that is now.
    package var within: Timestamp?
    /// The newest serial the node has; 0 for a grant just opened.
    package var serial: UInt64
    /// What the node keeps of it: it has given back, durably, what was above.
    package var lent: Int64
    package var spent: Int64
    /// Reserved by calls under way, or kept back after a kill.
    package var held: Int64
    /// What waiting calls ask for.
    package var need: Int64
    /// The largest reservation of one call lately.
    package var hold: Int64
    /// What was asked for lately: the last second's worth of a rate, thirty seconds' of a budget.
    package var demand: Int64
    /// The node uses it no more.
    package var isClosed: Bool
    /// The signed grant, when the control plane asked for it.
    package var statement: SignedEnvelope?

    package init(
        grant: GrantID, account: GrantAccount, within: Timestamp? = nil, serial: UInt64 = 0, lent: Int64 = 0,
        spent: Int64 = 0, held: Int64 = 0, need: Int64 = 0, hold: Int64 = 0, demand: Int64 = 0,
        isClosed: Bool = false, statement: SignedEnvelope? = nil
    ) {
        self.grant = grant
        self.account = account
        self.within = within
        self.serial = serial
        self.lent = lent
        self.spent = spent
        self.held = held
        self.need = need
        self.hold = hold
        self.demand = demand
        self.isClosed = isClosed
        self.statement = statement
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, grant)
        writer.value(2, account)
        writer.time(3, within)
        writer.number(4, serial)
        for (index, amount) in amounts.enumerated() { writer.signed(UInt32(5 + index), amount) }
        writer.flag(11, isClosed)
        if let statement { writer.value(12, statement) }
    }

    private var amounts: [Int64] { [lent, spent, held, need, hold, demand] }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var grant: GrantID?
        var account: GrantAccount?
        var within: Timestamp?
        var serial: UInt64 = 0
        var amounts: [Int64] = [0, 0, 0, 0, 0, 0]
        var isClosed = false
        var statement: SignedEnvelope?
        while let field = try reader.next() {
            switch field.tag {
            case 1: grant = try field.id()
            case 2: account = try GrantAccount(field)
            case 3: within = try field.time()
            case 4: serial = try field.number()
            case 5...10: amounts[Int(field.tag) - 5] = try field.signed()
            case 11: isClosed = try field.flag()
            case 12: statement = try SignedEnvelope(field)
            default: continue
            }
        }
        guard amounts.allSatisfy({ (0...GrantExchange.maximumAmount).contains($0) }) else {
            throw .malformed("an amount out of range")
        }
        self.init(
            grant: try Self.required(grant, 1), account: try Self.required(account, 2), within: within,
            serial: serial, lent: amounts[0], spent: amounts[1], held: amounts[2], need: amounts[3],
            hold: amounts[4], demand: amounts[5], isClosed: isClosed, statement: statement)
    }
}

/// What the control plane says to one position.
package struct GrantReply: Hashable, Sendable, BinaryRecord {
    package var grant: GrantID
    package var account: GrantAccount
    /// The signed `Grant`, when the node lacks it.
    package var statement: SignedEnvelope?
    /// What the node should come down to as soon as its calls allow.
    package var target: Int64
    /// The limit's amount in force.
    package var amount: Int64
    /// Used of it by other nodes, as far as they have said: spent of a budget, held of slots.
    package var usedElsewhere: Int64
    /// Nobody else holds a part, and its node was lent none before: a rate may begin with its whole burst.
    package var isAlone: Bool
    /// The node must say its position again with the signed grant: the control plane was restored.
    package var wantsStatement: Bool
    /// Forget the grant: it was given back, its limit is gone, or it was written off.
    package var isClosed: Bool

    package init(
        grant: GrantID, account: GrantAccount, statement: SignedEnvelope? = nil, target: Int64 = 0,
        amount: Int64 = 0, usedElsewhere: Int64 = 0, isAlone: Bool = false, wantsStatement: Bool = false,
        isClosed: Bool = false
    ) {
        self.grant = grant
        self.account = account
        self.statement = statement
        self.target = target
        self.amount = amount
        self.usedElsewhere = usedElsewhere
        self.isAlone = isAlone
        self.wantsStatement = wantsStatement
        self.isClosed = isClosed
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, grant)
        writer.value(2, account)
        if let statement { writer.value(3, statement) }
        writer.signed(4, target)
        writer.signed(5, amount)
        writer.signed(6, usedElsewhere)
        writer.flag(7, isAlone)
        writer.flag(8, wantsStatement)
        writer.flag(9, isClosed)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var grant: GrantID?
        var account: GrantAccount?
        var statement: SignedEnvelope?
        var amounts: [Int64] = [0, 0, 0]
        var flags = [false, false, false]
        while let field = try reader.next() {
            switch field.tag {
            case 1: grant = try field.id()
            case 2: account = try GrantAccount(field)
            case 3: statement = try SignedEnvelope(field)
            case 4...6: amounts[Int(field.tag) - 4] = try field.signed()
            case 7...9: flags[Int(field.tag) - 7] = try field.flag()
            default: continue
            }
        }
        guard amounts.allSatisfy({ (0...GrantExchange.maximumAmount).contains($0) }) else {
            throw .malformed("an amount out of range")
        }
        self.init(
            grant: try Self.required(grant, 1), account: try Self.required(account, 2), statement: statement,
            target: amounts[0], amount: amounts[1], usedElsewhere: amounts[2], isAlone: flags[0],
            wantsStatement: flags[1], isClosed: flags[2])
    }
}

/// `POST /node/v1/grants`: a node's positions, and the control plane's replies in the same order.
package enum GrantExchange {
    package static let requestType = "application/vnd.eclusa.grant-request.v1"
    package static let answerType = "application/vnd.eclusa.grant-answer.v1"
    /// Positions in one message; a node with more takes turns.
    package static let maximumPositions = 500
    package static let maximumBytes = 1 << 20
    /// Above any sum of amounts and overage that is not hostile.
    package static let maximumAmount: Int64 = 4_000_000_000_000_000_000
}

package struct GrantRequest: Hashable, Sendable, BinaryRecord {
    /// Grows with every message of the node: one that comes late is not taken.
    package var sequence: UInt64
    /// Grows when the node has said every position once more: after two whole rounds a restored control plane
    /// knows all of them.
    package var round: UInt64
    package var positions: [GrantPosition]

    package init(sequence: UInt64, round: UInt64, positions: [GrantPosition]) {
        self.sequence = sequence
        self.round = round
        self.positions = positions
    }

    package func encode(into writer: inout FieldWriter) {
        writer.values(1, positions)
        writer.number(2, sequence)
        writer.number(3, round)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        positions = []
        sequence = 0
        round = 0
        while let field = try reader.next() {
            switch field.tag {
            case 1:
                try positions.append(GrantPosition(field), upTo: GrantExchange.maximumPositions, "positions")
            case 2: sequence = try field.number()
            case 3: round = try field.number()
            default: continue
            }
        }
    }
}

package struct GrantAnswer: Hashable, Sendable, BinaryRecord {
    /// The control plane's wall clock: calendar windows follow it, not the node's.
    package var now: Timestamp
    /// The newest sequence taken: another than the request's means that the request was not, and that the
    /// next one must be above.
    package var sequence: UInt64
    package var replies: [GrantReply]

    package init(now: Timestamp, sequence: UInt64, replies: [GrantReply]) {
        self.now = now
        self.sequence = sequence
        self.replies = replies
    }

    package func encode(into writer: inout FieldWriter) {
        writer.time(1, now)
        writer.values(2, replies)
        writer.number(3, sequence)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var now: Timestamp?
        replies = []
        sequence = 0
        while let field = try reader.next() {
            switch field.tag {
            case 1: now = try field.time()
            case 2: try replies.append(GrantReply(field), upTo: GrantExchange.maximumPositions, "replies")
            case 3: sequence = try field.number()
            default: continue
            }
        }
        self.now = try Self.required(now, 1)
    }
}

import Cryptography
package import Domain

/// What a node knows of a limit. How much of it the node may use is no part of the snapshot: that is lent
/// (`GrantExchange`).
package struct LimitEntry: Hashable, Sendable, BinaryRecord {
    package let id: LimitID
    package let tenant: TenantID
    package let name: String
    package let subject: LimitSubject
    package let match: LimitMatch
    package let partition: LimitPartition
    package let metric: LimitMetric
    /// Without a temporary increase: the control plane says what is in force when it lends.
    package let amount: Int64
    package let period: LimitPeriod
    package let mode: LimitMode

    package init(
        id: LimitID, tenant: TenantID, name: String, subject: LimitSubject, match: LimitMatch = .everything,
        partition: LimitPartition = .none, metric: LimitMetric, amount: Int64, period: LimitPeriod,
        mode: LimitMode = .enforce
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.subject = subject
        self.match = match
        self.partition = partition
        self.metric = metric
        self.amount = amount
        self.period = period
        self.mode = mode
    }

    package init(_ limit: Limit) {
        self.init(
            id: limit.id, tenant: limit.tenant, name: limit.name, subject: limit.subject, match: limit.match,
            partition: limit.partition, metric: limit.metric, amount: limit.amount, period: limit.period,
            mode: limit.mode)
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, tenant)
        writer.text(3, name)
        switch subject {
        case .tenant: break
        case .workspace(let id): writer.id(4, id)
        case .group(let id): writer.id(5, id)
        case .user(let id): writer.id(6, id)
        case .key(let id): writer.id(7, id)
        }
        for route in match.routes { writer.id(8, route) }
        for model in match.models { writer.id(9, model) }
        for tag in match.tags { writer.text(10, tag) }
        writer.number(11, partition.rawValue)
        writer.number(12, metric.rawValue)
        writer.signed(13, amount)
        writer.number(14, period.rawValue)
        writer.number(15, mode.rawValue)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var parts = Parts()
        while let field = try reader.next() { try parts.take(field) }
        id = try Self.required(parts.id, 1)
        tenant = try Self.required(parts.tenant, 2)
        name = parts.name
        subject = parts.subject
        match = parts.match
        partition = try Self.required(LimitPartition(rawValue: parts.partition), 11)
        metric = try Self.required(LimitMetric(rawValue: parts.metric), 12)
        amount = parts.amount
        period = try Self.required(LimitPeriod(rawValue: parts.period), 14)
        mode = try Self.required(LimitMode(rawValue: parts.mode), 15)
    }

    /// The fields as they are read, before it is known that all are there.
    private struct Parts {
        var id: LimitID?
        var tenant: TenantID?
        var name = ""
        var subject = LimitSubject.tenant
        var match = LimitMatch.everything
        var amount: Int64 = 0
        var partition: UInt8 = 0
        var metric: UInt8 = 0
        var period: UInt8 = 0
        var mode: UInt8 = 0

        mutating func take(_ field: Field) throws(CodecError) {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            case 3: name = try field.text(upTo: TextRule.displayName.maximum)
            case 4: subject = .workspace(try field.id())
            case 5: subject = .group(try field.id())
            case 6: subject = .user(try field.id())
            case 7: subject = .key(try field.id())
            case 11: partition = try field.number(upTo: .max)
            case 12: metric = try field.number(upTo: .max)
            case 13: amount = try field.signed()
            case 14: period = try field.number(upTo: .max)
            case 15: mode = try field.number(upTo: .max)
            default: try takeMatch(field)
            }
        }

        private mutating func takeMatch(_ field: Field) throws(CodecError) {
            let limit = LimitMatch.maximumEntries
            switch field.tag {
            case 8: try match.routes.append(field.id(), upTo: limit, "routes of a limit")
            case 9: try match.models.append(field.id(), upTo: limit, "models of a limit")
            case 10: try match.tags.append(field.text(upTo: 64), upTo: limit, "tags of a limit")
            default: break
            }
        }
    }
}

/// The members of a group that is the subject of a limit.
package struct GroupEntry: Hashable, Sendable, BinaryRecord {
    package let id: GroupID
    package let tenant: TenantID
    package let members: [UserID]

    package static let maximumMembers = 100_000

    package init(id: GroupID, tenant: TenantID, members: [UserID]) {
        self.id = id
        self.tenant = tenant
        self.members = members
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, tenant)
        for member in members { writer.id(3, member) }
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: GroupID?
        var tenant: TenantID?
        var members: [UserID] = []
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            case 3: try members.append(field.id(), upTo: Self.maximumMembers, "members of a group")
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.tenant = try Self.required(tenant, 2)
        self.members = members
    }
}

/// The part of a limit that is parted by tag: both planes must agree on it for ever.
package struct LimitPart: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    /// The first sixteen bytes of the tag's SHA-256.
    package init(tag: String) {
        let words = sha256(Array(tag.utf8)).withBytes {
            (
                UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        (high, low) = words
    }

    /// An identifier's own bits.
    package init<Noun>(_ id: ID<Noun>) { (high, low) = (id.high, id.low) }

    /// Of a limit that is not parted.
    package static let whole = LimitPart(high: 0, low: 0)

    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

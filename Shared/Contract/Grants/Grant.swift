package import Cryptography
package import Domain

/// One amount that is lent out to nodes: a limit, or one part of a partitioned one, in one window.
package struct GrantAccount: Hashable, Sendable {
    package let tenant: TenantID
    package let limit: LimitID
    /// Which part of a partitioned limit: the raw bits of its id, or those of `LimitPart` for a tag; 0 and 0
    /// when it is not partitioned.
    package let partHigh: UInt64
    package let partLow: UInt64

    package init(tenant: TenantID, limit: LimitID, partHigh: UInt64 = 0, partLow: UInt64 = 0) {
        self.tenant = tenant
        self.limit = limit
        self.partHigh = partHigh
        self.partLow = partLow
    }

    package init(tenant: TenantID, limit: LimitID, part: LimitPart) {
        self.init(tenant: tenant, limit: limit, partHigh: part.high, partLow: part.low)
    }

    package var part: LimitPart { LimitPart(high: partHigh, low: partLow) }

    // Identifiers of ours: their last eight bytes are random.
    package func hash(into hasher: inout Hasher) { hasher.combine(limit.low ^ partLow) }
}

/// What the control plane has lent to one node, signed: a share of a rate or a slice of a budget.
///
/// `serial` grows with every raise; the node alone lowers `lent`, so the newest statement is never less than
/// what the node may use. A restored control plane takes it back from the node.
package struct Grant: Hashable, Sendable, BinaryRecord {
    /// Chosen by the node: a grant it has no record of is never spent again.
    package let id: GrantID
    package let node: NodeID
    package let account: GrantAccount
    /// How the limit counts: a restarted node needs nothing else to go on with what it was lent.
    package let metric: LimitMetric
    package let period: LimitPeriod
    package let window: LimitWindow
    /// The epoch of the control plane that lent it.
    package let epoch: UInt32
    package let serial: UInt64
    /// Cumulative in the window for a budget; per period for a rate; slots for concurrency.
    package let lent: Int64

    package static let payloadType = "application/vnd.eclusa.grant.v1"

    /// The statement a node keeps.
    package func signed(by key: Ed25519PrivateKey) -> SignedEnvelope {
        SignedEnvelope(payloadType: Self.payloadType, payload: encoded, signedBy: [key])
    }

    package init(
        id: GrantID, node: NodeID, account: GrantAccount, metric: LimitMetric, period: LimitPeriod,
        window: LimitWindow, epoch: UInt32, serial: UInt64, lent: Int64
    ) {
        self.id = id
        self.node = node
        self.account = account
        self.metric = metric
        self.period = period
        self.window = window
        self.epoch = epoch
        self.serial = serial
        self.lent = lent
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, node)
        writer.record(3) { account.encode(into: &$0) }
        writer.time(4, window.start)
        writer.time(5, window.end)
        writer.number(6, epoch)
        writer.number(7, serial)
        writer.signed(8, lent)
        writer.number(9, metric.rawValue)
        writer.number(10, period.rawValue)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var id: GrantID?
        var node: NodeID?
        var account: GrantAccount?
        var start: Timestamp?
        var end: Timestamp?
        var epoch: UInt32 = 0
        var serial: UInt64 = 0
        var lent: Int64 = 0
        var metric: LimitMetric?
        var period: LimitPeriod?
        while let field = try reader.next() {
            switch field.tag {
            case 1: id = try field.id()
            case 2: node = try field.id()
            case 3: account = try GrantAccount(field)
            case 4: start = try field.time()
            case 5: end = try field.time()
            case 6: epoch = try field.number(upTo: .max)
            case 7: serial = try field.number()
            case 8: lent = try field.signed()
            case 9: metric = LimitMetric(rawValue: try field.number(upTo: .max))
            case 10: period = LimitPeriod(rawValue: try field.number(upTo: .max))
            default: continue
            }
        }
        self.id = try Self.required(id, 1)
        self.node = try Self.required(node, 2)
        self.account = try Self.required(account, 3)
        self.metric = try Self.required(metric, 9)
        self.period = try Self.required(period, 10)
        window = LimitWindow(start: try Self.required(start, 4), end: end)
        self.epoch = epoch
        self.serial = serial
        self.lent = lent
        guard lent >= 0, end.map({ $0 > window.start }) ?? true else {
            throw .malformed("a negative grant, or a window that ends before it begins")
        }
    }
}

extension GrantAccount: BinaryRecord {
    package func encode(into writer: inout FieldWriter) {
        writer.id(1, tenant)
        writer.id(2, limit)
        writer.number(3, partHigh)
        writer.number(4, partLow)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var tenant: TenantID?
        var limit: LimitID?
        var partHigh: UInt64 = 0
        var partLow: UInt64 = 0
        while let field = try reader.next() {
            switch field.tag {
            case 1: tenant = try field.id()
            case 2: limit = try field.id()
            case 3: partHigh = try field.number()
            case 4: partLow = try field.number()
            default: continue
            }
        }
        self.init(
            tenant: try Self.required(tenant, 1), limit: try Self.required(limit, 2), partHigh: partHigh,
            partLow: partLow)
    }
}

extension TrustedKeys {
    /// The grant a signed statement says; nil when no grant key in force signed it, or it is another node's.
    /// The keys of the set before count too: it may have been signed just before it was replaced.
    package func grant(in statement: SignedEnvelope, of node: NodeID) -> Grant? {
        let keys = current.keys(for: .grant) + (previous?.keys(for: .grant) ?? [])
        guard statement.isSigned(as: Grant.payloadType, by: keys),
            let grant = try? Grant(encoded: statement.payload), grant.node == node
        else { return nil }
        return grant
    }
}

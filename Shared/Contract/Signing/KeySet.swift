package import Cryptography
package import Domain

/// Which keys may sign what, itself signed by the root keys; the only thing that raises the epoch.
///
/// Versions rise: each next one is signed by the root keys of the one before and by its own, so a lost or
/// stolen root key can be replaced without touching a node. They may leave numbers out: a restored control
/// plane does not know which were used after its backup.
package struct KeySet: Hashable, Sendable, BinaryRecord {
    package enum Role: UInt8, Sendable, CaseIterable {
        case snapshot = 1
        case grant = 2
    }

    package struct Entry: Hashable, Sendable {
        package let role: Role
        package let key: Ed25519PublicKey
        /// Signatures of an expired key raise an alarm; they never stop serving.
        package let expires: Timestamp

        package init(role: Role, key: Ed25519PublicKey, expires: Timestamp) {
            self.role = role
            self.key = key
            self.expires = expires
        }
    }

    package static let payloadType = "application/vnd.eclusa.keyset.v1"
    package static let maximumKeys = 32

    /// 1, 2, 3 …
    package let version: UInt32
    /// Snapshots of any other epoch are refused.
    package let epoch: UInt32
    package let issuedAt: Timestamp
    package let rootKeys: [Ed25519PublicKey]
    /// How many root keys must sign.
    package let threshold: Int
    package let entries: [Entry]

    package init(
        version: UInt32, epoch: UInt32, issuedAt: Timestamp, rootKeys: [Ed25519PublicKey], threshold: Int = 1,
        entries: [Entry]
    ) {
        self.version = version
        self.epoch = epoch
        self.issuedAt = issuedAt
        self.rootKeys = rootKeys
        self.threshold = threshold
        self.entries = entries
    }

    package func keys(for role: Role) -> [Ed25519PublicKey] { entries.filter { $0.role == role }.map(\.key) }

    package func signed(by rootKeys: [Ed25519PrivateKey]) -> SignedEnvelope {
        SignedEnvelope(payloadType: Self.payloadType, payload: encoded, signedBy: rootKeys)
    }

    package func encode(into writer: inout FieldWriter) {
        writer.number(1, version)
        writer.number(2, epoch)
        writer.time(3, issuedAt)
        for key in rootKeys { writer.bytes(4, key.rawBytes) }
        writer.number(5, UInt32(threshold))
        for entry in entries {
            writer.record(6) { inner in
                inner.number(1, entry.role.rawValue)
                inner.bytes(2, entry.key.rawBytes)
                inner.time(3, entry.expires)
            }
        }
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var version: UInt32?
        var epoch: UInt32?
        var issuedAt: Timestamp?
        var rootKeys: [Ed25519PublicKey] = []
        var threshold: UInt32?
        var entries: [Entry] = []
        while let field = try reader.next() {
            switch field.tag {
            case 1: version = try field.number(upTo: .max)
            case 2: epoch = try field.number(upTo: .max)
            case 3: issuedAt = try field.time()
            case 4: try rootKeys.append(Self.key(field), upTo: Self.maximumKeys, "root keys")
            case 5: threshold = try field.number(upTo: UInt32(Self.maximumKeys))
            case 6:
                // A role of a later release is no role here.
                guard let entry = try Self.entry(field) else { continue }
                try entries.append(entry, upTo: Self.maximumKeys, "keys")
            default: continue
            }
        }
        self.version = try Self.required(version, 1)
        self.epoch = try Self.required(epoch, 2)
        self.issuedAt = try Self.required(issuedAt, 3)
        self.rootKeys = rootKeys
        self.threshold = Int(try Self.required(threshold, 5))
        self.entries = entries
        guard !rootKeys.isEmpty, self.threshold <= Set(rootKeys).count else {
            throw .malformed("a threshold above the number of root keys")
        }
    }

    private static func key(_ field: Field) throws(CodecError) -> Ed25519PublicKey {
        guard let key = Ed25519PublicKey(rawBytes: try field.bytes(exactly: Ed25519PublicKey.byteCount))
        else {
            throw .malformed("a verification key")
        }
        return key
    }

    private static func entry(_ field: Field) throws(CodecError) -> Entry? {
        var reader = try field.record()
        var role: UInt8?
        var key: Ed25519PublicKey?
        var expires: Timestamp?
        while let field = try reader.next() {
            switch field.tag {
            case 1: role = try field.number(upTo: .max)
            case 2: key = try Self.key(field)
            case 3: expires = try field.time()
            default: continue
            }
        }
        let (rawRole, checkedKey, checkedExpiry) = (
            try required(role, 1), try required(key, 2), try required(expires, 3)
        )
        return Role(rawValue: rawRole).map { Entry(role: $0, key: checkedKey, expires: checkedExpiry) }
    }
}

/// The key set a node trusts now; grows only through verified envelopes.
package struct TrustedKeys: Hashable, Sendable {
    package enum Failure: Error, Hashable, Sendable {
        /// Not enough signatures of the root keys trusted so far, or of its own.
        case signature
        /// Not a chain from version 1, or too long a one. A version that is already known is skipped, not an
        /// error.
        case version(expected: UInt32, got: UInt32)
        /// The epoch went backwards.
        case epoch
        case codec(CodecError)
    }

    package let current: KeySet
    /// The set before; what it signed may still be in a cache when the node dies between two writes.
    package let previous: KeySet?
    /// Every accepted envelope from version 1 on: what a restarted node walks again.
    package let chain: [SignedEnvelope]

    /// The largest chain accepted.
    package static let maximumChain = 256

    /// Trust from nothing but the pinned root keys: the envelopes from version 1 on, walked in order.
    package init(pinned rootKeys: [Ed25519PublicKey], chain: [SignedEnvelope]) throws(Failure) {
        guard let first = chain.first, chain.count <= Self.maximumChain else {
            throw .version(expected: 1, got: UInt32(chain.count))
        }
        guard first.isSigned(as: KeySet.payloadType, by: rootKeys) else { throw .signature }
        let set = try Self.parse(first)
        guard set.version == 1 else { throw .version(expected: 1, got: set.version) }
        guard first.isSigned(as: KeySet.payloadType, by: set.rootKeys, threshold: set.threshold) else {
            throw .signature
        }
        self = try TrustedKeys(current: set, previous: nil, chain: [first]).advanced(
            by: Array(chain.dropFirst()))
    }

    private init(current: KeySet, previous: KeySet?, chain: [SignedEnvelope]) {
        self.current = current
        self.previous = previous
        self.chain = chain
    }

    /// Trust after some more envelopes; those already walked are skipped, the rest must rise.
    package func advanced(by envelopes: [SignedEnvelope]) throws(Failure) -> TrustedKeys {
        var trust = self
        for envelope in envelopes where !trust.chain.contains(envelope) {
            trust = try trust.advanced(by: envelope)
        }
        return trust
    }

    private func advanced(by envelope: SignedEnvelope) throws(Failure) -> TrustedKeys {
        let isTrusted = envelope.isSigned(
            as: KeySet.payloadType, by: current.rootKeys, threshold: current.threshold)
        guard isTrusted else { throw .signature }
        let next = try Self.parse(envelope)
        if next.version <= current.version { return self }
        guard chain.count < Self.maximumChain else {
            throw .version(expected: current.version, got: next.version)
        }
        guard next.epoch >= current.epoch else { throw .epoch }
        guard envelope.isSigned(as: KeySet.payloadType, by: next.rootKeys, threshold: next.threshold) else {
            throw .signature
        }
        return TrustedKeys(current: next, previous: current, chain: chain + [envelope])
    }

    private static func parse(_ envelope: SignedEnvelope) throws(Failure) -> KeySet {
        do throws(CodecError) { return try KeySet(encoded: envelope.payload) } catch { throw .codec(error) }
    }
}

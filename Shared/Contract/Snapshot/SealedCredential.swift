package import Cryptography
package import Domain

/// What a sealed secret belongs to: it opens nowhere else.
package enum SecretPlace: Hashable, Sendable {
    case provider(ProviderID)
    /// What signs the questions of a guardrail.
    case guardrail(GuardrailID)

    fileprivate var associatedData: [UInt8] {
        switch self {
        case .provider(let id): Array("eclusa provider credential v1:".utf8) + id.bytes
        case .guardrail(let id): Array("eclusa guardrail secret v1:".utf8) + id.bytes
        }
    }
}

/// A secret as it travels, mostly a provider's credential: sealed under the fleet key, bound to what it
/// belongs to.
package struct SealedCredential: Hashable, Sendable, BinaryRecord {
    /// Which fleet key opens it.
    package let fleetKey: FleetKeyID
    package let sealed: [UInt8]

    /// A credential of 8 KiB and what sealing adds.
    package static let maximumBytes = 8192 + SymmetricKey.overheadBytes

    /// The secret sealed so that it opens only in this place: swapping two sealed secrets inside a snapshot
    /// or a database gives nothing. Equal arguments give equal bytes, so that a snapshot built again, also by
    /// another replica, has the same addresses.
    package init(_ secret: Secret, of place: SecretPlace, under key: FleetKey) {
        fleetKey = key.id
        sealed = key.key.sealDeterministically(secret, associatedData: place.associatedData)
    }

    package init(_ credential: Secret, of provider: ProviderID, under key: FleetKey) {
        self.init(credential, of: .provider(provider), under: key)
    }

    /// A credential that was sealed before, as a database keeps it.
    package init(fleetKey: FleetKeyID, sealed: [UInt8]) {
        self.fleetKey = fleetKey
        self.sealed = sealed
    }

    /// The secret; `.notAuthentic` with another key, in another place, or with changed bytes.
    package func open(of place: SecretPlace, with key: FleetKey) throws(CryptographyError) -> Secret {
        guard key.id == fleetKey else { throw .notAuthentic }
        return try key.key.openSecret(sealed, associatedData: place.associatedData)
    }

    package func open(of provider: ProviderID, with key: FleetKey) throws(CryptographyError) -> Secret {
        try open(of: .provider(provider), with: key)
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, fleetKey)
        writer.bytes(2, sealed)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var fleetKey: FleetKeyID?
        var sealed: [UInt8]?
        while let field = try reader.next() {
            switch field.tag {
            case 1: fleetKey = try field.id()
            case 2: sealed = try field.bytes(upTo: Self.maximumBytes)
            default: continue
            }
        }
        self.fleetKey = try Self.required(fleetKey, 1)
        self.sealed = try Self.required(sealed, 2)
    }
}

/// The symmetric key every node of the fleet holds; rotated when a node is revoked.
package struct FleetKey: Sendable, Equatable {
    package let id: FleetKeyID
    package let key: SymmetricKey

    package init(id: FleetKeyID, key: SymmetricKey) {
        self.id = id
        self.key = key
    }

    /// The key sealed to one node's X25519 key; `.malformed` when that is no usable public key.
    package func sealed(to node: X25519PublicKey) throws(CryptographyError) -> SealedFleetKey {
        SealedFleetKey(id: id, sealed: try node.seal(key.secret))
    }
}

/// The fleet key as one node receives it.
package struct SealedFleetKey: Hashable, Sendable {
    package let id: FleetKeyID
    package let sealed: [UInt8]

    package static let byteCount = SymmetricKey.byteCount + X25519PublicKey.sealedOverheadBytes

    package init(id: FleetKeyID, sealed: [UInt8]) {
        self.id = id
        self.sealed = sealed
    }

    /// The fleet key; `.notAuthentic` when it was sealed to somebody else or changed.
    package func open(with pair: X25519KeyPair) throws(CryptographyError) -> FleetKey {
        guard let key = SymmetricKey(try pair.openSealed(sealed)) else {
            throw .malformed("a 32-byte fleet key")
        }
        return FleetKey(id: id, key: key)
    }
}

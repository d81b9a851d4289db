package import Cryptography
package import Domain
import JSONText

/// What a node sends to be enrolled. Name and region come with the token: the administrator chose them.
package struct JoinRequest: Sendable {
    package let token: JoinSecret
    package let identityKey: Ed25519PublicKey
    package let sealingKey: X25519PublicKey
    package let softwareVersion: String
    /// The identity key's signature over token and sealing key: nobody can register a key they do not hold.
    package let proof: [UInt8]

    package init(
        token: JoinSecret, identity: Ed25519PrivateKey, sealingKey: X25519PublicKey, softwareVersion: String
    ) {
        self.token = token
        identityKey = identity.publicKey
        self.sealingKey = sealingKey
        self.softwareVersion = softwareVersion
        proof = identity.signature(of: Self.proven(token, sealingKey))
    }

    /// The request of a body; strict. Throws also when the proof does not fit.
    package init(json: [UInt8]) throws(MessageError) {
        var reader = try MessageReader(json, strict: true)
        let token = reader.parsed("token", upTo: 47, "a join token", JoinSecret.init)
        let identityKey = reader.publicKey("identity_key")
        let sealingKey = reader.bytes("sealing_key", count: X25519PublicKey.byteCount)
            .flatMap(X25519PublicKey.init(rawBytes:))
        softwareVersion = reader.text("software_version", upTo: 64)
        let proof = reader.bytes("proof", count: Ed25519PublicKey.signatureByteCount)
        try reader.finish()
        guard let token, let identityKey, let sealingKey, let proof,
            identityKey.verifies(signature: proof, of: Self.proven(token, sealingKey))
        else { throw MessageError([ValidationError("/proof", .notAllowed, "does not fit the identity key")]) }
        self.token = token
        self.identityKey = identityKey
        self.sealingKey = sealingKey
        self.proof = proof
    }

    private static func proven(_ token: JoinSecret, _ sealingKey: X25519PublicKey) -> [UInt8] {
        Array("eclusa join v1:".utf8) + token.digest.bytes + sealingKey.rawBytes
    }

    /// The body; holds the token.
    package var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("token", token.reveal())
            writer.field("identity_key", Base64.encodeURL(identityKey.rawBytes))
            writer.field("sealing_key", Base64.encodeURL(sealingKey.rawBytes))
            writer.field("software_version", softwareVersion)
            writer.field("proof", Base64.encodeURL(proof))
        }
        return writer.bytes
    }
}

/// What an enrolled or renewed node gets: its certificate and the fleet key.
package struct NodeCredentials: Hashable, Sendable {
    package let node: NodeID
    package let name: String
    package let region: String
    /// The client certificate for the identity key, with its chain.
    package let certificatePEM: String
    package let certificateExpires: Timestamp
    package let authorityPEM: String
    package let fleetKey: SealedFleetKey

    package init(
        node: NodeID, name: String, region: String, certificatePEM: String, certificateExpires: Timestamp,
        authorityPEM: String, fleetKey: SealedFleetKey
    ) {
        self.node = node
        self.name = name
        self.region = region
        self.certificatePEM = certificatePEM
        self.certificateExpires = certificateExpires
        self.authorityPEM = authorityPEM
        self.fleetKey = fleetKey
    }

    /// The credentials of an answer; unknown members are skipped.
    package init(json: [UInt8]) throws(MessageError) {
        var reader = try MessageReader(json, strict: false)
        let node = reader.parsed("node", upTo: 64, "a node id", NodeID.init(_:))
        name = reader.text("name", upTo: 200)
        region = reader.text("region", upTo: 200)
        certificatePEM = reader.text("certificate", upTo: 32 << 10)
        let expires = reader.parsed("certificate_expires", upTo: 40, "an RFC 3339 time", Timestamp.init(_:))
        authorityPEM = reader.text("authority", upTo: 32 << 10)
        let fleetKey = reader.parsed("fleet_key_id", upTo: 64, "a fleet key id", FleetKeyID.init(_:))
        let sealed = reader.bytes("fleet_key", count: SealedFleetKey.byteCount)
        try reader.finish()
        guard let node, let expires, let fleetKey, let sealed else { throw MessageError([]) }
        self.node = node
        certificateExpires = expires
        self.fleetKey = SealedFleetKey(id: fleetKey, sealed: sealed)
    }

    package var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("node", node.description)
            writer.field("name", name)
            writer.field("region", region)
            writer.field("certificate", certificatePEM)
            writer.field("certificate_expires", certificateExpires.description)
            writer.field("authority", authorityPEM)
            writer.field("fleet_key_id", fleetKey.id.description)
            writer.field("fleet_key", Base64.encodeURL(fleetKey.sealed))
        }
        return writer.bytes
    }
}

package typealias JoinResponse = NodeCredentials
package typealias RenewResponse = NodeCredentials

/// What a node sends for a fresh certificate and fleet key.
///
/// The identity key signs it, so it also works when the certificate has run out: the registered key is the
/// identity.
package struct RenewRequest: Hashable, Sendable {
    package let node: NodeID
    package let softwareVersion: String
    package let issuedAt: Timestamp
    package let proof: [UInt8]

    /// How far the stamp may be from the control plane's clock, in seconds.
    package static let clockToleranceSeconds: Int64 = 86_400

    package init(node: NodeID, identity: Ed25519PrivateKey, softwareVersion: String, issuedAt: Timestamp) {
        self.node = node
        self.softwareVersion = softwareVersion
        self.issuedAt = issuedAt
        proof = identity.signature(of: Self.proven(node, softwareVersion, issuedAt))
    }

    /// Whether the holder of a node's registered identity key made it, not too long ago. A replay gains
    /// nothing: the answer is only of use to the holder of the private keys.
    package func isProven(by identityKey: Ed25519PublicKey, at now: Timestamp) -> Bool {
        abs(now.microseconds(since: issuedAt)) <= Self.clockToleranceSeconds * 1_000_000
            && identityKey.verifies(signature: proof, of: Self.proven(node, softwareVersion, issuedAt))
    }

    private static func proven(_ node: NodeID, _ softwareVersion: String, _ issuedAt: Timestamp) -> [UInt8] {
        Array("eclusa renew v1:\(node) \(issuedAt) \(softwareVersion)".utf8)
    }

    /// The request of a body; strict. The proof is checked by `isProven`, once the node is known.
    package init(json: [UInt8]) throws(MessageError) {
        var reader = try MessageReader(json, strict: true)
        let node = reader.parsed("node", upTo: 64, "a node id", NodeID.init(_:))
        softwareVersion = reader.text("software_version", upTo: 64)
        let issuedAt = reader.parsed("issued_at", upTo: 40, "an RFC 3339 time", Timestamp.init(_:))
        let proof = reader.bytes("proof", count: Ed25519PublicKey.signatureByteCount)
        try reader.finish()
        guard let node, let issuedAt, let proof else { throw MessageError([]) }
        self.node = node
        self.issuedAt = issuedAt
        self.proof = proof
    }

    package var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("node", node.description)
            writer.field("software_version", softwareVersion)
            writer.field("issued_at", issuedAt.description)
            writer.field("proof", Base64.encodeURL(proof))
        }
        return writer.bytes
    }
}

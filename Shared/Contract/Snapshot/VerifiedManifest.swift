package import Cryptography
package import Domain

/// A manifest whose signature was checked before it was parsed. Only `verify` makes one, so nothing
/// downstream can work on unverified bytes.
package struct VerifiedManifest: Hashable, Sendable {
    package let manifest: Manifest
    /// What was verified; kept to be persisted and verified again after a restart.
    package let envelope: SignedEnvelope

    package enum Refusal: Error, Hashable, Sendable {
        /// No trusted snapshot key signed exactly these bytes.
        case signature
        case codec(CodecError)
        /// Written for newer nodes.
        case schema(UInt32)
        /// Of another epoch than the trusted key set.
        case epoch(UInt32)
        /// Below the version that runs: a replay, or an old publisher.
        case older(SnapshotVersion)
        /// The version that runs, with other content: two publishers disagree.
        case conflicting(SnapshotVersion)
        /// Stated before the one that runs: a replayed heartbeat.
        case replayed(Timestamp)
        /// Stale by more than a day although it was just received.
        case expired(Timestamp)
    }

    /// What a node remembers of the manifest it runs, to judge the next one.
    package struct Frontier: Hashable, Sendable {
        package let version: SnapshotVersion
        package let contentDigest: SHA256Digest
        package let issuedAt: Timestamp

        package init(_ manifest: Manifest) {
            version = manifest.version
            contentDigest = manifest.contentDigest
            issuedAt = manifest.issuedAt
        }
    }

    /// How far a manifest just received may be past its freshness: room for clocks that are wrong.
    package static let clockToleranceSeconds: Int64 = 86_400

    /// A manifest from the node's own cache: signature and schema only. Age does not matter: old means stale,
    /// never dead. Keys and epoch may also be those before the last change of the key set, in case the node
    /// died between learning that and taking the next snapshot.
    package static func verify(
        cached envelope: SignedEnvelope, trusting keys: TrustedKeys
    ) throws(Refusal) -> VerifiedManifest {
        let sets = [keys.current, keys.previous].compactMap(\.self)
        let verified = try verify(envelope, signedBy: sets.flatMap { $0.keys(for: .snapshot) })
        let epoch = verified.manifest.version.epoch
        guard sets.contains(where: { $0.epoch == epoch }) else { throw .epoch(epoch) }
        return verified
    }

    /// A manifest just received: of a current key and epoch, and newer than `running` or the same stated
    /// again.
    package static func verify(
        received envelope: SignedEnvelope, trusting keys: TrustedKeys, running: Frontier?, at now: Timestamp
    ) throws(Refusal) -> VerifiedManifest {
        let verified = try verify(envelope, signedBy: keys.current.keys(for: .snapshot))
        let manifest = verified.manifest
        guard manifest.version.epoch == keys.current.epoch else { throw .epoch(manifest.version.epoch) }
        guard manifest.freshUntil.advanced(bySeconds: clockToleranceSeconds) >= now else {
            throw .expired(manifest.freshUntil)
        }
        guard let running else { return verified }
        if manifest.version < running.version { throw .older(manifest.version) }
        if manifest.version == running.version {
            guard manifest.contentDigest == running.contentDigest else {
                throw .conflicting(manifest.version)
            }
            guard manifest.issuedAt >= running.issuedAt else { throw .replayed(manifest.issuedAt) }
        }
        return verified
    }

    private static func verify(
        _ envelope: SignedEnvelope, signedBy keys: [Ed25519PublicKey]
    ) throws(Refusal) -> VerifiedManifest {
        guard envelope.isSigned(as: Manifest.payloadType, by: keys) else { throw .signature }
        let manifest: Manifest
        do throws(CodecError) { manifest = try Manifest(encoded: envelope.payload) } catch {
            throw .codec(error)
        }
        guard manifest.minimumSchema <= Manifest.schema else { throw .schema(manifest.minimumSchema) }
        return VerifiedManifest(manifest: manifest, envelope: envelope)
    }

    private init(manifest: Manifest, envelope: SignedEnvelope) {
        self.manifest = manifest
        self.envelope = envelope
    }
}

extension VerifiedManifest.Refusal: CustomStringConvertible {
    /// For logs and NACKs.
    package var description: String {
        switch self {
        case .signature: "no trusted snapshot key signed it"
        case .codec(let error): "unreadable: \(error)"
        case .schema(let needed): "it needs schema \(needed), this node reads \(Manifest.schema)"
        case .epoch(let epoch): "its epoch \(epoch) is not the trusted one"
        case .older(let version): "its version \(version) is below the running one"
        case .conflicting(let version): "version \(version) runs with other content"
        case .replayed(let issuedAt): "issued at \(issuedAt), before the running one"
        case .expired(let freshUntil): "fresh until \(freshUntil) only"
        }
    }
}

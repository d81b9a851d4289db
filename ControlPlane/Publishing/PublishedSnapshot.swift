package import Contract
package import Cryptography
package import Domain
package import Policy
package import PostgresDriver
import Store

/// A snapshot that every node may run: built, signed, and checked by the nodes' own code.
package struct PublishedSnapshot: Sendable {
    let sharded: ShardedSnapshot
    package let kills: KillList
    package let verified: VerifiedManifest
    package let compiled: CompiledSnapshot

    package var manifest: Manifest { verified.manifest }
    package var version: SnapshotVersion { manifest.version }
}

/// What signs snapshots, and what nodes need to trust it. The server takes it from the platform's keys.
package struct SnapshotSigning: Sendable {
    package let key: Ed25519PrivateKey
    /// The envelopes a node walks from its pinned root key to `key`, from version 1 on.
    package let keySets: [SignedEnvelope]
    /// Seals the provider credentials of the snapshots.
    package let fleetKey: FleetKeyID
    let trust: TrustedKeys

    /// Throws when the key sets do not lead from the root key to a trusted chain.
    package init(
        rootKey: Ed25519PublicKey, key: Ed25519PrivateKey, keySets: [SignedEnvelope], fleetKey: FleetKeyID
    ) throws(TrustedKeys.Failure) {
        self.key = key
        self.keySets = keySets
        self.fleetKey = fleetKey
        trust = try TrustedKeys(pinned: [rootKey], chain: keySets)
    }
}

/// The keys to sign with from now on; nil while they are those at hand.
package typealias SigningRefresh = (PostgresConnection) async throws -> SnapshotSigning?

/// Makes the next snapshot of the one before. Pure and slow: run it on a worker.
enum SnapshotBuild {
    /// The whole path a node takes: sign, verify, collect, compile.
    static func publish(
        _ sharded: ShardedSnapshot, kills: KillList, version: SnapshotVersion, at now: Timestamp,
        after previous: PublishedSnapshot?, _ signing: SnapshotSigning
    ) throws -> PublishedSnapshot {
        let manifest = sharded.manifest(
            version, issuedAt: now, kills: kills.entries, fleetKey: signing.fleetKey)
        let verified = try VerifiedManifest.verify(
            cached: manifest.signed(by: signing.key), trusting: signing.trust)
        var assembly = SnapshotAssembly(verified, previous: previous?.compiled.addresses ?? [])
        let objects = sharded.objects
        while !assembly.isComplete {
            for address in assembly.missing {
                guard let object = objects[address] else { throw MissingObject(address: address) }
                try assembly.add(object)
            }
        }
        let compiled = try CompiledSnapshot(assembly, previous: previous?.compiled)
        return PublishedSnapshot(sharded: sharded, kills: kills, verified: verified, compiled: compiled)
    }

    /// Takes over what is stored: somebody else's work, or this program's before it was restarted.
    static func adopt(
        _ verified: VerifiedManifest, objects: [SHA256Digest: SnapshotObject], at now: Timestamp
    ) throws -> PublishedSnapshot {
        // From nothing: `ShardedSnapshot` counts the keys of every shard.
        var assembly = SnapshotAssembly(verified)
        while !assembly.isComplete {
            for address in assembly.missing {
                guard let object = objects[address] else { throw MissingObject(address: address) }
                try assembly.add(object)
            }
        }
        return PublishedSnapshot(
            sharded: try ShardedSnapshot(adopting: assembly, objects: objects),
            kills: KillList(adopting: verified.manifest.kills, of: verified.manifest.version, at: now),
            verified: verified,
            compiled: try CompiledSnapshot(assembly))
    }

    /// Every object of a manifest, from those at hand and from `find`; one that is not there is left out.
    static func collect(
        _ manifest: Manifest, atHand: [SHA256Digest: SnapshotObject],
        _ find: ([SHA256Digest]) async throws -> [SHA256Digest: [UInt8]]
    ) async throws -> [SHA256Digest: SnapshotObject] {
        var objects = atHand
        for (address, bytes) in try await find(manifest.pages.filter { objects[$0] == nil }) {
            objects[address] = SnapshotObject(bytes: bytes)
        }
        var shards: [SHA256Digest] = []
        for address in manifest.pages {
            guard let page = objects[address] else { continue }
            shards += try ManifestPage(encoded: page.bytes).references.compactMap { $0?.address }
        }
        for (address, bytes) in try await find(shards.filter { objects[$0] == nil }) {
            objects[address] = SnapshotObject(bytes: bytes)
        }
        return objects
    }

    struct MissingObject: Error, CustomStringConvertible {
        let address: SHA256Digest
        var description: String { "object \(address) is not there" }
    }
}

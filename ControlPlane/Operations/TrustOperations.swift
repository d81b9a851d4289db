import Contract
import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// Whom nodes trust now.
package struct TrustState: Sendable {
    package let epoch: UInt32
    /// Of the key set; every node walks to it from version 1.
    package let keySetVersion: UInt32
    /// Hexadecimal.
    package let rootKeys: [String]
    package let threshold: Int
    package let snapshotKey: String
    /// Past it an alarm is raised; nothing stops.
    package let snapshotKeyExpires: Timestamp?
    package let fleetKey: FleetKeyID

    init(_ keys: RotatingKeys) {
        epoch = keys.keySet.epoch
        keySetVersion = keys.keySet.version
        rootKeys = keys.keySet.rootKeys.map { Hexadecimal.encode($0.rawBytes) }
        threshold = keys.keySet.threshold
        snapshotKey = Hexadecimal.encode(keys.snapshotKey.publicKey.rawBytes)
        snapshotKeyExpires = keys.keySet.entries.first { $0.key == keys.snapshotKey.publicKey }?.expires
        fleetKey = keys.fleetKey.id
    }
}

/// The keys nodes trust, and their rotation. Platform-wide.
package struct TrustOperations {
    let environment: OperationEnvironment

    package func get(by caller: Caller) async throws(OperationError) -> TrustState {
        let (keys, now) = (environment.keys, environment.clock.now())
        // Refreshing may make a key that is missing, so not in a view.
        try caller.demand(.snapshotsRead, in: .platform)
        do {
            try await environment.database.withTransaction { try await keys.refresh(at: now, $0) }
        } catch { throw OperationError(error) }
        return TrustState(keys.live.current)
    }

    /// New keys that sign snapshots, and what nodes are lent of limits, for 90 days.
    package func rotateSnapshotKey(by caller: Caller) async throws(OperationError) -> Changed<TrustState> {
        try await rotate("trust.rotate-snapshot-key", by: caller) { try await $0.rotateSnapshotKey() }
    }

    /// A new root key.
    package func rotateRootKey(by caller: Caller) async throws(OperationError) -> Changed<TrustState> {
        try await rotate("trust.rotate-root-key", by: caller) { try await $0.rotateRootKey() }
    }

    /// A new key that seals provider credentials for nodes.
    package func rotateFleetKey(by caller: Caller) async throws(OperationError) -> Changed<TrustState> {
        try await rotate("trust.rotate-fleet-key", by: caller) { try await $0.rotateFleetKey() }
    }

    /// The next epoch: after a restore, before the first publication.
    package func raiseEpoch(by caller: Caller) async throws(OperationError) -> Changed<TrustState> {
        try await rotate("trust.raise-epoch", by: caller) { _ = try await $0.raiseEpoch() }
    }

    /// Replaces the snapshot key in good time, thirty days before it ends; whether it was time.
    package func renewSnapshotKey() async throws(OperationError) -> Bool {
        let now = environment.clock.now()
        let keys = environment.keys
        do {
            try await environment.database.withTransaction { try await keys.refresh(at: now, $0) }
        } catch { throw OperationError(error) }
        guard let expires = keys.snapshotKeyExpires,
            expires < now.advanced(bySeconds: Self.renewalSeconds)
        else { return false }
        _ = try await rotate("trust.rotate-snapshot-key", by: .system) { try await $0.rotateSnapshotKey() }
        return true
    }

    private static let renewalSeconds: Int64 = 30 * 86_400

    private func rotate(
        _ action: String, by caller: Caller, _ body: (Keyring) async throws -> Void
    ) async throws(OperationError) -> Changed<TrustState> {
        try caller.demand(.snapshotsPublish, in: .platform)
        return try await rotate(action, by: AuditActor(caller), body)
    }

    private func rotate(
        _ action: String, by actor: AuditActor, _ body: (Keyring) async throws -> Void
    ) async throws(OperationError) -> Changed<TrustState> {
        let (keys, now) = (environment.keys, environment.clock.now())
        let changed = try await environment.write(action, in: .platform, by: actor) { connection in
            let keyring = Keyring(masterKey: keys.vault.masterKey, now: now, connection: connection)
            try await body(keyring)
            let fresh = try await keyring.loadRotating()
            return Recorded(
                fresh,
                AuditSubject(
                    "key_set", fresh.fleetKey.id,
                    [
                        "key_set_version": .number(JSONNumber(Int64(fresh.keySet.version))),
                        "epoch": .number(JSONNumber(Int64(fresh.keySet.epoch))),
                    ]))
        }
        // From the database, not from what the transaction made: a rehearsed write made nothing.
        do { try await environment.database.withConnection { try await keys.refresh(at: now, $0) } } catch {
            throw OperationError(error)
        }
        return Changed(TrustState(changed.value), token: changed.token)
    }
}

import Contract
import Cryptography
import Domain
import Store

/// Replacing keys while nodes run. Each inside the caller's transaction; two at once wait for each other.
extension Keyring {
    /// A new fleet key: what a revoked node holds opens nothing sealed from now on. The publisher seals
    /// every credential again and nodes fetch the key when they see its name in a manifest.
    func rotateFleetKey() async throws {
        try await lock()
        let old = try await loadRotating().fleetKey
        // Of the moment of the old one, or of a clock that went back: the younger is the current one.
        try await insert(
            "fleet", keyID: FleetKeyID(at: now).description, SymmetricKey().secret, publicPart: nil)
        _ = try await SettingsStore.retire("fleet", keyID: old.id.description, at: now, connection)
    }

    /// New keys for snapshots and for grants, named by the next key set. The old ones sign nothing more; what
    /// they signed stays valid in caches.
    func rotateSnapshotKey() async throws {
        try await lock()
        let keys = try await loadRotating()
        let (snapshot, grant) = (Ed25519PrivateKey(), Ed25519PrivateKey())
        try await insertSigningKey("snapshot", snapshot)
        try await retireSigningKey("snapshot", keys.snapshotKey)
        try await insertSigningKey("grant", grant)
        try await retireSigningKey("grant", keys.grantKey)
        try await extend(
            keys, entries: [entry(.snapshot, snapshot), entry(.grant, grant)],
            rootKeys: keys.keySet.rootKeys, signedBy: [keys.rootKey])
    }

    /// A new root key, signed by the old one and by itself: nodes walk over without being touched.
    func rotateRootKey() async throws {
        try await lock()
        let keys = try await loadRotating()
        let fresh = Ed25519PrivateKey()
        try await insertSigningKey("root", fresh)
        try await retireSigningKey("root", keys.rootKey)
        try await extend(
            keys, entries: keys.keySet.entries, rootKeys: [fresh.publicKey], signedBy: [keys.rootKey, fresh])
    }

    /// The next epoch, after the database was restored from a backup: its counters have gone back, and nodes
    /// accept a lower counter only in a higher epoch.
    func raiseEpoch() async throws -> UInt32 {
        try await lock()
        let keys = try await loadRotating()
        let epoch = keys.keySet.epoch + 1
        try await extend(
            keys, entries: keys.keySet.entries, rootKeys: keys.keySet.rootKeys, epoch: epoch,
            signedBy: [keys.rootKey])
        _ = try await SnapshotStore.raiseEpoch(to: epoch, connection)
        return epoch
    }

    private func extend(
        _ keys: RotatingKeys, entries: [KeySet.Entry], rootKeys: [Ed25519PublicKey], epoch: UInt32? = nil,
        signedBy signers: [Ed25519PrivateKey]
    ) async throws {
        let set = KeySet(
            version: keys.keySet.version + 1, epoch: epoch ?? keys.keySet.epoch, issuedAt: now,
            rootKeys: rootKeys, threshold: keys.keySet.threshold, entries: entries)
        let envelope = set.signed(by: signers)
        // What nodes will do with it, before it is kept for ever.
        let trust = try TrustedKeys(pinned: [keys.pinnedRoot], chain: keys.keySets)
        _ = try trust.advanced(by: [envelope])
        try await insert("key-set", keyID: "\(set.version)", Secret(envelope.encoded), publicPart: nil)
    }

    private func lock() async throws {
        try await SettingsStore.lockRotation(connection)
    }

    private func insertSigningKey(_ purpose: String, _ key: Ed25519PrivateKey) async throws {
        try await insert(
            purpose, keyID: Self.signingKeyID(key), key.seed, publicPart: key.publicKey.rawBytes)
    }

    private func retireSigningKey(_ purpose: String, _ key: Ed25519PrivateKey) async throws {
        _ = try await SettingsStore.retire(purpose, keyID: Self.signingKeyID(key), at: now, connection)
    }

    private func insert(
        _ purpose: String, keyID: String, _ secret: Secret, publicPart: [UInt8]?
    ) async throws {
        try await SettingsStore.insert(
            PlatformSecret(
                purpose: purpose, keyID: keyID,
                sealed: masterKey.seal(secret, purpose: purpose, keyID: keyID),
                publicPart: publicPart, createdAt: now), connection)
    }
}

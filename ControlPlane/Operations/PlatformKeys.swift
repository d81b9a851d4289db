package import Contract
package import Cryptography
package import Domain
package import PostgresDriver
import Store
import Synchronization

/// The platform's own keys: made at the first start, kept in Postgres sealed under the master key, the same
/// for every control plane of the installation. Sendable: loaded once and shared by all loops.
package struct PlatformKeys: Sendable {
    /// Why there are no keys.
    package enum Failure: Error, Sendable, CustomStringConvertible {
        /// What is stored does not open: made under another master key, or changed by somebody.
        case wrongMasterKey(purpose: String)
        case malformed(purpose: String)

        package var description: String {
            switch self {
            case .wrongMasterKey(let purpose):
                "the master key does not open the \(purpose) key in this database: another one sealed it"
            case .malformed(let purpose): "the stored \(purpose) key is not what it should be"
            }
        }
    }

    /// Issues node certificates and the node listener's own.
    package let certificateAuthority: CertificateAuthority
    package let accessTokens: AccessTokens
    package let dashboardTokens: DashboardTokens
    package let vault: CredentialVault
    package let identity: IdentityVault
    let live: LiveKeys

    /// Signs key sets.
    package var rootKey: Ed25519PrivateKey { live.current.rootKey }
    /// The first root key, where every node's trust begins; later ones are reached from it.
    package var pinnedRoot: Ed25519PublicKey { live.current.pinnedRoot }
    /// Signs snapshots.
    package var snapshotKey: Ed25519PrivateKey { live.current.snapshotKey }
    /// Signs what nodes are lent of limits.
    package var grantKey: Ed25519PrivateKey { live.current.grantKey }
    /// Those that ever signed grants: what a node was lent long ago comes back after a restore.
    package var grantKeys: [Ed25519PublicKey] {
        keySets.compactMap { try? KeySet(encoded: $0.payload) }.flatMap { $0.keys(for: .grant) }
    }
    /// The envelopes a node walks to trust `snapshotKey`, from version 1 on.
    package var keySets: [SignedEnvelope] { live.current.keySets }
    /// Seals provider credentials for nodes.
    package var fleetKey: FleetKey { live.current.fleetKey }

    /// Loads the keys, making those that are missing. Any number of programs may do so at once: all get the
    /// same.
    package static func load(
        _ pool: PostgresPool, masterKey: MasterKey, clock: WallClock
    ) async throws -> PlatformKeys {
        try await pool.withTransaction { connection in
            try await Keyring(masterKey: masterKey, now: clock.now(), connection: connection).load()
        }
    }

    /// Takes over keys that were rotated meanwhile, by this program or another. One small query when there
    /// were none.
    package func refresh(at now: Timestamp, _ connection: PostgresConnection) async throws {
        let stamp = try await SettingsStore.currentIDs(of: Keyring.rotating, connection)
        if stamp == live.current.stamp { return }
        let keyring = Keyring(masterKey: vault.masterKey, now: now, connection: connection)
        live.replace(try await keyring.loadRotating())
    }
}

/// The keys that are rotated while programs run.
struct RotatingKeys: Sendable {
    let rootKey: Ed25519PrivateKey
    let pinnedRoot: Ed25519PublicKey
    let snapshotKey: Ed25519PrivateKey
    let grantKey: Ed25519PrivateKey
    let keySets: [SignedEnvelope]
    let keySet: KeySet
    let fleetKey: FleetKey
    /// Which rows they are.
    let stamp: [String]
}

/// The newest of the rotating keys this program knows. Any thread.
final class LiveKeys: Sendable {
    private let keys: Mutex<RotatingKeys>

    init(_ keys: RotatingKeys) { self.keys = Mutex(keys) }

    var current: RotatingKeys { keys.withLock { $0 } }

    func replace(_ fresh: RotatingKeys) { keys.withLock { $0 = fresh } }
}

extension PlatformKeys {
    /// When the key that signs snapshots should have been replaced; after it nothing stops.
    package var snapshotKeyExpires: Timestamp? {
        let keys = live.current
        return keys.keySet.entries.first { $0.key == keys.snapshotKey.publicKey }?.expires
    }

    /// Names the rotating keys in force: whoever holds some compares it.
    package var stamp: [String] { live.current.stamp }
}

/// Loads or makes each key, inside one transaction.
struct Keyring {
    private static let authorityValiditySeconds: Int64 = 20 * 365 * 86_400
    static let onlineKeyValiditySeconds: Int64 = 90 * 86_400
    /// The purposes of what is rotated.
    static let rotating = ["root", "snapshot", "grant", "key-set", "fleet"]

    let masterKey: MasterKey
    let now: Timestamp
    let connection: PostgresConnection

    func load() async throws -> PlatformKeys {
        // First: with a wrong master key nothing may be written.
        let authority = try await certificateAuthority()
        let live = LiveKeys(try await loadRotating())
        let token = try await signingKey("access-token")
        let vault = CredentialVault(masterKey: masterKey)
        try await vault.createDataKey(of: nil, now: now, connection)
        return PlatformKeys(
            certificateAuthority: authority,
            accessTokens: AccessTokens(
                signingKeyID: token.id, signing: token.key, accepted: [token.id: token.key.publicKey]),
            dashboardTokens: DashboardTokens(keyID: token.id, key: token.key),
            vault: vault, identity: IdentityVault(key: try await symmetricKey("identity", keyID: "1")),
            live: live)
    }

    /// The keys that are rotated; the first of each is made here.
    func loadRotating() async throws -> RotatingKeys {
        let rootKey = try await signingKey("root").key
        let snapshotKey = try await signingKey("snapshot").key
        let grantKey = try await signingKey("grant").key
        try await makeFirstKeySet(rootKey, snapshotKey, grantKey)
        let chain = try await raiseEpoch(of: try await keySetChain(), rootKey)
        guard let last = chain.last, let keySet = try? KeySet(encoded: last.payload),
            let first = chain.first, let pinned = (try? KeySet(encoded: first.payload))?.rootKeys.first
        else { throw PlatformKeys.Failure.malformed(purpose: "key-set") }
        return RotatingKeys(
            rootKey: rootKey, pinnedRoot: pinned, snapshotKey: snapshotKey, grantKey: grantKey,
            keySets: chain,
            keySet: keySet, fleetKey: try await fleetKey(),
            stamp: try await SettingsStore.currentIDs(of: Self.rotating, connection))
    }

    private func keySetChain() async throws -> [SignedEnvelope] {
        let stored = try await SettingsStore.list("key-set", connection)
        return try stored.sorted { (Int($0.keyID) ?? 0) < (Int($1.keyID) ?? 0) }.map { secret in
            guard
                let opened = try? masterKey.open(secret.sealed, purpose: "key-set", keyID: secret.keyID),
                let envelope = try? SignedEnvelope(encoded: opened.withBytes { Array($0) })
            else { throw PlatformKeys.Failure.malformed(purpose: "key-set") }
            return envelope
        }
    }

    private func certificateAuthority() async throws -> CertificateAuthority {
        let seconds = now.microseconds / 1_000_000
        let fresh = try CertificateAuthority.make(
            commonName: "Eclusa node authority",
            // A day back: a node whose clock is slow must not refuse a control plane that was just installed.
            validity: CertificateValidity(
                notBefore: seconds - 86_400, notAfter: seconds + Self.authorityValiditySeconds))
        let (stored, secret) = try await keep(
            "certificate-authority", keyID: "1", fresh.privateKey.seed,
            publicPart: Array(fresh.certificatePEM.utf8))
        guard let pem = stored.publicPart, let key = Ed25519PrivateKey(seed: secret),
            let authority = try? CertificateAuthority(
                certificatePEM: String(decoding: pem, as: UTF8.self), privateKey: key)
        else { throw PlatformKeys.Failure.malformed(purpose: stored.purpose) }
        return authority
    }

    private func signingKey(_ purpose: String) async throws -> (id: String, key: Ed25519PrivateKey) {
        let fresh = Ed25519PrivateKey()
        let id = Self.signingKeyID(fresh)
        let (stored, secret) = try await keep(
            purpose, keyID: id, fresh.seed, publicPart: fresh.publicKey.rawBytes)
        guard let key = Ed25519PrivateKey(seed: secret), key.publicKey.rawBytes == stored.publicPart else {
            throw PlatformKeys.Failure.malformed(purpose: purpose)
        }
        return (stored.keyID, key)
    }

    static func signingKeyID(_ key: Ed25519PrivateKey) -> String {
        String(Hexadecimal.encode(key.publicKey.rawBytes).prefix(16))
    }

    private func symmetricKey(_ purpose: String, keyID: String) async throws -> SymmetricKey {
        let (stored, secret) = try await keep(purpose, keyID: keyID, SymmetricKey().secret, publicPart: nil)
        guard let key = SymmetricKey(secret) else {
            throw PlatformKeys.Failure.malformed(purpose: stored.purpose)
        }
        return key
    }

    private func fleetKey() async throws -> FleetKey {
        let (stored, secret) = try await keep(
            "fleet", keyID: FleetKeyID(at: now).description, SymmetricKey().secret, publicPart: nil)
        guard let id = FleetKeyID(stored.keyID), let key = SymmetricKey(secret) else {
            throw PlatformKeys.Failure.malformed(purpose: "fleet")
        }
        return FleetKey(id: id, key: key)
    }

    /// After a restore the database's epoch is above the last key set's: a key set for it is made here, since
    /// only the root key may raise it. Under the lock that `makeFirstKeySet` took.
    private func raiseEpoch(
        of chain: [SignedEnvelope], _ rootKey: Ed25519PrivateKey
    ) async throws -> [SignedEnvelope] {
        let epoch = try await SnapshotStore.state(connection).version.epoch
        guard let last = try chain.last.map({ try KeySet(encoded: $0.payload) }), last.epoch < epoch else {
            return chain
        }
        // Epochs of restores are moments, so this version is above all that were used after the backup too.
        let next = KeySet(
            version: max(last.version + 1, epoch), epoch: epoch, issuedAt: now, rootKeys: last.rootKeys,
            threshold: last.threshold, entries: last.entries)
        let envelope = next.signed(by: [rootKey]), keyID = String(next.version)
        try await SettingsStore.insert(
            PlatformSecret(
                purpose: "key-set", keyID: keyID,
                sealed: masterKey.seal(Secret(envelope.encoded), purpose: "key-set", keyID: keyID),
                sealedBy: masterKey.fingerprint, createdAt: now), connection)
        return chain + [envelope]
    }

    /// The first key set, signed by the root. Kept as it was signed: nodes compare it byte for byte.
    private func makeFirstKeySet(
        _ rootKey: Ed25519PrivateKey, _ snapshotKey: Ed25519PrivateKey, _ grantKey: Ed25519PrivateKey
    ) async throws {
        let set = KeySet(
            version: 1, epoch: 1, issuedAt: now, rootKeys: [rootKey.publicKey],
            entries: [entry(.snapshot, snapshotKey), entry(.grant, grantKey)])
        // Public: sealed like the rest so that nobody can swap it in the database.
        _ = try await keep("key-set", keyID: "1", Secret(set.signed(by: [rootKey]).encoded), publicPart: nil)
    }

    func entry(_ role: KeySet.Role, _ key: Ed25519PrivateKey) -> KeySet.Entry {
        KeySet.Entry(
            role: role, key: key.publicKey, expires: now.advanced(bySeconds: Self.onlineKeyValiditySeconds))
    }

    /// The current secret of a purpose, opened; `fresh` becomes it when there is none.
    private func keep(
        _ purpose: String, keyID: String, _ fresh: Secret, publicPart: [UInt8]?
    ) async throws -> (stored: PlatformSecret, opened: Secret) {
        let candidate = PlatformSecret(
            purpose: purpose, keyID: keyID, sealed: masterKey.seal(fresh, purpose: purpose, keyID: keyID),
            sealedBy: masterKey.fingerprint, publicPart: publicPart, createdAt: now)
        let stored = try await SettingsStore.insertIfNone(candidate, connection)
        do throws(CryptographyError) {
            return (stored, try masterKey.open(stored.sealed, purpose: purpose, keyID: stored.keyID))
        } catch {
            throw PlatformKeys.Failure.wrongMasterKey(purpose: purpose)
        }
    }
}

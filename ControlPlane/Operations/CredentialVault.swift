package import Contract
package import Cryptography
package import Domain
package import PostgresDriver
import Store

/// Keeps provider credentials: sealed under a data key of their owner, which is itself sealed under the
/// master key. Deleting the data key makes everything under it unreadable.
package struct CredentialVault: Sendable {
    private static let dataKeyID = "1"

    let masterKey: MasterKey

    package init(masterKey: MasterKey) { self.masterKey = masterKey }

    /// Makes the data key of a tenant, in the transaction that makes the tenant. For the platform's own: nil.
    func createDataKey(
        of owner: TenantID?, now: Timestamp, _ connection: PostgresConnection
    ) async throws {
        let purpose = Self.purpose(owner)
        let sealed = masterKey.seal(SymmetricKey().secret, purpose: purpose, keyID: Self.dataKeyID)
        _ = try await SettingsStore.insertIfNone(
            PlatformSecret(
                purpose: purpose, keyID: Self.dataKeyID, sealed: sealed, sealedBy: masterKey.fingerprint,
                createdAt: now),
            connection)
    }

    /// Deletes the data key of a tenant: what was sealed under it is unreadable from then on, also in the
    /// copies of the database that have no data key. False: it had none.
    @discardableResult
    package func shred(_ tenant: TenantID, _ connection: PostgresConnection) async throws -> Bool {
        _ = try await ProviderStore.deleteCredentials(of: tenant, connection)
        _ = try await GuardrailStore.deleteWebhooks(of: tenant, connection)
        return try await SettingsStore.shred(Self.purpose(tenant), connection)
    }

    /// A provider's credential or a guardrail's secret, sealed so that it opens only there.
    func seal(
        _ secret: Secret, of place: SecretPlace, owner: TenantID?, _ connection: PostgresConnection
    ) async throws -> [UInt8] {
        try await dataKey(of: owner, connection).seal(secret, associatedData: Self.data(place))
    }

    /// A secret as `seal` gave it. Throws when the master key, the data key or the place is another.
    package func open(
        _ sealed: [UInt8], of place: SecretPlace, owner: TenantID?, _ connection: PostgresConnection
    ) async throws -> Secret {
        try await dataKey(of: owner, connection).openSecret(sealed, associatedData: Self.data(place))
    }

    /// The secret as it is kept: for us, and for nodes.
    func stored(
        _ secret: Secret, hint: String = "", of place: SecretPlace, owner: TenantID?,
        under fleetKey: FleetKey,
        _ connection: PostgresConnection
    ) async throws -> StoredCredential {
        let sealed = try await seal(secret, of: place, owner: owner, connection)
        let travelling = SealedCredential(secret, of: place, under: fleetKey)
        return StoredCredential(
            sealed: sealed, hint: hint,
            forFleet: StoredCredential.FleetSeal(fleetKey: travelling.fleetKey, sealed: travelling.sealed))
    }

    /// What signs the messages of a webhook, sealed so that it opens only as this channel's.
    func seal(
        _ secret: Secret, of channel: AlertChannelID, owner: TenantID?, _ connection: PostgresConnection
    ) async throws -> [UInt8] {
        try await dataKey(of: owner, connection).seal(secret, associatedData: Self.place(channel))
    }

    /// What `seal` sealed of a channel. Throws when the master key, the data key or the channel is another.
    func open(
        _ sealed: [UInt8], of channel: AlertChannelID, owner: TenantID?, _ connection: PostgresConnection
    ) async throws -> Secret {
        try await dataKey(of: owner, connection).openSecret(sealed, associatedData: Self.place(channel))
    }

    /// What seals contents of a tenant's calls, each so that it opens only as that call's; nil: the key is
    /// gone.
    package func contentSealer(
        of tenant: TenantID, _ connection: PostgresConnection
    ) async throws -> (([UInt8], UsageEventID) -> [UInt8])? {
        guard try await SettingsStore.current(Self.purpose(tenant), connection) != nil else { return nil }
        let key = try await dataKey(of: tenant, connection)
        return { key.seal($0, associatedData: Self.place($1)) }
    }

    /// What `contentSealer` sealed. Throws when the master key, the data key or the call is another.
    func openContent(
        _ sealed: [UInt8], of call: UsageEventID, owner: TenantID, _ connection: PostgresConnection
    ) async throws -> [UInt8] {
        try await dataKey(of: owner, connection).open(sealed, associatedData: Self.place(call))
    }

    private func dataKey(
        of owner: TenantID?, _ connection: PostgresConnection
    ) async throws -> SymmetricKey {
        let purpose = Self.purpose(owner)
        guard let stored = try await SettingsStore.current(purpose, connection) else {
            throw OperationError.fault("there is no data key for \(purpose)")
        }
        let opened = try masterKey.open(stored.sealed, purpose: purpose, keyID: stored.keyID)
        guard let key = SymmetricKey(opened) else {
            throw OperationError.fault("a data key of another length")
        }
        return key
    }

    private static func purpose(_ owner: TenantID?) -> String {
        "data-key/\(owner?.description ?? "platform")"
    }

    private static func place(_ channel: AlertChannelID) -> [UInt8] {
        Array("eclusa webhook secret 1\n\(channel)".utf8)
    }

    private static func place(_ call: UsageEventID) -> [UInt8] {
        Array("eclusa call content 1\n\(call)".utf8)
    }

    private static func data(_ place: SecretPlace) -> [UInt8] {
        switch place {
        case .provider(let id): Array("eclusa stored credential 1\n\(id)".utf8)
        case .guardrail(let id): Array("eclusa guardrail secret 1\n\(id)".utf8)
        }
    }
}

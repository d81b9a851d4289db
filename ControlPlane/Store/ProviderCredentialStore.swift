package import Domain
package import PostgresDriver

extension ProviderStore {
    /// A credential as it goes into snapshots.
    package struct SharedCredential: Hashable, Sendable {
        package let id: CredentialID
        package let weight: Int32
        package let stored: StoredCredential

        package init(id: CredentialID, weight: Int32, stored: StoredCredential) {
            self.id = id
            self.weight = weight
            self.stored = stored
        }
    }

    /// Adds one. False: no such provider, or it has `ProviderCredential.maximumCount` already.
    package static func addCredential(
        _ credential: ProviderCredential, _ stored: StoredCredential, ownedBy tenant: TenantID?,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let owner = TenantID.owner(tenant)
        return try await connection.execute(
            """
            insert into provider_credentials (tenant_id, provider_id, id, name, sealed, fleet_key_id,
                                              fleet_sealed, hint, weight, enabled, created_at, updated_at)
            select tenant_id, id, \(credential.id), \(credential.name), \(stored.sealed),
                   \(stored.forFleet?.fleetKey), \(stored.forFleet?.sealed), \(stored.hint),
                   \(credential.weight), \(credential.isEnabled), \(credential.createdAt),
                   \(credential.createdAt)
              from providers
             where tenant_id = \(owner) and id = \(credential.provider)
               and (select count(*) from provider_credentials as others
                     where others.tenant_id = \(owner) and provider_id = \(credential.provider))
                   < \(ProviderCredential.maximumCount)
            """) == 1
    }

    /// Puts a secret in the place of the provider's first credential, or adds it as the first. False: no such
    /// provider.
    package static func setCredential(
        _ stored: StoredCredential, of provider: ProviderID, ownedBy tenant: TenantID?, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            """
            with provider as (
                select tenant_id, id from providers
                 where tenant_id = \(TenantID.owner(tenant)) and id = \(provider)
            ), first as (
                select credential.tenant_id, provider_id, credential.id
                  from provider_credentials as credential
                  join provider on provider.tenant_id = credential.tenant_id
                               and provider.id = provider_id
                 order by credential.id
                 limit 1
            ), replaced as (
                update provider_credentials as credential
                   set sealed = \(stored.sealed), hint = \(stored.hint),
                       fleet_key_id = \(stored.forFleet?.fleetKey),
                       fleet_sealed = \(stored.forFleet?.sealed), updated_at = \(now)
                  from first
                 where credential.tenant_id = first.tenant_id
                   and credential.provider_id = first.provider_id and credential.id = first.id
            ), added as (
                insert into provider_credentials (tenant_id, provider_id, id, sealed, fleet_key_id,
                                                  fleet_sealed, hint, created_at, updated_at)
                select tenant_id, id, \(CredentialID(at: now)), \(stored.sealed),
                       \(stored.forFleet?.fleetKey), \(stored.forFleet?.sealed), \(stored.hint), \(now),
                       \(now)
                  from provider
                 where not exists (select from first)
            )
            select count(*) from provider
            """)
        return try rows.first?.int64(0) == 1
    }

    /// The credentials of a provider without their secrets, the oldest first.
    package static func credentials(
        of provider: ProviderID, ownedBy tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [ProviderCredential] {
        let rows = try await connection.query(
            """
            select id, provider_id, name, hint, weight, enabled, created_at, updated_at
              from provider_credentials
             where tenant_id = \(TenantID.owner(tenant)) and provider_id = \(provider)
             order by id
            """)
        return try rows.read { row throws(PostgresError) in
            ProviderCredential(
                id: try row.id(0), provider: try row.id(1), name: try row.text(2), hint: try row.text(3),
                weight: try row.int32(4), isEnabled: try row.bool(5), createdAt: try row.timestamp(6),
                updatedAt: try row.timestamp(7))
        }
    }

    /// Writes name, weight and state, and with `stored` another secret. False: no such credential.
    package static func updateCredential(
        _ credential: ProviderCredential, _ stored: StoredCredential?, ownedBy tenant: TenantID?,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let replacement: SQL =
            stored.map { stored in
                """
                , sealed = \(stored.sealed), hint = \(stored.hint),
                fleet_key_id = \(stored.forFleet?.fleetKey), fleet_sealed = \(stored.forFleet?.sealed)
                """
            } ?? ""
        return try await connection.execute(
            """
            update provider_credentials
               set name = \(credential.name), weight = \(credential.weight),
                   enabled = \(credential.isEnabled), updated_at = \(credential.updatedAt)
                   \(fragment: replacement)
             where tenant_id = \(TenantID.owner(tenant)) and provider_id = \(credential.provider)
               and id = \(credential.id)
            """) == 1
    }

    /// False: no such credential.
    package static func removeCredential(
        _ id: CredentialID, of provider: ProviderID, ownedBy tenant: TenantID?,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            delete from provider_credentials
             where tenant_id = \(TenantID.owner(tenant)) and provider_id = \(provider) and id = \(id)
            """) == 1
    }

    /// Keeps the credential as it is sealed for the fleet. Does nothing when the credential was replaced
    /// meanwhile.
    package static func setFleetSeal(
        _ seal: StoredCredential.FleetSeal, for credential: StoredCredential, of provider: ProviderID,
        ownedBy tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update provider_credentials
               set fleet_key_id = \(seal.fleetKey), fleet_sealed = \(seal.sealed)
             where tenant_id = \(TenantID.owner(tenant)) and provider_id = \(provider)
               and sealed = \(credential.sealed)
            """)
    }

    /// The oldest credential that may be used, or the one asked for; nil: there is none.
    package static func credential(
        _ id: CredentialID? = nil, of provider: ProviderID, ownedBy tenant: TenantID?,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> StoredCredential? {
        let rows = try await connection.query(
            """
            select sealed, hint, fleet_key_id, fleet_sealed
              from provider_credentials
             where tenant_id = \(TenantID.owner(tenant)) and provider_id = \(provider)
               and id = coalesce(\(id), id) and (enabled or id = \(id))
             order by id
             limit 1
            """)
        guard let row = rows.first else { return nil }
        return try readCredential(row, from: 0)
    }

    /// Providers of all owners that have a credential: what a node could open. At most `limit`.
    /// Across tenants.
    package static func withCredentials(
        limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [ProviderID] {
        let rows = try await connection.query(
            """
            select distinct provider_id
              from provider_credentials
             order by provider_id
             limit \(limit)
            """)
        return try rows.read { row throws(PostgresError) in try row.id(0) }
    }

    /// All of a tenant's, and gives their number.
    package static func deleteCredentials(
        of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute("delete from provider_credentials where tenant_id = \(tenant)")
    }

    /// Reads sealed, hint, fleet_key_id and fleet_sealed from `first` on; nil when there is none (outer
    /// join).
    static func readCredential(_ row: Row, from first: Int) throws(PostgresError) -> StoredCredential? {
        guard let sealed = try row.optionalBytes(first) else { return nil }
        var seal: StoredCredential.FleetSeal?
        if let fleetKey: FleetKeyID = try row.optionalID(first + 2) {
            seal = StoredCredential.FleetSeal(fleetKey: fleetKey, sealed: try row.bytes(first + 3))
        }
        return StoredCredential(sealed: sealed, hint: try row.text(first + 1), forFleet: seal)
    }
}

extension ProviderStore {
    /// Keeps the latest test. False: no such provider.
    package static func setTest(
        _ test: ProviderTest, of provider: ProviderID, ownedBy tenant: TenantID?,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            insert into provider_tests (tenant_id, provider_id, tested_at, outcome, status, latency_ms,
                                        models, problem)
            select tenant_id, id, \(test.testedAt), \(test.outcome.rawValue), \(test.status),
                   \(test.latencyMilliseconds), \(test.models), \(test.problem)
              from providers
             where tenant_id = \(TenantID.owner(tenant)) and id = \(provider)
            on conflict (tenant_id, provider_id) do update
               set tested_at = excluded.tested_at, outcome = excluded.outcome, status = excluded.status,
                   latency_ms = excluded.latency_ms, models = excluded.models, problem = excluded.problem
            """) == 1
    }

    package static func test(
        of provider: ProviderID, ownedBy tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> ProviderTest? {
        let rows = try await connection.query(
            """
            select tested_at, outcome, status, latency_ms, models, problem
              from provider_tests
             where tenant_id = \(TenantID.owner(tenant)) and provider_id = \(provider)
            """)
        return try rows.first.map { row throws(PostgresError) in
            ProviderTest(
                testedAt: try row.timestamp(0),
                outcome: try row.value(1, ProviderTest.Outcome.init(rawValue:)),
                status: try row.optionalInt64(2).map { Int32(clamping: $0) },
                latencyMilliseconds: try row.int32(3),
                models: try row.optionalInt64(4).map { Int32(clamping: $0) }, problem: try row.text(5))
        }
    }

    /// Calls of a provider since a moment, and how many of them failed; of one tenant, or (nil) of all.
    package static func recentCalls(
        of provider: ProviderID, tenant: TenantID?, since moment: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> (calls: Int64, failed: Int64) {
        let whose: SQL = tenant.map { "tenant_id = \($0) and" } ?? ""
        let rows = try await connection.query(
            """
            select coalesce(sum(calls), 0)::int8, coalesce(sum(failed_calls), 0)::int8
              from usage_minutes
             where \(fragment: whose) provider_id = \(provider) and starts_at >= \(moment)
            """)
        guard let row = rows.first else { return (0, 0) }
        return (try row.int64(0), try row.int64(1))
    }
}

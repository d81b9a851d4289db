package import Domain
package import PostgresDriver

/// A provider's credential as it is kept: opaque here, opened by who has the keys.
package struct StoredCredential: Hashable, Sendable {
    /// Under the master key.
    package let sealed: [UInt8]
    /// The last characters of the credential.
    package let hint: String
    /// As it goes into snapshots; nil until somebody has sealed it under a fleet key.
    package let forFleet: FleetSeal?

    package struct FleetSeal: Hashable, Sendable {
        package let fleetKey: FleetKeyID
        package let sealed: [UInt8]

        package init(fleetKey: FleetKeyID, sealed: [UInt8]) {
            self.fleetKey = fleetKey
            self.sealed = sealed
        }
    }

    package init(sealed: [UInt8], hint: String, forFleet: FleetSeal?) {
        self.sealed = sealed
        self.hint = hint
        self.forFleet = forFleet
    }
}

/// Upstream accounts: of a tenant, or (`tenant: nil`) of the platform and shared by all.
package enum ProviderStore {
    private static let columns: SQL =
        """
        tenant_id, id, name, kind, base_url, header_names, header_values,
        connect_ms, first_byte_ms, between_chunks_ms, total_ms, enabled, created_at, updated_at,
        (select hint from provider_credentials as c
          where c.tenant_id = providers.tenant_id and c.provider_id = providers.id
          order by position limit 1)
        """

    package static func create(
        _ provider: Provider, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let timeouts = provider.timeouts
        try await connection.execute(
            """
            insert into providers (tenant_id, id, name, kind, base_url, header_names, header_values,
                                   connect_ms, first_byte_ms, between_chunks_ms, total_ms, enabled,
                                   created_at, updated_at)
            values (\(TenantID.owner(provider.tenant)), \(provider.id), \(provider.name),
                    \(provider.kind.rawValue), \(provider.baseURL.description),
                    \(provider.headers.map(\.name)), \(provider.headers.map(\.value)), \(timeouts.connect),
                    \(timeouts.firstByte), \(timeouts.betweenChunks), \(timeouts.total),
                    \(provider.isEnabled), \(provider.createdAt), \(provider.updatedAt))
            """)
    }

    package static func find(
        _ id: ProviderID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Provider? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from providers
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID?, _ page: Page<Provider>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Provider, Provider> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from providers
             where tenant_id = \(TenantID.owner(tenant)) and id < \(page.bound)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Writes everything but the credential. nil: no such provider, or (with `expecting`) changed since then.
    package static func update(
        _ provider: Provider, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Provider? {
        let timeouts = provider.timeouts
        let rows = try await connection.query(
            """
            update providers
               set name = \(provider.name), kind = \(provider.kind.rawValue),
                   base_url = \(provider.baseURL.description),
                   header_names = \(provider.headers.map(\.name)),
                   header_values = \(provider.headers.map(\.value)),
                   connect_ms = \(timeouts.connect), first_byte_ms = \(timeouts.firstByte),
                   between_chunks_ms = \(timeouts.betweenChunks), total_ms = \(timeouts.total),
                   enabled = \(provider.isEnabled), updated_at = \(provider.updatedAt)
             where tenant_id = \(TenantID.owner(provider.tenant)) and id = \(provider.id)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Deletes it with its models and prices. False: no such provider. Fails on
    /// `Constraint.targetModelExists` while a route names one of its models.
    package static func delete(
        _ id: ProviderID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "delete from providers where tenant_id = \(TenantID.owner(tenant)) and id = \(id)") == 1
    }

    static func read(_ row: Row) throws(PostgresError) -> Provider {
        let names = try row.textArray(5)
        let values = try row.textArray(6)
        return Provider(
            id: try row.id(1), tenant: try row.owner(0), name: try row.text(2),
            kind: try row.value(3, ProviderKind.init(rawValue:)), baseURL: try row.value(4) { BaseURL($0) },
            headers: zip(names, values).map { ExtraHeader(name: $0, value: $1) },
            timeouts: ProviderTimeouts(
                connect: try row.int32(7), firstByte: try row.int32(8), betweenChunks: try row.int32(9),
                total: try row.int32(10)),
            isEnabled: try row.bool(11), credentialHint: try row.optionalText(14),
            createdAt: try row.timestamp(12), updatedAt: try row.timestamp(13))
    }
}

// MARK: Credentials

extension ProviderStore {
    /// Sets or replaces the credential. False: no such provider.
    package static func setCredential(
        _ credential: StoredCredential, of provider: ProviderID, ownedBy tenant: TenantID?, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            insert into provider_credentials (tenant_id, provider_id, position, sealed, fleet_key_id,
                                              fleet_sealed, hint, created_at)
            select tenant_id, id, 0::int2, \(credential.sealed), \(credential.forFleet?.fleetKey),
                   \(credential.forFleet?.sealed), \(credential.hint), \(now)
              from providers
             where tenant_id = \(TenantID.owner(tenant)) and id = \(provider)
            on conflict (tenant_id, provider_id, position) do update
               set sealed = excluded.sealed, fleet_key_id = excluded.fleet_key_id,
                   fleet_sealed = excluded.fleet_sealed, hint = excluded.hint,
                   created_at = excluded.created_at
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

    package static func credential(
        of provider: ProviderID, ownedBy tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> StoredCredential? {
        let rows = try await connection.query(
            """
            select sealed, hint, fleet_key_id, fleet_sealed
              from provider_credentials
             where tenant_id = \(TenantID.owner(tenant)) and provider_id = \(provider)
             order by position
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

    /// False: it had none.
    package static func removeCredential(
        of provider: ProviderID, ownedBy tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            delete from provider_credentials
             where tenant_id = \(TenantID.owner(tenant)) and provider_id = \(provider)
            """) > 0
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

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
          order by c.id limit 1),
        option_names, option_values, proxy
        """

    package static func create(
        _ provider: Provider, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let timeouts = provider.timeouts
        let options = options(of: provider)
        try await connection.execute(
            """
            insert into providers (tenant_id, id, name, kind, base_url, option_names, option_values,
                                   header_names, header_values, connect_ms, first_byte_ms,
                                   between_chunks_ms, total_ms, proxy, enabled, created_at, updated_at)
            values (\(TenantID.owner(provider.tenant)), \(provider.id), \(provider.name),
                    \(provider.kind.rawValue), \(provider.baseURL.description), \(options.names),
                    \(options.values), \(provider.headers.map(\.name)),
                    \(provider.headers.map(\.value)), \(timeouts.connect), \(timeouts.firstByte),
                    \(timeouts.betweenChunks), \(timeouts.total), \(provider.proxy?.description),
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
        of tenant: TenantID?, where filter: ProviderFilter = ProviderFilter(), _ page: Page<Provider>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Provider, Provider> {
        let name: SQL = filter.name.map { "and name = \($0)" } ?? ""
        let kind: SQL = filter.kind.map { "and kind = \($0.rawValue)" } ?? ""
        let enabled: SQL = filter.isEnabled.map { "and enabled = \($0)" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from providers
             where tenant_id = \(TenantID.owner(tenant)) and id < \(page.bound)
                   \(fragment: name) \(fragment: kind) \(fragment: enabled)
                   \(fragment: page.condition(onName: "name"))
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
        let options = options(of: provider)
        let rows = try await connection.query(
            """
            update providers
               set name = \(provider.name), kind = \(provider.kind.rawValue),
                   base_url = \(provider.baseURL.description),
                   option_names = \(options.names), option_values = \(options.values),
                   header_names = \(provider.headers.map(\.name)),
                   header_values = \(provider.headers.map(\.value)),
                   connect_ms = \(timeouts.connect), first_byte_ms = \(timeouts.firstByte),
                   between_chunks_ms = \(timeouts.betweenChunks), total_ms = \(timeouts.total),
                   proxy = \(provider.proxy?.description), enabled = \(provider.isEnabled),
                   updated_at = \(provider.updatedAt)
             where tenant_id = \(TenantID.owner(provider.tenant)) and id = \(provider.id)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Deletes it with its models; prices in force end, and those to come go. False: no such provider. Fails
    /// on `Constraint.targetModelExists` while a route names one of its models.
    package static func delete(
        _ id: ProviderID, of tenant: TenantID?, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let owner = TenantID.owner(tenant)
        let rows = try await connection.query(
            """
            with doomed as (
                select id from models where tenant_id = \(owner) and provider_id = \(id)
            ), \(fragment: PriceStore.ending(of: tenant, at: now)), gone as (
                delete from providers where tenant_id = \(owner) and id = \(id) returning id
            )
            select count(*) from gone
            """)
        return try rows.first?.int64(0) == 1
    }

    private static func options(of provider: Provider) -> (names: [String], values: [String]) {
        let sorted = provider.options.sorted { $0.key < $1.key }
        return (sorted.map(\.key), sorted.map(\.value))
    }

    static func read(_ row: Row) throws(PostgresError) -> Provider {
        let names = try row.textArray(5)
        let values = try row.textArray(6)
        let options = zip(try row.textArray(15), try row.textArray(16))
        return Provider(
            id: try row.id(1), tenant: try row.owner(0), name: try row.text(2),
            kind: try row.value(3, ProviderKind.init(rawValue:)), baseURL: try row.value(4) { BaseURL($0) },
            options: Dictionary(options) { first, _ in first },
            headers: zip(names, values).map { ExtraHeader(name: $0, value: $1) },
            timeouts: ProviderTimeouts(
                connect: try row.int32(7), firstByte: try row.int32(8), betweenChunks: try row.int32(9),
                total: try row.int32(10)),
            proxy: try row.optionalText(17).flatMap { EgressProxy($0) }, isEnabled: try row.bool(11),
            credentialHint: try row.optionalText(14),
            createdAt: try row.timestamp(12), updatedAt: try row.timestamp(13))
    }
}

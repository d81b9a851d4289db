package import Domain
package import PostgresDriver

/// What providers offer: of a tenant's own providers, or (`tenant: nil`) of the platform's.
package enum ModelStore {
    private static let columns: SQL =
        """
        tenant_id, id, provider_id, name, display_name, context_window, maximum_output, created_at,
        updated_at, capabilities, source
        """

    package static func create(
        _ model: Model, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into models (tenant_id, id, provider_id, name, display_name, context_window,
                                maximum_output, capabilities, source, created_at, updated_at)
            values (\(TenantID.owner(model.tenant)), \(model.id), \(model.provider), \(model.name),
                    \(model.displayName), \(model.contextWindow), \(model.maximumOutput),
                    \(model.capabilities.map(\.rawValue)), \(model.source), \(model.createdAt),
                    \(model.updatedAt))
            """)
    }

    package static func find(
        _ id: ModelID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Model? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from models
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        return try rows.first.map(read)
    }

    /// A tenant's own models and the platform's: what its routes may name.
    package static func listUsable(
        by tenant: TenantID, where filter: ModelFilter = ModelFilter(), _ page: Page<Model>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Model, Model> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from models
             where tenant_id in (\(tenant), \(TenantID.platform)) and id < \(page.bound)
                   \(fragment: condition(filter)) \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    private static func condition(_ filter: ModelFilter) -> SQL {
        let name: SQL = filter.name.map { "and name = \($0)" } ?? ""
        let provider: SQL = filter.provider.map { "and provider_id = \($0)" } ?? ""
        let capability: SQL = filter.capability.map { "and \($0.rawValue) = any(capabilities)" } ?? ""
        return "\(fragment: name) \(fragment: provider) \(fragment: capability)"
    }

    /// The models of an owner.
    package static func list(
        of tenant: TenantID?, where filter: ModelFilter = ModelFilter(), _ page: Page<Model>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Model, Model> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from models
             where tenant_id = \(TenantID.owner(tenant)) and id < \(page.bound)
                   \(fragment: condition(filter)) \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Every model of a provider by its name.
    package static func byName(
        of provider: ProviderID, ownedBy tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [String: Model] {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from models
             where tenant_id = \(TenantID.owner(tenant)) and provider_id = \(provider)
            """)
        let models = try rows.read(read)
        return Dictionary(models.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Writes names, sizes and what it can do. nil: no such model, or (with `expecting`) changed since then.
    package static func update(
        _ model: Model, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Model? {
        let rows = try await connection.query(
            """
            update models
               set name = \(model.name), display_name = \(model.displayName),
                   context_window = \(model.contextWindow), maximum_output = \(model.maximumOutput),
                   capabilities = \(model.capabilities.map(\.rawValue)), source = \(model.source),
                   updated_at = \(model.updatedAt)
             where tenant_id = \(TenantID.owner(model.tenant)) and id = \(model.id)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Deletes it; its price in force ends, and those to come go. False: no such model. Fails on
    /// `Constraint.targetModelExists` while a route names it.
    package static func delete(
        _ id: ModelID, of tenant: TenantID?, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            """
            with doomed as (
                delete from models where tenant_id = \(TenantID.owner(tenant)) and id = \(id) returning id
            ), \(fragment: PriceStore.ending(of: tenant, at: now))
            select count(*) from doomed
            """)
        return try rows.first?.int64(0) == 1
    }

    private static func read(_ row: Row) throws(PostgresError) -> Model {
        Model(
            id: try row.id(1), provider: try row.id(2), tenant: try row.owner(0), name: try row.text(3),
            displayName: try row.text(4), contextWindow: try row.optionalInt32(5),
            maximumOutput: try row.optionalInt32(6),
            capabilities: try row.textArray(9).compactMap(ModelCapability.init(rawValue:)),
            source: try row.text(10), createdAt: try row.timestamp(7), updatedAt: try row.timestamp(8))
    }
}

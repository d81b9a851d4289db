package import Contract
package import Domain
package import PostgresDriver

/// Everything nodes need, of all tenants: what the publisher reads in one `.readOnlySnapshot` transaction.
/// Large tables come in pages, so that neither side holds more than a page at once.
package enum SnapshotExport {
    package static let rowsPerPage = 5000
    /// A key that ended is exported this much longer, so that its callers learn why it is refused.
    package static let endedKeysSeconds: Int64 = 30 * 86_400

    /// Whose rows are asked for; nil: everybody's.
    package struct Owners: Sendable {
        let ids: [TenantID]

        /// nil among them stands for the platform.
        package init(_ owners: some Sequence<TenantID?>) { ids = owners.map(TenantID.owner) }
        package init(_ tenants: some Sequence<TenantID>) { ids = Array(tenants) }
    }

    package static func tenants(
        of owners: Owners? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [TenantEntry] {
        let filter: SQL = owners.map { "and id = any(\($0.ids))" } ?? ""
        let rows = try await connection.query(
            """
            select id, status, markup, region, case when content_days is null then 0 else content_percent end
              from tenants
             where id <> \(TenantID.platform) \(fragment: filter)
             order by id
            """)
        return try rows.read { row throws(PostgresError) in
            TenantEntry(
                id: try row.id(0),
                isSuspended: try row.value(1, Tenant.Status.init(rawValue:)) != .active,
                markup: Markup(hundredths: try row.int32(2)) ?? .none, region: try row.optionalText(3),
                contentPercent: UInt8(clamping: try row.int32(4)))
        }
    }

    package static func workspaces(
        of owners: Owners? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [WorkspaceEntry] {
        let filter: SQL = owners.map { "where tenant_id = any(\($0.ids))" } ?? ""
        let rows = try await connection.query(
            "select id, tenant_id from workspaces \(fragment: filter) order by tenant_id, id")
        return try rows.read { row throws(PostgresError) in
            WorkspaceEntry(id: try row.id(0), tenant: try row.id(1))
        }
    }

    /// Where a page of keys ended.
    package struct KeyPosition: Hashable, Sendable {
        fileprivate let tenant: TenantID
        fileprivate let id: KeyID
    }

    /// The keys after a position, at most `rowsPerPage`, and where to go on; no position: that was all.
    package static func keys(
        of owners: Owners? = nil, after position: KeyPosition? = nil, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> (keys: [KeyEntry], next: KeyPosition?) {
        let ended = now.advanced(bySeconds: -endedKeysSeconds)
        let filter: SQL = owners.map { "and tenant_id = any(\($0.ids))" } ?? ""
        let start = position ?? KeyPosition(tenant: .platform, id: KeyID(high: 0, low: 0))
        let rows = try await connection.query(
            """
            select \(fragment: keyColumns(ended))
              from keys
             where (tenant_id, id) > (\(start.tenant), \(start.id))
               and coalesce(least(revoked_at, expires_at), \(now)) > \(ended) \(fragment: filter)
             order by tenant_id, id
             limit \(rowsPerPage)
            """)
        var keys = try rows.read(readKey)
        guard let first = keys.first, let last = keys.last else { return ([], nil) }
        try await addLimits(
            """
            (tenant_id, key_id) >= (\(first.tenant), \(first.id))
            and (tenant_id, key_id) <= (\(last.tenant), \(last.id))
            """, to: &keys, connection)
        if keys.count < rowsPerPage { return (keys, nil) }
        return (keys, KeyPosition(tenant: last.tenant, id: last.id))
    }

    /// Gives keys the limits that are theirs alone. Most keys have none.
    private static func addLimits(
        _ filter: SQL, to keys: inout [KeyEntry], _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let rows = try await connection.query(
            """
            select \(fragment: LimitStore.columns)
              from limits
             where key_id is not null and \(fragment: filter)
             order by tenant_id, key_id, id
            """)
        if rows.isEmpty { return }
        var limits: [KeyID: [LimitEntry]] = [:]
        for limit in try rows.read(LimitStore.read) {
            guard case .key(let key) = limit.subject else { continue }
            limits[key, default: []].append(LimitEntry(limit))
        }
        for index in keys.indices { keys[index].limits = limits[keys[index].id] ?? [] }
    }

    /// The keys of these public ids, those there are and that have not ended long ago.
    package static func keys(
        named names: Set<KeyPublicID>, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [KeyEntry] {
        let ended = now.advanced(bySeconds: -endedKeysSeconds)
        var keys: [KeyEntry] = []
        for chunk in names.map(\.description).chunks(of: rowsPerPage) {
            let rows = try await connection.query(
                """
                select \(fragment: keyColumns(ended))
                  from keys
                 where public_id = any(\(chunk))
                   and coalesce(least(revoked_at, expires_at), \(now)) > \(ended)
                """)
            var found = try rows.read(readKey)
            let (tenants, ids) = (found.map(\.tenant), found.map(\.id))
            try await addLimits(
                "(tenant_id, key_id) in (select * from unnest(\(tenants), \(ids)))", to: &found, connection)
            keys += found
        }
        return keys
    }

    /// The next tenants in the order of ids: a way to walk through all of them a slice at a time.
    package static func tenantIDs(
        after id: TenantID?, limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [TenantID] {
        let rows = try await connection.query(
            "select id from tenants where id > \(id ?? .platform) order by id limit \(limit)")
        return try rows.read { row throws(PostgresError) in try row.id(0) }
    }

    /// A secret that was replaced is told so for as long as a key that ended.
    private static func keyColumns(_ ended: Timestamp) -> SQL {
        """
        tenant_id, id, workspace_id, public_id, secret_hash, endpoints, routes, models, ip_ranges, not_before,
        expires_at, revoked_at, strict, tags, owner_id,
        case when previous_until > \(ended) then previous_hash end, previous_until
        """
    }

    private static func readKey(_ row: Row) throws(PostgresError) -> KeyEntry {
        let previous = try row.optionalBytes(15) == nil ? nil : try row.digest(15)
        return KeyEntry(
            id: try row.id(1), tenant: try row.id(0), workspace: try row.id(2),
            publicID: try row.value(3) { KeyPublicID($0) },
            secretHash: SecretHash(digest: try row.digest(4)),
            previous: try previous.map { digest throws(PostgresError) in
                PreviousSecret(hash: SecretHash(digest: digest), until: try row.timestamp(16))
            },
            permitted: try KeyStore.readPermissions(row, from: 5), notBefore: try row.optionalTimestamp(9),
            expires: try row.optionalTimestamp(10), revoked: try row.optionalTimestamp(11),
            isStrict: try row.bool(12), tags: try row.textArray(13), owner: try row.optionalID(14))
    }

    /// A provider with the credentials its calls may carry.
    package struct ExportedProvider: Hashable, Sendable {
        package let provider: Provider
        package var credentials: [ProviderStore.SharedCredential]
    }

    /// Providers of all owners, each with its enabled credentials, the oldest first.
    package static func providers(
        of owners: Owners? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [ExportedProvider] {
        let filter: SQL = owners.map { "where providers.tenant_id = any(\($0.ids))" } ?? ""
        let rows = try await connection.query(
            """
            select providers.tenant_id, providers.id, providers.name, kind, base_url, header_names,
                   header_values, connect_ms, first_byte_ms, between_chunks_ms, total_ms, providers.enabled,
                   providers.created_at, providers.updated_at, hint, option_names, option_values, proxy,
                   sealed, hint, fleet_key_id, fleet_sealed, credential.id, weight
              from providers
              left join provider_credentials as credential
                     on credential.tenant_id = providers.tenant_id
                    and credential.provider_id = providers.id and credential.enabled
             \(fragment: filter)
             order by providers.tenant_id, providers.id, credential.id
            """)
        var providers: [ExportedProvider] = []
        for row in rows {
            let provider = try ProviderStore.read(row)
            if providers.last?.provider.id != provider.id {
                providers.append(ExportedProvider(provider: provider, credentials: []))
            }
            guard let stored = try ProviderStore.readCredential(row, from: 18) else { continue }
            let credential = ProviderStore.SharedCredential(
                id: try row.id(22), weight: try row.int32(23), stored: stored)
            providers[providers.count - 1].credentials.append(credential)
        }
        return providers
    }

    /// The routes of all tenants, each target with the provider of its model. Disabled ones too: others may
    /// lead to them.
    package static func routes(
        of owners: Owners? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [RouteEntry] {
        let filter: SQL = owners.map { "where route.tenant_id = any(\($0.ids))" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: RouteStore.routeColumns), \(fragment: RouteStore.targetColumns),
                   model.provider_id, model.name, model.context_window, model.capabilities
              from routes as route
              join route_targets as target on target.tenant_id = route.tenant_id and route_id = route.id
              left join models as model on model.tenant_id = model_tenant_id and model.id = model_id
             \(fragment: filter)
             order by route.tenant_id, route.id, position
            """)
        var routes: [RouteEntry] = []
        var steps: [RouteEntry.Step] = []
        for (index, row) in rows.enumerated() {
            steps.append(try step(row))
            if index + 1 < rows.count, try rows[index + 1].id(1) == (try row.id(1) as RouteID) { continue }
            let route = try RouteStore.readRoute(row, targets: [])
            routes.append(
                RouteEntry(
                    id: route.id, tenant: route.tenant, name: route.name, rules: route.rules,
                    isEnabled: route.isEnabled, steps: steps))
            steps.removeAll()
        }
        return routes
    }

    private static func step(_ row: Row) throws(PostgresError) -> RouteEntry.Step {
        let first = RouteStore.targetPosition
        let target = try RouteStore.readTarget(row)
        let facts = first + RouteStore.targetColumnCount
        switch target.destination {
        case .route(let route): return .route(route, target.terms)
        case .model(let model):
            let window = try row.optionalInt32(facts + 2)
            let capabilities = try row.textArray(facts + 3).compactMap(ModelCapability.init(rawValue:))
            return .target(
                TargetEntry(
                    provider: try row.id(facts), model: model, upstreamModel: try row.text(facts + 1),
                    terms: target.terms, contextWindow: window, capabilities: CapabilitySet(capabilities)))
        }
    }

    /// Of every model the price in force at a moment and those that will follow.
    package static func prices(
        of owners: Owners? = nil, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [PriceEntry] {
        let filter: SQL = owners.map { "and tenant_id = any(\($0.ids))" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: PriceStore.columns)
              from prices
             where (effective_from > \(now)
                or id = (select id
                           from prices as candidate
                          where candidate.tenant_id = prices.tenant_id
                            and candidate.model_id = prices.model_id
                            and candidate.effective_from <= \(now)
                          order by effective_from desc, id desc
                          limit 1))
               and (effective_until is null or effective_until > \(now)) \(fragment: filter)
             order by tenant_id, model_id, effective_from, id
            """)
        return try rows.read { row throws(PostgresError) in PriceEntry(try PriceStore.read(row)) }
    }

    /// The limits of all subjects but keys, whose own come with them.
    package static func limits(
        of owners: Owners? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [LimitEntry] {
        let filter: SQL = owners.map { "and tenant_id = any(\($0.ids))" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: LimitStore.columns)
              from limits
             where key_id is null \(fragment: filter)
             order by tenant_id, id
            """)
        return try rows.read(LimitStore.read).map { LimitEntry($0) }
    }

    /// The groups that limits bind, with their members.
    package static func groups(
        of owners: Owners? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [GroupEntry] {
        let filter: SQL = owners.map { "and tenant_id = any(\($0.ids))" } ?? ""
        let rows = try await connection.query(
            """
            select tenant_id, group_id, array_agg(user_id order by user_id)
              from group_members
             where (tenant_id, group_id) in (select tenant_id, group_id from limits
                                              where group_id is not null) \(fragment: filter)
             group by tenant_id, group_id
             order by tenant_id, group_id
            """)
        return try rows.read { row throws(PostgresError) in
            GroupEntry(
                id: try row.id(1), tenant: try row.id(0), members: try row.uuidArray(2).map { ID($0) })
        }
    }
}

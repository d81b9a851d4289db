package import Domain
package import PostgresDriver

/// Tenants. The platform's own row is not one of them.
package enum TenantStore {
    private static let columns: SQL = """
        id, slug, name, status, created_at, updated_at, time_zone, currency, retention_days, region,
        sign_up_domain, content_days, content_percent
        """

    package static func create(_ tenant: Tenant, _ connection: PostgresConnection) async throws(PostgresError)
    {
        try await connection.execute(
            """
            insert into tenants (\(fragment: columns))
            values (\(tenant.id), \(tenant.slug), \(tenant.name), \(tenant.status.rawValue),
                    \(tenant.createdAt), \(tenant.updatedAt), \(tenant.settings.timeZone),
                    \(tenant.settings.currency), \(tenant.settings.retentionDays), \(tenant.settings.region),
                    \(tenant.settings.signUpDomain), \(tenant.settings.contentDays),
                    \(tenant.settings.contentPercent))
            """)
    }

    package static func find(
        _ id: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Tenant? {
        try tenant(try await connection.query(statement(id)))
    }

    /// What finds a tenant, to go along with another statement.
    package static func statement(_ id: TenantID) -> SQL {
        "select \(fragment: columns) from tenants where id = \(id) and id <> \(TenantID.platform)"
    }

    /// From the rows of `statement`.
    package static func tenant(_ rows: Rows) throws(PostgresError) -> Tenant? { try rows.first.map(read) }

    package static func find(
        slug: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Tenant? {
        let rows = try await connection.query(
            "select \(fragment: columns) from tenants where slug = \(slug) and id <> \(TenantID.platform)")
        return try rows.first.map(read)
    }

    package static func list(
        status: Tenant.Status? = nil, _ page: Page<Tenant>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Tenant, Tenant> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from tenants
             where id < \(page.bound) and id <> \(TenantID.platform)
               \(fragment: condition(status)) \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Tenants of which the user is a member.
    package static func list(
        of user: UserID, status: Tenant.Status? = nil, _ page: Page<Tenant>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Tenant, Tenant> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from tenants
             where id < \(page.bound) and id <> \(TenantID.platform)
               \(fragment: condition(status)) \(fragment: page.condition(onName: "name"))
               and exists (select from members where tenant_id = tenants.id and user_id = \(user))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Those of these tenants that are there.
    package static func list(
        among tenants: [TenantID], status: Tenant.Status? = nil, _ page: Page<Tenant>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Tenant, Tenant> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from tenants
             where id = any(\(tenants)) and id < \(page.bound) and id <> \(TenantID.platform)
               \(fragment: condition(status)) \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    private static func condition(_ status: Tenant.Status?) -> SQL {
        status.map { "and status = \($0.rawValue)" } ?? ""
    }

    /// Whether Postgres knows a time zone of this name.
    package static func knowsTimeZone(
        _ name: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            "select exists (select from pg_timezone_names where name = \(name))")
        return try rows.first?.bool(0) ?? false
    }

    /// Writes everything but the ID. nil: no such tenant, or (with `expecting`) changed since then.
    package static func update(
        _ tenant: Tenant, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Tenant? {
        let rows = try await connection.query(
            """
            update tenants
               set slug = \(tenant.slug), name = \(tenant.name), status = \(tenant.status.rawValue),
                   time_zone = \(tenant.settings.timeZone), currency = \(tenant.settings.currency),
                   retention_days = \(tenant.settings.retentionDays), region = \(tenant.settings.region),
                   sign_up_domain = \(tenant.settings.signUpDomain),
                   content_days = \(tenant.settings.contentDays),
                   content_percent = \(tenant.settings.contentPercent), updated_at = \(tenant.updatedAt)
             where id = \(tenant.id) and id <> \(TenantID.platform)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    // MARK: Deletion

    /// Tenants that are going. Across tenants.
    package static func beingDeleted(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [TenantID] {
        let rows = try await connection.query("select id from tenants where status = 'deleting' order by id")
        return try rows.read { row throws(PostgresError) in try row.id(0) }
    }

    /// Deletes rows of a tenant, usage too, at most so many, and gives their number; 0: none are left. nil:
    /// somebody else is at it. The audit log stays.
    package static func purge(
        _ id: TenantID, atMost count: Int64, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int64? {
        try await connection.query("select purge_tenant(\(id), \(count))").first?.optionalInt64(0)
    }

    /// The active tenant whose domain this is; nil: nobody's.
    package static func find(
        signUpDomain: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Tenant? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from tenants
             where sign_up_domain = \(signUpDomain) and status = 'active' and id <> \(TenantID.platform)
            """)
        return try rows.first.map(read)
    }

    /// Removes the row of a tenant that is being deleted. False: there is none.
    package static func remove(
        _ id: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from tenants where id = \(id) and status = 'deleting'") == 1
    }

    static func read(_ row: Row) throws(PostgresError) -> Tenant {
        var settings = TenantSettings()
        settings.timeZone = try row.text(6)
        settings.currency = try row.text(7)
        settings.retentionDays = try row.optionalInt64(8).map { Int32(clamping: $0) }
        settings.region = try row.optionalText(9)
        settings.signUpDomain = try row.optionalText(10)
        settings.contentDays = try row.optionalInt64(11).map { Int32(clamping: $0) }
        settings.contentPercent = try row.int32(12)
        return Tenant(
            id: try row.id(0), slug: try row.text(1), name: try row.text(2),
            status: try row.value(3, Tenant.Status.init(rawValue:)), settings: settings,
            createdAt: try row.timestamp(4), updatedAt: try row.timestamp(5))
    }
}

extension Rows {
    /// Every row, read by `read`.
    func read<Value>(_ read: (Row) throws(PostgresError) -> Value) throws(PostgresError) -> [Value] {
        var values: [Value] = []
        values.reserveCapacity(count)
        for row in self { values.append(try read(row)) }
        return values
    }
}

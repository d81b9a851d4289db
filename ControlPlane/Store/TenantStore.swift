package import Domain
package import PostgresDriver

/// Tenants. The platform's own row is not one of them.
package enum TenantStore {
    private static let columns: SQL = "id, slug, name, status, created_at, updated_at"

    package static func create(_ tenant: Tenant, _ connection: PostgresConnection) async throws(PostgresError)
    {
        try await connection.execute(
            """
            insert into tenants (id, slug, name, status, created_at, updated_at)
            values (\(tenant.id), \(tenant.slug), \(tenant.name), \(tenant.status.rawValue),
                    \(tenant.createdAt), \(tenant.updatedAt))
            """)
    }

    package static func find(
        _ id: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Tenant? {
        let rows = try await connection.query(
            "select \(fragment: columns) from tenants where id = \(id) and id <> \(TenantID.platform)")
        return try rows.first.map(read)
    }

    package static func find(
        slug: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Tenant? {
        let rows = try await connection.query(
            "select \(fragment: columns) from tenants where slug = \(slug) and id <> \(TenantID.platform)")
        return try rows.first.map(read)
    }

    package static func list(
        _ page: Page<Tenant>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Tenant, Tenant> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from tenants
             where id < \(page.bound) and id <> \(TenantID.platform)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Tenants of which the user is a member.
    package static func list(
        of user: UserID, _ page: Page<Tenant>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Tenant, Tenant> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from tenants
             where id < \(page.bound) and id <> \(TenantID.platform)
               and exists (select from members where tenant_id = tenants.id and user_id = \(user))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Writes slug, name and status. nil: no such tenant, or (with `expecting`) changed since then.
    package static func update(
        _ tenant: Tenant, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Tenant? {
        let rows = try await connection.query(
            """
            update tenants
               set slug = \(tenant.slug), name = \(tenant.name), status = \(tenant.status.rawValue),
                   updated_at = \(tenant.updatedAt)
             where id = \(tenant.id) and id <> \(TenantID.platform)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Deletes a tenant with all it owns; usage and audit stay. Several statements: inside a transaction.
    package static func delete(
        _ id: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        guard try await find(id, connection) != nil else { return false }
        _ = try await connection.pipeline([
            "delete from key_uses where tenant_id = \(id)",
            "delete from keys where tenant_id = \(id)",
            "delete from routes where tenant_id = \(id)",
            "delete from providers where tenant_id = \(id)",
            "delete from members where tenant_id = \(id)",
            "delete from workspaces where tenant_id = \(id)",
            "delete from tenants where id = \(id)",
        ])
        return true
    }

    static func read(_ row: Row) throws(PostgresError) -> Tenant {
        Tenant(
            id: try row.id(0), slug: try row.text(1), name: try row.text(2),
            status: try row.value(3, Tenant.Status.init(rawValue:)), createdAt: try row.timestamp(4),
            updatedAt: try row.timestamp(5))
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

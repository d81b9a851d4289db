package import Domain
package import PostgresDriver

/// Roles that tenants made for themselves.
package enum RoleStore {
    private static let columns: SQL = "id, tenant_id, name, description, permissions, created_at, updated_at"

    /// Fails on `Constraint.roleNameIsUnique`.
    package static func create(
        _ role: CustomRole, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into roles (\(fragment: columns))
            values (\(role.id), \(role.tenant), \(role.name), \(role.description),
                    \(role.permissions.map(\.rawValue).sorted()), \(role.createdAt), \(role.updatedAt))
            """)
    }

    package static func find(
        _ id: RoleID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> CustomRole? {
        let rows = try await connection.query(
            "select \(fragment: columns) from roles where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID, _ page: Page<RoleNoun>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<CustomRole, RoleNoun> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from roles
             where tenant_id = \(tenant) and id < \(page.bound) \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Writes name, description and permissions. nil: no such role, or (with `expecting`) changed since then.
    package static func update(
        _ role: CustomRole, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> CustomRole? {
        let rows = try await connection.query(
            """
            update roles
               set name = \(role.name), description = \(role.description),
                   permissions = \(role.permissions.map(\.rawValue).sorted()), updated_at = \(role.updatedAt)
             where tenant_id = \(role.tenant) and id = \(role.id)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// False: no such role. Fails on `Constraint.bindingRoleExists` while somebody holds it.
    package static func delete(
        _ id: RoleID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from roles where tenant_id = \(tenant) and id = \(id)") == 1
    }

    /// Permissions of a later release are left out.
    private static func read(_ row: Row) throws(PostgresError) -> CustomRole {
        CustomRole(
            id: try row.id(0), tenant: try row.id(1), name: try row.text(2), description: try row.text(3),
            permissions: Set(try row.textArray(4).compactMap(Permission.init(rawValue:))),
            createdAt: try row.timestamp(5), updatedAt: try row.timestamp(6))
    }
}

package import Domain
package import PostgresDriver

package enum WorkspaceStore {
    private static let columns: SQL = "id, tenant_id, slug, name, created_at, updated_at"

    package static func create(
        _ workspace: Workspace, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into workspaces (tenant_id, id, slug, name, created_at, updated_at)
            values (\(workspace.tenant), \(workspace.id), \(workspace.slug), \(workspace.name),
                    \(workspace.createdAt), \(workspace.updatedAt))
            """)
    }

    package static func find(
        _ id: WorkspaceID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Workspace? {
        let rows = try await connection.query(
            "select \(fragment: columns) from workspaces where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID, _ page: Page<Workspace>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Workspace, Workspace> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from workspaces
             where tenant_id = \(tenant) and id < \(page.bound) \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Writes slug and name. nil: no such workspace, or (with `expecting`) changed since then.
    package static func update(
        _ workspace: Workspace, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Workspace? {
        let rows = try await connection.query(
            """
            update workspaces
               set slug = \(workspace.slug), name = \(workspace.name), updated_at = \(workspace.updatedAt)
             where tenant_id = \(workspace.tenant) and id = \(workspace.id)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// False: no such workspace. Fails on `Constraint.workspaceHasKeys` while it has keys.
    package static func delete(
        _ id: WorkspaceID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from workspaces where tenant_id = \(tenant) and id = \(id)") == 1
    }

    private static func read(_ row: Row) throws(PostgresError) -> Workspace {
        Workspace(
            id: try row.id(0), tenant: try row.id(1), slug: try row.text(2), name: try row.text(3),
            createdAt: try row.timestamp(4), updatedAt: try row.timestamp(5))
    }
}

package import Domain
package import PostgresDriver

/// A role given to a user in a scope.
package struct Binding: Hashable, Sendable {
    package let id: BindingID
    package let user: UserID
    package let role: String
    package let scope: Scope
    package let createdBy: UserID?
    package let createdAt: Timestamp

    package init(
        id: BindingID, user: UserID, role: String, scope: Scope, createdBy: UserID?, createdAt: Timestamp
    ) {
        self.id = id
        self.user = user
        self.role = role
        self.scope = scope
        self.createdBy = createdBy
        self.createdAt = createdAt
    }
}

package enum BindingStore {
    private static let columns: SQL = "tenant_id, id, user_id, workspace_id, role, created_by, created_at"

    /// Gives the role; makes the user a member of the tenant first, if need be.
    package static func create(
        _ binding: Binding, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let tenant = TenantID.owner(binding.scope.tenant)
        try await connection.execute(
            """
            with member as (
                insert into members (tenant_id, user_id, created_at)
                values (\(tenant), \(binding.user), \(binding.createdAt))
                on conflict do nothing
            )
            insert into bindings (tenant_id, id, user_id, workspace_id, role, created_by, created_at)
            values (\(tenant), \(binding.id), \(binding.user), \(workspace(of: binding.scope)),
                    \(binding.role), \(binding.createdBy), \(binding.createdAt))
            """)
    }

    package static func find(
        _ id: BindingID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Binding? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from bindings
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        return try rows.first.map(read)
    }

    /// The roles given in a tenant and its workspaces; on the platform for nil.
    package static func list(
        of tenant: TenantID?, _ page: Page<BindingNoun>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Binding, BindingNoun> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from bindings
             where tenant_id = \(TenantID.owner(tenant)) and id < \(page.bound)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// All roles of a user, everywhere; nothing for a user who is disabled or not there.
    package static func list(
        of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Binding] {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from bindings
             where user_id = \(user)
               and exists (select from users where id = \(user) and status = 'active')
             order by tenant_id, id
            """)
        return try rows.read(read)
    }

    /// What a user may do, by the built-in roles; a role of a later release counts for nothing.
    package static func authority(
        of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Authority {
        let bindings = try await list(of: user, connection)
        return Authority(
            bindings.compactMap { binding in
                Role.builtIn(named: binding.role).map { Authority.Binding(role: $0, scope: binding.scope) }
            })
    }

    /// False: no such binding in this tenant.
    package static func delete(
        _ id: BindingID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "delete from bindings where tenant_id = \(TenantID.owner(tenant)) and id = \(id)") == 1
    }

    private static func workspace(of scope: Scope) -> WorkspaceID? {
        if case .workspace(_, let workspace) = scope { workspace } else { nil }
    }

    private static func read(_ row: Row) throws(PostgresError) -> Binding {
        let scope: Scope =
            switch (try row.owner(0), try row.optionalID(3) as WorkspaceID?) {
            case (nil, _): .platform
            case (let tenant?, nil): .tenant(tenant)
            case (let tenant?, let workspace?): .workspace(tenant, workspace)
            }
        return Binding(
            id: try row.id(1), user: try row.id(2), role: try row.text(4), scope: scope,
            createdBy: try row.optionalID(5), createdAt: try row.timestamp(6))
    }
}

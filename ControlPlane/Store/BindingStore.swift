package import Domain
package import PostgresDriver

/// A role given in a scope.
package struct Binding: Hashable, Sendable {
    package let id: BindingID
    package let principal: Principal
    package let role: RoleReference
    package let scope: Scope
    package let createdBy: UserID?
    package let createdAt: Timestamp

    package init(
        id: BindingID, principal: Principal, role: RoleReference, scope: Scope, createdBy: UserID?,
        createdAt: Timestamp
    ) {
        self.id = id
        self.principal = principal
        self.role = role
        self.scope = scope
        self.createdBy = createdBy
        self.createdAt = createdAt
    }

    /// A built-in role of a user.
    package init(
        id: BindingID, user: UserID, role: String, scope: Scope, createdBy: UserID?, createdAt: Timestamp
    ) {
        self.init(
            id: id, principal: .user(user), role: .builtIn(role), scope: scope, createdBy: createdBy,
            createdAt: createdAt)
    }

    package var user: UserID? { if case .user(let id) = principal { id } else { nil } }
    fileprivate var group: GroupID? { if case .group(let id) = principal { id } else { nil } }
    fileprivate var serviceAccount: ServiceAccountID? {
        if case .serviceAccount(let id) = principal { id } else { nil }
    }
    fileprivate var builtIn: String? { if case .builtIn(let name) = role { name } else { nil } }
    fileprivate var custom: RoleID? { if case .custom(let id) = role { id } else { nil } }
}

/// A binding as it counts for somebody: the role itself, and the group it came through.
package struct EffectiveBinding: Hashable, Sendable {
    package let id: BindingID
    package let role: Role
    package let scope: Scope
    /// nil: given directly.
    package let group: GroupID?

    package var counted: Authority.Binding { Authority.Binding(role: role, scope: scope) }
}

package enum BindingStore {
    private static let columns: SQL = """
        tenant_id, id, user_id, group_id, service_account_id, workspace_id, role, role_id, created_by,
        created_at
        """

    /// Gives the role; makes a user a member of the tenant first, if need be. Fails on
    /// `Constraint.bindingIsGivenOnce` and those that say what must exist.
    package static func create(
        _ binding: Binding, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let tenant = TenantID.owner(binding.scope.tenant)
        try await connection.execute(
            """
            with member as (
                insert into members (tenant_id, user_id, created_at)
                select \(tenant), \(binding.user), \(binding.createdAt)
                 where \(binding.user) is not null
                on conflict do nothing
            )
            insert into bindings (\(fragment: columns))
            values (\(tenant), \(binding.id), \(binding.user), \(binding.group), \(binding.serviceAccount),
                    \(workspace(of: binding.scope)), \(binding.builtIn), \(binding.custom),
                    \(binding.createdBy), \(binding.createdAt))
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

    /// The roles given in a tenant and its workspaces that pass a filter; on the platform for nil.
    package static func list(
        of tenant: TenantID?, where filter: BindingFilter = BindingFilter(), _ page: Page<BindingNoun>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Binding, BindingNoun> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from bindings
             where tenant_id = \(TenantID.owner(tenant)) and id < \(page.bound) \(fragment: filter.condition)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// All roles given to a user directly, everywhere; nothing for a user who is disabled or not there.
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

    static func scope(_ row: Row, tenant: Int, workspace: Int) throws(PostgresError) -> Scope {
        switch (try row.owner(tenant), try row.optionalID(workspace) as WorkspaceID?) {
        case (nil, _): .platform
        case (let tenant?, nil): .tenant(tenant)
        case (let tenant?, let workspace?): .workspace(tenant, workspace)
        }
    }

    private static func read(_ row: Row) throws(PostgresError) -> Binding {
        let principal: Principal
        if let user: UserID = try row.optionalID(2) {
            principal = .user(user)
        } else if let group: GroupID = try row.optionalID(3) {
            principal = .group(group)
        } else {
            principal = .serviceAccount(try row.id(4))
        }
        let role: RoleReference
        if let name = try row.optionalText(6) { role = .builtIn(name) } else { role = .custom(try row.id(7)) }
        return Binding(
            id: try row.id(1), principal: principal, role: role,
            scope: try scope(row, tenant: 0, workspace: 5), createdBy: try row.optionalID(8),
            createdAt: try row.timestamp(9))
    }
}

extension BindingFilter {
    fileprivate var condition: SQL {
        let ofPrincipal: SQL =
            switch principal {
            case .user(let id)?: "and user_id = \(id)"
            case .group(let id)?: "and group_id = \(id)"
            case .serviceAccount(let id)?: "and service_account_id = \(id)"
            case nil: ""
            }
        let ofRole: SQL =
            switch role {
            case .builtIn(let name)?: "and role = \(name)"
            case .custom(let id)?: "and role_id = \(id)"
            case nil: ""
            }
        let there: SQL = workspace.map { "and workspace_id = \($0)" } ?? ""
        return "\(fragment: ofPrincipal) \(fragment: ofRole) \(fragment: there)"
    }
}

// MARK: What somebody may do

extension BindingStore {
    /// What a user may do, directly and through groups. A role or a permission of a later release counts for
    /// nothing. In all tenants: across tenants; in one: inside `withTenant` too.
    package static func authority(
        of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Authority {
        try authority(try await connection.query(effectiveStatement(of: user)))
    }

    /// From the rows of `effectiveStatement`.
    static func authority(_ rows: Rows) throws(PostgresError) -> Authority {
        Authority(try rows.read(readEffective).compactMap(\.self).map(\.counted))
    }

    /// The bindings that count for an active user, with the groups they come through.
    package static func effective(
        of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [EffectiveBinding] {
        let rows = try await connection.query(effectiveStatement(of: user))
        return try rows.read(readEffective).compactMap(\.self)
    }

    static func effectiveStatement(of user: UserID) -> SQL {
        """
        with given as (
            select * from bindings where user_id = \(user)
            union all
            select bindings.*
              from group_members as member
              join bindings on bindings.tenant_id = member.tenant_id
                           and bindings.group_id = member.group_id
             where member.user_id = \(user)
        )
        select \(fragment: counted)
          from given left join roles on roles.tenant_id = given.tenant_id and roles.id = role_id
         where exists (select from users where id = \(user) and status = 'active')
         order by given.tenant_id, given.id
        """
    }

    /// What a service account may do, by the bindings of the tenant it belongs to.
    package static func effective(
        of account: ServiceAccountID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [EffectiveBinding] {
        let rows = try await connection.query(
            """
            select \(fragment: counted)
              from bindings as given
              left join roles on roles.tenant_id = given.tenant_id and roles.id = role_id
             where service_account_id = \(account)
             order by given.tenant_id, given.id
            """)
        return try rows.read(readEffective).compactMap(\.self)
    }

    /// What every member of a group has through it.
    package static func effective(
        of group: GroupID, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [EffectiveBinding] {
        let rows = try await connection.query(
            """
            select \(fragment: counted)
              from bindings as given
              left join roles on roles.tenant_id = given.tenant_id and roles.id = role_id
             where given.tenant_id = \(tenant) and group_id = \(group)
             order by given.id
            """)
        return try rows.read(readEffective).compactMap(\.self)
    }

    private static let counted: SQL = """
        given.tenant_id, given.id, given.workspace_id, given.role, given.group_id, roles.id, roles.name,
        roles.permissions
        """

    /// nil: a built-in role this program does not know.
    private static func readEffective(_ row: Row) throws(PostgresError) -> EffectiveBinding? {
        let role: Role
        if let name = try row.optionalText(3) {
            guard let known = Role.builtIn(named: name) else { return nil }
            role = known
        } else {
            role = Role(
                name: try row.text(6), custom: try row.id(5),
                permissions: Set(try row.textArray(7).compactMap(Permission.init(rawValue:))))
        }
        return EffectiveBinding(
            id: try row.id(1), role: role, scope: try scope(row, tenant: 0, workspace: 2),
            group: try row.optionalID(4))
    }

    /// Whether somebody who can sign in holds the role that has everything in a tenant, or (nil) on the
    /// platform. Locks the tenant's row until the transaction ends: of two who take roles away at once, the
    /// second sees what the first did.
    package static func hasOwner(
        _ tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let owner = TenantID.owner(tenant)
        let role = tenant == nil ? Role.platformAdmin.name : Role.tenantOwner.name
        _ = try await connection.query("select from tenants where id = \(owner) for no key update")
        let rows = try await connection.query(
            """
            select exists (
                select
                  from bindings
                  left join group_members as member on member.tenant_id = bindings.tenant_id
                                                   and member.group_id = bindings.group_id
                  join users on users.id = coalesce(bindings.user_id, member.user_id)
                 where bindings.tenant_id = \(owner) and role = \(role) and workspace_id is null
                   and users.status = 'active')
            """)
        return try rows.first?.bool(0) ?? false
    }
}

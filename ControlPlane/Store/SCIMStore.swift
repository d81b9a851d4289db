package import Domain
package import PostgresDriver

/// A person as an identity provider describes them to one tenant.
package struct SCIMUser: Hashable, Sendable {
    package let user: UserID
    package var userName: String
    package var externalID: String?
    package var displayName: String?
    package var givenName: String?
    package var familyName: String?
    package var email: String
    /// Whether they are a member of the tenant.
    package var isActive: Bool
    /// Whether the account was made for this tenant, so that its sessions end with the membership.
    package var madeAccount: Bool
    package var createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        user: UserID, userName: String, externalID: String? = nil, displayName: String? = nil,
        givenName: String? = nil, familyName: String? = nil, email: String, isActive: Bool,
        madeAccount: Bool, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.user = user
        self.userName = userName
        self.externalID = externalID
        self.displayName = displayName
        self.givenName = givenName
        self.familyName = familyName
        self.email = email
        self.isActive = isActive
        self.madeAccount = madeAccount
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// A group that an identity provider manages.
package struct SCIMGroup: Hashable, Sendable {
    package var group: Group
    package var externalID: String?
    package var members: [UserID]

    package init(group: Group, externalID: String?, members: [UserID]) {
        self.group = group
        self.externalID = externalID
        self.members = members
    }
}

/// One page of a list that is addressed by position, as SCIM has it.
package struct SCIMPage<Item: Sendable>: Sendable {
    package let total: Int64
    package let items: [Item]

    package init(total: Int64, items: [Item]) {
        self.total = total
        self.items = items
    }
}

/// What identity providers manage in a tenant.
package enum SCIMUserStore {
    private static let columns: SQL = """
        user_id, user_name, external_id, display_name, given_name, family_name, email, active, made_account,
        created_at, updated_at
        """

    private static func column(_ attribute: SCIMFilter.Attribute) -> SQL? {
        switch attribute {
        case .id: "user_id::text"
        case .userName: "user_name"
        case .externalID: "external_id"
        case .displayName: "display_name"
        case .givenName: "given_name"
        case .familyName: "family_name"
        case .email: "email"
        case .active: "active::text"
        case .member: nil
        }
    }

    /// Makes or replaces; whether the account was made with it stays. Fails on
    /// `Constraint.scimUserNameIsUnique`.
    package static func put(
        _ user: SCIMUser, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into scim_users (tenant_id, \(fragment: columns))
            values (\(tenant), \(user.user), \(user.userName), \(user.externalID), \(user.displayName),
                    \(user.givenName), \(user.familyName), \(user.email), \(user.isActive),
                    \(user.madeAccount), \(user.createdAt), \(user.updatedAt))
            on conflict (tenant_id, user_id) do update
               set user_name = excluded.user_name, external_id = excluded.external_id,
                   display_name = excluded.display_name, given_name = excluded.given_name,
                   family_name = excluded.family_name, email = excluded.email, active = excluded.active,
                   updated_at = excluded.updated_at
            """)
    }

    package static func find(
        _ id: UserID, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> SCIMUser? {
        let rows = try await connection.query(
            "select \(fragment: columns) from scim_users where tenant_id = \(tenant) and user_id = \(id)")
        return try rows.first.map(read)
    }

    /// From a position (counted from 0), oldest first; nil: the filter asks for what users do not have.
    package static func list(
        in tenant: TenantID, _ filter: SCIMFilter?, from position: Int64, limit: Int64,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> SCIMPage<SCIMUser>? {
        var predicate: SQL = "tenant_id = \(tenant)"
        if let filter {
            guard let more = filter.predicate(column) else { return nil }
            predicate = predicate + " and " + more
        }
        let total = try await connection.query(
            "select count(*)::int8 from scim_users where \(fragment: predicate)")
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from scim_users
             where \(fragment: predicate)
             order by user_id
            offset \(position)
             limit \(limit)
            """)
        return SCIMPage(total: try total.first?.int64(0) ?? 0, items: try rows.read(read))
    }

    /// False: no such user here.
    package static func delete(
        _ id: UserID, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "delete from scim_users where tenant_id = \(tenant) and user_id = \(id)") == 1
    }

    /// The groups of some users, as the provider says.
    package static func groups(
        of users: [UserID], in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [UserID: [Group]] {
        let rows = try await connection.query(
            """
            select groups.id, groups.tenant_id, name, description, created_at, updated_at, user_id
              from scim_group_members as member
              join groups on groups.tenant_id = member.tenant_id and groups.id = group_id
             where member.tenant_id = \(tenant) and user_id = any(\(users))
             order by groups.id
            """)
        var groups: [UserID: [Group]] = [:]
        for row in rows { groups[try row.id(6), default: []].append(try GroupStore.read(row)) }
        return groups
    }

    private static func read(_ row: Row) throws(PostgresError) -> SCIMUser {
        SCIMUser(
            user: try row.id(0), userName: try row.text(1), externalID: try row.optionalText(2),
            displayName: try row.optionalText(3), givenName: try row.optionalText(4),
            familyName: try row.optionalText(5), email: try row.text(6), isActive: try row.bool(7),
            madeAccount: try row.bool(8), createdAt: try row.timestamp(9), updatedAt: try row.timestamp(10))
    }
}

package enum SCIMGroupStore {
    private static let columns: SQL = """
        groups.id, groups.tenant_id, name, description, created_at, updated_at, external_id,
        array(select user_id
                from scim_group_members as member
               where member.tenant_id = groups.tenant_id and member.group_id = groups.id
               order by user_id)
        """

    private static let tables: SQL = """
        scim_groups join groups on groups.tenant_id = scim_groups.tenant_id and groups.id = group_id
        """

    private static func column(_ attribute: SCIMFilter.Attribute) -> SQL? {
        switch attribute {
        case .id: "groups.id::text"
        case .displayName: "name"
        case .externalID: "external_id"
        default: nil
        }
    }

    private static func hasMember(_ user: String) -> SQL {
        """
        exists (select
                  from scim_group_members as member
                 where member.tenant_id = scim_groups.tenant_id and member.group_id = scim_groups.group_id
                   and user_id::text = \(user))
        """
    }

    /// Writes what the provider says of a group that is there: its external ID and its members, of whom the
    /// active ones become the group's. Fails on `Constraint.scimMemberIsASCIMUser`. Several statements.
    package static func put(
        _ group: SCIMGroup, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let (tenant, id) = (group.group.tenant, group.group.id)
        _ = try await connection.query(
            """
            insert into scim_groups (tenant_id, group_id, external_id)
            values (\(tenant), \(id), \(group.externalID))
            on conflict (tenant_id, group_id) do update set external_id = excluded.external_id
            """)
        _ = try await connection.query(
            """
            delete from scim_group_members
             where tenant_id = \(tenant) and group_id = \(id) and user_id <> all(\(group.members))
            """)
        _ = try await connection.query(
            """
            insert into scim_group_members (tenant_id, group_id, user_id)
            select distinct \(tenant), \(id), member from unnest(\(group.members)) as member
            on conflict do nothing
            """)
        try await settle(id, of: tenant, at: now, connection)
    }

    /// Makes a group's members those whom the provider names and who are active.
    package static func settle(
        _ id: GroupID, of tenant: TenantID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        _ = try await connection.query(
            """
            delete from group_members as old
             where tenant_id = \(tenant) and group_id = \(id)
               and not exists (select
                                 from scim_group_members as said
                                where said.tenant_id = old.tenant_id and said.group_id = old.group_id
                                  and said.user_id = old.user_id)
            """)
        _ = try await connection.query(
            """
            insert into group_members (tenant_id, group_id, user_id, created_at)
            select tenant_id, group_id, user_id, \(now)
              from scim_group_members as said
             where tenant_id = \(tenant) and group_id = \(id)
               and exists (select
                             from members
                            where members.tenant_id = said.tenant_id and members.user_id = said.user_id)
            on conflict do nothing
            """)
    }

    package static func find(
        _ id: GroupID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> SCIMGroup? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from \(fragment: tables)
             where scim_groups.tenant_id = \(tenant) and group_id = \(id)
            """)
        return try rows.first.map(read)
    }

    /// As of users.
    package static func list(
        of tenant: TenantID, _ filter: SCIMFilter?, from position: Int64, limit: Int64,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> SCIMPage<SCIMGroup>? {
        var predicate: SQL = "scim_groups.tenant_id = \(tenant)"
        if let filter {
            guard let more = filter.predicate(column, hasMember: hasMember) else { return nil }
            predicate = predicate + " and " + more
        }
        let total = try await connection.query(
            "select count(*)::int8 from \(fragment: tables) where \(fragment: predicate)")
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from \(fragment: tables)
             where \(fragment: predicate)
             order by group_id
            offset \(position)
             limit \(limit)
            """)
        return SCIMPage(total: try total.first?.int64(0) ?? 0, items: try rows.read(read))
    }

    private static func read(_ row: Row) throws(PostgresError) -> SCIMGroup {
        SCIMGroup(
            group: try GroupStore.read(row), externalID: try row.optionalText(6),
            members: try row.uuidArray(7).map { ID($0) })
    }
}

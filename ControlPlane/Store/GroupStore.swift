package import Domain
package import PostgresDriver

package enum GroupStore {
    private static let columns: SQL = "id, tenant_id, name, description, created_at, updated_at"

    /// Fails on `Constraint.groupNameIsUnique`.
    package static func create(
        _ group: Group, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into groups (\(fragment: columns))
            values (\(group.id), \(group.tenant), \(group.name), \(group.description), \(group.createdAt),
                    \(group.updatedAt))
            """)
    }

    package static func find(
        _ id: GroupID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Group? {
        let rows = try await connection.query(
            "select \(fragment: columns) from groups where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID, _ page: Page<Group>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Group, Group> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from groups
             where tenant_id = \(tenant) and id < \(page.bound) \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Writes name and description. nil: no such group, or (with `expecting`) changed since then.
    package static func update(
        _ group: Group, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Group? {
        let rows = try await connection.query(
            """
            update groups
               set name = \(group.name), description = \(group.description), updated_at = \(group.updatedAt)
             where tenant_id = \(group.tenant) and id = \(group.id)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// With its members and roles. False: no such group.
    package static func delete(
        _ id: GroupID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from groups where tenant_id = \(tenant) and id = \(id)") == 1
    }

    // MARK: Members

    /// False: was one already. Fails on `Constraint.groupMemberIsAMember` for users who are no members of the
    /// tenant.
    package static func add(
        _ user: UserID, to group: GroupID, of tenant: TenantID, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            insert into group_members (tenant_id, group_id, user_id, created_at)
            values (\(tenant), \(group), \(user), \(now))
            on conflict do nothing
            """) == 1
    }

    /// False: was none.
    package static func remove(
        _ user: UserID, from group: GroupID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            delete from group_members
             where tenant_id = \(tenant) and group_id = \(group) and user_id = \(user)
            """) == 1
    }

    package static func members(
        of group: GroupID, of tenant: TenantID, where filter: UserFilter = UserFilter(), _ page: Page<User>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<User, User> {
        let rows = try await connection.query(
            """
            select \(fragment: UserStore.columns)
              from users
             where id < \(page.bound) \(fragment: filter.condition(page))
               and id in (select user_id
                            from group_members
                           where tenant_id = \(tenant) and group_id = \(group))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(UserStore.read), \.id)
    }

    static func read(_ row: Row) throws(PostgresError) -> Group {
        Group(
            id: try row.id(0), tenant: try row.id(1), name: try row.text(2), description: try row.text(3),
            createdAt: try row.timestamp(4), updatedAt: try row.timestamp(5))
    }
}

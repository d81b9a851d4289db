package import Domain
package import PostgresDriver

/// A user in a tenant.
package struct Member: Hashable, Sendable {
    package let tenant: TenantID
    package let user: User
    package let joinedAt: Timestamp
}

/// Who belongs to a tenant; to the platform for nil.
package enum MemberStore {
    private static let columns = UserStore.columns + ", joined.tenant_id, joined.joined_at"

    private static func joined(_ tenant: TenantID?) -> SQL {
        """
        users join (select tenant_id, user_id, created_at as joined_at
                      from members
                     where tenant_id = \(TenantID.owner(tenant))) as joined on joined.user_id = users.id
        """
    }

    /// False: was one already. Fails on `Constraint.memberIsAUser`.
    package static func add(
        _ user: UserID, to tenant: TenantID?, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            insert into members (tenant_id, user_id, created_at)
            values (\(TenantID.owner(tenant)), \(user), \(now))
            on conflict do nothing
            """) == 1
    }

    package static func find(
        _ user: UserID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Member? {
        let rows = try await connection.query(
            "select \(fragment: columns) from \(fragment: joined(tenant)) where users.id = \(user)")
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID?, where filter: UserFilter = UserFilter(), _ page: Page<User>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Member, User> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from \(fragment: joined(tenant))
             where users.id < \(page.bound) \(fragment: filter.condition(page))
             order by users.id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read)) { $0.user.id }
    }

    private static func read(_ row: Row) throws(PostgresError) -> Member {
        Member(
            tenant: try row.id(UserStore.columnCount), user: try UserStore.read(row),
            joinedAt: try row.timestamp(UserStore.columnCount + 1))
    }
}

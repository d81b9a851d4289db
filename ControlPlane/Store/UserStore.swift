package import Domain
package import PostgresDriver

/// People who sign in; platform-wide. Membership and roles are in `BindingStore`.
package enum UserStore {
    static let columnCount = 8
    static let columns: SQL =
        "id, email, name, status, created_at, updated_at, locale, email_verified_at"

    /// `passwordHash` in PHC form, or nil for a user who cannot sign in with a password yet.
    package static func create(
        _ user: User, passwordHash: String?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into users (id, email, name, password_hash, password_changed_at, status, locale,
                               email_verified_at, created_at, updated_at)
            values (\(user.id), \(user.email), \(user.name), \(passwordHash), \(user.createdAt),
                    \(user.status.rawValue), \(user.locale.rawValue), \(user.emailVerifiedAt),
                    \(user.createdAt), \(user.updatedAt))
            """)
    }

    package static func find(
        _ id: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> User? {
        let rows = try await connection.query("select \(fragment: columns) from users where id = \(id)")
        return try rows.first.map(read)
    }

    package static func find(
        email: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> User? {
        let rows = try await connection.query(
            "select \(fragment: columns) from users where lower(email) = lower(\(email))")
        return try rows.first.map(read)
    }

    /// A user with what a sign-in is checked against.
    package struct Credentials: Sendable {
        package let user: User
        package let passwordHash: String?
    }

    package static func credentials(
        email: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Credentials? {
        let rows = try await connection.query(
            """
            select \(fragment: columns), password_hash
              from users
             where lower(email) = lower(\(email))
            """)
        guard let row = rows.first else { return nil }
        return Credentials(user: try read(row), passwordHash: try row.optionalText(8))
    }

    /// The members of a tenant; of the platform for nil.
    package static func members(
        of tenant: TenantID?, _ page: Page<User>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<User, User> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from users
             where id < \(page.bound)
               and exists (select from members
                            where tenant_id = \(TenantID.owner(tenant)) and user_id = users.id)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Writes e-mail, name, status and language. nil: no such user, or (with `expecting`) changed since then.
    package static func update(
        _ user: User, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> User? {
        let rows = try await connection.query(
            """
            update users
               set email = \(user.email), name = \(user.name), status = \(user.status.rawValue),
                   locale = \(user.locale.rawValue), updated_at = \(user.updatedAt)
             where id = \(user.id)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// False: no such user.
    package static func setPassword(
        hash: String, of user: UserID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update users
               set password_hash = \(hash), password_changed_at = \(now), updated_at = \(now)
             where id = \(user)
            """) == 1
    }

    /// Replaces a hash by a stronger one of the same password; does nothing when the password has changed
    /// meanwhile.
    package static func rehash(
        from old: String, to new: String, of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            "update users set password_hash = \(new) where id = \(user) and password_hash = \(old)")
    }

    /// Removes a user from a tenant (nil: from the platform) with all roles there. False: was no member.
    package static func removeMember(
        _ user: UserID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "delete from members where tenant_id = \(TenantID.owner(tenant)) and user_id = \(user)") == 1
    }

    /// Deletes a user with memberships, roles and sessions. False: no such user.
    package static func delete(
        _ id: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from users where id = \(id)") == 1
    }

    static func read(_ row: Row) throws(PostgresError) -> User {
        User(
            id: try row.id(0), email: try row.text(1), name: try row.text(2),
            status: try row.value(3, User.Status.init(rawValue:)),
            locale: try row.value(6, Language.init(rawValue:)),
            emailVerifiedAt: try row.optionalTimestamp(7), createdAt: try row.timestamp(4),
            updatedAt: try row.timestamp(5))
    }
}

package import Domain
package import PostgresDriver

extension UserStore {
    /// Users whose address begins with `prefix` (compared in lowercase), of one status or of all.
    package static func search(
        prefix: String?, status: User.Status?, _ page: Page<User>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<User, User> {
        let low = (prefix ?? "").lowercased()
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from users
             where id < \(page.bound) and status = coalesce(\(status?.rawValue), status)
               and lower(email) collate "C" >= \(low)
               and lower(email) collate "C" < \(low) || chr(1114111)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Whether there is no user at all, which stays so until the transaction ends: whoever asks at the same
    /// time waits. Inside a transaction.
    package static func isEmptyAndLocked(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended('eclusa.first_administrator', 0))")
        return try await connection.query("select 1 from users limit 1").count == 0
    }

    /// Notes that the mailbox is theirs. False: no such user, or not this address any more.
    package static func verifyEmail(
        _ email: String, of user: UserID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update users
               set email_verified_at = coalesce(email_verified_at, \(now))
             where id = \(user) and lower(email) = lower(\(email))
            """) == 1
    }
}

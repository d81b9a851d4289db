package import Domain
package import PostgresDriver

extension UserStore {
    /// Users whose address begins with `prefix` (compared in lowercase), of one status or of all.
    package static func search(
        prefix: String?, status: User.Status?, _ page: Page<User>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<User, User> {
        // Only what is asked for becomes part of the statement, so that each finds its index.
        var condition: SQL = ""
        if let status { condition = condition + "and status = \(status.rawValue) " }
        if let low = prefix?.lowercased(), !low.isEmpty {
            condition = condition + "and lower(email) collate \"C\" >= \(low) "
            condition = condition + "and lower(email) collate \"C\" < \(low) || chr(1114111) "
        }
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from users
             where id < \(page.bound) \(fragment: condition)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
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

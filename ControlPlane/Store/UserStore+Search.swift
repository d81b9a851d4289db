package import Domain
package import PostgresDriver

extension UserStore {
    /// Users of the platform that pass a filter, newest first.
    package static func search(
        _ filter: UserFilter, _ page: Page<User>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<User, User> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from users
             where id < \(page.bound) \(fragment: filter.condition(page))
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

extension UserFilter {
    /// Only what is asked for becomes part of the statement, so that each finds its index. On `users`.
    func condition(_ page: Page<User>) -> SQL {
        let ofStatus: SQL =
            switch status {
            // As the partial index has it.
            case .disabled?: "and users.status = 'disabled'"
            case let status?: "and users.status = \(status.rawValue)"
            case nil: ""
            }
        return """
            \(fragment: ofStatus) \(fragment: SQL.text("lower(users.email)", beginsWith: emailPrefix))
            \(fragment: page.condition(onName: "users.name"))
            """
    }
}

package import Cryptography
package import Domain
package import PostgresDriver

/// Permits to enroll nodes; `NodeStore.join` uses them up.
package enum JoinTokenStore {
    private static let columns: SQL =
        "id, node_name, region, created_by, created_at, expires_at, used_at, used_by"

    package static func create(
        _ token: JoinToken, hash: SHA256Digest, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into join_tokens (id, token_hash, node_name, region, created_by, created_at, expires_at)
            values (\(token.id), \(hash), \(token.nodeName), \(token.region), \(token.createdBy),
                    \(token.createdAt), \(token.expires))
            """)
    }

    package static func find(
        _ id: JoinTokenID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> JoinToken? {
        let rows = try await connection.query(
            "select \(fragment: columns) from join_tokens where id = \(id)")
        return try rows.first.map(read)
    }

    package static func list(
        standing: (JoinToken.Standing, at: Timestamp)? = nil, _ page: Page<JoinToken>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<JoinToken, JoinToken> {
        let standing: SQL =
            switch standing {
            case (.open, let now)?: "and used_at is null and expires_at > \(now)"
            case (.expired, let now)?: "and used_at is null and expires_at <= \(now)"
            case (.used, _)?: "and used_at is not null"
            case nil: ""
            }
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from join_tokens
             where id < \(page.bound) \(fragment: standing)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// False: no such token, or used: that one stays, to tell by what a node came in.
    package static func delete(
        _ id: JoinTokenID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from join_tokens where id = \(id) and used_at is null") == 1
    }

    private static func read(_ row: Row) throws(PostgresError) -> JoinToken {
        JoinToken(
            id: try row.id(0), nodeName: try row.text(1), region: try row.text(2),
            createdBy: try row.optionalID(3), createdAt: try row.timestamp(4), expires: try row.timestamp(5),
            usedAt: try row.optionalTimestamp(6), usedBy: try row.optionalID(7))
    }
}

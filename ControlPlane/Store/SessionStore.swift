package import Cryptography
package import Domain
package import PostgresDriver

/// Sessions and their refresh tokens, which are stored as SHA-256.
package enum SessionStore {
    private static let columns: SQL =
        """
        id, user_id, user_agent, address, created_at, last_seen_at, expires_at, revoked_at, only_tenant
        """

    package static func create(
        _ session: Session, token: SHA256Digest, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            with session as (
                insert into sessions (id, user_id, user_agent, address, created_at, last_seen_at, expires_at,
                                      only_tenant)
                values (\(session.id), \(session.user), \(session.userAgent), \(session.address),
                        \(session.createdAt), \(session.lastSeenAt), \(session.expires),
                        \(session.onlyTenant))
            )
            insert into refresh_tokens (token_hash, session_id, issued_at)
            values (\(token), \(session.id), \(session.createdAt))
            """)
    }

    /// What came of showing a refresh token.
    package enum Rotation: Hashable, Sendable {
        /// It was the family's open token; the new one has taken its place.
        case rotated(Session)
        /// It was used before: stolen, or sent twice. Whether to revoke the family is the caller's decision.
        case usedBefore(SessionID, UserID, usedAt: Timestamp)
        /// Unknown, or its session is revoked or expired, or its user disabled.
        case refused
    }

    /// Exchanges a token for the next. Of any number of simultaneous exchanges of one token, one is
    /// `.rotated`.
    package static func rotate(
        _ token: SHA256Digest, to next: SHA256Digest, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Rotation {
        let rows = try await connection.query(
            """
            with used as (
                update refresh_tokens
                   set used_at = \(now)
                 where token_hash = \(token) and used_at is null
                   and exists (select
                                 from sessions join users on users.id = sessions.user_id
                                where sessions.id = refresh_tokens.session_id
                                  and revoked_at is null and expires_at > \(now) and status = 'active')
                returning session_id
            ), issued as (
                insert into refresh_tokens (token_hash, session_id, issued_at)
                select \(next), session_id, \(now) from used
                returning session_id
            )
            update sessions
               set last_seen_at = \(now)
              from issued
             where id = issued.session_id
            returning \(fragment: columns)
            """)
        if let row = rows.first { return .rotated(try read(row)) }
        let used = try await connection.query(
            """
            select sessions.id, user_id, used_at
              from refresh_tokens join sessions on sessions.id = session_id
             where token_hash = \(token) and used_at is not null
            """)
        guard let row = used.first else { return .refused }
        return .usedBefore(try row.id(0), try row.id(1), usedAt: try row.timestamp(2))
    }

    /// The session, if it still holds: neither revoked nor expired, its user active.
    package static func findLive(
        _ id: SessionID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Session? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from sessions
             where id = \(id) and revoked_at is null and expires_at > \(now)
               and exists (select from users where id = sessions.user_id and status = 'active')
            """)
        return try rows.first.map(read)
    }

    /// As `findLive`, if it is the user's, with what they may do at this moment and the tenants of theirs
    /// that ask for a second factor they do not have: all of them when the platform asks. One round trip:
    /// every request begins with it.
    package static func findCaller(
        _ id: SessionID, of user: UserID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (session: Session, authority: Authority, barred: Set<TenantID>)? {
        let rows = try await connection.pipeline([
            liveAndBarred(id, at: now), BindingStore.effectiveStatement(of: user),
        ])
        guard let row = rows[0].first else { return nil }
        let session = try read(row)
        guard session.user == user else { return nil }
        return (
            session, try BindingStore.authority(rows[1]), Set(try row.uuidArray(9).map { TenantID($0) })
        )
    }

    private static func liveAndBarred(_ id: SessionID, at now: Timestamp) -> SQL {
        """
        select \(fragment: columns),
               array(select members.tenant_id
                       from members
                      where members.user_id = sessions.user_id
                        and exists (select from tenant_security as asked
                                     where asked.tenant_id in (members.tenant_id, \(TenantID.platform))
                                       and requires_second_factor)
                        and not exists (select from second_factors
                                         where user_id = sessions.user_id
                                           and confirmed_at is not null))
          from sessions
         where id = \(id) and revoked_at is null and expires_at > \(now)
           and exists (select from users where id = sessions.user_id and status = 'active')
        """
    }

    /// A user's sessions that are neither revoked nor expired, newest first.
    package static func list(
        of user: UserID, at now: Timestamp, _ page: Page<SessionNoun>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Session, SessionNoun> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from sessions
             where user_id = \(user) and id < \(page.bound) and revoked_at is null and expires_at > \(now)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// False: the user has no such session that could be revoked.
    package static func revoke(
        _ id: SessionID, of user: UserID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update sessions
               set revoked_at = \(now)
             where id = \(id) and user_id = \(user) and revoked_at is null
            """) == 1
    }

    /// Revokes all sessions of a user but one, and gives their number: "log out everywhere", password change.
    /// Sign-ins that wait for their second step end with them: their first may have been another's.
    package static func revokeAll(
        of user: UserID, except kept: SessionID? = nil, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute(
            """
            with waiting as (delete from sign_in_challenges where user_id = \(user))
            update sessions
               set revoked_at = \(now)
             where user_id = \(user) and revoked_at is null and id is distinct from \(kept)
            """)
    }

    /// Revokes a user's sessions that count in one tenant alone, and gives their number.
    package static func revokeAll(
        of user: UserID, begunFor tenant: TenantID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute(
            """
            update sessions
               set revoked_at = \(now)
             where user_id = \(user) and only_tenant = \(tenant) and revoked_at is null
            """)
    }

    /// Removes sessions that ended before a moment, with their tokens; gives their number.
    package static func purge(
        endedBefore moment: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute(
            "delete from sessions where least(expires_at, coalesce(revoked_at, expires_at)) < \(moment)")
    }

    private static func read(_ row: Row) throws(PostgresError) -> Session {
        Session(
            id: try row.id(0), user: try row.id(1), userAgent: try row.text(2), address: try row.text(3),
            createdAt: try row.timestamp(4), lastSeenAt: try row.timestamp(5),
            expires: try row.timestamp(6), revoked: try row.optionalTimestamp(7),
            onlyTenant: try row.optionalID(8))
    }
}

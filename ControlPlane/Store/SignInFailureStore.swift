package import Cryptography
package import Domain
package import PostgresDriver

/// Counts tries to sign in, for all control planes together.
package enum SignInFailureStore {
    /// One thing that is counted, and how many tries of it cost nothing.
    package struct Subject: Sendable {
        package let digest: SHA256Digest
        package let free: Int

        package init(digest: SHA256Digest, free: Int) {
            self.digest = digest
            self.free = free
        }
    }

    /// After the free tries each one blocks the next, twice as long each time, at most so long.
    package static let longestWaitSeconds: Int64 = 300
    /// After so long without a try a subject starts afresh.
    package static let forgetAfterSeconds: Int64 = 900

    /// Counts a try; nil: it may go on. While one of the subjects is blocked the try may not, and the answer
    /// is the moment until which to wait. Rows are locked in one order, so of tries at once none is missed.
    package static func attempt(
        _ subjects: [Subject], at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Timestamp? {
        let digests = subjects.map(\.digest), free = subjects.map { Int64($0.free) }
        // Most tries of a flood end here, without a lock that the others would wait for.
        if let until = try await blocked(digests, connection), until > now { return until }
        let forgotten = now.advanced(bySeconds: -forgetAfterSeconds)
        let counted = try await connection.execute(
            """
            insert into sign_in_failures as known (subject, count, free, last_at, blocked_until)
            select subject, 1, free, \(now), 'epoch'
              from unnest(\(digests), \(free)) as asked (subject, free)
             order by subject
            on conflict (subject) do update
               set count = case when known.last_at <= \(forgotten) then 1 else known.count + 1 end,
                   last_at = \(now),
                   blocked_until =
                       case when known.last_at > \(forgotten) and known.count >= known.free
                            then \(now) + make_interval(secs => least(
                                     \(longestWaitSeconds)::float8,
                                     power(2, least(known.count - known.free, 20))))
                            else 'epoch'
                       end
             where known.blocked_until <= \(now)
            """)
        if counted == subjects.count { return nil }
        return try await blocked(digests, connection) ?? now
    }

    private static func blocked(
        _ subjects: [SHA256Digest], _ connection: PostgresConnection
    ) async throws(PostgresError) -> Timestamp? {
        let rows = try await connection.query(
            "select max(blocked_until) from sign_in_failures where subject = any(\(subjects))")
        return try rows.first?.optionalTimestamp(0)
    }

    /// Forgets the tries of a subject.
    package static func clear(
        _ subject: SHA256Digest, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute("delete from sign_in_failures where subject = \(subject)")
    }

    /// Takes back one try: it was none.
    package static func takeBack(
        _ subject: SHA256Digest, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            "update sign_in_failures set count = greatest(count - 1, 0) where subject = \(subject)")
    }

    /// Removes what is forgotten anyway; gives the number.
    package static func purge(
        at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let forgotten = now.advanced(bySeconds: -forgetAfterSeconds)
        return try await connection.execute("delete from sign_in_failures where last_at <= \(forgotten)")
    }
}

package import Cryptography
package import Domain
package import PostgresDriver

/// Backups asked for and made. Platform-wide.
package enum BackupStore {
    private static let columns: SQL = """
        id, status, is_scheduled, requested_by, requested_at, started_at, finished_at, file, bytes, sha256,
        problem, checked_at, check_problem, removed_at
        """

    package static func list(
        status: BackupRecord.Status? = nil, isScheduled: Bool? = nil, _ page: Page<BackupNoun>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<BackupRecord, BackupNoun> {
        let ofStatus: SQL = status.map { "and status = \($0.rawValue)" } ?? ""
        let scheduled: SQL = isScheduled.map { "and is_scheduled = \($0)" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from backups
             where id < \(page.bound) \(fragment: ofStatus) \(fragment: scheduled)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read)) { $0.id }
    }

    package static func find(
        _ id: BackupID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> BackupRecord? {
        try await connection.query("select \(fragment: columns) from backups where id = \(id)")
            .first.map(read)
    }

    /// Asks for one; whoever keeps backups makes it.
    package static func request(
        _ id: BackupID, by user: UserID?, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> BackupRecord? {
        try await connection.query(
            """
            insert into backups (id, status, is_scheduled, requested_by, requested_at)
            values (\(id), 'requested', \(user == nil), \(user), \(now))
            returning \(fragment: columns)
            """
        ).first.map(read)
    }

    /// Asks for the next scheduled one when it is due; of any number of programs, one does. Two statements:
    /// inside a transaction.
    package static func requestIfDue(
        everySeconds: Int64, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended('eclusa.backups', 0))")
        try await connection.execute(
            """
            insert into backups (id, status, is_scheduled, requested_at)
            select \(BackupID(at: now)), 'requested', true, \(now)
             where not exists (select
                                 from backups
                                where is_scheduled
                                  and requested_at > \(now.advanced(bySeconds: -everySeconds)))
            """)
    }

    /// Takes one that was asked for; nil: there is none, or others are faster.
    package static func take(
        at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> BackupRecord? {
        try await connection.query(
            """
            update backups
               set status = 'running', started_at = \(now)
             where id = (select id
                           from backups
                          where status = 'requested'
                          order by id
                          limit 1
                            for update skip locked)
            returning \(fragment: columns)
            """
        ).first.map(read)
    }

    /// Those whose program ended before they did.
    package static func failStale(
        startedBefore: Timestamp, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update backups
               set status = 'failed', finished_at = \(now), problem = 'the program that made it ended'
             where status = 'running' and started_at < \(startedBefore)
            """)
    }

    package static func finish(
        _ id: BackupID, file: String, bytes: Int64, sha256: SHA256Digest, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update backups
               set status = 'done', finished_at = \(now), file = \(file), bytes = \(bytes), sha256 = \(sha256)
             where id = \(id)
            """)
    }

    package static func fail(
        _ id: BackupID, _ problem: String, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update backups set status = 'failed', finished_at = \(now), problem = \(problem) where id = \(id)
            """)
    }

    /// A restore of it into a scratch database succeeded, or (with a problem) did not.
    package static func noteCheck(
        _ id: BackupID, problem: String?, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            "update backups set checked_at = \(now), check_problem = \(problem) where id = \(id)")
    }

    package static func lastCheck(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Timestamp? {
        try await connection.query("select max(checked_at) from backups").first?.optionalTimestamp(0)
    }

    /// When the newest backup was made that is still there; nil: there is none.
    package static func newest(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Timestamp? {
        try await connection.query(
            "select max(finished_at) from backups where status = 'done' and removed_at is null"
        ).first?.optionalTimestamp(0)
    }

    package static func noteRemoval(
        of file: String, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            "update backups set removed_at = \(now) where file = \(file) and removed_at is null")
    }

    private static func read(_ row: Row) throws(PostgresError) -> BackupRecord {
        BackupRecord(
            id: try row.id(0), status: try row.value(1) { BackupRecord.Status(rawValue: $0) },
            isScheduled: try row.bool(2), requestedBy: try row.optionalID(3),
            requestedAt: try row.timestamp(4), startedAt: try row.optionalTimestamp(5),
            finishedAt: try row.optionalTimestamp(6), file: try row.optionalText(7),
            bytes: try row.optionalInt64(8), sha256: try row.optionalBytes(9).flatMap { SHA256Digest($0) },
            problem: try row.optionalText(10), checkedAt: try row.optionalTimestamp(11),
            checkProblem: try row.optionalText(12), removedAt: try row.optionalTimestamp(13))
    }
}

/// One backup that was asked for, and what became of it.
package struct BackupRecord: Hashable, Sendable {
    package enum Status: String, Sendable, CaseIterable { case requested, running, done, failed }

    package let id: BackupID
    package let status: Status
    package let isScheduled: Bool
    package let requestedBy: UserID?
    package let requestedAt: Timestamp
    package let startedAt: Timestamp?
    package let finishedAt: Timestamp?
    package let file: String?
    package let bytes: Int64?
    package let sha256: SHA256Digest?
    package let problem: String?
    package let checkedAt: Timestamp?
    package let checkProblem: String?
    package let removedAt: Timestamp?
}

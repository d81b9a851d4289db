import Contract
import Cryptography
package import Domain
package import PostgresDriver

/// What a restore does to a database besides filling it. Works on the whole database, as its owner.
///
/// While a restore runs, what was in the database stands in the schema `eclusa_replaced`: it comes back when
/// the restore fails. As long as that schema is there, no program starts on the database.
package enum RestoreStore {
    package static let checkDatabasePrefix = "eclusa_restore_check_"

    /// The newest migration that was applied; nil: there is no schema of ours.
    package static func newestMigration(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> String? {
        let known = try await connection.query("select to_regclass('public.schema_migrations') is not null")
        guard try known.first?.bool(0) == true else { return nil }
        let rows = try await connection.query(
            "select name from schema_migrations order by number desc limit 1")
        return try rows.first?.text(0)
    }

    /// Roles of ours that the schema gives rights to; a server that gets the backup needs them.
    package static func grantedRoles(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [String] {
        let rows = try await connection.query(
            "select rolname::text from pg_roles where starts_with(rolname, 'eclusa') order by 1")
        return try rows.read { row throws(PostgresError) in try row.text(0) }
    }

    /// Makes the roles that are not there: those this program works as, and those the backup names.
    package static func makeRoles(_ names: [String], _ connection: PostgresConnection) async throws {
        try await DatabaseRoles.ensure(connection)
        for name in names where isPlain(name) {
            let rows = try await connection.query("select from pg_roles where rolname = \(name)")
            if rows.isEmpty { try await connection.executeScript("create role \(name) nologin") }
        }
    }

    package static func isEmpty(_ connection: PostgresConnection) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            """
            select not exists (select
                                 from pg_class as c
                                 join pg_namespace as n on n.oid = c.relnamespace
                                where n.nspname <> 'information_schema' and n.nspname !~ '^pg_')
            """)
        return try rows.first?.bool(0) == true
    }

    /// How many other sessions use this database.
    package static func otherConnections(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int64 {
        let rows = try await connection.query(
            """
            select count(*)::int8
              from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()
               and backend_type = 'client backend' and application_name <> 'eclusa-backup'
            """)
        return try rows.first?.int64(0) ?? 0
    }

    /// A restore began here and did not end.
    package static func isUnfinished(_ connection: PostgresConnection) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            "select exists (select from pg_namespace where nspname = 'eclusa_replaced')")
        return try rows.first?.bool(0) == true
    }

    /// Puts what is there aside.
    package static func begin(_ connection: PostgresConnection) async throws(PostgresError) {
        try await connection.executeScript(
            """
            begin;
            alter schema public rename to eclusa_replaced;
            create schema public authorization pg_database_owner;
            grant usage on schema public to public;
            commit
            """)
    }

    /// Puts what was there back in place of what a failed restore left.
    package static func putBack(_ connection: PostgresConnection) async throws(PostgresError) {
        guard try await isUnfinished(connection) else { return }
        try await connection.executeScript(
            "begin; drop schema public cascade; alter schema eclusa_replaced rename to public; commit")
    }

    /// Makes a restored database one that may be run, and gives the new epoch. Inside a transaction.
    ///
    /// Nodes have seen later snapshots than the backup has, and this server numbers its transactions anew: so
    /// the epoch rises above every one that may have been used, and everything is built afresh. What may be
    /// used once could have been used after the backup: sessions and join tokens end.
    package static func settle(
        backupOf createdAt: Timestamp, at now: Timestamp, _ connection: PostgresConnection
    ) async throws -> UInt32 {
        let before = try await SnapshotStore.state(connection).version.epoch
        // Seconds: a backup may be restored twice, and the second must be above the first.
        let epoch = max(before &+ 1, UInt32(clamping: now.microseconds / 1_000_000))
        _ = try await SnapshotStore.raiseEpoch(to: epoch, connection)
        try await connection.executeScript(
            "truncate snapshot_changes, snapshot_versions, snapshot_objects cascade")
        try await connection.execute(
            "update sessions set revoked_at = \(now) where revoked_at is null")
        try await connection.execute(
            "update join_tokens set expires_at = \(now) where used_at is null and expires_at > \(now)")
        try await connection.execute(
            """
            update backups
               set status = 'failed', finished_at = \(now), problem = 'the database was restored meanwhile'
             where status in ('requested', 'running')
            """)
        try await connection.executeScript("drop schema eclusa_replaced cascade")
        try await AuditStore.append(
            AuditEvent(
                id: AuditEventID(at: now), tenant: nil, occurredAt: now, actor: .system,
                action: "platform.restore", target: .init(kind: "platform"),
                details: #"{"backup_created_at": "\#(createdAt)", "epoch": \#(epoch)}"#), connection)
        return epoch
    }

    // MARK: Checking

    /// What a restored database holds.
    package struct Counts: Hashable, Sendable {
        package let tenants: Int64
        package let users: Int64
        package let keys: Int64
        package let auditEvents: Int64
        /// The owner of the first audit log that does not hold; nil: all do.
        package let brokenAuditLog: String?
    }

    package static func counts(_ connection: PostgresConnection) async throws -> Counts {
        let rows = try await connection.query(
            """
            select (select count(*) from tenants)::int8 - 1, (select count(*) from users)::int8,
                   (select count(*) from keys)::int8, (select count(*) from audit_events)::int8,
                   (select tenant_id::text
                      from audit_heads
                     where first_broken_audit_event(tenant_id) is not null
                     limit 1)
            """)
        guard let row = rows.first else {
            throw PostgresError(.decoding, privateDetail: "no counts")
        }
        return Counts(
            tenants: try row.int64(0), users: try row.int64(1), keys: try row.int64(2),
            auditEvents: try row.int64(3), brokenAuditLog: try row.optionalText(4))
    }

    package static func createDatabase(
        _ name: String, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        guard isPlain(name) else { throw PostgresError(.misuse, privateDetail: "no plain name: \(name)") }
        try await connection.executeScript("create database \(name) template template0")
    }

    package static func dropDatabase(
        _ name: String, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        guard name.hasPrefix(checkDatabasePrefix), isPlain(name) else { return }
        try await connection.executeScript("drop database if exists \(name) with (force)")
    }

    /// Those a check left behind that was cut short: nobody is connected to them.
    package static func dropOldCheckDatabases(
        _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let rows = try await connection.query(
            """
            select datname::text
              from pg_database
             where starts_with(datname, \(checkDatabasePrefix))
               and not exists (select from pg_stat_activity as a where a.datname = pg_database.datname)
            """)
        for row in rows { try await dropDatabase(try row.text(0), connection) }
    }

    /// Needs no quoting anywhere in SQL.
    private static func isPlain(_ name: String) -> Bool {
        name.utf8.count <= 63 && name.hasPrefix("eclusa")
            && name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
    }
}

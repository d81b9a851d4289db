import Cryptography
import EventLoops
package import PostgresDriver

/// Brings the schema of a database to the one this program expects.
///
/// Any number of programs may start at once: one migrates under an advisory lock, the others wait and find
/// nothing left to do. Each migration is one transaction; it waits at most three seconds for a table's
/// lock, so that it never queues up live traffic behind itself, and tries again.
package enum Migrator {
    package enum Failure: Error, Sendable, CustomStringConvertible {
        /// A migration that was applied has another text now: migrations are never edited after a release.
        case changed(name: String)
        case serverTooOld(version: Int64)
        /// Another program has been migrating for longer than a minute.
        case locked
        /// The user of the URL may not make the roles the program works as.
        case rolesMissing(statements: [String], reason: String)
        /// A restore into this database was cut short.
        case restoreUnfinished

        package var description: String {
            switch self {
            case .changed(let name): "migration \(name) was applied with another text than this program's"
            case .serverTooOld(let version):
                "PostgreSQL \(version / 10_000) is too old: 15 or later is needed"
            case .restoreUnfinished:
                "a restore into it did not end; run `eclusa restore` again, which puts things right"
            case .locked: "another program holds the migration lock; is it stuck?"
            case .rolesMissing(let statements, let reason):
                "the roles the program works as are not all there, and its user may not make them "
                    + "(\(reason)); run once as a superuser: \(statements.joined(separator: "; "));"
            }
        }
    }

    /// "eclusa" in ASCII.
    private static let lockNumber: Int64 = 0x65_63_6c_75_73_61
    private static let lockAttempts = 600
    private static let attempts = 10

    /// Makes the program's roles, applies what is missing and gives the names of what it applied. The pool
    /// works as the user that owns the schema. Migrations of a later release that are there already are left
    /// alone. The pool's statement timeout bounds each migration. Refuses a database in the middle of a
    /// restore, unless the restore itself asks.
    @discardableResult
    package static func run(
        _ pool: PostgresPool, migrations: [Migration] = Migration.all, isRestoring: Bool = false
    ) async throws -> [String] {
        try await pool.withConnection { connection in
            let version = try await connection.query("select current_setting('server_version_num')::int8")
            if let number = try version.first?.int64(0), number < 150_000 {
                throw Failure.serverTooOld(version: number)
            }
            if !isRestoring, try await RestoreStore.isUnfinished(connection) {
                throw Failure.restoreUnfinished
            }
            try await lock(connection)
            do {
                try await DatabaseRoles.ensure(connection)
                let applied = try await apply(migrations, connection)
                try await connection.execute("select pg_advisory_unlock(\(lockNumber))")
                return applied
            } catch {
                // If even this fails the connection is lost, and the lock with it.
                _ = try? await connection.execute("select pg_advisory_unlock(\(lockNumber))")
                throw error
            }
        }
    }

    /// Asks again and again instead of waiting inside the server, where a statement timeout would end the
    /// wait.
    private static func lock(_ connection: PostgresConnection) async throws {
        for _ in 0..<lockAttempts {
            let rows = try await connection.query("select pg_try_advisory_lock(\(lockNumber))")
            if try rows.first?.bool(0) == true { return }
            await pause(milliseconds: 100)
        }
        throw Failure.locked
    }

    private static func apply(
        _ migrations: [Migration], _ connection: PostgresConnection
    ) async throws -> [String] {
        try await connection.executeScript(
            """
            create table if not exists schema_migrations (
                number      bigint       not null,
                name        text         not null,
                sha256      bytea        not null,
                applied_at  timestamptz  not null default now(),

                constraint schema_migrations_pkey primary key (number)
            )
            """)
        var known: [Int64: [UInt8]] = [:]
        for row in try await connection.query("select number, sha256 from schema_migrations") {
            known[try row.int64(0)] = try row.bytes(1)
        }
        var applied: [String] = []
        for migration in migrations {
            if let hash = known[migration.number] {
                guard hash == migration.sha256.bytes else { throw Failure.changed(name: migration.name) }
            } else {
                try await apply(migration, connection)
                applied.append(migration.name)
            }
        }
        return applied
    }

    private static func apply(_ migration: Migration, _ connection: PostgresConnection) async throws {
        var attempt = 1
        while true {
            do {
                try await connection.executeScript("begin; set local lock_timeout = '3s'")
                try await connection.executeScript(migration.text)
                try await connection.execute(
                    """
                    insert into schema_migrations (number, name, sha256)
                    values (\(migration.number), \(migration.name), \(migration.sha256.bytes))
                    """)
                return try await connection.executeScript("commit")
            } catch {
                try await connection.executeScript("rollback")
                let isBlocked = error.kind == .timedOut || error.isRetryable
                guard isBlocked, attempt < attempts else { throw error }
                attempt += 1
                await pause(milliseconds: Int64.random(in: 100...500))
            }
        }
    }

    private static func pause(milliseconds: Int64) async {
        await EventLoop.current?.sleep(nanoseconds: milliseconds * 1_000_000)
    }
}

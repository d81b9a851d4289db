package import Cryptography
package import Domain
package import EventLoops
package import PostgresDriver
import Store

/// Makes backups of the control plane's database, checks them and restores them. The work runs on `workers`;
/// the rest on the loop.
package struct Backup {
    private static let statementTimeoutMilliseconds = 3_600_000

    let loop: EventLoop
    let workers: BlockingPool
    let url: PostgresURL
    let key: BackupKey
    let clock: WallClock
    let progress: DatabaseDump.Progress

    /// - `url`: the database, as its owner.
    package init(
        loop: EventLoop, workers: BlockingPool, url: PostgresURL, key: BackupKey, clock: WallClock,
        progress: @escaping DatabaseDump.Progress = { _ in }
    ) {
        self.loop = loop
        self.workers = workers
        self.url = url
        self.key = key
        self.clock = clock
        self.progress = progress
    }

    // MARK: Make and check

    /// Writes a new backup of the database as it is at one moment. Work goes on meanwhile.
    ///
    /// - `masterKey`: goes into the backup, sealed; nil leaves it out, and then somebody must keep it.
    package func make(
        at path: String, program: String, masterKey: Secret?
    ) async throws -> DatabaseDump.Written {
        let state = try await onDatabase(url) { connection in
            (
                migration: try await RestoreStore.newestMigration(connection),
                roles: try await RestoreStore.grantedRoles(connection)
            )
        }
        guard let migration = state.migration else {
            throw BackupFailure.io("the database has no schema of Eclusa")
        }
        let now = clock.now(), url = url, key = key, progress = progress
        return try await blocking { () throws(BackupFailure) in
            let (hint, sealing) = try key.prepare()
            return try DatabaseDump.write(
                url, to: path,
                header: BackupHeader(createdAt: now, program: program, migration: migration, key: hint),
                key: sealing, contents: BackupContents(masterKey: masterKey, roles: state.roles),
                progress: progress)
        }
    }

    /// Reads the whole file; throws unless every byte is as it was written.
    package func check(_ path: String) async throws -> (header: BackupHeader, contents: BackupContents) {
        let key = key, progress = progress
        return try await blocking { () throws(BackupFailure) in
            let reader = try DatabaseDump.check(path, key, progress: progress)
            return (reader.header, reader.contents)
        }
    }

    // MARK: Restore

    package struct Restored: Sendable {
        package let header: BackupHeader
        package let contents: BackupContents
        /// Snapshots are published under it from now on; nodes refuse every other.
        package let epoch: UInt32
        package let counts: Counts
    }

    /// What a restored database holds.
    package struct Counts: Hashable, Sendable {
        package let tenants: Int64
        package let users: Int64
        package let keys: Int64
        package let auditEvents: Int64
        /// The owner of the first audit log that does not hold; nil: all do.
        package let brokenAuditLog: String?

        init(_ counts: RestoreStore.Counts) {
            tenants = counts.tenants
            users = counts.users
            keys = counts.keys
            auditEvents = counts.auditEvents
            brokenAuditLog = counts.brokenAuditLog
        }
    }

    /// Fills the database from a backup that was read and checked as a whole first. When it fails, the
    /// database is as it was.
    ///
    /// - `replace`: what is in the database goes away; else it must be empty.
    package func restore(_ path: String, replace: Bool) async throws -> Restored {
        let (header, contents) = try await check(path)
        try Self.checkSchema(header)
        try await onDatabase(url) { connection in
            if try await RestoreStore.isUnfinished(connection) {
                try await RestoreStore.putBack(connection)
            }
            let others = try await RestoreStore.otherConnections(connection)
            if others > 0 { throw BackupFailure.inUse(others) }
            if !replace {
                guard try await RestoreStore.isEmpty(connection) else { throw BackupFailure.notEmpty }
            }
            try await RestoreStore.makeRoles(contents.roles, connection)
            try await RestoreStore.begin(connection)
        }
        do {
            let url = url, key = key, progress = progress
            try await blocking { () throws(BackupFailure) in
                try DatabaseDump.read(path, key, into: url, progress: progress)
            }
            let epoch = try await settle(header)
            let counts = try await onDatabase(url) { Counts(try await RestoreStore.counts($0)) }
            return Restored(header: header, contents: contents, epoch: epoch, counts: counts)
        } catch {
            try? await onDatabase(url) { try await RestoreStore.putBack($0) }
            throw error
        }
    }

    /// Brings the schema up to date and makes the database one that may be run: see `RestoreStore.settle`.
    private func settle(_ header: BackupHeader) async throws -> UInt32 {
        let pool = makePool(url)
        do {
            try await Migrator.run(pool, isRestoring: true)
            let now = clock.now()
            let epoch = try await pool.withTenant(nil) { connection in
                try await RestoreStore.settle(backupOf: header.createdAt, at: now, connection)
            }
            await pool.close()
            return epoch
        } catch {
            await pool.close()
            throw error
        }
    }

    /// Restores into a database of its own, looks at what came back, and drops it: the only proof that a
    /// backup is one. Needs a role that may create databases.
    package func checkByRestoring(_ path: String) async throws -> Counts {
        let (header, contents) = try await check(path)
        try Self.checkSchema(header)
        let name = RestoreStore.checkDatabasePrefix + Hexadecimal.encode(randomBytes(6))
        try await onDatabase(url) { connection in
            try await RestoreStore.makeRoles(contents.roles, connection)
            try await RestoreStore.dropOldCheckDatabases(connection)
            try await RestoreStore.createDatabase(name, connection)
        }
        let scratch = url.with(database: name), key = key, progress = progress
        do {
            try await blocking { () throws(BackupFailure) in
                try DatabaseDump.read(path, key, into: scratch, progress: progress)
            }
            let counts = try await onDatabase(scratch) { Counts(try await RestoreStore.counts($0)) }
            try await onDatabase(url) { try await RestoreStore.dropDatabase(name, $0) }
            if let broken = counts.brokenAuditLog {
                throw BackupFailure.io("the audit log of \(broken) does not hold in the backup")
            }
            return counts
        } catch {
            try? await onDatabase(url) { try await RestoreStore.dropDatabase(name, $0) }
            throw error
        }
    }

    private static func checkSchema(_ header: BackupHeader) throws(BackupFailure) {
        guard Migration.all.contains(where: { $0.name == header.migration }) else {
            throw .newerSchema(header.migration)
        }
    }

    // MARK: Parts

    private func makePool(_ url: PostgresURL) -> PostgresPool {
        PostgresPool(
            loop: loop, url: url, size: 2, purpose: "backup",
            statementTimeoutMilliseconds: Self.statementTimeoutMilliseconds)
    }

    private func onDatabase<T>(
        _ url: PostgresURL, _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        let pool = makePool(url)
        do {
            let value = try await pool.withConnection(body)
            await pool.close()
            return value
        } catch {
            await pool.close()
            throw error
        }
    }

    private func blocking<T: Sendable>(
        _ body: @escaping @Sendable () throws(BackupFailure) -> T
    ) async throws -> T {
        try await workers.run { Result { () throws(BackupFailure) in try body() } }.get()
    }
}

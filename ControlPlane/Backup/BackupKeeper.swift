package import Cryptography
import Domain
package import EventLoops
package import PostgresDriver
import Store
package import Telemetry

/// Makes the backups that are asked for and those that are due, proves them now and then by restoring, and
/// deletes old ones. Any number of control planes may do it at once: each backup is made by one. Lives on a
/// loop.
package final class BackupKeeper {
    package struct Plan: Sendable {
        /// How often a backup is made.
        package var everySeconds: Int64 = 86_400
        package var retention = BackupRetention(days: 7, weeks: 4)
        /// How often the newest backup is restored into a scratch database; nil: never.
        package var checkEverySeconds: Int64? = 7 * 86_400

        package init() {}
    }

    /// How often it looks whether there is something to do.
    private static let periodNanoseconds: Int64 = 5_000_000_000
    /// No backup takes longer.
    private static let longestSeconds: Int64 = 6 * 3_600

    private let loop: EventLoop
    private let database: PostgresPool
    private let backup: Backup
    private let folder: BackupFolder
    private let plan: Plan
    private let program: String
    private let masterKey: Secret
    private let clock: WallClock
    private let log: Log
    private let made: MetricCellCache<CounterCell>
    private let newest: GaugeCell
    private let wakeup = Wakeup()
    private let ended = Wakeup()
    private var timer: Timer?
    private var isStarted = false
    private var isStopped = false

    /// - `masterKey`: goes into each backup, so that it and the backup key are all a restore needs.
    package init(
        loop: EventLoop, database: PostgresPool, backup: Backup, folder: BackupFolder, plan: Plan,
        program: String, masterKey: Secret, log: Log, metrics: MetricsRegistry
    ) {
        self.loop = loop
        self.database = database
        self.backup = backup
        self.folder = folder
        self.plan = plan
        self.program = program
        self.masterKey = masterKey
        clock = backup.clock
        self.log = log
        made =
            metrics.counter(
                "eclusa_backups_total", help: "Backups by how they ended.", labels: ["outcome"]
            ).cellsOfThisThread()
        newest =
            metrics.gauge(
                "eclusa_backup_newest_seconds", help: "When the newest backup was made, in Unix time."
            ).cell()
    }

    package func start() {
        isStarted = true
        loop.spawn { await self.keepLooking() }
    }

    /// Returns when a backup under way has ended.
    package func stop() async {
        isStopped = true
        timer?.cancel()
        wakeup.signal()
        if isStarted { await ended.wait() }
    }

    private func keepLooking() async {
        while !isStopped {
            do { try await look() } catch {
                log.warning("cannot look after backups; tries again", ["error": LogValue(error)])
            }
            if isStopped { break }
            timer = loop.schedule(afterNanoseconds: Self.periodNanoseconds) { [wakeup] in wakeup.signal() }
            await wakeup.wait()
        }
        ended.signal()
    }

    /// Does what there is to do, once.
    package func look() async throws {
        let now = clock.now()
        let (seconds, plan) = (Self.longestSeconds, plan)
        let last = try await database.withTransaction { connection in
            try await BackupStore.failStale(
                startedBefore: now.advanced(bySeconds: -seconds), at: now, connection)
            try await BackupStore.requestIfDue(everySeconds: plan.everySeconds, at: now, connection)
            return try await BackupStore.newest(connection)
        }
        // Also after a start, and on a replica that made none: what is alarmed on is the age of the newest.
        if let last { newest.set(last.microseconds / 1_000_000) }
        while !isStopped,
            let record = try await database.withConnection({ try await BackupStore.take(at: now, $0) })
        {
            try await make(record)
        }
    }

    private func make(_ record: BackupRecord) async throws {
        let name = BackupFolder.name(at: clock.now())
        do {
            let written = try await backup.make(
                at: folder.file(name), program: program, masterKey: masterKey)
            let now = clock.now()
            try await database.withConnection { connection in
                try await BackupStore.finish(
                    record.id, file: name, bytes: written.bytes, sha256: written.sha256, at: now, connection)
            }
            made["done"].add()
            newest.set(now.microseconds / 1_000_000)
            log.info("made a backup", ["file": "\(name)", "bytes": LogValue(written.bytes)])
            try await checkIfDue(record.id, name)
            try await prune()
        } catch {
            made["failed"].add()
            let reason = Self.text(error)
            log.error("could not make a backup", ["error": "\(reason)"])
            let now = clock.now()
            try await database.withConnection { connection in
                try await BackupStore.fail(record.id, reason, at: now, connection)
            }
        }
    }

    private func checkIfDue(_ id: BackupID, _ name: String) async throws {
        guard let every = plan.checkEverySeconds else { return }
        let last = try await database.withConnection { try await BackupStore.lastCheck($0) }
        if let last, last > clock.now().advanced(bySeconds: -every) { return }
        var problem: String?
        do {
            let counts = try await backup.checkByRestoring(folder.file(name))
            log.info(
                "proved a backup by restoring it",
                ["file": "\(name)", "tenants": LogValue(counts.tenants), "keys": LogValue(counts.keys)])
        } catch {
            let text = Self.text(error)
            problem = text
            log.error("a backup could not be restored", ["file": "\(name)", "error": "\(text)"])
        }
        let (now, found) = (clock.now(), problem)
        try await database.withConnection { connection in
            try await BackupStore.noteCheck(id, problem: found, at: now, connection)
        }
    }

    private func prune() async throws {
        for entry in plan.retention.expired(try folder.list()) {
            try folder.remove(entry.name)
            let now = clock.now()
            try await database.withConnection { connection in
                try await BackupStore.noteRemoval(of: entry.name, at: now, connection)
            }
            log.info("deleted an old backup", ["file": "\(entry.name)"])
        }
    }

    private static func text(_ error: any Error) -> String {
        let text =
            switch error {
            case let error as BackupFailure: error.description
            case let error as PostgresError: "\(error): \(error.privateDetail)"
            default: "\(error)"
            }
        return String(text.prefix(1000))
    }
}

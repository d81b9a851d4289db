import API
import Cryptography
import Domain
import EventLoops
import Lifecycle
import Operations
import PostgresDriver
import Publishing
import Settings
import Store
import Telemetry
import TelemetryExport
import Transport

/// Brings the control plane up, part by part, and says in plain words what is missing when it cannot.
struct ControlParts {
    let values: SettingsValues
    /// The main thread's loop; the only one unless more are asked for.
    let loop: EventLoop
    let log: Log

    private var clock: WallClock { WallClock { Timestamp(microseconds: wallClockMicroseconds()) } }

    func start(_ parts: Parts) async throws {
        let url = try StartUp.databaseURL(values)
        let masterKey = try StartUp.masterKey(values)
        let egress = try StartUp.egressPolicy(values)
        try StartUp.checkNodeURL(values)
        let passwords = try StartUp.passwordPolicy(values)
        let metrics = MetricsRegistry()
        metrics.addProcessMetrics()
        metrics.addBuildInfo(program: "eclusa-control", version: ControlProgram.version)

        let resolver = try await parts.start("name lookup") {
            BlockingPool(threads: 1, queueLimit: 64, name: "names")
        }
        let exporter = try await startExporter(parts, resolver, metrics)
        let database = try await parts.start("database") {
            try await migrate(url, resolver)
            return pool(url, resolver, loop, metrics)
        } stop: { pool, _ in
            await pool.close()
        }
        let keys = try await parts.start("platform keys") {
            try await StartUp.platformKeys(database, masterKey, clock, url)
        }
        let hashing = try await parts.start("password hashing") { passwordPool }
        let shared = SharedParts(
            values: values, clock: clock, keys: keys, hashing: hashing, passwords: passwords, egress: egress,
            resolver: resolver, metrics: metrics,
            limits: RequestLimits(
                perAddress: values[ControlSettings.addressRate], perUser: values[ControlSettings.userRate],
                clock: clock),
            webFiles: try StartUp.webFiles(values), tracer: exporter.tracer, log: log)
        let changed = try await startNodeService(parts, shared, url, resolver)
        let first = try await parts.start("admin API") {
            let service = try AdminService(shared, loop: loop, database: database, changed: changed)
            // Before the listener opens: whoever finds it open can sign in.
            try await bootstrap(service.operations)
            try service.listen()
            return service
        } stop: { service, nanoseconds in
            await service.drain(withinNanoseconds: nanoseconds)
        }
        takeOverMasterKey(first.operations)
        try await startMoreLoops(parts, shared, url, resolver, changed)
        try await parts.start("mail") {
            let mail = try MailService(shared, url: url, resolver: resolver, loop: loop)
            mail.start()
            return mail
        } stop: { mail, _ in
            await mail.stop()
        }
        try await startBackups(parts, shared, url)
        try await startBooks(parts, shared, url, first.operations)
        try await startJobs(parts, first.operations, database, metrics)
        try await startDeparture(parts, shared.departure)
        log.info(
            "ready",
            [
                "admin": "\(first.address)", "node_url": "\(values[ControlSettings.nodePublicURL])",
                "version": "\(ControlProgram.version)",
            ])
    }

    /// Stopped before everything else: load balancers see it; until they have, requests are still answered.
    private func startDeparture(_ parts: Parts, _ departure: Departure) async throws {
        try await parts.start("departure") {
        } stop: { [loop, values] _, _ in
            departure.begin()
            await loop.sleep(nanoseconds: values[ControlSettings.drainDelay].wholeNanoseconds)
        }
    }

    /// Brings the schema to this release; does nothing when it is there.
    func migrate() async throws {
        try await migrate(try StartUp.databaseURL(values), nil)
    }

    private func migrate(_ url: PostgresURL, _ resolver: BlockingPool?) async throws {
        let owner = PostgresPool(
            loop: loop, url: url, size: 1, purpose: "migrations", statementTimeoutMilliseconds: 60_000,
            resolver: resolver)
        try await StartUp.migrate(url, owner)
    }

    private func startExporter(
        _ parts: Parts, _ resolver: BlockingPool, _ metrics: MetricsRegistry
    ) async throws -> TelemetryExporter {
        let sender = ErrorSender(
            program: "eclusa-control", version: ControlProgram.version, instance: StartUp.hostName())
        return try await parts.start("telemetry") {
            let exporter = TelemetryExporter(
                values, sender: sender, loop: loop, resolver: resolver, log: log, metrics: metrics)
            exporter.start()
            return exporter
        } stop: { exporter, _ in
            await exporter.stop()
        }
    }

    /// What is done by itself, again and again.
    private func startJobs(
        _ parts: Parts, _ operations: Operations, _ database: PostgresPool, _ metrics: MetricsRegistry
    ) async throws {
        try await parts.start("tenant purge") {
            TenantPurgeService(loop: loop, operations: operations, log: log)
        } stop: { purge, _ in
            purge.stop()
        }
        try await parts.start("alerts") {
            AlertService(loop: loop, operations: operations, log: log, metrics: metrics)
        } stop: { alerts, _ in
            alerts.stop()
        }
        try await parts.start("housekeeping") {
            Housekeeping(
                loop: loop, database: database, clock: clock, log: log, operations: operations)
        } stop: { housekeeping, _ in
            housekeeping.stop()
        }
    }

    /// Seals again what the master key before this one sealed, beside everything else; a control plane that
    /// is stopped meanwhile goes on at its next start.
    private func takeOverMasterKey(_ operations: Operations) {
        guard values[ControlSettings.previousMasterKey] != nil else { return }
        let log = log
        loop.spawn {
            do throws(OperationError) {
                let unopened = try await operations.masterKey.rewrap { state in
                    log.info(
                        "master key rotation",
                        ["sealed": "\(state.sealed)", "secrets": "\(state.secrets)"])
                }
                if unopened.isEmpty {
                    log.info("master key rotation is complete: --previous-master-key can be taken away")
                } else {
                    log.error(
                        "secrets that neither master key opens",
                        ["count": "\(unopened.count)", "first": "\(unopened[0])"])
                }
            } catch {
                log.error(
                    "master key rotation stopped", ["reason": "\(error.code.code): \(error.privateDetail)"])
            }
        }
    }

    private var passwordPool: BlockingPool {
        BlockingPool(
            threads: values[ControlSettings.passwordThreads], queueLimit: 64, name: "passwords",
            givesWay: true)
    }

    private func pool(
        _ url: PostgresURL, _ resolver: BlockingPool, _ loop: EventLoop, _ metrics: MetricsRegistry
    ) -> PostgresPool {
        PostgresPool(
            loop: loop, url: url, role: DatabaseRole.app.name,
            size: values[ControlSettings.databaseConnections], purpose: "admin",
            statementTimeoutMilliseconds: 10_000, resolver: resolver, log: log, metrics: metrics)
    }

    private func startBackups(_ parts: Parts, _ shared: SharedParts, _ url: PostgresURL) async throws {
        guard let service = try BackupService(shared, url: url, loop: loop) else { return }
        try await parts.start("backups") {
            service.start()
            return service
        } stop: { service, _ in
            await service.stop()
        }
    }

    private func startBooks(
        _ parts: Parts, _ shared: SharedParts, _ url: PostgresURL, _ operations: Operations
    ) async throws {
        try await parts.start("books") {
            let books = BooksService(shared, url: url, loop: loop, operations: operations)
            books.start()
            return books
        } stop: { books, _ in
            await books.stop()
        }
    }

    /// Makes the first administrator if there is none; never shows the password.
    private func bootstrap(_ operations: Operations) async throws {
        guard let email = values[ControlSettings.bootstrapEmail],
            let password = values[ControlSettings.bootstrapPassword]
        else { return }
        do throws(OperationError) {
            let user = try await operations.users.createFirstAdministrator(email: email, password: password)
            if let user { log.info("made the first administrator", ["user": "\(user.id)"]) }
        } catch {
            throw StartUp.failure(bootstrap: error)
        }
    }

    /// What nodes talk to has a loop and a thread of its own: a snapshot of a million keys is much to read
    /// and to forget again, and whoever asks the admin API does not wait for it. Returns how to wake the
    /// publisher.
    private func startNodeService(
        _ parts: Parts, _ shared: SharedParts, _ url: PostgresURL, _ resolver: BlockingPool
    ) async throws -> @Sendable () -> Void {
        var wake: @Sendable () -> Void = {}
        try await parts.start("node listener") {
            let threads = try LoopThreads(count: 1, name: "nodes")
            let (service, waker) = try await RemoteService.start(on: threads.loops[0]) {
                let nodes = try NodeService(shared, url: url, resolver: resolver, loop: threads.loops[0])
                try nodes.start()
                return (nodes, nodes.publisher.waker)
            }
            wake = waker
            return MoreLoops(threads: threads, services: [service])
        } stop: { nodes, nanoseconds in
            await nodes.stop(withinNanoseconds: nanoseconds)
        }
        return wake
    }

    /// Further loops, each with a thread, a pool and listeners of its own on the same addresses.
    private func startMoreLoops(
        _ parts: Parts, _ shared: SharedParts, _ url: PostgresURL, _ resolver: BlockingPool,
        _ changed: @escaping @Sendable () -> Void
    ) async throws {
        let count = values[ControlSettings.loops] - 1
        guard count > 0 else { return }
        try await parts.start("admin loops") {
            let threads = try LoopThreads(count: count, name: "admin")
            var services: [RemoteService] = []
            for loop in threads.loops {
                let (service, _) = try await RemoteService.start(on: loop) {
                    let pool = pool(url, resolver, loop, shared.metrics)
                    let service = try AdminService(shared, loop: loop, database: pool, changed: changed)
                    try service.listen()
                    return (service, ())
                }
                services.append(service)
            }
            return MoreLoops(threads: threads, services: services)
        } stop: { more, nanoseconds in
            await more.stop(withinNanoseconds: nanoseconds)
        }
    }
}

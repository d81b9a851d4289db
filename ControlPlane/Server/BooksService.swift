import API
import Domain
import EventLoops
import Ingest
import Operations
import PostgresDriver
import Settings
import Store
import Telemetry

/// Keeps single calls as long as their tenants do, proves the books once a night, and issues the invoices
/// that are due. Each is done by one replica at a time.
final class BooksService {
    private static let periodNanoseconds: Int64 = 600 * 1_000_000_000
    /// One holds the lock of a job, another works.
    private static let connections = 2
    /// Nightly at this hour (UTC), when the last day's usage has come in from nodes that are reached.
    private static let proofHour: Int64 = 3

    private let loop: EventLoop
    private let database: PostgresPool
    private let keeper: UsageKeeper
    private let operations: Operations
    private let clock: WallClock
    private let log: Log
    private let differences, proven: GaugeCell
    private var timer: Timer?

    init(_ shared: SharedParts, url: PostgresURL, loop: EventLoop, operations: Operations) {
        self.loop = loop
        self.operations = operations
        clock = shared.clock
        log = shared.log
        database = PostgresPool(
            loop: loop, url: url, role: DatabaseRole.ingest.name, size: Self.connections, purpose: "books",
            statementTimeoutMilliseconds: 60_000, resolver: shared.resolver, log: shared.log,
            metrics: shared.metrics)
        var plan = UsageKeeper.Plan()
        plan.daysAhead = shared.values[ControlSettings.usagePartitionsAhead]
        let days = shared.values[ControlSettings.usageRetention]
        plan.retentionDays = days == 0 ? nil : Int32(clamping: days)
        keeper = UsageKeeper(
            database: database, plan: plan, clock: shared.clock, log: shared.log, metrics: shared.metrics)
        differences = shared.metrics.gauge(
            "eclusa_ledger_differences", help: "What the last proof of the books found that does not agree."
        ).cell()
        proven = shared.metrics.gauge(
            "eclusa_ledger_proof_seconds", help: "When the books were last proved, in Unix time; 0: not yet."
        ).cell()
    }

    /// The first run comes soon: the partitions of today and tomorrow should be there.
    func start() { schedule(afterNanoseconds: 1_000_000_000) }

    func stop() async {
        timer?.cancel()
        timer = nil
        await database.close()
    }

    private func schedule(afterNanoseconds nanoseconds: Int64) {
        timer = loop.schedule(afterNanoseconds: nanoseconds) { [weak self] in
            guard let self else { return }
            loop.spawn { await self.run() }
        }
    }

    private func run() async {
        do { _ = try await keeper.run() } catch {
            log.warning("usage was not looked after; it is tried again", ["reason": LogValue(error)])
        }
        do { _ = try await JobLock.run("ledger proof", database) { try await prove() } } catch {
            log.error("the books were not proved; it is tried again", ["reason": LogValue(error)])
        }
        do { _ = try await JobLock.run("invoices", database) { try await issueInvoices() } } catch {
            log.error("invoices were not issued; it is tried again", ["reason": LogValue(error)])
        }
        if timer != nil { schedule(afterNanoseconds: Self.periodNanoseconds) }
    }

    private func issueInvoices() async throws {
        let count = try await operations.invoices.issueDue { view throws(OperationError) in try view.pdf() }
        if count > 0 { log.info("issued invoices", ["count": LogValue(count)]) }
    }

    private func prove() async throws {
        let now = clock.now()
        var due = now.startOfDay.advanced(bySeconds: Self.proofHour * 3_600)
        if due > now { due = due.advanced(bySeconds: -86_400) }
        if let proof = try await operations.ledgerProofs.createIfDue(since: due), proof.differences > 0 {
            log.error(
                "the books do not hold: see the proof",
                ["proof": LogValue("\(proof.id)"), "differences": LogValue(proof.differences)])
        }
        // Whichever replica proved them: every one shows the last result.
        guard let last = try await operations.ledgerProofs.newest() else { return }
        differences.set(last.differences)
        proven.set(last.startedAt.microseconds / 1_000_000)
    }
}

package import Domain
package import PostgresDriver
import Store
package import Telemetry

/// Makes the partitions of coming days before calls need them, and lets single calls, and what was said in
/// them, go that are older than their tenant keeps them. Sums and books stay. Lives on the loop of its pool.
package final class UsageKeeper {
    package struct Plan: Sendable {
        /// Days that have a partition before they begin.
        package var daysAhead = 7
        /// For tenants that settle nothing themselves; nil: for ever.
        package var retentionDays: Int32?

        package init() {}
    }

    /// Rows of one transaction.
    private static let deletedAtOnce = 5_000
    /// Of one tenant in one run, so that a large one does not keep the others waiting.
    private static let partsOfTenant = 400
    private static let keptBatchSeconds: Int64 = 30 * 86_400

    private let database: PostgresPool
    private let plan: Plan
    private let clock: WallClock
    private let log: Log
    private let deleted, dropped, contentsDeleted: CounterCell
    private let ahead: GaugeCell

    /// - Parameter database: role ingest, with two connections or more: one holds the lock of the job.
    package init(
        database: PostgresPool, plan: Plan = Plan(), clock: WallClock, log: Log, metrics: MetricsRegistry
    ) {
        self.database = database
        self.plan = plan
        self.clock = clock
        self.log = log
        deleted = metrics.counter(
            "eclusa_usage_events_deleted_total", help: "Single calls deleted by their tenants' retention."
        ).cell()
        dropped = metrics.counter(
            "eclusa_usage_partitions_dropped_total", help: "Days of single calls dropped whole."
        ).cell()
        contentsDeleted = metrics.counter(
            "eclusa_contents_deleted_total", help: "Contents of calls deleted by their tenants' retention."
        ).cell()
        ahead = metrics.gauge(
            "eclusa_usage_partitions_until_seconds",
            help: "Up to when calls have partitions of their own days, in Unix time."
        ).cell()
    }

    /// One run, unless another replica is at it; whether it ran. What is left over is done by the next one.
    package func run() async throws -> Bool {
        try await JobLock.run("usage", database) {
            try await makePartitions()
            try await retain()
            let today = clock.now().startOfDay
            let gone = try await parts { connection in
                try await ContentStore.deleteOld(
                    startOfDay: today, retentionDays: plan.retentionDays, atMost: Self.deletedAtOnce,
                    connection)
            }
            contentsDeleted.add(Int64(gone))
            let moment = clock.now().advanced(bySeconds: -Self.keptBatchSeconds)
            try await parts { connection in
                try await UsageRetention.deleteBatches(
                    takenBefore: moment, atMost: Self.deletedAtOnce, connection)
            }
        }
    }

    private func makePartitions() async throws {
        let today = clock.now().date
        let days = plan.daysAhead + 1
        let made = try await database.withConnection {
            try await UsageRetention.makePartitions(from: today, days: days, $0)
        }
        ahead.set(CivilDate(daysSinceEpoch: today.daysSinceEpoch + days).start.microseconds / 1_000_000)
        if made > 0 { log.info("made partitions of usage", ["days": LogValue(made)]) }
    }

    private func retain() async throws {
        let now = clock.now()
        let tenants = try await database.withConnection { try await UsageRetention.tenants($0) }
        let cutoffs = tenants.map { tenant, days in
            (tenant: tenant, before: (days ?? plan.retentionDays).map { Self.cutoff(days: $0, at: now) })
        }
        let ending = cutoffs.compactMap { cutoff in cutoff.before.map { (tenant: cutoff.tenant, before: $0) }
        }
        guard let newest = ending.map(\.before).max() else { return }
        try await database.withTransaction { try await UsageRetention.note(ending, $0) }
        let partitions = try await database.withConnection {
            try await UsageRetention.partitions(before: newest.date, $0)
        }
        for day in partitions {
            // Whoever keeps any call of that day.
            let end = CivilDate(daysSinceEpoch: day.daysSinceEpoch + 1).start
            let keeping = cutoffs.filter { $0.before.map { $0 < end } ?? true }.map(\.tenant)
            if try await drop(day, keeping: keeping) { dropped.add() }
        }
        for (tenant, before) in ending {
            let count = try await parts { connection in
                try await UsageRetention.delete(
                    of: tenant, before: before, atMost: Self.deletedAtOnce, connection)
            }
            deleted.add(Int64(count))
        }
    }

    /// Whole days, so that a day's calls are all there or all gone.
    private static func cutoff(days: Int32, at now: Timestamp) -> Timestamp {
        now.startOfDay.advanced(bySeconds: -Int64(days) * 86_400)
    }

    private func drop(_ day: CivilDate, keeping: [TenantID]) async throws -> Bool {
        do {
            return try await database.withConnection {
                try await UsageRetention.drop(day, keeping: keeping, $0)
            }
        } catch {
            log.warning(
                "a day of usage was not dropped; it is tried again",
                ["day": LogValue("\(day)"), "reason": LogValue(error)])
            return false
        }
    }

    /// Runs `delete`, a transaction each, until it finds nothing or has had its turns; how many it deleted.
    @discardableResult
    private func parts(_ delete: (PostgresConnection) async throws -> Int) async throws -> Int {
        var total = 0
        for _ in 0..<Self.partsOfTenant {
            let count = try await database.withTransaction { try await delete($0) }
            total += count
            if count == 0 { break }
        }
        return total
    }
}

package import Contract
package import Domain
package import EventLoops
package import PostgresDriver
import Store
package import Telemetry

/// Shows on the metrics page how all nodes are, also those no scraper reaches. Each control plane shows the
/// same. Lives on the loop of its pool.
package final class NodeCensus {
    private static let periodNanoseconds: Int64 = 15_000_000_000

    private let loop: EventLoop
    private let database: PostgresPool
    private let clock: WallClock
    private let newest: () -> SnapshotVersion?
    private let connected, away, revoked, behind, undelivered: GaugeCell
    private var timer: Timer?
    private var isStopped = false

    /// - Parameters:
    ///   - database: role publisher.
    ///   - newest: the newest published version.
    package init(
        loop: EventLoop, database: PostgresPool, clock: WallClock, metrics: MetricsRegistry,
        newest: @escaping () -> SnapshotVersion?
    ) {
        self.loop = loop
        self.database = database
        self.clock = clock
        self.newest = newest
        let nodes = metrics.gauge(
            "eclusa_nodes", help: "Nodes that have joined, by what is known of them.", labels: ["state"])
        connected = nodes.cell("connected")
        away = nodes.cell("away")
        revoked = nodes.cell("revoked")
        behind = metrics.gauge(
            "eclusa_nodes_behind", help: "Connected nodes that run an older snapshot than the newest."
        ).cell()
        undelivered = metrics.gauge(
            "eclusa_nodes_undelivered_events", help: "Usage events nodes said they have not handed in yet."
        ).cell()
    }

    package func start() {
        loop.spawn { await self.count() }
    }

    package func stop() {
        isStopped = true
        timer?.cancel()
    }

    /// What cannot be counted keeps its last figures; that the database is away is told elsewhere.
    package func count() async {
        let census = try? await database.withConnection { connection in
            try await NodeStore.census(at: clock.now(), newest: newest(), connection)
        }
        if let census {
            connected.set(census.connected)
            away.set(census.away)
            revoked.set(census.revoked)
            behind.set(census.behind)
            undelivered.set(census.undelivered)
        }
        if isStopped { return }
        timer = loop.schedule(afterNanoseconds: Self.periodNanoseconds) { [weak self] in
            guard let self else { return }
            loop.spawn { await self.count() }
        }
    }
}

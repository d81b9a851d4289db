import Telemetry

/// One pool's part of the metrics. Any thread.
struct PoolMeters: Sendable {
    let idle, leased, waiting: GaugeCell
    let waits: HistogramCell

    init(_ registry: MetricsRegistry, purpose: String, size: Int) {
        let connections = registry.gauge(
            "eclusa_database_connections", help: "Connections to Postgres, by pool and state.",
            labels: ["pool", "state"])
        idle = connections.cell(purpose, "idle")
        leased = connections.cell(purpose, "leased")
        registry.gauge(
            "eclusa_database_connections_limit", help: "Connections a pool may have.", labels: ["pool"]
        ).cell(purpose).set(Int64(size))
        waiting = registry.gauge(
            "eclusa_database_waiting", help: "Tasks that wait for a connection.", labels: ["pool"]
        ).cell(purpose)
        waits = registry.histogram(
            "eclusa_database_wait_seconds", help: "How long tasks waited that found no free connection.",
            labels: ["pool"], bounds: [1_000, 5_000, 25_000, 100_000, 500_000, 1_000_000, 4_000_000],
            scale: 0.000_001
        ).cell(purpose)
    }
}

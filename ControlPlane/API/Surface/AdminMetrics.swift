import Telemetry

/// What is counted of admin requests. Labels are the route table's, so their number is bounded.
final class AdminMetrics {
    private let requests: MetricCellCache<CounterCell>
    private let durations: MetricCellCache<HistogramCell>
    private let unrecorded: MetricCellCache<CounterCell>

    init(_ registry: MetricsRegistry) {
        requests =
            registry.counter(
                "eclusa_admin_requests_total", help: "Admin API requests by operation and status.",
                labels: ["operation", "status"]
            ).cellsOfThisThread()
        durations =
            registry.histogram(
                "eclusa_admin_request_seconds", help: "How long admin API requests took.",
                labels: ["operation"],
                bounds: [1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000],
                scale: 0.000001
            ).cellsOfThisThread()
        unrecorded =
            registry.counter(
                "eclusa_admin_unrecorded_refusals_total",
                help: "Refused writes that were one too many for the audit log.", labels: []
            ).cellsOfThisThread()
    }

    func countUnrecordedRefusal() { unrecorded[].add() }

    func count(_ operation: String, status: Int, nanoseconds: Int64) {
        requests[operation, String(status)].add()
        durations[operation].observe(nanoseconds / 1_000)
    }
}

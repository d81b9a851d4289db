import Contract
import Domain
import Policy
import Telemetry

/// What the feed shows on the metrics page.
struct FeedMetrics {
    let connected: GaugeCell
    /// Unit: seconds since 1970.
    let certificateEnd: GaugeCell
    let activations: CounterCell
    let rejections: Counter
    let breaks: CounterCell
    let cacheFailures: CounterCell

    init(_ registry: MetricsRegistry, snapshots: LiveSnapshots, clock: WallClock) {
        connected = registry.gauge(
            "eclusa_feed_connected", help: "1 while the stream of the control plane is open."
        ).cell()
        certificateEnd = registry.gauge(
            "eclusa_node_certificate_end_seconds",
            help: "When the node's certificate ends, in seconds since 1970; renewed at half its life."
        ).cell()
        activations = registry.counter(
            "eclusa_snapshot_activations_total", help: "Snapshots that became the running one."
        ).cell()
        rejections = registry.counter(
            "eclusa_snapshot_rejections_total", help: "Snapshots and frames that were refused.",
            labels: ["stage"])
        // `increase` does not see a series that begins at one, and alerts ask it.
        for stage in NodeStatus.Stage.allCases { _ = rejections.cell(stage.rawValue) }
        breaks = registry.counter(
            "eclusa_feed_breaks_total", help: "Streams that ended, and attempts that got none."
        ).cell()
        cacheFailures = registry.counter(
            "eclusa_cache_failures_total", help: "Times the snapshot cache could not be read or written."
        ).cell()
        registry.computedGauge(
            "eclusa_snapshot_age_seconds", help: "Since the control plane last stated the running snapshot."
        ) {
            snapshots.issuedAt.map { Double(clock.now().microseconds(since: $0)) / 1_000_000 } ?? .nan
        }
        registry.computedGauge("eclusa_snapshot_counter", help: "The running version inside its epoch.") {
            snapshots.current.map { Double($0.version.counter) } ?? .nan
        }
        registry.computedGauge("eclusa_snapshot_keys", help: "Keys in the running snapshot.") {
            snapshots.current.map { Double($0.compiled.keyCount) } ?? .nan
        }
    }
}

import Telemetry

/// What the publisher shows on the metrics page.
struct PublishingMetrics {
    let published, refusals, failures, repairs, stops: CounterCell
    let counter: GaugeCell
    let duration: HistogramCell

    init(_ registry: MetricsRegistry, streams: SnapshotStreams) {
        published = registry.counter(
            "eclusa_snapshots_published_total", help: "Snapshot versions this process published."
        ).cell()
        refusals = registry.counter(
            "eclusa_snapshots_refused_total", help: "States of the database that no snapshot can be made of."
        ).cell()
        failures = registry.counter(
            "eclusa_publish_failures_total", help: "Attempts to publish that failed."
        ).cell()
        repairs = registry.counter(
            "eclusa_sweep_repairs_total", help: "Differences a sweep found that no change was noted for."
        ).cell()
        stops = registry.counter(
            "eclusa_rollouts_stopped_total", help: "Changes of settings that a node refused."
        ).cell()
        counter = registry.gauge(
            "eclusa_published_counter", help: "The newest snapshot version inside its epoch."
        ).cell()
        duration = registry.histogram(
            "eclusa_publish_seconds", help: "From reading a change to announcing its snapshot.",
            bounds: [
                5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 20_000_000,
            ],
            scale: 0.000_001
        ).cell()
        registry.computedGauge("eclusa_node_streams", help: "Open streams of nodes.") {
            Double(streams.listenerCount)
        }
    }
}

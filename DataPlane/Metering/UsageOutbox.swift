import Contract
package import Domain
package import LocalStore
package import Telemetry

/// The outbox as metering uses it: batches in the form of `Contract`, alarms in the log, figures on the
/// metrics page.
package enum UsageOutbox {
    /// Opens or creates the node's outbox in its data directory.
    ///
    /// - Parameter node: who the batches are from; events of an earlier identity in the same folder are
    ///   sealed as this one's.
    package static func open(
        in directory: DataDirectory, node: NodeID, options: OutboxOptions = OutboxOptions(), log: Log,
        metrics: MetricsRegistry
    ) throws -> Outbox {
        let alarms = metrics.counter(
            "eclusa_outbox_alarms_total", help: "What an operator must hear of the usage outbox.",
            labels: ["kind"])
        let outbox = try Outbox(
            directory: directory, options: options,
            sealer: { outline, events in
                SealedUsageBatch.head(
                    node: node, outboxEpoch: Int64(clamping: outline.epoch),
                    sequence: Int64(clamping: outline.sequence), eventCount: outline.eventCount,
                    totalCost: NanoUSD(nanos: outline.totalCost), isRecovered: outline.isRecovered,
                    events: events)
            },
            alarm: { alarm in
                alarms.cell(alarm.kind).add()
                alarm.write(to: log)
            })
        publish(outbox, on: metrics)
        return outbox
    }

    private static func publish(_ outbox: Outbox, on metrics: MetricsRegistry) {
        metrics.computedGauge("eclusa_outbox_bytes", help: "Size of the usage events not yet acknowledged.") {
            Double(outbox.status.bytes)
        }
        metrics.computedGauge("eclusa_outbox_events", help: "Usage events not yet acknowledged.") {
            Double(outbox.status.depth)
        }
        metrics.computedGauge("eclusa_outbox_capacity_bytes", help: "Where metered calls are refused.") {
            Double(outbox.capacityBytes)
        }
        metrics.computedGauge(
            "eclusa_outbox_full", help: "1 while metered calls are refused: no room, or the disk refuses."
        ) { outbox.isFull ? 1 : 0 }
        metrics.computedCounter("eclusa_outbox_commits_total", help: "Transactions of the outbox.") {
            Double(outbox.status.commits)
        }
        metrics.computedCounter("eclusa_usage_events_total", help: "Usage events made durable.") {
            Double(outbox.status.events)
        }
    }
}

extension OutboxAlarm {
    /// The label of its metric.
    var kind: String {
        switch self {
        case .nearlyFull: "nearly_full"
        case .full: "full"
        case .roomAgain: "room_again"
        case .writeFailed: "write_failed"
        case .writingAgain: "writing_again"
        case .movedAside: "moved_aside"
        }
    }

    func write(to log: Log) {
        switch self {
        case .nearlyFull(let bytes, let capacity):
            log.warning(
                "the usage outbox is nearly full: is the control plane reachable?",
                ["bytes": LogValue(bytes), "capacity": LogValue(capacity)])
        case .full(let bytes, let capacity):
            log.error(
                "the usage outbox is full: metered calls are refused",
                ["bytes": LogValue(bytes), "capacity": LogValue(capacity)])
        case .roomAgain:
            log.info("the usage outbox has room again")
        case .writeFailed(let reason):
            log.error(
                "the usage outbox cannot be written: metered calls are refused", ["reason": LogValue(reason)])
        case .writingAgain:
            log.info("the usage outbox can be written again")
        case .movedAside(let name, let reason):
            log.error(
                "the usage outbox was moved aside and a new one begun; its events are kept in that file",
                ["file": LogValue(name), "reason": LogValue(reason)])
        }
    }
}

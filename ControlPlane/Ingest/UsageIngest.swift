package import Contract
package import Domain
package import PostgresDriver
import Store
package import Telemetry

/// Takes the usage batches of nodes in, each exactly once. Lives on the loop of its pool.
package final class UsageIngest {
    package enum Outcome: Sendable, Equatable {
        /// The node acts on it: delete, resend, or give the epoch up.
        case answer(BatchAnswer)
        /// Not a batch: its hash, count or total does not fit, or its bytes say nothing.
        case invalid(String)
        /// Sealed by another node than the one that sends it.
        case foreign
        /// Nothing was taken; the same again later.
        case unavailable
    }

    private let database: PostgresPool
    private let clock: WallClock
    private let log: Log
    private let batches: Counter
    private let events: CounterCell
    private let lag, duration: HistogramCell

    /// - Parameter database: role ingest.
    package init(database: PostgresPool, clock: WallClock, log: Log, metrics: MetricsRegistry) {
        self.database = database
        self.clock = clock
        self.log = log
        batches = metrics.counter(
            "eclusa_ingest_batches_total", help: "Usage batches of nodes, by what was answered.",
            labels: ["outcome"])
        // `increase` does not see a series that begins at one, and alerts ask it.
        for label in Outcome.Label.allCases { _ = batches.cell(label.rawValue) }
        events = metrics.counter(
            "eclusa_ingest_events_total", help: "Usage events acknowledged to nodes, repetitions included."
        ).cell()
        lag = metrics.histogram(
            "eclusa_ingest_lag_seconds", help: "From the start of a batch's oldest call to its being stored.",
            bounds: [
                1_000_000, 2_000_000, 5_000_000, 15_000_000, 60_000_000, 300_000_000, 3_600_000_000,
                86_400_000_000,
            ], scale: 0.000_001
        ).cell()
        duration = metrics.histogram(
            "eclusa_ingest_seconds", help: "How long it took to store a batch.",
            bounds: [5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000],
            scale: 0.000_001
        ).cell()
    }

    /// Checks a sealed batch and takes it in with its sums, in one transaction: after `.acknowledged` it is
    /// stored for good.
    ///
    /// - Parameter sender: who the client certificate says it is.
    package func take(_ bytes: [UInt8], from sender: NodeID) async -> Outcome {
        let outcome = await judge(SealedUsageBatch(bytes: bytes), sender)
        batches.cell(outcome.label.rawValue).add()
        return outcome
    }

    private func judge(_ sealed: SealedUsageBatch, _ sender: NodeID) async -> Outcome {
        let batch: UsageBatch
        do throws(UsageBatch.Failure) { batch = try sealed.opened() } catch {
            log.error(
                "a usage batch is not valid", ["node": LogValue("\(sender)"), "reason": LogValue("\(error)")])
            return .invalid("\(error)")
        }
        guard let digest = sealed.digest else { return .invalid("no digest") }
        guard batch.node == sender else {
            log.error(
                "a node sent another's usage batch",
                ["node": LogValue("\(sender)"), "sealed_by": LogValue("\(batch.node)")])
            return .foreign
        }
        let answer: BatchAnswer
        do {
            let begun = clock.now()
            answer = try await UsageStore.ingest(batch, digest: digest, at: begun, database)
            duration.observe(clock.now().microseconds(since: begun))
        } catch {
            log.warning(
                "usage cannot be taken in", ["node": LogValue("\(sender)"), "reason": LogValue(error)])
            return .unavailable
        }
        switch answer {
        case .acknowledged:
            events.add(Int64(batch.events.count))
            if let oldest = batch.events.map(\.startedAt).min() {
                lag.observe(clock.now().microseconds(since: oldest))
            }
        case .gap(let needed):
            log.warning(
                "a usage batch came too early",
                [
                    "node": LogValue("\(sender)"), "sequence": LogValue(batch.sequence),
                    "needed": LogValue(needed),
                ])
        case .conflict:
            log.error(
                "a usage batch contradicts one taken before: was the node's outbox rolled back or cloned?",
                [
                    "node": LogValue("\(sender)"), "epoch": LogValue(batch.outboxEpoch),
                    "sequence": LogValue(batch.sequence),
                ])
        }
        return .answer(answer)
    }
}

extension UsageIngest.Outcome {
    fileprivate enum Label: String, CaseIterable {
        case acknowledged, gap, conflict, invalid, foreign, unavailable
    }

    fileprivate var label: Label {
        switch self {
        case .answer(.acknowledged): .acknowledged
        case .answer(.gap): .gap
        case .answer(.conflict): .conflict
        case .invalid: .invalid
        case .foreign: .foreign
        case .unavailable: .unavailable
        }
    }
}

package import Contract
package import Domain
package import PostgresDriver
import Store
package import Telemetry

/// Keeps what nodes say about themselves, so that the admin API can show it. Loop thread.
package final class NodeReports {
    package enum Outcome: Sendable, Equatable {
        case kept
        /// Another live process has the same identity: both should stop.
        case duplicate
        case unavailable
    }

    private let database: PostgresPool
    private let clock: WallClock
    private let log: Log
    private let duplicates: CounterCell
    private var processes = ProcessWatch()

    package init(database: PostgresPool, clock: WallClock, log: Log, metrics: MetricsRegistry) {
        self.database = database
        self.clock = clock
        self.log = log
        duplicates = metrics.counter(
            "eclusa_node_duplicates_total", help: "Reports of two live processes with one node's identity."
        ).cell()
    }

    package func keep(_ status: NodeStatus, of node: Node) async -> Outcome {
        let now = clock.now()
        do {
            try await database.withConnection { connection in
                _ = try await NodeStore.report(status, of: node.id, at: now, connection)
            }
        } catch {
            log.warning(
                "a node's report was not kept", ["node": LogValue("\(node.id)"), "reason": LogValue(error)])
            return .unavailable
        }
        if processes.note(node.id, nonce: status.processNonce) { return .kept }
        duplicates.add()
        log.error(
            "two live processes have one node's identity",
            ["node": LogValue("\(node.id)"), "name": LogValue(node.name)])
        return .duplicate
    }
}

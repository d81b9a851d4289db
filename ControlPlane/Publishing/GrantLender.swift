package import Contract
package import Cryptography
package import Domain
package import EventLoops
package import PostgresDriver
import Store
package import Telemetry

/// Lends limits to the nodes: answers their positions, each message in one transaction. Any number of
/// replicas may. Lives on one loop.
package final class GrantLender {
    package enum Outcome: Sendable, Equatable {
        case answer(GrantAnswer)
        /// The bytes are no message.
        case invalid(String)
        /// The node is not known, or revoked.
        case refused
        /// Nothing was taken; the same again later.
        case unavailable
    }

    /// What signs grants, and whose signatures count on those a node was lent before a restore.
    package struct Keys: Sendable {
        package let signing: Ed25519PrivateKey
        package let accepted: [Ed25519PublicKey]

        package init(signing: Ed25519PrivateKey, accepted: [Ed25519PublicKey]) {
            self.signing = signing
            self.accepted = accepted
        }
    }

    /// How long what was lent in a window is known after its end: usage may come in late.
    private static let keptSeconds: Int64 = 93 * 86_400
    private static let deletedAtOnce = 10_000

    private let database: PostgresPool
    private let workers: BlockingPool
    private let keys: () -> Keys
    private let clock: WallClock
    private let log: Log
    private let exchanges: Counter
    private let raises, alerts: CounterCell
    private let frozen: GaugeCell
    private var isFrozen = false

    /// - Parameters:
    ///   - database: role publisher; a connection for each message under way.
    ///   - workers: signs there.
    ///   - keys: the ones in force, asked for each message.
    package init(
        database: PostgresPool, workers: BlockingPool, clock: WallClock, log: Log, metrics: MetricsRegistry,
        keys: @escaping () -> Keys
    ) {
        self.database = database
        self.workers = workers
        self.clock = clock
        self.log = log
        self.keys = keys
        exchanges = metrics.counter(
            "eclusa_lending_exchanges_total", help: "Messages of nodes about limits, by what was answered.",
            labels: ["outcome"])
        raises = metrics.counter(
            "eclusa_lending_raises_total", help: "Grants that were given or raised."
        ).cell()
        alerts = metrics.counter(
            "eclusa_limit_alerts_total", help: "Thresholds of budgets that were crossed."
        ).cell()
        frozen = metrics.gauge(
            "eclusa_lending_frozen",
            help: "1 after a restore, until every node has said what it was lent: nothing is lent meanwhile."
        ).cell()
    }

    /// Takes a node's message and answers it.
    ///
    /// - Parameter node: who the client certificate says it is.
    package func take(_ bytes: [UInt8], from node: NodeID) async -> Outcome {
        let outcome = await judge(bytes, node)
        exchanges.cell(outcome.label).add()
        return outcome
    }

    /// Deletes what was lent in windows that ended long ago. Once an hour does; any number of replicas may.
    package func sweep() async {
        let moment = clock.now().advanced(bySeconds: -Self.keptSeconds)
        do {
            var deleted = Self.deletedAtOnce
            while deleted == Self.deletedAtOnce {
                deleted = try await database.withConnection {
                    try await LimitStateStore.purge(endedBefore: moment, limit: Self.deletedAtOnce, $0)
                }
            }
        } catch {
            log.warning("what was lent long ago was not deleted", ["reason": LogValue(error)])
        }
    }

    private func judge(_ bytes: [UInt8], _ node: NodeID) async -> Outcome {
        let request: GrantRequest
        do throws(CodecError) { request = try GrantRequest(encoded: bytes) } catch {
            log.error(
                "a node's message about limits is not valid",
                ["node": LogValue("\(node)"), "reason": LogValue("\(error)")])
            return .invalid("\(error)")
        }
        let keys = keys(), now = clock.now()
        do {
            let done = try await database.withTransaction { connection in
                try await LendingExchange(request, of: node, accepting: keys.accepted, at: now)
                    .run(connection)
            }
            guard let done else { return .refused }
            note(done)
            return .answer(try await signed(done, by: keys.signing))
        } catch {
            log.warning(
                "limits cannot be lent", ["node": LogValue("\(node)"), "reason": LogValue(error)])
            return .unavailable
        }
    }

    /// After the transaction: nobody waits for signatures, and a node that does not get them asks again.
    private func signed(
        _ done: LendingExchange.Done, by key: Ed25519PrivateKey
    ) async throws -> GrantAnswer {
        var answer = done.answer
        if done.grants.isEmpty { return answer }
        let grants = done.grants
        let statements = try await workers.run { grants.map { ($0.reply, $0.grant.signed(by: key)) } }
        for (reply, statement) in statements { answer.replies[reply].statement = statement }
        return answer
    }

    private func note(_ done: LendingExchange.Done) {
        raises.add(Int64(done.grants.count))
        alerts.add(Int64(done.alerts.count))
        if done.isFrozen != isFrozen {
            isFrozen = done.isFrozen
            frozen.set(isFrozen ? 1 : 0)
            if isFrozen {
                log.warning("nothing is lent until every node has said what it was lent before the restore")
            } else {
                log.info("every node has said what it was lent: lending goes on")
            }
        }
        for alert in done.alerts {
            log.info(
                "a budget's threshold was crossed",
                [
                    "tenant": LogValue("\(alert.account.account.tenant)"),
                    "limit": LogValue("\(alert.account.account.limit)"),
                    "threshold": LogValue(alert.threshold),
                ])
        }
    }
}

extension GrantLender.Outcome {
    fileprivate var label: String {
        switch self {
        case .answer: "answered"
        case .invalid: "invalid"
        case .refused: "refused"
        case .unavailable: "unavailable"
        }
    }
}

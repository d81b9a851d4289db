import EventLoops
import Operations
import Telemetry

/// Looks at alert rules and hands messages about them over, and sends the reports whose time has come, on one
/// loop.
final class AlertService {
    /// How often is looked whether a message is due.
    private static let periodNanoseconds: Int64 = 2_000_000_000
    /// Endpoints that are called at once: a slow one does not keep the others waiting.
    private static let maximumCalls = 16

    private let loop: EventLoop
    private let operations: Operations
    private let log: Log
    private let sent, failed: CounterCell
    private let fired: CounterCell
    private var timer: Timer?
    private var underWay: Set<AlertSending.Due> = []

    init(loop: EventLoop, operations: Operations, log: Log, metrics: MetricsRegistry) {
        self.loop = loop
        self.operations = operations
        self.log = log
        sent = metrics.counter(
            "eclusa_alert_messages_sent_total", help: "Messages about alerts that were handed over."
        ).cell()
        failed = metrics.counter(
            "eclusa_alert_message_failures_total",
            help: "Attempts to hand a message about an alert over that failed."
        ).cell()
        fired = metrics.counter("eclusa_alerts_fired_total", help: "Alerts that began.").cell()
        schedule()
    }

    func stop() {
        timer?.cancel()
        timer = nil
    }

    private func schedule() {
        timer = loop.schedule(afterNanoseconds: Self.periodNanoseconds) { [weak self] in
            guard let self else { return }
            loop.spawn { await self.run() }
        }
    }

    private func run() async {
        do throws(OperationError) {
            if let changes = try await operations.alertWatch.run() {
                for _ in 0..<changes.fired { fired.add() }
            }
            try await sendDue()
            _ = try await operations.reportSchedules.sendDue()
        } catch {
            log.warning(
                "alerts and reports wait for the next pass", ["error": LogValue("\(error.privateDetail)")])
        }
        if timer != nil { schedule() }
    }

    private func sendDue() async throws(OperationError) {
        for due in try await operations.alertSending.due() where !underWay.contains(due) {
            guard underWay.count < Self.maximumCalls else { return }
            underWay.insert(due)
            loop.spawn { await self.send(due) }
        }
    }

    private func send(_ due: AlertSending.Due) async {
        defer { underWay.remove(due) }
        do throws(OperationError) {
            switch try await operations.alertSending.send(due) {
            case .sent:
                sent.add()
                // Another message of its channel may have waited for this one.
                if timer != nil { try await sendDue() }
            case .delayed, .failed: failed.add()
            case .taken: break
            }
        } catch {
            failed.add()
            log.warning(
                "a message about an alert waits for its lease to end",
                ["delivery": "\(due.id)", "error": LogValue("\(error.privateDetail)")])
        }
    }
}

package import Contract
import Domain
package import EventLoops
package import LocalStore

/// Makes usage events durable, for the calls of one loop. Loop thread.
package final class UsageRecorder {
    private let outbox: Outbox
    private let port: OutboxPort

    package init(outbox: Outbox, loop: EventLoop) {
        self.outbox = outbox
        port = outbox.port(for: loop)
    }

    /// Whether metered calls must be refused (503 `outbox_full`): ask before dialling.
    package var isFull: Bool { outbox.isFull }

    /// Writes the event and returns when it survives a kill of this process: call it before the answer's last
    /// byte.
    ///
    /// False: it is not on disk. It is kept in memory and tried again, but the answer must not look complete.
    package func record(_ event: UsageEvent) async -> Bool {
        await port.append(cost: event.cost.nanos, isPatient: event.isStream) { event.append(toBatch: &$0) }
    }
}

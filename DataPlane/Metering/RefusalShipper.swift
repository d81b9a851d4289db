package import EventLoops
package import LocalStore

/// Puts what was refused into the outbox every few seconds. Lives on one loop.
package final class RefusalShipper {
    package static let intervalNanoseconds: Int64 = 2_000_000_000

    private let loop: EventLoop
    private let outbox: Outbox
    private let port: OutboxPort
    private let refusals: RefusalLog
    private var timer: Timer?

    package init(loop: EventLoop, outbox: Outbox, refusals: RefusalLog) {
        self.loop = loop
        self.outbox = outbox
        self.refusals = refusals
        port = outbox.port(for: loop)
    }

    /// Loop thread; once.
    package func start() {
        timer = loop.schedule(afterNanoseconds: Self.intervalNanoseconds) {
            self.ship()
            self.start()
        }
    }

    package func stop() { timer?.cancel() }

    /// Refusals are no usage: they leave half of the outbox to that, and wait in memory while it is fuller.
    package func ship() {
        guard !outbox.isFull, outbox.status.bytes < outbox.capacityBytes / 2 else { return }
        let records = refusals.take()
        if !records.isEmpty { port.appendNotes(records) }
    }
}

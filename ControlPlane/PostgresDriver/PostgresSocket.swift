import EventLoops

/// Readiness of libpq's descriptor for one waiting task, with a deadline. Level-triggered, because
/// `PQconsumeInput` does not promise to empty the socket. Loop thread.
final class PostgresSocket: Channel, TimerOwner {
    private let loop: EventLoop
    private var registration = Registration.none
    private var interest: Readiness = []
    private var waiter: UnsafeContinuation<Void, Never>?
    private var timer: Timer?
    /// The deadline passed; the connection is of no more use.
    private(set) var isTimedOut = false
    /// Called when something arrives that nobody waits for: a notice, a notification, or the end of the
    /// connection.
    var unsolicited: (() -> Void)?

    init(loop: EventLoop) {
        self.loop = loop
        timer = Timer(owner: self)
    }

    deinit {
        timer?.cancel()
        loop.unregister(registration)
    }

    /// Starts to watch a descriptor, which libpq owns.
    func attach(_ descriptor: Int32, for events: Readiness) throws(PostgresError) {
        do {
            registration = try loop.register(self, descriptor: descriptor, for: events)
            interest = events
        } catch {
            throw PostgresError(.unavailable, privateDetail: "\(error)")
        }
    }

    /// Before libpq closes or changes its descriptor.
    func detach() {
        loop.unregister(registration)
        registration = .none
        interest = []
    }

    func watch(_ events: Readiness) {
        guard events != interest else { return }
        interest = events
        loop.modify(registration, for: events)
    }

    func setDeadline(afterNanoseconds nanoseconds: Int64) {
        guard let timer else { return }
        isTimedOut = false
        loop.arm(timer, afterNanoseconds: nanoseconds)
    }

    func clearDeadline() {
        timer?.clear()
    }

    /// Waits until the descriptor is ready for what is watched, or the deadline passes.
    func wait() async throws(PostgresError) {
        if !isTimedOut {
            await withUnsafeContinuation { continuation in
                precondition(waiter == nil, "a connection serves one task at a time")
                waiter = continuation
            }
        }
        if isTimedOut {
            throw PostgresError(.timedOut, privateDetail: "the server was silent beyond the deadline")
        }
    }

    func onEvents(_ ready: Readiness) {
        if let waiter {
            self.waiter = nil
            waiter.resume()
        } else {
            unsolicited?()
        }
    }

    func timerFired(_ timer: Timer) {
        isTimedOut = true
        if let waiter {
            self.waiter = nil
            waiter.resume()
        }
    }
}

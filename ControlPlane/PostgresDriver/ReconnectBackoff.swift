/// When to try to connect again, and whether callers should still wait for it.
///
/// Pure: times are the loop's monotonic nanoseconds. A short restart of the server is waited out; once it
/// has been away for longer than `patience`, callers fail at once, so that an outage costs them nothing but
/// an error.
struct ReconnectBackoff {
    static let first: Int64 = 50_000_000
    static let longest: Int64 = 2_000_000_000
    static let patience: Int64 = 2_000_000_000

    private var failures = 0
    private var downSince: Int64?
    private(set) var nextAttempt: Int64 = 0

    var isDown: Bool { downSince != nil }

    mutating func succeeded() {
        failures = 0
        downSince = nil
        nextAttempt = 0
    }

    /// `jitter` in 0..<1 spreads the attempts of many pools over the delay's second half.
    mutating func failed(now: Int64, jitter: Double) {
        if downSince == nil { downSince = now }
        let delay = min(Self.first << Int64(min(failures, 10)), Self.longest)
        failures += 1
        nextAttempt = now + delay / 2 + Int64(Double(delay / 2) * jitter)
    }

    /// True while it still pays to wait for the server.
    func isWorthWaiting(now: Int64) -> Bool {
        guard let downSince else { return true }
        return now - downSince < Self.patience
    }
}

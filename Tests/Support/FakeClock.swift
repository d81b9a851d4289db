package import Domain
import Synchronization

/// Wall time that moves only when the test says so. Any thread.
package final class FakeClock: Sendable {
    private let time: Mutex<Timestamp>

    /// Starts on a Monday at noon: 2026-03-09T12:00:00Z.
    package init(_ start: Timestamp = Timestamp(microseconds: 1_773_057_600_000_000)) {
        time = Mutex(start)
    }

    package var now: Timestamp { time.withLock { $0 } }

    /// The clock to hand to what is tested.
    package var clock: WallClock { WallClock { [self] in now } }

    package func advance(seconds: Int64) {
        time.withLock { $0 = $0.advanced(bySeconds: seconds) }
    }

    package func advance(microseconds: Int64) {
        time.withLock { $0 = $0.advanced(byMicroseconds: microseconds) }
    }

    package func set(_ moment: Timestamp) {
        time.withLock { $0 = moment }
    }
}

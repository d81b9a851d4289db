/// Keeps one stream to the control plane open: when to connect, how long to wait. No I/O and no clock.
struct StreamMachine {
    enum Event: Equatable {
        case start
        /// The control plane answered and the stream runs.
        case opened
        /// No stream, or its end. `retryAfterNanoseconds`: what the control plane asked for.
        case ended(retryAfterNanoseconds: Int64?)
        case waited
        case stop
    }

    enum Action: Equatable {
        case connect
        case wait(nanoseconds: Int64)
        case close
    }

    private enum State: Equatable { case idle, connecting, open, waiting, stopped }

    /// The most a break waits, by how many came before it without a stream between them: full jitter below.
    static let ceilingsNanoseconds: [Int64] = [2_000_000_000, 5_000_000_000, 10_000_000_000]

    private var state = State.idle
    private var failures = 0
    private let random: (ClosedRange<Int64>) -> Int64

    init(random: @escaping (ClosedRange<Int64>) -> Int64 = { Int64.random(in: $0) }) { self.random = random }

    var isOpen: Bool { state == .open }

    mutating func handle(_ event: Event) -> [Action] {
        switch (state, event) {
        case (.idle, .start), (.waiting, .waited):
            state = .connecting
            return [.connect]
        case (.connecting, .opened):
            state = .open
            failures = 0
            return []
        case (.connecting, .ended(let retryAfter)), (.open, .ended(let retryAfter)):
            state = .waiting
            let ceiling = Self.ceilingsNanoseconds[min(failures, Self.ceilingsNanoseconds.count - 1)]
            failures += 1
            // What was asked for is the least; the spread on top keeps a thousand nodes apart.
            return [.wait(nanoseconds: (retryAfter ?? 0) + random(0...ceiling))]
        case (.stopped, _):
            return []
        case (_, .stop):
            state = .stopped
            return [.close]
        default:
            return []
        }
    }
}

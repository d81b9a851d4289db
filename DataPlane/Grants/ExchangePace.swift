/// When the next message goes to the control plane. No I/O and no clock.
struct ExchangePace {
    static let periodNanoseconds: Int64 = 1_000_000_000
    /// A node that holds nothing says so: a restored control plane lends nothing before it has heard of all.
    static let idleNanoseconds: Int64 = 10_000_000_000
    /// Messages in quick succession after the control plane was away, whatever is held.
    static let greetings = 4
    /// Between messages that bring nothing although a call waits.
    static let fruitlessNanoseconds: ClosedRange<Int64> = 5_000_000...250_000_000
    static let failureNanoseconds: ClosedRange<Int64> = 200_000_000...10_000_000_000

    private var failures = 0
    private var fruitless = 0
    private var greetingsLeft = Self.greetings
    private let random: (ClosedRange<Int64>) -> Int64

    init(random: @escaping (ClosedRange<Int64>) -> Int64 = { Int64.random(in: $0) }) { self.random = random }

    /// Whether the control plane does not answer: the next message waits its time, whoever else waits.
    var isAway: Bool { failures > 0 }

    mutating func noteAnswer(broughtNews: Bool) {
        failures = 0
        fruitless = broughtNews ? 0 : fruitless + 1
        greetingsLeft = max(0, greetingsLeft - 1)
    }

    mutating func noteFailure() {
        failures += 1
        greetingsLeft = Self.greetings
    }

    /// The control plane is known to be there again.
    mutating func noteReturn() {
        failures = 0
        fruitless = 0
        greetingsLeft = Self.greetings
    }

    /// Nanoseconds until the next message; full jitter after failures, so that nodes do not come together.
    func delay(isEmpty: Bool, isUrgent: Bool) -> Int64 {
        if failures > 0 {
            let (first, last) = (Self.failureNanoseconds.lowerBound, Self.failureNanoseconds.upperBound)
            return random(0...min(last, first << min(failures - 1, 10)))
        }
        if isUrgent {
            if fruitless == 0 { return 0 }
            let (first, last) = (Self.fruitlessNanoseconds.lowerBound, Self.fruitlessNanoseconds.upperBound)
            return min(last, first << min(fruitless - 1, 10))
        }
        return isEmpty && greetingsLeft == 0 ? Self.idleNanoseconds : Self.periodNanoseconds
    }
}

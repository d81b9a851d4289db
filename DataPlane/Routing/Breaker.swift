/// Keeps calls away from a target that fails: open after failures, then let single calls find out whether it
/// is well again. A pure machine; times are a loop's, in nanoseconds.
package struct Breaker: Sendable {
    package struct Limits: Sendable {
        /// Failures in a row that open it.
        package var failuresInRow = 5
        /// Over the window: the share of failures that opens it, in percent, once so many calls were seen.
        package var failurePercent = 50
        package var minimumCalls = 20
        package var windowNanoseconds: Int64 = 10_000_000_000
        /// How long it stays open the first time; doubled while probes fail.
        package var restNanoseconds: Int64 = 2_000_000_000
        package var maximumRestNanoseconds: Int64 = 60_000_000_000
        package init() {}
    }

    package enum State: Sendable, Equatable {
        case closed
        /// No calls until then.
        case open(until: Int64)
        /// One call is finding out; the others still wait.
        case probing
    }

    package private(set) var state = State.closed
    private let limits: Limits
    private var failuresInRow = 0
    private var calls = 0
    private var failures = 0
    private var windowStart: Int64 = 0
    private var rest: Int64

    package init(_ limits: Limits = Limits()) {
        self.limits = limits
        rest = limits.restNanoseconds
    }

    /// Whether a call would be let through now.
    package func isAvailable(at now: Int64) -> Bool {
        switch state {
        case .closed: true
        case .open(let until): now >= until
        case .probing: false
        }
    }

    /// A call is made: after the rest it is the probe.
    package mutating func begin(at now: Int64) {
        if case .open(let until) = state, now >= until { state = .probing }
    }

    package mutating func succeed(at now: Int64) {
        failuresInRow = 0
        if state != .closed {
            state = .closed
            rest = limits.restNanoseconds
            calls = 0
            failures = 0
            windowStart = now
        }
        count(isFailure: false, at: now)
    }

    package mutating func fail(at now: Int64) {
        failuresInRow += 1
        count(isFailure: true, at: now)
        switch state {
        case .probing:
            rest = min(rest * 2, limits.maximumRestNanoseconds)
            state = .open(until: now + rest)
        case .open: break
        case .closed:
            let isMostlyFailing =
                calls >= limits.minimumCalls && failures * 100 >= calls * limits.failurePercent
            if failuresInRow >= limits.failuresInRow || isMostlyFailing {
                state = .open(until: now + rest)
            }
        }
    }

    /// A call that said nothing about the target: its client left, or asked for the impossible.
    package mutating func abandon(at now: Int64) {
        if state == .probing { state = .open(until: now) }
    }

    private mutating func count(isFailure: Bool, at now: Int64) {
        if now - windowStart > limits.windowNanoseconds {
            windowStart = now
            // Half of what was counts on, so that a window's beginning is not blind.
            calls /= 2
            failures /= 2
        }
        calls += 1
        if isFailure { failures += 1 }
    }
}

/// How many extra attempts a target's failures may cause: a tenth of its calls, and ten to begin with, so
/// that an outage is not answered with a storm.
package struct RetryBudget: Sendable {
    private static let attempt = 10
    private static let maximum = 100
    /// Tenths of an attempt.
    private var balance = maximum

    package init() {}

    package mutating func noteCall() { balance = min(balance + 1, Self.maximum) }

    /// Takes one extra attempt; false when there is none left.
    package mutating func take() -> Bool {
        guard balance >= Self.attempt else { return false }
        balance -= Self.attempt
        return true
    }
}

/// The latency of a target of late: it rises with a peak at once and falls slowly (peak EWMA). Pure.
package struct PeakLatency: Sendable {
    /// 0: nothing was seen yet.
    package private(set) var microseconds: UInt32 = 0
    private var seenAt: Int64 = 0
    /// After so long a third of a peak is left.
    private static let decayNanoseconds = 10_000_000_000.0

    package init() {}

    package mutating func observe(nanoseconds: Int64, at now: Int64) {
        let seen = Double(max(0, nanoseconds)) / 1000
        let known = Double(microseconds)
        let age = Double(max(0, now - seenAt)) / Self.decayNanoseconds
        seenAt = now
        // A short stand-in for e^-age that never rises.
        let weight = 1 / (1 + age + age * age / 2)
        let next = microseconds == 0 || seen > known ? seen : known * weight + seen * (1 - weight)
        microseconds = UInt32(min(max(1, next), Double(UInt32.max)))
    }
}

/// How long a target took to begin its last answers. Pure.
package struct FirstByteTimes: Sendable {
    /// Fewer say nothing.
    package static let minimumCount = 20
    private static let maximumCount = 128
    private var times: [UInt32] = []
    private var next = 0

    package init() {}

    package mutating func observe(nanoseconds: Int64) {
        let time = UInt32(clamping: nanoseconds / 1000)
        if times.count < Self.maximumCount {
            times.append(time)
        } else {
            times[next] = time
            next = (next + 1) % Self.maximumCount
        }
    }

    /// The time within which so many per cent of them had begun; nil: too few are known. Unit: nanoseconds.
    package func percentile(_ percent: Int32) -> Int64? {
        guard times.count >= Self.minimumCount else { return nil }
        let rank = (times.count * Int(percent) + 99) / 100
        return Int64(times.sorted()[min(times.count, max(1, rank)) - 1]) * 1000
    }
}

/// A credential's rest: a refused one is left alone until it is tried again, one over its rate for as long
/// as the provider says. Pure.
package struct CredentialRest: Sendable {
    private var until: Int64 = 0
    private var refusals = 0

    package init() {}

    package func isResting(at now: Int64) -> Bool { now < until }

    /// The provider does not know the credential, or forbids it: 30 s, doubled each time, an hour at most.
    package mutating func refuse(at now: Int64) {
        refusals = min(refusals + 1, 8)
        until = max(until, now + min(15_000_000_000 << Int64(refusals), 3_600_000_000_000))
    }

    /// The credential's own rate limit was reached.
    package mutating func cool(for nanoseconds: Int64, at now: Int64) {
        until = max(until, now + min(max(nanoseconds, 1_000_000_000), 60_000_000_000))
    }

    package mutating func accept() {
        refusals = 0
        until = 0
    }
}

/// How one target does on one loop. Loop thread.
package final class TargetState {
    package var breaker: Breaker
    package var budget = RetryBudget()
    package var latency = PeakLatency()
    /// nil: no route asks for them.
    package var firstBytes: FirstByteTimes?
    package var inFlight: UInt32 = 0

    package init(_ limits: Breaker.Limits = Breaker.Limits()) { breaker = Breaker(limits) }
}

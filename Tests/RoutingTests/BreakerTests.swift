import Routing
import Testing

@Suite("how a node keeps away from what fails")
struct BreakerTests {
    static let second: Int64 = 1_000_000_000

    @Test("failures in a row open the breaker, one probe closes it or doubles the rest")
    func inRow() {
        var breaker = Breaker()
        for call in 1...5 {
            #expect(breaker.isAvailable(at: 0))
            breaker.begin(at: 0)
            breaker.fail(at: 0)
            #expect((breaker.state == .closed) == (call < 5))
        }
        #expect(!breaker.isAvailable(at: Self.second) && breaker.isAvailable(at: 2 * Self.second))
        breaker.begin(at: 2 * Self.second)
        #expect(breaker.state == .probing && !breaker.isAvailable(at: 3 * Self.second))
        breaker.fail(at: 3 * Self.second)
        #expect(breaker.state == .open(until: 7 * Self.second))
        breaker.begin(at: 7 * Self.second)
        breaker.succeed(at: 8 * Self.second)
        #expect(breaker.state == .closed)
        // It begins anew: the rest is short again.
        for _ in 1...5 { breaker.fail(at: 8 * Self.second) }
        #expect(breaker.state == .open(until: 10 * Self.second))
    }

    @Test("every second call failing opens it too, and a probe that was abandoned is made again")
    func ratio() {
        var breaker = Breaker()
        for call in 1...20 {
            #expect(breaker.state == .closed)
            if call % 2 == 0 { breaker.fail(at: 0) } else { breaker.succeed(at: 0) }
        }
        #expect(breaker.state == .open(until: 2 * Self.second))
        breaker.begin(at: 2 * Self.second)
        breaker.abandon(at: 2 * Self.second)
        #expect(breaker.isAvailable(at: 2 * Self.second))
    }

    @Test("few failures among many calls leave it closed", arguments: [3, 4, 10])
    func rare(_ period: Int) {
        var breaker = Breaker()
        for call in 1...1000 {
            if call % period == 0 { breaker.fail(at: 0) } else { breaker.succeed(at: 0) }
        }
        #expect(breaker.state == .closed)
    }

    @Test("extra attempts are a tenth of the calls, and ten")
    func budget() {
        var budget = RetryBudget()
        var taken = 0
        for _ in 0..<1000 {
            budget.noteCall()
            while budget.take() { taken += 1 }
        }
        #expect((100...110).contains(taken))
    }

    @Test("a peak counts at once and is forgotten slowly")
    func latency() {
        var latency = PeakLatency()
        latency.observe(nanoseconds: 5_000_000, at: 0)
        #expect(latency.microseconds == 5000)
        latency.observe(nanoseconds: 80_000_000, at: Self.second)
        #expect(latency.microseconds == 80_000)
        latency.observe(nanoseconds: 5_000_000, at: 2 * Self.second)
        #expect((60_000..<80_000).contains(latency.microseconds))
        latency.observe(nanoseconds: 5_000_000, at: 200 * Self.second)
        #expect((5000...6000).contains(latency.microseconds))
    }

    @Test("a refused credential rests longer each time, one over its rate as long as it is told")
    func credentials() {
        var rest = CredentialRest()
        #expect(!rest.isResting(at: 0))
        rest.refuse(at: 0)
        #expect(rest.isResting(at: 29 * Self.second) && !rest.isResting(at: 30 * Self.second))
        rest.refuse(at: 30 * Self.second)
        #expect(rest.isResting(at: 89 * Self.second) && !rest.isResting(at: 90 * Self.second))
        rest.accept()
        rest.cool(for: 7 * Self.second, at: 90 * Self.second)
        #expect(rest.isResting(at: 96 * Self.second) && !rest.isResting(at: 97 * Self.second))
    }
}

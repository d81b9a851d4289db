import EventLoops
import Testing

/// Collects what fired, and when.
private final class Clockwork: TimerOwner {
    let wheel: TimerWheel
    var now: Int64
    var fired: [(timer: ObjectIdentifier, at: Int64)] = []
    var whenFired: (Timer) -> Void = { _ in }

    init(now: Int64 = 0) {
        self.now = now
        wheel = TimerWheel(now: now)
    }
    func timerFired(_ timer: Timer) {
        fired.append((ObjectIdentifier(timer), now))
        whenFired(timer)
    }
    func advance(by nanoseconds: Int64) {
        now += nanoseconds
        wheel.advance(to: now)
    }
    /// Advances in steps of 1 ms until `timer` fires; the time of that, or nil within `limit`.
    func firing(of timer: Timer, limit: Int64) -> Int64? {
        let end = now + limit
        while now < end {
            advance(by: 1_000_000)
            if let last = fired.last, last.timer == ObjectIdentifier(timer) { return last.at }
        }
        return nil
    }
}

private let slot: Int64 = 1 << 22
private let millisecond: Int64 = 1_000_000
private let second: Int64 = 1_000_000_000

@Suite("Timer wheel")
struct TimerWheelTests {
    @Test(
        "a timer fires once, never early and at most a slot and a step late",
        arguments: [
            1, 1000, millisecond, slot - 1, slot, slot + 1, 10 * millisecond, second, 34 * second,
            35 * second,
            100 * second,
        ])
    func fires(after delay: Int64) throws {
        for start in [0, 1, slot - 1, slot, 123_456_789_012] as [Int64] {
            let clock = Clockwork(now: start)
            let timer = Timer(owner: clock)
            clock.wheel.arm(timer, deadline: start + delay)
            #expect(timer.isArmed)
            let at = try #require(clock.firing(of: timer, limit: delay + second))
            #expect(at >= start + delay)
            #expect(at <= start + delay + slot + millisecond)
            #expect(!timer.isArmed)
            clock.advance(by: 200 * second)
            #expect(clock.fired.count == 1)
            #expect(clock.wheel.count == 0)
        }
    }

    @Test("a deadline moved later fires at the later time only")
    func movedLater() throws {
        let clock = Clockwork()
        let timer = Timer(owner: clock)
        clock.wheel.arm(timer, deadline: 50 * millisecond)
        clock.advance(by: 20 * millisecond)
        clock.wheel.arm(timer, deadline: 3 * second)
        let at = try #require(clock.firing(of: timer, limit: 5 * second))
        #expect(at >= 3 * second && at <= 3 * second + 2 * slot)
        #expect(clock.fired.count == 1)
    }

    @Test("a deadline moved earlier fires at the earlier time only")
    func movedEarlier() throws {
        let clock = Clockwork()
        let timer = Timer(owner: clock)
        clock.wheel.arm(timer, deadline: 20 * second)
        clock.wheel.arm(timer, deadline: 50 * millisecond)
        let at = try #require(clock.firing(of: timer, limit: 30 * second))
        #expect(at <= 50 * millisecond + 2 * slot)
        clock.advance(by: 60 * second)
        #expect(clock.fired.count == 1)
    }

    @Test("a cancelled timer does not fire and nothing of it stays")
    func cancelled() {
        let clock = Clockwork()
        let timer = Timer(owner: clock)
        clock.wheel.arm(timer, deadline: 50 * millisecond)
        timer.cancel()
        #expect(clock.wheel.count == 0)
        #expect(clock.wheel.nanosecondsUntilNext(from: 0) == nil)
        clock.advance(by: second)
        #expect(clock.fired.isEmpty)
    }

    @Test("a cleared timer does not fire, and can be armed again while it is still linked")
    func cleared() throws {
        let clock = Clockwork()
        let timer = Timer(owner: clock)
        clock.wheel.arm(timer, deadline: 50 * millisecond)
        timer.clear()
        #expect(!timer.isArmed)
        clock.wheel.arm(timer, deadline: 90 * millisecond)
        #expect(try #require(clock.firing(of: timer, limit: second)) >= 90 * millisecond)
        timer.clear()
        clock.wheel.arm(timer, deadline: clock.now + 50 * millisecond)
        timer.clear()
        clock.advance(by: second)
        #expect(clock.fired.count == 1)
        #expect(clock.wheel.count == 0)
    }

    @Test("a timer that goes away takes itself out of the wheel")
    func goesAway() {
        let clock = Clockwork()
        var first: Timer? = Timer(owner: clock)
        let second = Timer(owner: clock)
        clock.wheel.arm(first!, deadline: 50 * millisecond)
        clock.wheel.arm(second, deadline: 50 * millisecond)
        first = nil
        #expect(clock.wheel.count == 1)
        clock.advance(by: slot * 100)
        #expect(clock.fired.map(\.timer) == [ObjectIdentifier(second)])
    }

    @Test("a timer with a body is kept by the wheel until it fires, and not longer")
    func bodyIsKept() {
        let clock = Clockwork()
        final class Token {}
        var token: Token? = Token()
        weak let watched = token
        var count = 0
        clock.wheel.arm(Timer { [token] in if token != nil { count += 1 } }, deadline: 10 * millisecond)
        token = nil
        #expect(watched != nil)
        clock.advance(by: second)
        #expect(count == 1)
        #expect(watched == nil)
    }

    @Test("a firing timer may cancel its neighbours and arm itself again")
    func rearmsWhileFiring() {
        let clock = Clockwork()
        let timers = (0..<4).map { _ in Timer(owner: clock) }
        for timer in timers { clock.wheel.arm(timer, deadline: 10 * millisecond) }
        clock.whenFired = { fired in
            for timer in timers where timer !== fired { timer.cancel() }
            clock.wheel.arm(fired, deadline: clock.now)
            clock.whenFired = { _ in }
        }
        clock.advance(by: 20 * millisecond)
        clock.advance(by: 20 * millisecond)
        #expect(clock.fired.count == 2)
        #expect(Set(clock.fired.map(\.timer)).count == 1)
        #expect(clock.wheel.count == 0)
    }

    @Test("the time until the next slot is never past the earliest deadline's slot")
    func untilNext() {
        let clock = Clockwork(now: 5 * second)
        #expect(clock.wheel.nanosecondsUntilNext(from: clock.now) == nil)
        let timers = [9 * second, second, 40 * second].map { delay in
            let timer = Timer(owner: clock)
            clock.wheel.arm(timer, deadline: clock.now + delay)
            return timer
        }
        var wait = clock.wheel.nanosecondsUntilNext(from: clock.now)!
        #expect(wait >= second && wait <= second + slot)
        clock.advance(by: wait)
        #expect(clock.fired.map(\.timer) == [ObjectIdentifier(timers[1])])
        var turns = 0
        while let next = clock.wheel.nanosecondsUntilNext(from: clock.now) {
            wait = next
            clock.advance(by: max(wait, 1))
            turns += 1
        }
        #expect(clock.fired.count == 3)
        #expect(turns <= 4, "sleeping to the next slot wakes a handful of times, not for every slot")
    }

    @Test("a jump of the clock over the whole wheel fires everything that is due and nothing else")
    func jump() {
        let clock = Clockwork()
        let due = Timer(owner: clock)
        let later = Timer(owner: clock)
        clock.wheel.arm(due, deadline: second)
        clock.wheel.arm(later, deadline: 4000 * second)
        clock.advance(by: 3600 * second)
        #expect(clock.fired.map(\.timer) == [ObjectIdentifier(due)])
        clock.advance(by: 3600 * second)
        #expect(clock.fired.count == 2)
    }

    @Test("random arming, moving and cancelling agrees with a list", arguments: [1, 2, 3, 42] as [UInt64])
    func agreesWithModel(seed: UInt64) {
        var random = SplitMix(state: seed)
        let clock = Clockwork(now: Int64(seed) * 7_777_777)
        let timers = (0..<64).map { _ in Timer(owner: clock) }
        var model: [ObjectIdentifier: Int64] = [:]
        clock.whenFired = { timer in
            let deadline = model.removeValue(forKey: ObjectIdentifier(timer))
            #expect(deadline != nil && deadline! <= clock.now, "seed \(seed)")
        }
        for _ in 0..<20_000 {
            let timer = timers[Int(random.next() % 64)]
            switch random.next() % 8 {
            case 0:
                clock.wheel.disarm(timer)
                model[ObjectIdentifier(timer)] = nil
            case 1:
                timer.clear()
                model[ObjectIdentifier(timer)] = nil
            case 2...4:
                let spread = [slot, second, 60 * second][Int(random.next() % 3)]
                let deadline = clock.now + 1 + Int64(random.next() % UInt64(spread))
                clock.wheel.arm(timer, deadline: deadline)
                model[ObjectIdentifier(timer)] = deadline
            default:
                clock.advance(by: Int64(random.next() % UInt64(50 * millisecond)))
                for deadline in model.values {
                    #expect(deadline + slot > clock.now, "overdue by more than a slot; seed \(seed)")
                }
            }
        }
        clock.advance(by: 120 * second)
        clock.whenFired = { _ in }
        #expect(model.isEmpty)
        #expect(clock.wheel.count == 0)
    }
}

/// A seeded generator (SplitMix64).
struct SplitMix {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

import Policy
import TestSupport
import Testing

@Suite("rate bucket")
struct RateBucketTests {
    private static let second: Int64 = 1_000_000_000
    private static let perMinute = RateBucket.Rule(
        amount: 600, periodNanoseconds: 60 * second, burstNanoseconds: 10 * second)

    @Test("a full bucket gives its burst, then one unit a tenth of a second")
    func burst() {
        var bucket = RateBucket(Self.perMinute, at: 0)
        bucket.setShare(600, isFull: true, at: 0)
        #expect(bucket.available(at: 0) == 100)
        bucket.take(100, at: 0)
        #expect(bucket.untilFull(at: 0) == 10 * Self.second)
        #expect(bucket.wait(for: 1, at: 0) == Self.second / 10)
        #expect(bucket.wait(for: 1, at: Self.second / 10) == 0)
    }

    @Test("a share that grows gives no free burst; one that shrinks keeps at most its own")
    func shares() {
        var bucket = RateBucket(Self.perMinute, at: 0)
        bucket.setShare(6, at: 0)
        bucket.setShare(600, at: 0)
        #expect(bucket.available(at: 0) == 0)
        #expect(bucket.available(at: 5 * Self.second) == 50)
        bucket.setShare(60, at: 5 * Self.second)
        #expect(bucket.available(at: 5 * Self.second) == 10)
        bucket.setShare(0, at: 5 * Self.second)
        #expect(bucket.available(at: 100 * Self.second) == 1)
        bucket.take(1, at: 100 * Self.second)
        #expect(bucket.wait(for: 1, at: 100 * Self.second) == nil)
    }

    @Test("more than a burst is taken from a full bucket as debt, and what was too much comes back")
    func debt() {
        var bucket = RateBucket(Self.perMinute, at: 0)
        bucket.setShare(600, isFull: true, at: 0)
        #expect(bucket.wait(for: 250, at: 0) == 0)
        bucket.take(250, at: 0)
        #expect(bucket.wait(for: 1, at: 0) == 151 * Self.second / 10)
        bucket.take(-250, at: 0)
        #expect(bucket.available(at: 0) == 100)
    }

    @Test("a clock that stands or goes back gives nothing")
    func clock() {
        var bucket = RateBucket(Self.perMinute, at: 5 * Self.second)
        bucket.setShare(600, at: 5 * Self.second)
        #expect(bucket.available(at: 0) == 0)
        #expect(bucket.available(at: 6 * Self.second) == 10)
    }

    @Test("in any stretch of time never more than rate and one burst", arguments: SeededGenerator.seeds)
    func bound(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var bucket = RateBucket(Self.perMinute, at: 0)
        bucket.setShare(600, isFull: true, at: 0)
        var now: Int64 = 0, taken: Int64 = 0
        for _ in 0..<5_000 {
            now += Int64.random(in: 0...300_000_000, using: &generator)
            let units = Int64.random(in: 1...3, using: &generator)
            if bucket.wait(for: units, at: now) == 0 {
                bucket.take(units, at: now)
                taken += units
            }
            if Int.random(in: 0..<20, using: &generator) == 0 {
                bucket.setShare(Int64.random(in: 0...600, using: &generator), at: now)
            }
            #expect(taken <= 100 + now / (Self.second / 10) + 2)
        }
    }
}

import Domain
import Operations
import Testing

@Suite("Token buckets")
struct TokenBucketsTests {
    private let start = Timestamp(microseconds: 1_000_000_000)

    @Test("a burst passes, then one in so many seconds, each subject by itself")
    func rate() {
        var buckets = TokenBuckets<String>(perSecond: 2, burst: 3)
        #expect((0..<3).allSatisfy { _ in buckets.take("a", at: start) == nil })
        #expect(buckets.take("a", at: start) == 0.5)
        #expect(buckets.take("b", at: start) == nil)
        let later = start.advanced(bySeconds: 1)
        #expect(buckets.take("a", at: later) == nil && buckets.take("a", at: later) == nil)
        #expect(buckets.take("a", at: later) != nil)
    }

    @Test("a clock that goes back gives nothing away and blocks nobody for longer than one that stands")
    func backwards() {
        var buckets = TokenBuckets<String>(perSecond: 1, burst: 1)
        #expect(buckets.take("a", at: start) == nil)
        let before = start.advanced(bySeconds: -3600)
        #expect(buckets.take("a", at: before) == 1)
        #expect(buckets.take("a", at: before.advanced(bySeconds: 1)) == nil)
    }

    @Test("there are never more subjects than allowed; who waits is forgotten last")
    func bounded() {
        var buckets = TokenBuckets<Int>(perSecond: 0.1, burst: 1, maximumSubjects: 100)
        for subject in 0..<1000 {
            _ = buckets.take(subject, at: start.advanced(bySeconds: Int64(subject)))
            #expect(buckets.subjectCount <= 100)
        }
        #expect(buckets.take(999, at: start.advanced(bySeconds: 999)) != nil)
    }
}

import Store
import Testing

@Suite("latency buckets")
struct LatencyBucketTests {
    @Test("every time lies in its class, classes follow each other, and none is wider than an eighth")
    func bounds() {
        var end: Int64 = 0
        for number in Int64(0)..<200 {
            let bounds = LatencyBucket(number: number).bounds
            #expect(bounds.lowerBound == end)
            end = bounds.upperBound
            for time in [bounds.lowerBound, bounds.upperBound - 1] {
                #expect(LatencyBucket(microseconds: time).number == number)
            }
            if number > 0 { #expect(Double(bounds.count) / Double(bounds.lowerBound) <= 0.125) }
        }
        #expect(LatencyBucket(microseconds: -1).number == 0)
        #expect(LatencyBucket(microseconds: .max).number >= 200)
    }

    @Test("percentiles are true to an eighth, whatever the order they came in")
    func percentiles() {
        var histogram = LatencyHistogram()
        #expect(histogram.percentile(50) == 0)
        for time in (1...1000).shuffled() {
            histogram.add(LatencyBucket(microseconds: Int64(time) * 10_000), 1)
        }
        for percent in [1, 50, 90, 99, 100] {
            let exact = Int64(percent) * 100_000
            #expect(abs(histogram.percentile(percent) - exact) * 8 <= exact, "\(percent)")
        }
    }
}

import Routing
import Testing

@Suite("how long a target takes to begin")
struct FirstByteTests {
    @Test("a percentile is one of the times that were seen, once there are enough")
    func percentile() {
        var times = FirstByteTimes()
        for milliseconds in 1...19 { times.observe(nanoseconds: Int64(milliseconds) * 1_000_000) }
        #expect(times.percentile(50) == nil)
        times.observe(nanoseconds: 20_000_000)
        let rows: [(Int32, Int64)] = [(50, 10), (90, 18), (95, 19), (99, 20)]
        for (percent, milliseconds) in rows {
            #expect(times.percentile(percent) == milliseconds * 1_000_000, "p\(percent)")
        }
    }

    @Test("old times are forgotten, the oldest first")
    func window() {
        var times = FirstByteTimes()
        for _ in 0..<128 { times.observe(nanoseconds: 9_000_000_000) }
        for _ in 0..<127 { times.observe(nanoseconds: 1_000_000) }
        #expect(times.percentile(99) == 1_000_000)
        times.observe(nanoseconds: 1_000_000)
        #expect(times.percentile(99) == 1_000_000)
        for _ in 0..<64 { times.observe(nanoseconds: 5_000_000) }
        #expect(times.percentile(50) == 1_000_000 && times.percentile(51) == 5_000_000)
    }
}

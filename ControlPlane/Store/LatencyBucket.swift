/// A class of times of nearly the same length: eight to each doubling, from one millisecond on, so that what
/// is said of a class is true of each of its times within an eighth.
package struct LatencyBucket: Hashable, Sendable {
    /// 0: less than 1.024 ms.
    package let number: Int64

    private static let firstOctave = 10
    private static let lastOctave = 40

    package init(number: Int64) { self.number = number }

    package init(microseconds: Int64) {
        guard microseconds >= 1 << Self.firstOctave else {
            number = 0
            return
        }
        let octave = min(63 - microseconds.leadingZeroBitCount, Self.lastOctave)
        let eighth = min(microseconds >> (octave - 3), 15) & 7
        number = Int64(octave - Self.firstOctave) * 8 + eighth + 1
    }

    /// The shortest of its times, and the shortest that is longer than all of them. Unit: microseconds.
    package var bounds: Range<Int64> { Self.start(number)..<Self.start(number + 1) }

    private static func start(_ number: Int64) -> Int64 {
        guard number > 0 else { return 0 }
        let octave = Int((number - 1) / 8) + firstOctave
        return (8 + (number - 1) % 8) << (octave - 3)
    }
}

/// How often times of each class were seen.
package struct LatencyHistogram: Hashable, Sendable {
    private var counts: [Int64: Int64] = [:]

    package init() {}

    package mutating func add(_ bucket: LatencyBucket, _ calls: Int64) {
        counts[bucket.number, default: 0] += calls
    }

    package var calls: Int64 { counts.values.reduce(0, +) }

    /// The time that so many per cent of the calls did not take longer than, to within an eighth; 0: there
    /// were none. Unit: microseconds.
    package func percentile(_ percent: Int) -> Int64 {
        let wanted = Double(calls) * Double(percent) / 100
        var seen = 0.0
        for (number, count) in counts.sorted(by: { $0.key < $1.key }) {
            if seen + Double(count) >= wanted {
                // As if the times of a class lay evenly in it.
                let bounds = LatencyBucket(number: number).bounds
                let share = count == 0 ? 0 : max(0, wanted - seen) / Double(count)
                return bounds.lowerBound + Int64(Double(bounds.count) * share)
            }
            seen += Double(count)
        }
        return 0
    }
}

import Synchronization

/// One thread's part of a counter. Increments are relaxed atomic additions, a few nanoseconds; a scrape adds
/// the parts.
package final class CounterCell: Sendable {
    private let value = Atomic<Int64>(0)

    /// Counters only rise: a negative amount is taken as zero.
    package func add(_ amount: Int64 = 1) {
        if amount > 0 { value.wrappingAdd(amount, ordering: .relaxed) }
    }

    package var current: Int64 { value.load(ordering: .relaxed) }
}

/// One thread's part of a gauge: the gauge shows the sum of its parts.
package final class GaugeCell: Sendable {
    private let value = Atomic<Int64>(0)

    package func set(_ newValue: Int64) { value.store(newValue, ordering: .relaxed) }
    package func add(_ amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
    package var current: Int64 { value.load(ordering: .relaxed) }
}

/// One thread's part of a histogram over whole numbers, such as microseconds.
package final class HistogramCell: @unchecked Sendable {
    // Fixed at creation and freed at the end; the cells themselves are atomic, so any thread may observe.
    private let bounds: [Int64]
    private let counts: UnsafeMutablePointer<Atomic<Int64>>
    private let sum = Atomic<Int64>(0)

    init(bounds: [Int64]) {
        self.bounds = bounds
        counts = .allocate(capacity: bounds.count + 1)
        for index in 0...bounds.count { (counts + index).initialize(to: Atomic(0)) }
    }

    /// Counts one value, in the histogram's unit. Negative values count as zero.
    package func observe(_ value: Int64) {
        let value = max(0, value)
        var index = 0
        while index < bounds.count, bounds[index] < value { index += 1 }
        counts[index].wrappingAdd(1, ordering: .relaxed)
        sum.wrappingAdd(value, ordering: .relaxed)
    }

    /// Counts per bucket, the last one without a bound, and the sum of all values.
    var current: (counts: [Int64], sum: Int64) {
        ((0...bounds.count).map { counts[$0].load(ordering: .relaxed) }, sum.load(ordering: .relaxed))
    }

    deinit {
        counts.deinitialize(count: bounds.count + 1)
        counts.deallocate()
    }
}

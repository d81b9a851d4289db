import Synchronization

/// All series of one metric: a name, its labels, and for every combination of label values the parts threads
/// add to.
///
/// At most `maximumSeries` combinations exist; whatever comes later is counted together under "other", so
/// that no caller-chosen text can grow memory. Any thread; `cell` takes a lock, the cell it returns does not:
/// keep cells.
package final class MetricFamily<Cell: AnyObject & Sendable>: Sendable {
    package let name: String
    package let help: String
    package let labels: [String]
    /// Longer label values are cut. Unit: bytes.
    package static var maximumLabelBytes: Int { 128 }

    private static var maximumParts: Int { 64 }
    private let maximumSeries: Int
    private let makeCell: @Sendable () -> Cell
    private let state = Mutex(State())

    private struct State {
        /// Parts by label values.
        var series: [[String]: [Cell]] = [:]
        var overflows = 0
    }

    init(
        name: String, help: String, labels: [String], maximumSeries: Int,
        makeCell: @escaping @Sendable () -> Cell
    ) {
        self.name = name
        self.help = help
        self.labels = labels
        self.maximumSeries = maximumSeries
        self.makeCell = makeCell
    }

    /// A new part of the series with these label values, for the calling thread to keep. One value for each
    /// label.
    package func cell(_ values: String...) -> Cell { cell(values) }

    package func cell(_ values: [String]) -> Cell {
        precondition(values.count == labels.count, "\(name) has the labels \(labels)")
        let values = values.map(Self.bounded)
        return state.withLock { state in
            var key = values
            if state.series[key] == nil && state.series.count >= maximumSeries {
                state.overflows += 1
                key = values.map { _ in "other" }
            }
            // Past so many threads they share a part, which costs a contended cache line and nothing else.
            if let parts = state.series[key], parts.count >= Self.maximumParts {
                return parts[parts.count - 1]
            }
            let cell = makeCell()
            state.series[key, default: []].append(cell)
            return cell
        }
    }

    /// A cache of cells for one thread, for label values known only at run time.
    package func cellsOfThisThread() -> MetricCellCache<Cell> { MetricCellCache(self) }

    /// Label values and parts of every series, sorted by label values.
    var snapshot: [(values: [String], cells: [Cell])] {
        let series = state.withLock { $0.series }
        return series.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { ($0.key, $0.value) }
    }

    /// How many cells were asked for beyond `maximumSeries`.
    var overflows: Int { state.withLock { $0.overflows } }

    private static func bounded(_ value: String) -> String {
        guard value.utf8.count > maximumLabelBytes else { return value }
        var cut = ""
        for character in value.unicodeScalars {
            if cut.utf8.count + Unicode.UTF8.width(character) > maximumLabelBytes { break }
            cut.unicodeScalars.append(character)
        }
        return cut
    }
}

extension Unicode.UTF8 {
    fileprivate static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0..<0x80: 1
        case 0x80..<0x800: 2
        case 0x800..<0x1_0000: 3
        default: 4
        }
    }
}

/// One thread's cells by label values. Not Sendable; a hit costs a dictionary look-up and takes no lock.
///
/// Bounded like its family: past the limit all unknown values share one cell.
package final class MetricCellCache<Cell: AnyObject & Sendable> {
    private let family: MetricFamily<Cell>
    private var cells: [[String]: Cell] = [:]
    private var overflow: Cell?
    private static var capacity: Int { 4_096 }

    init(_ family: MetricFamily<Cell>) { self.family = family }

    package subscript(_ values: String...) -> Cell {
        if let cell = cells[values] { return cell }
        if cells.count >= Self.capacity {
            if let overflow { return overflow }
            let cell = family.cell(values.map { _ in "other" })
            overflow = cell
            return cell
        }
        let cell = family.cell(values)
        cells[values] = cell
        return cell
    }
}

package typealias Counter = MetricFamily<CounterCell>
package typealias Gauge = MetricFamily<GaugeCell>
package typealias Histogram = MetricFamily<HistogramCell>

import Synchronization

/// Every metric of the process, and its page in the Prometheus text format 0.0.4.
///
/// Metrics are made once, at start; asking again for the same name gives the same metric. Any thread.
package final class MetricsRegistry: Sendable {
    /// The media type of `text()`.
    package static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    private enum Entry: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram, bounds: [Int64], scale: Double)
        case computed(help: String, type: String, read: @Sendable () -> Double)
    }

    private let entries = Mutex<[String: Entry]>([:])

    package init() {}

    /// A count that only rises; by convention its name ends in `_total`.
    package func counter(
        _ name: String, help: String, labels: [String] = [], maximumSeries: Int = 1_000
    ) -> Counter {
        entry(name, labels) {
            .counter(
                Counter(name: name, help: help, labels: labels, maximumSeries: maximumSeries) {
                    CounterCell()
                })
        } as: {
            if case .counter(let counter) = $0, counter.labels == labels { counter } else { nil }
        }
    }

    /// A whole number that rises and falls.
    package func gauge(
        _ name: String, help: String, labels: [String] = [], maximumSeries: Int = 1_000
    ) -> Gauge {
        entry(name, labels) {
            .gauge(
                Gauge(name: name, help: help, labels: labels, maximumSeries: maximumSeries) { GaugeCell() })
        } as: {
            if case .gauge(let gauge) = $0, gauge.labels == labels { gauge } else { nil }
        }
    }

    /// How whole numbers spread over buckets.
    ///
    /// `bounds` are the upper ends of the buckets, rising, in the unit of `observe`; the page multiplies them
    /// and the sum by `scale`, such as 0.000001 to observe microseconds and show seconds.
    package func histogram(
        _ name: String, help: String, labels: [String] = [], bounds: [Int64], scale: Double = 1,
        maximumSeries: Int = 200
    ) -> Histogram {
        precondition(
            bounds == bounds.sorted() && Set(bounds).count == bounds.count, "\(name): bounds must rise")
        precondition(!labels.contains("le"), "\(name): `le` names the buckets")
        return entry(name, labels) {
            let make: @Sendable () -> HistogramCell = { HistogramCell(bounds: bounds) }
            let family = Histogram(
                name: name, help: help, labels: labels, maximumSeries: maximumSeries, makeCell: make)
            return .histogram(family, bounds: bounds, scale: scale)
        } as: {
            if case .histogram(let histogram, bounds, scale) = $0, histogram.labels == labels {
                histogram
            } else {
                nil
            }
        }
    }

    /// A gauge that is read when the page is made, on the thread that asks for it.
    package func computedGauge(_ name: String, help: String, _ read: @escaping @Sendable () -> Double) {
        register(name, .computed(help: help, type: "gauge", read: read))
    }

    /// A counter kept elsewhere, such as by the kernel, read when the page is made.
    package func computedCounter(_ name: String, help: String, _ read: @escaping @Sendable () -> Double) {
        register(name, .computed(help: help, type: "counter", read: read))
    }

    /// The page, metrics sorted by name.
    package func text() -> String {
        var page = MetricsPage()
        let entries = entries.withLock { $0 }.sorted { $0.key < $1.key }
        var overflows: [(String, Int)] = []
        for (name, entry) in entries {
            switch entry {
            case .counter(let family):
                page.begin(name, help: family.help, type: "counter")
                for (values, cells) in family.snapshot {
                    page.line(name, family.labels, values, "\(cells.reduce(0) { $0 + $1.current })")
                }
                overflows.append((name, family.overflows))
            case .gauge(let family):
                page.begin(name, help: family.help, type: "gauge")
                for (values, cells) in family.snapshot {
                    page.line(name, family.labels, values, "\(cells.reduce(0) { $0 + $1.current })")
                }
                overflows.append((name, family.overflows))
            case .histogram(let family, let bounds, let scale):
                page.begin(name, help: family.help, type: "histogram")
                for (values, cells) in family.snapshot {
                    page.histogram(name, family.labels, values, bounds: bounds, scale: scale, cells)
                }
                overflows.append((name, family.overflows))
            case .computed(let help, let type, let read):
                page.begin(name, help: help, type: type)
                page.line(name, [], [], MetricsPage.number(read()))
            }
        }
        page.overflows(overflows.filter { $0.1 > 0 })
        return page.text
    }

    private func entry<Family>(
        _ name: String, _ labels: [String], make: () -> Entry, as cast: (Entry) -> Family?
    ) -> Family {
        precondition(Self.isName(name, colons: true), "\(name) is no metric name")
        precondition(
            labels.allSatisfy { Self.isName($0, colons: false) && !$0.hasPrefix("__") }, "\(name): labels")
        let family = entries.withLock { entries in
            let entry = entries[name] ?? make()
            entries[name] = entry
            return cast(entry)
        }
        guard let family else { preconditionFailure("\(name) exists already and is another metric") }
        return family
    }

    private func register(_ name: String, _ entry: Entry) {
        precondition(Self.isName(name, colons: true), "\(name) is no metric name")
        entries.withLock { entries in
            precondition(entries[name] == nil, "\(name) exists already")
            entries[name] = entry
        }
    }

    private static func isName(_ name: String, colons: Bool) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            ($0 | 0x20) &- 0x61 < 26 || $0 &- 0x30 < 10 || $0 == 0x5F || (colons && $0 == 0x3A)
        }
    }
}

/// Text in the Prometheus exposition format 0.0.4.
private struct MetricsPage {
    private(set) var text = ""

    mutating func begin(_ name: String, help: String, type: String) {
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(type)\n"
    }

    mutating func line(_ name: String, _ labels: [String], _ values: [String], _ value: String) {
        text += name
        if !labels.isEmpty {
            let pairs = zip(labels, values).map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
            text += "{" + pairs.joined(separator: ",") + "}"
        }
        text += " \(value)\n"
    }

    mutating func histogram(
        _ name: String, _ labels: [String], _ values: [String], bounds: [Int64], scale: Double,
        _ cells: [HistogramCell]
    ) {
        var counts = [Int64](repeating: 0, count: bounds.count + 1)
        var sum: Int64 = 0
        for cell in cells {
            let (cellCounts, cellSum) = cell.current
            for index in counts.indices { counts[index] += cellCounts[index] }
            sum += cellSum
        }
        var cumulative: Int64 = 0
        for (index, count) in counts.enumerated() {
            cumulative += count
            let bound = index < bounds.count ? Self.number(Double(bounds[index]) * scale) : "+Inf"
            line(name + "_bucket", labels + ["le"], values + [bound], "\(cumulative)")
        }
        line(name + "_sum", labels, values, Self.number(Double(sum) * scale))
        line(name + "_count", labels, values, "\(cumulative)")
    }

    mutating func overflows(_ counts: [(String, Int)]) {
        guard !counts.isEmpty else { return }
        let name = "eclusa_metric_overflows_total"
        begin(
            name, help: "Cells counted under \"other\" because a metric had too many series.", type: "counter"
        )
        for (metric, count) in counts { line(name, ["metric"], [metric], "\(count)") }
    }

    /// Shortest form; whole numbers without a fraction, so 0.000001 × 5000 reads 0.005 and 1.0 reads 1.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value) { return "\(whole)" }
        // Scaled bounds carry the error of one multiplication; nine digits are what anybody reads.
        let rounded = (value * 1e9).rounded() / 1e9
        return "\(rounded == 0 ? value : rounded)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}

import Testing

@testable import Telemetry

@Suite("Metrics")
struct MetricsTests {
    @Test("the page is the Prometheus text format, sorted, escaped, with the parts of all threads added")
    func page() {
        let registry = MetricsRegistry()
        let calls = registry.counter(
            "eclusa_calls_total", help: "Calls\nby route \\ code.", labels: ["route", "code"])
        calls.cell("chat", "200").add()
        calls.cell("chat", "200").add(2)
        calls.cell("a\"\\\nb", "500").add()
        let open = registry.gauge("eclusa_open", help: "Open connections.")
        let first = open.cell()
        first.set(5)
        open.cell().add(-2)
        registry.computedGauge("eclusa_age_seconds", help: "Age.") { 0.25 }
        let latency = registry.histogram(
            "eclusa_latency_seconds", help: "Latency.", bounds: [1_000, 5_000, 1_000_000], scale: 0.000_001)
        let cell = latency.cell()
        for value in [0, 1_000, 1_001, 5_000, 2_000_000, -5] as [Int64] { cell.observe(value) }
        #expect(
            registry.text() == #"""
                # HELP eclusa_age_seconds Age.
                # TYPE eclusa_age_seconds gauge
                eclusa_age_seconds 0.25
                # HELP eclusa_calls_total Calls\nby route \\ code.
                # TYPE eclusa_calls_total counter
                eclusa_calls_total{route="a\"\\\nb",code="500"} 1
                eclusa_calls_total{route="chat",code="200"} 3
                # HELP eclusa_latency_seconds Latency.
                # TYPE eclusa_latency_seconds histogram
                eclusa_latency_seconds_bucket{le="0.001"} 3
                eclusa_latency_seconds_bucket{le="0.005"} 5
                eclusa_latency_seconds_bucket{le="1"} 5
                eclusa_latency_seconds_bucket{le="+Inf"} 6
                eclusa_latency_seconds_sum 2.007001
                eclusa_latency_seconds_count 6
                # HELP eclusa_open Open connections.
                # TYPE eclusa_open gauge
                eclusa_open 3

                """#)
        #expect(first.current == 5)
    }

    @Test("whatever callers put into labels, series stay bounded: the rest counts as \"other\"")
    func boundedSeries() {
        let registry = MetricsRegistry()
        let calls = registry.counter("calls_total", help: "Calls.", labels: ["model"], maximumSeries: 3)
        for index in 0..<100 { calls.cell("m\(index)").add() }
        let text = registry.text()
        #expect(text.contains("calls_total{model=\"other\"} 97\n"))
        #expect(text.contains("calls_total{model=\"m2\"} 1\n"))
        #expect(!text.contains("m3"))
        #expect(text.contains("eclusa_metric_overflows_total{metric=\"calls_total\"} 97\n"))
        #expect(calls.snapshot.count == 4)
    }

    @Test("cells made per call by mistake are shared past a bound, and nothing is lost")
    func boundedParts() {
        let registry = MetricsRegistry()
        let calls = registry.counter("calls_total", help: "Calls.")
        for _ in 0..<1_000 { calls.cell().add() }
        #expect(calls.snapshot.first?.cells.count == 64)
        #expect(registry.text().contains("calls_total 1000\n"))
    }

    @Test("a thread's cache gives the same cell again, and one shared cell beyond its bound")
    func cache() {
        let registry = MetricsRegistry()
        let calls = registry.counter("calls_total", help: "Calls.", labels: ["k"], maximumSeries: 10_000)
        let cells = calls.cellsOfThisThread()
        #expect(cells["a"] === cells["a"])
        for index in 0..<5_000 { cells["k\(index)"].add() }
        #expect(cells["late"] === cells["later"])
        #expect(calls.snapshot.flatMap(\.cells).reduce(0) { $0 + $1.current } == 5_000)
    }

    @Test("a label value is cut at 128 bytes, between characters")
    func longLabels() {
        let registry = MetricsRegistry()
        let calls = registry.counter("calls_total", help: "Calls.", labels: ["k"])
        for scalar in ["a", "é", "€", "😀"] {
            calls.cell(String(repeating: scalar, count: 200)).add()
        }
        for series in calls.snapshot { #expect((126...128).contains(series.values[0].utf8.count)) }
        #expect(calls.snapshot.count == 4)
    }

    @Test("the same name gives the same metric")
    func sameMetric() {
        let registry = MetricsRegistry()
        #expect(registry.counter("c_total", help: "C.") === registry.counter("c_total", help: "C."))
        #expect(registry.gauge("g", help: "G.") === registry.gauge("g", help: "G."))
        let first = registry.histogram("h", help: "H.", bounds: [1])
        #expect(first === registry.histogram("h", help: "H.", bounds: [1]))
    }

    @Test("a counter never falls")
    func monotonic() {
        let cell = CounterCell()
        cell.add(3)
        cell.add(-2)
        #expect(cell.current == 3)
    }

    @Test("numbers that are none have their names")
    func specialNumbers() {
        let registry = MetricsRegistry()
        registry.computedGauge("a", help: "A.") { .nan }
        registry.computedGauge("b", help: "B.") { .infinity }
        registry.computedGauge("c", help: "C.") { -.infinity }
        registry.computedGauge("d", help: "D.") { 1e-12 }
        let lines = registry.text().split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines == ["a NaN", "b +Inf", "c -Inf", "d 1e-12"])
    }

    @Test("increments from many threads are all counted")
    func threads() async {
        let registry = MetricsRegistry()
        let calls = registry.counter("calls_total", help: "Calls.")
        let shared = registry.histogram("h", help: "H.", bounds: [10]).cell()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let cell = calls.cell()
                    for value in 0..<1_000 as Range<Int64> {
                        cell.add()
                        shared.observe(value)
                    }
                }
            }
        }
        #expect(registry.text().contains("calls_total 8000\n"))
        #expect(shared.current.counts == [88, 7_912])
    }

    @Test("the process shows its own figures")
    func processMetrics() throws {
        let registry = MetricsRegistry()
        registry.addProcessMetrics()
        let lines = registry.text().split(separator: "\n").filter { !$0.hasPrefix("#") }
        let values = Dictionary(
            uniqueKeysWithValues: lines.map { line in
                let parts = line.split(separator: " ")
                return (String(parts[0]), Double(parts[1]) ?? -1)
            })
        #expect(values.count == 5)
        #expect(try #require(values["process_resident_memory_bytes"]) > 1_000_000)
        #expect(try #require(values["process_open_fds"]) >= 3)
        #expect(try #require(values["process_max_fds"]) >= 3)
        #expect(try #require(values["process_cpu_seconds_total"]) > 0)
        #expect(try #require(values["process_start_time_seconds"]) > 1_700_000_000)
    }
}

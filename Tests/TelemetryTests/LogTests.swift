import Glibc
import JSONText
import Synchronization
import Testing

@testable import Telemetry

/// Collects lines and can refuse them, as a full pipe does.
private final class LineCollector: Sendable {
    private let state = Mutex((lines: [[UInt8]](), refuses: false))

    func output(_ level: LogLevel) -> LogOutput {
        LogOutput(level: level) { [self] line in
            state.withLock { state in
                if state.refuses { return false }
                state.lines.append([UInt8](line))
                return true
            }
        }
    }

    func refuse(_ refuses: Bool) { state.withLock { $0.refuses = refuses } }
    var lines: [[UInt8]] { state.withLock { $0.lines } }
    func parsed() throws -> [JSONValue] { try lines.map { try JSONValue.parse($0) } }
}

@Suite("Log")
struct LogTests {
    @Test("a line is one JSON object with time, level, message and fields in order")
    func line() throws {
        let collector = LineCollector()
        let log = Log(output: collector.output(.info)) { 1_738_367_999_000_001 }
        log.with(["request_id": "r1"]).warning(
            "upstream is slow",
            ["provider": "p\"1\n", "ms": 1_500, "ratio": 0.5, "retried": true, "model": nil])
        let text = String(decoding: try #require(collector.lines.first), as: UTF8.self)
        #expect(
            text == #"{"ts":"2025-01-31T23:59:59.000001Z","level":"warning","message":"upstream is slow","#
                + #""request_id":"r1","provider":"p\"1\n","ms":1500,"ratio":0.5,"retried":true,"model":null}"#
                + "\n")
    }

    @Test(
        "lines below the level are not written and their fields not even made", arguments: LogLevel.allCases)
    func levels(_ level: LogLevel) throws {
        let collector = LineCollector()
        let log = Log(output: collector.output(level))
        var made = 0
        func fields() -> LogFields {
            made += 1
            return [:]
        }
        log.debug("m", fields())
        log.info("m", fields())
        log.warning("m", fields())
        log.error("m", fields())
        for other in LogLevel.allCases { log.log(other, "m", fields()) }
        let expected = LogLevel.allCases.filter { $0 >= level }.count * 2
        #expect(made == expected)
        #expect(collector.lines.count == expected)
        #expect(log.isEnabled(level))
        #expect(LogLevel(name: level.name) == level)
        log.output.level = .error
        #expect(!log.isEnabled(.warning))
    }

    @Test("a level has one of four names")
    func levelNames() { #expect(LogLevel(name: "verbose") == nil) }

    @Test("a field cannot take the place of another, so the line stays strict JSON")
    func repeatedNames() throws {
        let collector = LineCollector()
        let log = Log(output: collector.output(.info)).with(["a": 1])
        log.info("m", ["a": 2, "level": "x", "ts": 3])
        let line = try #require(try collector.parsed().first)
        #expect(line["a"]?.exactInt64 == 1)
        #expect(line["a_"]?.exactInt64 == 2)
        #expect(line["level"]?.string == "info")
        #expect(line["level_"]?.string == "x")
        #expect(line["ts_"]?.exactInt64 == 3)
    }

    @Test("whatever the fields hold, a line is at most 4096 bytes, one line, and strict JSON")
    func longLines() throws {
        let collector = LineCollector()
        let log = Log(output: collector.output(.info))
        let values = [
            String(repeating: "x", count: 5_000), String(repeating: "\u{1}", count: 600), "\n\r\u{2028}é",
        ]
        for value in values {
            log.info("m", ["first": LogValue(value), "second": "kept", "third": LogValue(value)])
        }
        for line in collector.lines {
            #expect(line.count <= LogOutput.maximumLineBytes)
            #expect(line.filter { $0 == 0x0A }.count == 1 && line.last == 0x0A)
        }
        let parsed = try collector.parsed()
        #expect(parsed[0]["truncated"]?.boolean == true && parsed[0]["second"]?.string == "kept")
        #expect(parsed[1]["truncated"]?.boolean == true && parsed[1]["first"]?.string == values[1])
        #expect(parsed[2]["truncated"] == nil)
    }

    @Test("lines nobody reads are dropped and counted, and the next line says how many")
    func droppedLines() throws {
        let collector = LineCollector()
        let log = Log(output: collector.output(.info))
        collector.refuse(true)
        for _ in 0..<3 { log.info("lost") }
        #expect(log.output.dropped == 3)
        collector.refuse(false)
        log.info("found")
        let parsed = try collector.parsed()
        #expect(
            parsed.map { $0["message"]?.string } == ["log lines were dropped: nobody reads them", "found"])
        #expect(parsed[0]["count"]?.exactInt64 == 3)
        #expect(log.output.dropped == 0)
    }

    @Test("values of every kind become fields")
    func values() {
        #expect(LogValue(UInt64.max) == .integer(.max))
        #expect(LogValue("ab".dropFirst()) == .text("b"))
        #expect(LogValue(true) == .boolean(true))
        #expect(LogValue(1.5) == .number(1.5))
        #expect(LogValue(CancellationError()) == .text("CancellationError()"))
    }

    @Test("the silent log writes nowhere and still takes everything")
    func silence() {
        Log.silent.error("m", ["a": 1])
        #expect(Log.silent.output.dropped == 0)
    }

    @Test("a full pipe never makes the writer wait", .timeLimit(.minutes(1)))
    func fullPipe() {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let line = [UInt8](repeating: 0x61, count: 4_096)
        var written = 0
        // A pipe holds 64 KiB; without the check the 17th line would block for ever.
        while written < 1_000, line.withUnsafeBytes({ writeWithoutWaiting($0, to: ends[1]) }) { written += 1 }
        #expect(written > 0 && written < 1_000)
        close(ends[0])
        signal(SIGPIPE, SIG_IGN)
        #expect(!line.withUnsafeBytes { writeWithoutWaiting($0, to: ends[1]) })
        close(ends[1])
        #expect(!line.withUnsafeBytes { writeWithoutWaiting($0, to: ends[1]) })
    }

    @Test(
        "times are RFC 3339 in UTC, through leap days and before 1970",
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"), (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (1_709_251_199_123_456, "2024-02-29T23:59:59.123456Z"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        ] as [(Int64, String)])
    func times(_ microseconds: Int64, _ text: String) { #expect(rfc3339(microseconds: microseconds) == text) }
}

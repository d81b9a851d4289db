import JSONText
import Testing

@testable import Telemetry

@Suite("Traces and error reports")
struct TraceTests {
    private func context(_ text: String) -> TraceContext? {
        Array(text.utf8).withUnsafeBytes { TraceContext(traceparent: $0) }
    }

    private static let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test("a traceparent is read and written as the standard says")
    func traceparent() throws {
        let read = try #require(context(Self.valid))
        #expect(read.traceparent == Self.valid)
        #expect(read.isSampled)
        let unsampled = try #require(context(String(Self.valid.dropLast(2)) + "00"))
        #expect(!unsampled.isSampled)
        let later = try #require(context("01" + Self.valid.dropFirst(2) + "-what-may-come"))
        #expect(later.traceText == read.traceText)
    }

    @Test(
        "what is no traceparent begins a trace of its own",
        arguments: [
            "", "00", "ff" + valid.dropFirst(2), valid + "-more", valid + "x", String(valid.dropLast()),
            valid.replacing("0af7", with: "0AF7"), valid.replacing("0af7", with: "0g f"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            valid.replacing("-", with: "_"),
        ])
    func invalid(_ text: String) { #expect(context(text) == nil) }

    @Test("the caller's decision to sample wins over the share of traces that begin here")
    func sampling() {
        let never = Tracer(percent: 0), always = Tracer(percent: 100)
        let sampled = Array(Self.valid.utf8), unsampled = Array((Self.valid.dropLast(2) + "00").utf8)
        let (kept, parent) = sampled.withUnsafeBytes { never.begin($0) }
        #expect(kept.isSampled && parent == 0xb7ad_6b71_6920_3331 && kept.span != parent)
        #expect(!unsampled.withUnsafeBytes { always.begin($0) }.context.isSampled)
        #expect(!never.begin(nil).context.isSampled)
        #expect(always.begin(nil).context.isSampled)
    }

    @Test("a full queue drops what comes later, and counts it")
    func bounded() {
        let queue = ExportQueue<Int>(capacity: 3)
        for number in 0..<5 { queue.offer(number) }
        #expect(queue.dropped == 2)
        #expect(queue.take(2) == [0, 1])
        queue.offer(9)
        #expect(queue.take(10) == [2, 9])
        #expect(queue.count == 0)
    }

    @Test("spans become OTLP's JSON, numbers of 64 bits as text")
    func document() throws {
        let root = TraceContext(traceHigh: 1, traceLow: 2, span: 3, isSampled: true)
        let span = Span(
            "chat m", .client, root, parent: 4, startMicroseconds: 1_000_001, endMicroseconds: 1_000_003,
            attributes: [("a", "x"), ("n", 7), ("f", 0.5), ("b", true), ("absent", .none)], failure: "cut")
        let json = try JSONValue.parse(TraceDocument.encode([span], resource: [("service.name", "s")]))
        let resource = try #require(json["resourceSpans"]?[0])
        #expect(resource["resource"]?["attributes"]?[0]?["value"]?["stringValue"]?.string == "s")
        let written = try #require(resource["scopeSpans"]?[0]?["spans"]?[0])
        #expect(written["traceId"]?.string == "00000000000000010000000000000002")
        #expect(written["spanId"]?.string == "0000000000000003")
        #expect(written["parentSpanId"]?.string == "0000000000000004")
        #expect(written["startTimeUnixNano"]?.string == "1000001000")
        #expect(written["endTimeUnixNano"]?.string == "1000003000")
        #expect(written["attributes"]?.array?.count == 4)
        #expect(written["attributes"]?[1]?["value"]?["intValue"]?.string == "7")
        #expect(written["status"]?["message"]?.string == "cut")
    }

    @Test("error lines of the log, and only they, wait to be reported, with what was bound to the log")
    func errors() throws {
        let output = LogOutput(level: .debug) { _ in true }
        let reports = ExportQueue<ErrorReport>(capacity: 8)
        let log = Log(output: output) { 1_738_367_999_000_001 }.with(["pool": "admin"])
        log.error("before anybody listens")
        output.errorReports = reports
        log.warning("w")
        log.error("database unavailable", ["reason": "refused", "tries": 2])
        let taken = reports.take(8)
        #expect(taken.map(\.message) == ["database unavailable"])
        let sender = ErrorSender(program: "eclusa-control", version: "1.2.3", instance: "host-1")
        let lines = try #require(taken.first).envelope(of: sender).split(separator: 0x0A).map(Array.init)
        try #require(lines.count == 3)
        let head = try JSONValue.parse(lines[0]), item = try JSONValue.parse(lines[1])
        let event = try JSONValue.parse(lines[2])
        #expect(head["event_id"]?.string == event["event_id"]?.string)
        #expect(head["event_id"]?.string?.utf8.count == 32)
        #expect(item["length"]?.double == Double(lines[2].count))
        #expect(event["logentry"]?["formatted"]?.string == "database unavailable")
        #expect(event["extra"]?["pool"]?.string == "admin")
        #expect(event["extra"]?["tries"]?.double == 2)
        #expect(event["release"]?.string == "eclusa-control@1.2.3")
        #expect(event["timestamp"]?.string == "2025-01-31T23:59:59.000001Z")
    }

    @Test(
        "a DSN says where envelopes go and with which key",
        arguments: [
            ("https://abc@errors.example.com/42", "https://errors.example.com/api/42/envelope/"),
            ("https://abc:old@errors.example.com/42", "https://errors.example.com/api/42/envelope/"),
            ("http://abc@127.0.0.1:9000/prefix/7", "http://127.0.0.1:9000/prefix/api/7/envelope/"),
        ])
    func destination(_ dsn: String, _ url: String) throws {
        let destination = try #require(ErrorDestination(dsn: dsn))
        #expect(destination.url == url)
        #expect(destination.authorization.hasSuffix("sentry_key=abc"))
    }

    @Test(
        "what is no DSN is refused",
        arguments: [
            "", "abc@h/1", "https://h/1", "https://abc@h", "https://abc@h/", "https://@h/1", "ftp://abc@h/1",
            "https://a@b@h/1", "https://a b@h/1",
        ])
    func noDestination(_ dsn: String) { #expect(ErrorDestination(dsn: dsn) == nil) }
}

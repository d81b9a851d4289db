import EventLoops
import HTTPServing
import HTTPWire
import JSONText
import Settings
import Synchronization
import Telemetry
import TestSupport
import Testing
import Transport

@testable import TelemetryExport

/// An observer: a collector and an error tracker in one, which can refuse.
private final class Observer {
    struct Received {
        let path: String
        let fields: [String: String]
        let body: [UInt8]
    }

    var received: [Received] = []
    /// Statuses of the next answers; 200 when there are none left.
    var answers: [Int] = []
    private(set) var server: HTTPServer!
    private(set) var address = ""

    init(_ loop: EventLoop) throws {
        server = HTTPServer(loop: loop) { [unowned self] exchange in
            let path = exchange.path
            let names: [StaticString] = ["content-type", "x-sentry-auth", "authorization"]
            var fields: [String: String] = [:]
            for name in names { fields["\(name)"] = exchange.fieldText(name) }
            guard let body = try? await exchange.readBody(limit: 1 << 20) else { return }
            received.append(Received(path: path, fields: fields, body: [UInt8](body)))
            try? await exchange.respond(status: answers.isEmpty ? 200 : answers.removeFirst(), body: [])
        }
        address = "\(try server.listen(on: try #require(SocketAddress("127.0.0.1:0"))))"
    }
}

@Suite("Telemetry export")
struct TelemetryExporterTests {
    private static let schema = SettingsSchema(
        program: "p", summary: "s", version: "0", groups: [TelemetrySettings.group],
        rules: [TelemetrySettings.areAddresses])

    private func values(_ environment: [String: String]) throws -> SettingsValues {
        guard case .run(let values) = try Self.schema.parse(arguments: [], environment: environment) else {
            throw CancellationError()
        }
        return values
    }

    /// An exporter beside an observer, on one loop.
    private func withExporter(
        _ environment: @escaping @Sendable (String) -> [String: String],
        _ body: @escaping @Sendable (TelemetryExporter, Observer, Log, MetricsRegistry) async throws -> Void
    ) async throws {
        try await withLoop { loop in
            let observer = try Observer(loop)
            let metrics = MetricsRegistry()
            let log = Log(output: LogOutput(level: .debug) { _ in true })
            let resolver = BlockingPool(threads: 1, queueLimit: 8, name: "names")
            let exporter = TelemetryExporter(
                try values(environment(observer.address)),
                sender: ErrorSender(program: "eclusa-test", version: "9", instance: "here"), loop: loop,
                resolver: resolver, log: log, metrics: metrics)
            try await body(exporter, observer, log, metrics)
            await observer.server.drain(withinNanoseconds: 1_000_000_000)
            resolver.shutdown()
        }
    }

    private func leave(_ count: Int, with tracer: Tracer) {
        for number in 0..<count {
            let (context, parent) = tracer.begin(nil)
            tracer.end(
                Span(
                    "span \(number)", .server, context, parent: parent, startMicroseconds: 1,
                    endMicroseconds: 2, attributes: []), of: context)
        }
    }

    @Test("spans arrive as OTLP at /v1/traces, with the operator's fields, none lost")
    func traces() async throws {
        try await withExporter({
            ["ECLUSA_OTLP_ENDPOINT": "http://\($0)", "ECLUSA_OTLP_HEADERS": "authorization=Bearer t, x=y"]
        }) { exporter, observer, _, metrics in
            let tracer = try #require(exporter.tracer)
            leave(1_000, with: tracer)
            await exporter.stop()
            #expect(observer.received.map(\.path) == ["/v1/traces", "/v1/traces"])
            #expect(observer.received[0].fields["authorization"] == "Bearer t")
            var names: [String] = []
            for request in observer.received {
                let json = try JSONValue.parse(request.body)
                let scope = try #require(json["resourceSpans"]?[0]?["scopeSpans"]?[0])
                names += (scope["spans"]?.array ?? []).compactMap { $0["name"]?.string }
            }
            #expect(names == (0..<1_000).map { "span \($0)" })
            #expect(metrics.text().contains(#"eclusa_telemetry_sent_total{signal="traces"} 1000"#))
        }
    }

    @Test("a collector that is busy is asked again; one that refuses costs its batch, which is counted")
    func refusals() async throws {
        try await withExporter({ ["ECLUSA_OTLP_ENDPOINT": "http://\($0)/"] }) {
            exporter, observer, _, metrics in
            let tracer = try #require(exporter.tracer)
            leave(2, with: tracer)
            observer.answers = [400]
            await exporter.stop()
            #expect(observer.received.count == 1)
            #expect(metrics.text().contains(#"eclusa_telemetry_lost_total{signal="traces"} 2"#))
        }
    }

    @Test("errors of the log arrive as envelopes with the DSN's key")
    func errors() async throws {
        try await withExporter({ ["ECLUSA_ERROR_DSN": "http://public@\($0)/5"] }) {
            exporter, observer, log, _ in
            #expect(exporter.tracer == nil)
            log.error("something broke", ["part": "test"])
            await exporter.stop()
            let request = try #require(observer.received.first)
            #expect(request.path == "/api/5/envelope/")
            #expect(request.fields["x-sentry-auth"]?.contains("sentry_key=public") == true)
            #expect(String(decoding: request.body, as: UTF8.self).contains("something broke"))
        }
    }

    @Test("without an endpoint nothing is traced and nothing sent")
    func off() async throws {
        try await withExporter({ _ in [:] }) { exporter, observer, log, _ in
            #expect(exporter.tracer == nil)
            log.error("nobody hears")
            await exporter.stop()
            #expect(observer.received.isEmpty)
        }
    }

    @Test(
        "wrong addresses are refused at start, with the setting's name",
        arguments: [
            ("ECLUSA_OTLP_ENDPOINT", "collector:4318", "--otlp-endpoint"),
            ("ECLUSA_OTLP_HEADERS", "no equals sign", "--otlp-headers-file"),
            ("ECLUSA_ERROR_DSN", "https://errors.example.com/1", "--error-dsn-file"),
        ])
    func wrong(_ variable: String, _ text: String, _ setting: String) throws {
        let problem = try #require(throws: SettingsError.self) { try values([variable: text]) }
        #expect("\(problem)".contains(setting))
    }
}

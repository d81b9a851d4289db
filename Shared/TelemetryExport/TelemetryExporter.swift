package import EventLoops
import HTTPCalling
import HTTPWire
package import Settings
package import Telemetry
import Transport

/// Sends finished spans and error reports to where the operator wants them, off the path of any request.
/// Lives on one loop. What cannot be sent is dropped and counted; nothing ever waits for an observer.
package final class TelemetryExporter {
    private static let periodNanoseconds: Int64 = 1_000_000_000
    private static let timeoutNanoseconds: Int64 = 10_000_000_000
    private static let spansAtOnce = 512
    private static let reportsAtOnce = 20
    private static let reportCapacity = 256
    /// A collector that is away for so many tries of a batch loses it.
    private static let tries = 3

    /// nil when no traces are wanted.
    package let tracer: Tracer?
    private let loop: EventLoop
    private let client: HTTPClient
    private let tls: TLSContext?
    private let sender: ErrorSender
    private let log: Log
    private let sent, lost: Counter
    private let traces: (url: String, fields: HeaderFields)?
    private let errors: ErrorDestination?
    private let reports: ExportQueue<ErrorReport>?
    private var timer: Timer?
    private var isStopping = false
    private var isAway: Set<String> = []

    /// - Parameter resolver: looks the observers' names up.
    package init(
        _ values: SettingsValues, sender: ErrorSender, loop: EventLoop, resolver: BlockingPool, log: Log,
        metrics: MetricsRegistry
    ) {
        self.loop = loop
        self.sender = sender
        self.log = log
        // The operator alone can name these destinations.
        client = HTTPClient(loop: loop, dialer: Dialer(loop: loop, resolver: resolver, policy: .unrestricted))
        tls = try? TLSContext.client()
        sent = metrics.counter(
            "eclusa_telemetry_sent_total", help: "Spans and error reports an observer took.",
            labels: ["signal"])
        lost = metrics.counter(
            "eclusa_telemetry_lost_total", help: "Spans and error reports no observer took.",
            labels: ["signal"])
        let endpoint = values[TelemetrySettings.otlpEndpoint]
        let tracer = endpoint.map { _ in Tracer(percent: values[TelemetrySettings.tracePercent]) }
        self.tracer = tracer
        traces = endpoint.map { endpoint in
            let base = endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint
            return (
                base + "/v1/traces",
                values[TelemetrySettings.otlpHeaders].flatMap(TelemetrySettings.fields) ?? [:]
            )
        }
        errors = values[TelemetrySettings.errorDSN].flatMap(TelemetrySettings.destination)
        let reports = errors.map { _ in ExportQueue<ErrorReport>(capacity: Self.reportCapacity) }
        self.reports = reports
        log.output.errorReports = reports
        metrics.computedCounter(
            "eclusa_telemetry_dropped_total", help: "Spans and error reports that found their queue full."
        ) { Double((tracer?.spans.dropped ?? 0) + (reports?.dropped ?? 0)) }
    }

    /// Sends once a second from now on; at once again while there is more.
    package func start() {
        guard traces != nil || errors != nil else { return }
        timer = loop.schedule(afterNanoseconds: Self.periodNanoseconds) { [weak self] in
            guard let self else { return }
            loop.spawn {
                await self.sendAll()
                if !self.isStopping { self.start() }
            }
        }
    }

    /// Sends what is left, once.
    package func stop() async {
        isStopping = true
        timer?.cancel()
        timer = nil
        await sendAll()
    }

    private func sendAll() async {
        if let traces, let tracer {
            while true {
                let spans = tracer.spans.take(Self.spansAtOnce)
                if spans.isEmpty { break }
                let body = TraceDocument.encode(spans, resource: resource)
                var fields = traces.fields
                fields.append("content-type", TraceDocument.mediaType)
                await post("traces", count: spans.count, traces.url, fields, body)
            }
        }
        if let errors, let reports {
            for report in reports.take(Self.reportsAtOnce) {
                let fields: HeaderFields = [
                    "content-type": "application/x-sentry-envelope", "x-sentry-auth": errors.authorization,
                ]
                await post("errors", count: 1, errors.url, fields, report.envelope(of: sender))
            }
        }
    }

    private var resource: [(name: String, value: LogValue)] {
        [
            ("service.namespace", "eclusa"), ("service.name", .text(sender.program)),
            ("service.version", .text(sender.version)), ("service.instance.id", .text(sender.instance)),
        ]
    }

    /// Posts until it is taken, refused for good, or tried often enough.
    private func post(
        _ signal: String, count: Int, _ url: String, _ fields: HeaderFields, _ body: [UInt8]
    ) async {
        var reason = ""
        for attempt in 1...Self.tries {
            do throws(CallError) {
                let response = try await client.request(
                    .post, url, fields: fields, body: body, tls: tls,
                    timeoutNanoseconds: Self.timeoutNanoseconds, maximumBody: 64 << 10)
                if (200..<300).contains(response.status) {
                    sent.cell(signal).add(Int64(count))
                    if isAway.remove(signal) != nil {
                        log.info("telemetry is taken again", ["signal": "\(signal)"])
                    }
                    return
                }
                reason = "status \(response.status)"
                if response.status != 429, response.status < 500 { break }
            } catch { reason = "\(error)" }
            if isStopping || attempt == Self.tries { break }
            await loop.sleep(nanoseconds: Self.periodNanoseconds << Int64(attempt - 1))
        }
        lost.cell(signal).add(Int64(count))
        // Once for each time it goes away; and no error, which would be a report about reports.
        if isAway.insert(signal).inserted {
            log.warning("telemetry is not taken", ["signal": "\(signal)", "reason": "\(reason)"])
        }
    }
}

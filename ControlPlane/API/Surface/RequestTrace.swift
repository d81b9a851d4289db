import HTTPServing
import Telemetry

/// The span of one admin request, by OpenTelemetry's conventions for HTTP servers. It holds no contents
/// and no paths: the operation says what was asked.
struct RequestTrace {
    private let tracer: Tracer
    private let context: TraceContext
    private let parent: UInt64?
    private let start = systemWallClockMicroseconds()
    private let method, requestID: String

    init(_ tracer: Tracer, _ exchange: Exchange) {
        self.tracer = tracer
        (context, parent) = tracer.begin(exchange.field("traceparent"))
        method = "\(exchange.method)"
        requestID = "\(exchange.requestID)"
    }

    func end(_ operation: String, status: Int) {
        tracer.end(
            Span(
                operation, .server, context, parent: parent, startMicroseconds: start,
                endMicroseconds: systemWallClockMicroseconds(),
                attributes: [
                    ("http.request.method", LogValue(method)),
                    ("http.response.status_code", LogValue(status)),
                    ("eclusa.operation", LogValue(operation)), ("eclusa.request_id", LogValue(requestID)),
                ], failure: status >= 500 ? "status \(status)" : nil), of: context)
    }
}

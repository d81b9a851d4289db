/// One finished piece of work, as OpenTelemetry describes it.
package struct Span: Sendable {
    /// The numbers are OTLP's.
    package enum Kind: Int, Sendable { case `internal` = 1, server = 2, client = 3 }

    package var context: TraceContext
    /// The span that caused it; nil at the beginning of a trace.
    package var parent: UInt64?
    package var name: String
    package var kind: Kind
    /// Unit: microseconds since 1970 UTC.
    package var startMicroseconds: Int64
    package var endMicroseconds: Int64
    /// Names follow OpenTelemetry's semantic conventions.
    package var attributes: [(name: String, value: LogValue)]
    /// What failed; nil when nothing did.
    package var failure: String?

    package init(
        _ name: String, _ kind: Kind, _ context: TraceContext, parent: UInt64?, startMicroseconds: Int64,
        endMicroseconds: Int64, attributes: [(name: String, value: LogValue)], failure: String? = nil
    ) {
        self.name = name
        self.kind = kind
        self.context = context
        self.parent = parent
        self.startMicroseconds = startMicroseconds
        self.endMicroseconds = max(startMicroseconds, endMicroseconds)
        self.attributes = attributes
        self.failure = failure
    }
}

/// Decides what is traced, and takes finished spans. Any thread; neither ever waits.
package final class Tracer: Sendable {
    /// Spans that wait to be sent: some seconds of a busy node.
    package static let capacity = 16_384

    package let spans = ExportQueue<Span>(capacity: capacity)
    private let percent: Int

    /// `percent` of the traces that begin here are recorded; of others the caller has decided.
    package init(percent: Int) { self.percent = percent }

    /// The span of a request that came in, with the `traceparent` it carried.
    package func begin(_ traceparent: UnsafeRawBufferPointer?) -> (context: TraceContext, parent: UInt64?) {
        if let traceparent, let caller = TraceContext(traceparent: traceparent) {
            return (caller.child(), caller.span)
        }
        return (.root(isSampled: percent >= 100 || Int.random(in: 0..<100) < percent), nil)
    }

    /// Keeps a finished span to be sent, if its trace is sampled.
    package func end(_ span: @autoclosure () -> Span, of context: TraceContext) {
        if context.isSampled { spans.offer(span()) }
    }
}

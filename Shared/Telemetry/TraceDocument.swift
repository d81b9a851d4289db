import JSONText

/// Spans as an `ExportTraceServiceRequest` in OTLP's JSON encoding (OTLP 1.3, §JSON Protobuf Encoding): ids
/// in hexadecimal, 64-bit numbers as text, enumerations as numbers.
package enum TraceDocument {
    package static let mediaType = "application/json"

    /// `resource` says who made the spans, such as `service.name`.
    package static func encode(_ spans: [Span], resource: [(name: String, value: LogValue)]) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.arrayField("resourceSpans") { writer in
                writer.object { writer in
                    writer.objectField("resource") { write(resource, to: &$0) }
                    writer.arrayField("scopeSpans") { writer in
                        writer.object { writer in
                            writer.objectField("scope") { $0.field("name", "eclusa") }
                            writer.arrayField("spans") { writer in
                                for span in spans { write(span, to: &writer) }
                            }
                        }
                    }
                }
            }
        }
        return writer.bytes
    }

    private static func write(_ span: Span, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("traceId", span.context.traceText)
            writer.field("spanId", TraceContext.text(span.context.span))
            if let parent = span.parent { writer.field("parentSpanId", TraceContext.text(parent)) }
            writer.field("name", span.name)
            writer.field("kind", span.kind.rawValue)
            writer.field("startTimeUnixNano", "\(span.startMicroseconds * 1_000)")
            writer.field("endTimeUnixNano", "\(span.endMicroseconds * 1_000)")
            write(span.attributes, to: &writer)
            if let failure = span.failure {
                writer.objectField("status") { writer in
                    writer.field("code", 2)
                    writer.field("message", failure)
                }
            }
        }
    }

    private static func write(_ attributes: [(name: String, value: LogValue)], to writer: inout JSONWriter) {
        writer.arrayField("attributes") { writer in
            for (name, value) in attributes where value != .none {
                writer.object { writer in
                    writer.field("key", name)
                    writer.objectField("value") { write(value, to: &$0) }
                }
            }
        }
    }

    private static func write(_ value: LogValue, to writer: inout JSONWriter) {
        switch value {
        case .text(let text): writer.field("stringValue", text)
        case .integer(let number): writer.field("intValue", "\(number)")
        case .number(let number): writer.field("doubleValue", number)
        case .boolean(let flag): writer.field("boolValue", flag)
        case .none: break
        }
    }
}

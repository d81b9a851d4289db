import Dialects
import Domain
package import HTTPServing
package import HTTPWire

extension Gateway {
    /// What is said to bytes that are no request; for `HTTPServer`. Which dialect they were meant in is not
    /// known.
    package static func refusal(
        _ fault: RequestFault, _ id: RequestID
    ) -> (mediaType: String, content: [UInt8]) {
        let codes: [Int: ErrorCode] = [
            408: .requestTimeout, 413: .payloadTooLarge, 414: .targetTooLong, 417: .expectationFailed,
            431: .headersTooLarge, 501: .notImplemented, 505: .httpVersionNotSupported,
        ]
        let code = codes[fault.status] ?? .badRequest
        let error = OpenAIError(code, message: "Refused for \(fault.rawValue).", parameter: nil)
        return ("application/json", ClientDialect.openAI.errorBody(error, status: fault.status))
    }
}

/// The one place where a failure becomes an answer, in the caller's dialect.
enum RefusalEdge {
    /// Sends the failure as a whole answer. Nothing may have been answered before.
    static func answer(
        _ exchange: Exchange, with failure: CallFailure, in dialect: ClientDialect = .openAI,
        fields further: HeaderFields = HeaderFields()
    ) async {
        var fields = fields(of: failure)
        for field in further.all { fields.append(field.name, field.value) }
        if dialect == .anthropic { fields.append("request-id", "\(exchange.requestID)") }
        // A client that is gone needs no answer.
        try? await exchange.respond(
            status: failure.status, fields: fields,
            body: dialect.errorBody(failure.error, status: failure.status))
    }

    /// Ends a stream that has begun: one error event, and no terminator behind it.
    static func endStream(_ exchange: Exchange, isChunked: Bool, with failure: CallFailure) async {
        let event = failure.error.event()
        var framed = GrowableBytes()
        if isChunked {
            var encoder = ChunkEncoder()
            event.withUnsafeBytes { framed.append(encoder.encode($0)) }
        } else {
            framed.append(event)
        }
        // Not marked as complete: the connection is cut behind it, so that nobody takes the stream for
        // whole.
        try? await exchange.sendRaw(framed.view)
    }

    static func fields(of failure: CallFailure) -> HeaderFields {
        var fields: HeaderFields = [
            "content-type": "application/json", "x-eclusa-error-code": failure.code.code,
            "x-eclusa-error-origin": failure.origin == .provider ? "provider" : "gateway",
        ]
        if let seconds = failure.retryAfter ?? defaultRetryAfter(failure) {
            fields.append("retry-after", seconds)
        }
        if let milliseconds = failure.retryAfterMilliseconds { fields.append("retry-after-ms", milliseconds) }
        for field in failure.limitFields.all { fields.append(field.name, field.value) }
        if let allow = failure.allow { fields.append("allow", allow) }
        if failure.status == 401 { fields.append("www-authenticate", "Bearer") }
        return fields
    }

    /// 429 and 503 always say when to come back. Unit: seconds.
    private static func defaultRetryAfter(_ failure: CallFailure) -> String? {
        guard failure.status == 429 || failure.status == 503 else { return nil }
        switch failure.code {
        case .draining, .snapshotMissing: return "1"
        case .outboxFull: return "10"
        default: return "5"
        }
    }
}

import Domain
package import HTTPServing
package import HTTPWire
import JSONText
package import Operations

/// The one place where an `OperationError` becomes an HTTP answer: a problem document (RFC 9457).
package enum ErrorEdge {
    package static let mediaType = "application/problem+json"

    /// Where the code is explained; the fragment is the code.
    static let typePrefix = "urn:eclusa:error:"

    package static func status(_ error: OperationError) -> Int { error.code.status }

    /// The document: safe texts only. `privateDetail` goes to the log, never here.
    package static func document(_ error: OperationError, requestID: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("type", typePrefix + error.code.code)
            writer.field("title", error.code.safeText)
            writer.field("status", error.code.status)
            writer.field("code", error.code.code)
            if let detail = error.detail { writer.field("detail", detail) }
            writer.field("request_id", requestID)
            writer.field("retryable", error.code.isRetryable)
            if !error.problems.isEmpty {
                writer.arrayField("errors") { writer in
                    for problem in error.problems.prefix(maximumProblems) {
                        writer.object { writer in
                            writer.field("pointer", problem.pointer)
                            writer.field("code", problem.code.rawValue)
                            writer.field("message", problem.message)
                        }
                    }
                }
            }
        }
        return writer.bytes
    }

    /// More complaints than this help nobody.
    static let maximumProblems = 50

    package static func fields(_ error: OperationError, allow: [HTTPMethod] = []) -> HeaderFields {
        var fields = HeaderFields()
        if let seconds = error.retryAfterSeconds { fields.append("retry-after", String(seconds)) }
        if error.code.status == 401 { fields.append("www-authenticate", "Bearer realm=\"eclusa\"") }
        if !allow.isEmpty { fields.append("allow", allow.map(\.description).joined(separator: ", ")) }
        return fields
    }

    /// What is said to bytes that are no request; for `HTTPServer`.
    package static func refusal(
        _ fault: RequestFault, _ id: RequestID
    ) -> (mediaType: String, content: [UInt8]) {
        let error = OperationError(code(fault), detail: "Refused for \(fault.rawValue).")
        return (mediaType, document(error, requestID: id.description))
    }

    static func code(_ fault: RequestFault) -> ErrorCode {
        switch fault {
        case .malformedTarget, .malformedPercentEncoding, .forbiddenPathByte, .pathAboveRoot: .invalidTarget
        case .requestTimedOut: .requestTimeout
        case .bodyTooLarge: .payloadTooLarge
        case .requestLineTooLong: .targetTooLong
        case .unknownExpectation: .expectationFailed
        case .headTooLarge, .tooManyFields: .headersTooLarge
        case .methodNotImplemented, .unknownTransferCoding: .notImplemented
        case .unsupportedVersion: .httpVersionNotSupported
        default: .badRequest
        }
    }

    /// The shape of the document, for the description of the API.
    static let schema = ObjectSchema(
        name: "Problem",
        members: [
            MemberSchema(
                name: "type", schema: .text(1...200), isRequired: true, summary: "A URI for the code."),
            MemberSchema(
                name: "title", schema: .text(1...300), isRequired: true, summary: "What happened, for people."
            ),
            MemberSchema(
                name: "status", schema: .integer(400...599), isRequired: true, summary: "The HTTP status."),
            MemberSchema(
                name: "code", schema: .text(1...64), isRequired: true,
                summary: "What happened, for programs: see docs/errors.md."),
            MemberSchema(
                name: "detail", schema: .text(1...1000), isRequired: false, summary: "More about this one."),
            MemberSchema(
                name: "request_id", schema: .text(1...64), isRequired: true,
                summary: "Finds the request in the log."),
            MemberSchema(
                name: "retryable", schema: .boolean, isRequired: true,
                summary: "Whether the same request may succeed later."),
            MemberSchema(
                name: "errors", schema: .list(.object(problemSchema), maximumCount: maximumProblems),
                isRequired: false, summary: "What is wrong with which field."),
        ])

    private static let problemSchema = ObjectSchema(
        name: "FieldProblem",
        members: [
            MemberSchema(
                name: "pointer", schema: .text(0...500), isRequired: true,
                summary: "A JSON pointer into the body, or the name of a query parameter or a header field."),
            MemberSchema(
                name: "code", schema: .words(ValidationError.Code.allCases.map(\.rawValue)), isRequired: true,
                summary: "What is wrong, for programs."),
            MemberSchema(
                name: "message", schema: .text(1...500), isRequired: true, summary: "What would be right."),
        ])
}

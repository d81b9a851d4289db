/// Why a request was refused before any handler saw it. Each has one status; all end the connection.
package enum RequestFault: String, Error, Sendable, CaseIterable {
    // 400: the bytes are not a request
    case malformedRequestLine, malformedTarget, malformedPercentEncoding, forbiddenPathByte, pathAboveRoot
    case bareLineFeed, malformedField, missingHost, repeatedHost, invalidHost, authorityMismatch
    case invalidContentLength, repeatedContentLength, repeatedTransferEncoding, lengthAndCoding
    case codingInOldVersion, chunkedNotLast, repeatedCredential, repeatedContentType
    // 400: the body's framing is broken
    case malformedChunk, chunkLineTooLong, chunkTooLarge, framingOverhead, malformedTrailer, trailersTooLarge
    case bodyCut
    // The others
    case requestTimedOut
    case bodyTooLarge
    case requestLineTooLong
    case unknownExpectation
    case headTooLarge, tooManyFields
    case methodNotImplemented, unknownTransferCoding
    case unsupportedVersion

    /// The status to answer with.
    package var status: Int {
        switch self {
        case .requestTimedOut: 408
        case .bodyTooLarge: 413
        case .requestLineTooLong: 414
        case .unknownExpectation: 417
        case .headTooLarge, .tooManyFields: 431
        case .methodNotImplemented, .unknownTransferCoding: 501
        case .unsupportedVersion: 505
        default: 400
        }
    }

    init(_ fault: ChunkFault) {
        self =
            switch fault {
            case .malformed: .malformedChunk
            case .lineTooLong: .chunkLineTooLong
            case .sizeTooLarge: .chunkTooLarge
            case .overhead: .framingOverhead
            case .malformedTrailer: .malformedTrailer
            case .trailersTooLarge: .trailersTooLarge
            }
    }

    /// The request fault a broken chunked body amounts to.
    package static func chunk(_ fault: ChunkFault) -> RequestFault { RequestFault(fault) }
}

/// Why an upstream's response was refused; each is a 502 and ends the upstream connection.
package enum ResponseFault: String, Error, Sendable, CaseIterable {
    case malformedStatusLine, statusLineTooLong, unsupportedVersion, unexpectedStatus
    case bareLineFeed, malformedField, headTooLarge, tooManyFields
    case invalidContentLength, repeatedContentLength, repeatedTransferEncoding, unknownTransferCoding
    case lengthAndCoding, codingInOldVersion
    case tooManyInterimResponses, framedInterimResponse
}

/// Why a chunked body was refused (RFC 9112 §7.1).
package enum ChunkFault: String, Error, Sendable, CaseIterable {
    case malformed, lineTooLong, sizeTooLarge, overhead, malformedTrailer, trailersTooLarge
}

/// How the end of a message's content is known (RFC 9112 §6.3).
package enum BodyFraming: Sendable, Equatable {
    /// Exactly this many bytes; zero when there is no content.
    case length(Int)
    case chunked
    /// Responses only: content ends when the connection does, so a cut cannot be told from an end.
    case untilClose

    package var isEmpty: Bool { self == .length(0) }
}

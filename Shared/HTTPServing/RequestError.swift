package import HTTPWire
package import Transport

/// Why a request's content could not be read.
package enum RequestError: Error, Sendable, Equatable {
    /// More content than the caller's limit: answer 413. Nothing of it was asked for with `100 Continue`.
    case tooLarge
    /// The framing is broken, or the content was cut: answer `fault.status`.
    case malformed(RequestFault)
    /// The client is gone or too slow: no answer can reach it.
    case connection(TransportError)

    /// The status to answer with; nil when nobody is there to read it.
    package var status: Int? {
        switch self {
        case .tooLarge: RequestFault.bodyTooLarge.status
        case .malformed(let fault): fault.status
        case .connection: nil
        }
    }
}

package import HTTPWire
package import Transport

/// Why a call to another server did not end well. A cut answer is always an error, never a short success.
package enum CallError: Error, Sendable, Equatable {
    /// What a deadline was waiting for.
    package enum Stage: String, Sendable { case connect, send, firstByte, awaited, betweenReads, total }

    /// The address or the request cannot be used as given; nothing was sent.
    case invalidRequest(String)
    /// No connection: nothing was sent.
    case connect(TransportError)
    /// The bound on connections to this origin is reached; nothing was sent.
    case tooManyConnections
    case timedOut(Stage)
    /// The connection ended before the first byte of an answer. On a connection that had been used before,
    /// the server most likely closed it for being idle.
    case endedBeforeAnswer(reused: Bool)
    /// The connection ended inside the head or before the end of the content.
    case cut
    case malformedHead(ResponseFault)
    case malformedContent(ChunkFault)
    /// More content than the caller takes.
    case tooLarge
    /// A record or handshake failed after the connection was made.
    case tls(String)
    /// This side ended it: the client hung up, or a drain.
    case aborted

    /// Whether the other server cannot have begun to act on the request.
    package var nothingWasSent: Bool {
        switch self {
        case .invalidRequest, .connect, .tooManyConnections, .timedOut(.connect): true
        default: false
        }
    }

    /// Whether the call is worth another connection at once: a pooled one turned out to be dead. Safe by
    /// itself for idempotent methods only (RFC 9110 §9.2.2).
    package var isStaleConnection: Bool { self == .endedBeforeAnswer(reused: true) }

    /// A transport error after the request went out, seen while waiting in `stage`.
    init(_ error: TransportError, stage: Stage) {
        self =
            switch error {
            case .timedOut: .timedOut(stage)
            case .aborted: .aborted
            case .tls(let reason): .tls(reason)
            case .tooLarge: .malformedHead(.headTooLarge)
            default: .cut
            }
    }
}

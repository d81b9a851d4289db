package import HTTPWire

/// What calls to other servers may take; 0 nanoseconds means no limit for that stage.
package struct CallDeadlines: Sendable {
    package var connectNanoseconds: Int64 = 10_000_000_000
    /// The server may leave 64 KiB of a request unread this long.
    package var sendNanoseconds: Int64 = 60_000_000_000
    /// From the end of the request to the first byte of an answer (interim answers count as waiting).
    package var firstByteNanoseconds: Int64 = 600_000_000_000
    /// Between two reads of an answer.
    package var betweenReadsNanoseconds: Int64 = 120_000_000_000
    /// From checking the connection out to the end of the answer.
    package var totalNanoseconds: Int64 = 0

    package init() {}
}

/// Bounds of one client, thus of one loop.
package struct ClientLimits: Sendable {
    package var wire = WireLimits.response
    package var deadlines = CallDeadlines()
    /// Connections at rest kept for each origin; further ones are closed.
    package var idlePerOrigin = 256
    /// Connections open to one origin, in use or at rest.
    package var connectionsPerOrigin = 16_384
    /// A connection at rest longer than this is closed.
    package var idleNanoseconds: Int64 = 55_000_000_000
    /// Interim answers (1xx) to one request.
    package var interimResponses = 8

    package init() {}
}

package import HTTPWire

/// What one client may cost; each number is a bound, with its unit in the name.
package struct ServerLimits: Sendable {
    /// Sizes of heads and chunk framing.
    package var wire = WireLimits.request
    /// From the first byte of a request to the end of its head.
    package var headerNanoseconds: Int64 = 10_000_000_000
    /// Between requests, and from accepting to the first byte.
    package var idleNanoseconds: Int64 = 75_000_000_000
    /// Waiting for content is free this long in all; after that it must come at `bodyBytesPerSecond`.
    package var bodyGraceNanoseconds: Int64 = 5_000_000_000
    package var bodyBytesPerSecond = 1024
    /// How long a client may leave 64 KiB of an answer unread.
    package var stalledReaderNanoseconds: Int64 = 60_000_000_000
    /// Unread content up to this is dropped to keep the connection; with more of it the connection ends.
    package var drainedBodyBytes = 64 * 1024
    /// After an answer that ends a connection, what the client still sends is dropped this long and this far.
    package var lingerNanoseconds: Int64 = 5_000_000_000
    package var lingerBytes = 64 * 1024 * 1024
    /// Connections of one server; further ones are closed at once.
    package var maximumConnections = 20_000
    /// Pipelined requests served in one turn of the loop before other connections go first.
    package var requestsPerTurn = 16

    package init() {}
}

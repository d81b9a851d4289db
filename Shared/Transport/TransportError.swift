/// Why a connection could not be made or does not go on. The texts are for logs, not for clients.
package enum TransportError: Error, Sendable, Equatable {
    /// The peer ended the stream where more was needed.
    case endOfStream
    /// The peer or the network broke the connection.
    case reset
    /// The deadline set on the connection, or the time for connecting, is over.
    case timedOut
    /// Nobody listens there.
    case refused
    /// No way to the address.
    case unreachable
    /// The host name has no address, or cannot be looked up now.
    case unresolved
    /// The egress policy does not allow this destination.
    case forbiddenAddress(String)
    /// A proxy would not pass the connection on; its HTTP status, 0 when that was no answer of a proxy.
    case proxyRefused(Int)
    /// The handshake or a record failed; the text names the reason.
    case tls(String)
    /// The receive buffer is at its limit.
    case tooLarge
    /// This side ended it: `abort`, `close`, or the hang-up of a linked connection.
    case aborted
    /// This process is out of descriptors, ports or memory.
    case exhausted
}

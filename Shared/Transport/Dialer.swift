import CEventLoops
package import EventLoops
import Glibc

/// Makes outbound connections on one loop. The only way out: name lookup, egress policy and TLS verification
/// cannot be gone around. Loop thread.
package final class Dialer {
    private let loop: EventLoop
    private let policy: EgressPolicy
    private let names: NameResolver

    /// `resolver` runs name lookups, which block.
    package init(loop: EventLoop, resolver: BlockingPool, policy: EgressPolicy) {
        self.loop = loop
        self.policy = policy
        names = NameResolver(loop: loop, pool: resolver)
    }

    init(loop: EventLoop, names: NameResolver, policy: EgressPolicy) {
        self.loop = loop
        self.policy = policy
        self.names = names
    }

    /// A connection to `host`, which is a name or a numeric address (without brackets), handshake done. With
    /// `tls` the peer is verified for `serverName`, or for `host` without one. The time covers everything; no
    /// deadline is left on the connection.
    ///
    /// Every address is judged by the policy, those allowed are tried one after the other. Throws
    /// `.forbiddenAddress` when none is allowed, else the failure of the last one tried.
    package func connect(
        host: String, port: UInt16, tls: TLSContext?, serverName: String? = nil, timeoutNanoseconds: Int64
    ) async throws(TransportError) -> Connection {
        let deadline = loop.now + timeoutNanoseconds
        let candidates = try await addresses(of: host, deadline: deadline)
        var refusal = ""
        var allowed: [IPAddress] = []
        for address in candidates {
            if let reason = policy.refusal(host: host, address: address, port: port, isSecure: tls != nil) {
                refusal = reason
            } else {
                allowed.append(address)
            }
        }
        if allowed.isEmpty { throw .forbiddenAddress(refusal) }
        var failure = TransportError.unreachable
        for (index, address) in allowed.enumerated() {
            let left = deadline - loop.now
            if left <= 0 { throw .timedOut }
            let connection: Connection
            do {
                // A share of the time each, so that a first address that does not answer leaves some for
                // others.
                connection = try await dial(
                    SocketAddress(address, port: port), nanoseconds: left / Int64(allowed.count - index))
            } catch {
                failure = error
                continue
            }
            if let tls {
                connection.setDeadline(afterNanoseconds: max(1, deadline - loop.now))
                try await connection.startTLS(tls, serverName: serverName ?? host)
            }
            connection.setDeadline(afterNanoseconds: 0)
            return connection
        }
        throw failure
    }

    /// A connection to `host` through a proxy, which is dialled in the clear and asked by `opening` to pass
    /// bytes on; then as if dialled straight. Proxy and destination are both judged by the policy: the
    /// destination by its name, since the proxy is who looks it up. Throws what `opening` throws.
    package func connect(
        host: String, port: UInt16, tls: TLSContext?, serverName: String? = nil,
        through proxy: (host: String, port: UInt16), timeoutNanoseconds: Int64,
        opening: (Connection) async throws(TransportError) -> Void
    ) async throws(TransportError) -> Connection {
        if let refusal = policy.refusal(throughProxy: host, port: port, isSecure: tls != nil) {
            throw .forbiddenAddress(refusal)
        }
        let deadline = loop.now + timeoutNanoseconds
        let connection = try await connect(
            host: proxy.host, port: proxy.port, tls: nil, timeoutNanoseconds: timeoutNanoseconds)
        connection.setDeadline(afterNanoseconds: max(1, deadline - loop.now))
        do throws(TransportError) {
            try await opening(connection)
            if let tls { try await connection.startTLS(tls, serverName: serverName ?? host) }
        } catch {
            connection.close()
            throw error
        }
        connection.setDeadline(afterNanoseconds: 0)
        return connection
    }

    private func addresses(of host: String, deadline: Int64) async throws(TransportError) -> [IPAddress] {
        if let address = IPAddress(host) { return [address] }
        guard let name = HostName(host) else { throw .unresolved }
        return try await names.addresses(of: name, deadline: deadline)
    }

    private func dial(_ address: SocketAddress, nanoseconds: Int64) async throws(TransportError) -> Connection
    {
        var raw = address.raw
        var pending: Int32 = 0
        let descriptor = loop_connect(&raw, &pending)
        if descriptor < 0 { throw Self.failure(errno: -descriptor) }
        let connection: Connection
        do {
            connection = try Connection(
                loop: loop, descriptor: descriptor, peer: address, isConnected: pending == 0)
        } catch { throw .exhausted }
        if pending != 0 {
            connection.setDeadline(afterNanoseconds: nanoseconds)
            await connection.waitWritable()
            if connection.fate != .open { throw connection.fate.error }
            let error = loop_socket_error(descriptor)
            if error != 0 { throw Self.failure(errno: error) }
        }
        return connection
    }

    private static func failure(errno: Int32) -> TransportError {
        switch errno {
        case ECONNREFUSED: .refused
        case ETIMEDOUT: .timedOut
        case ECONNRESET, EPIPE: .reset
        case EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN: .exhausted
        default: .unreachable
        }
    }
}

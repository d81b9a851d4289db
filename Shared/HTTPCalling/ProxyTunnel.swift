import HTTPWire
import Transport

/// Asks a proxy to pass bytes on to an origin (HTTP CONNECT, RFC 9110 §9.3.6).
struct ProxyTunnel {
    private let request: [UInt8]
    private static let headBytes = 8 * 1024

    init(to origin: Origin) {
        let host = origin.host.contains(":") ? "[\(origin.host)]" : origin.host
        let target = "\(host):\(origin.port)"
        request = Array("CONNECT \(target) HTTP/1.1\r\nhost: \(target)\r\nuser-agent: eclusa\r\n\r\n".utf8)
    }

    /// Throws `.proxyRefused` when the answer is no success, or none a proxy may give.
    func open(over connection: Connection) async throws(TransportError) {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: request.count, alignment: 1)
        defer { bytes.deallocate() }
        bytes.copyBytes(from: request)
        try await connection.send(UnsafeRawBufferPointer(bytes))
        var limits = WireLimits.response
        limits.headBytes = Self.headBytes
        var head = ResponseHead(limits: limits)
        while true {
            switch head.parse(connection.buffered) {
            case .complete(let length):
                connection.consume(length)
                if head.isInterim {
                    head.reset()
                    continue
                }
                // Bytes behind a success would be the origin's, which has not been spoken to.
                guard (200...299).contains(head.status), connection.buffered.isEmpty else {
                    throw .proxyRefused(head.status)
                }
                return
            case .refused: throw .proxyRefused(0)
            case .incomplete: if try await !connection.fill() { throw .endOfStream }
            }
        }
    }
}

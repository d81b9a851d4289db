import EventLoops
import TestSupport
import Transport

/// Both ends of a loopback connection on one loop.
struct ConnectionPair {
    let client: Connection
    let server: Connection

    static func make(
        _ loop: EventLoop, serverTLS: TLSContext? = nil, clientTLS: TLSContext? = nil,
        serverName: String? = nil
    ) async throws -> ConnectionPair {
        let accepted = Wakeup()
        var server: Connection?
        let listener = try Listener(
            loop: loop, address: SocketAddress("127.0.0.1:0")!, tls: serverTLS
        ) {
            server = $0
            accepted.signal()
        }
        defer { listener.close() }
        let pool = BlockingPool(threads: 1, queueLimit: 1, name: "names")
        defer { pool.shutdown() }
        let dialer = Dialer(loop: loop, resolver: pool, policy: .unrestricted)
        let client = try await dialer.connect(
            host: "127.0.0.1", port: listener.localAddress.port, tls: clientTLS, serverName: serverName,
            timeoutNanoseconds: 5_000_000_000)
        await accepted.wait()
        return ConnectionPair(client: client, server: server!)
    }
}

extension Connection {
    func send(_ text: String) async throws {
        let bytes = Array(text.utf8)
        try await send(bytes)
    }
    func send(_ bytes: [UInt8]) async throws {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        try await send(UnsafeRawBufferPointer(copy))
    }
    /// Receives and consumes exactly `count` bytes.
    func receive(_ count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            if buffered.isEmpty, try await !fill() { throw TransportError.endOfStream }
            let taken = min(count - bytes.count, buffered.count)
            bytes += buffered[..<taken]
            consume(taken)
        }
        return bytes
    }
    func receiveText(_ count: Int) async throws -> String {
        String(decoding: try await receive(count), as: UTF8.self)
    }
}

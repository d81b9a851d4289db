import EventLoops
import Glibc
import TestSupport

@testable import Transport

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
        let listener = try Listener(loop: loop, address: anyPort, tls: serverTLS) {
            server = $0
            accepted.signal()
        }
        defer { listener.close() }
        let client = try await dial(loop, listener.localAddress, tls: clientTLS, serverName: serverName)
        await accepted.wait()
        return ConnectionPair(client: client, server: server!)
    }

    static let anyPort = SocketAddress("127.0.0.1:0")!

    static func dial(
        _ loop: EventLoop, _ address: SocketAddress, tls: TLSContext? = nil, serverName: String? = nil
    ) async throws(TransportError) -> Connection {
        let names = NameResolver(loop: loop, pool: idlePool) { _ in [] }
        let dialer = Dialer(loop: loop, names: names, policy: .unrestricted)
        return try await dialer.connect(
            host: address.address.description, port: address.port, tls: tls, serverName: serverName,
            timeoutNanoseconds: 5_000_000_000)
    }
}

/// 64 MiB of zeroes: more than any kernel buffer takes.
nonisolated(unsafe) let manyZeroes = UnsafeRawBufferPointer(start: calloc(1, 64 << 20), count: 64 << 20)

/// A pool for dialers that look nothing up.
let idlePool = BlockingPool(threads: 1, queueLimit: 8, name: "names")

extension Connection {
    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ first: [UInt8], _ second: [UInt8] = []) async throws {
        let copies = [first, second].map { bytes in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
            copy.copyBytes(from: bytes)
            return copy
        }
        defer { for copy in copies { copy.deallocate() } }
        try await send(UnsafeRawBufferPointer(copies[0]), UnsafeRawBufferPointer(copies[1]))
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
    /// The error `fill` ends with, nil when it gives bytes or the end.
    func failureOfFill() async -> TransportError? {
        do throws(TransportError) { _ = try await fill() } catch { return error }
        return nil
    }
}

/// A peer that misbehaves: a blocking socket used from the test's own thread.
struct RawPeer {
    let descriptor: Int32

    init(connectingTo address: SocketAddress) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = address.port.bigEndian
        target.sin_addr.s_addr = address.address.v4!.bigEndian
        let result = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "connect failed")
    }
    func send(_ text: String) {
        let bytes = Array(text.utf8)
        precondition(Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
    }
    func shutdownWrite() { _ = shutdown(descriptor, Int32(SHUT_WR)) }
    /// Ends with a reset instead of a goodbye.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        close()
    }
    func close() { _ = Glibc.close(descriptor) }
    /// What has arrived so far; nil at the end of the stream or after a reset.
    func receiveNow() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if count < 0 { return errno == EAGAIN ? [] : nil }
        return count == 0 ? nil : Array(bytes[..<count])
    }
}

/// Seeded bytes and sizes (SplitMix64).
struct SplitMix {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}

import EventLoops
import HTTPServing
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPCalling

/// A client of its own on the loop, dialling anywhere.
struct Caller {
    let client: HTTPClient
    private let names: BlockingPool

    init(_ loop: EventLoop, limits: ClientLimits = ClientLimits(), policy: EgressPolicy = .unrestricted) {
        names = BlockingPool(threads: 1, queueLimit: 8, name: "names")
        client = HTTPClient(
            loop: loop, dialer: Dialer(loop: loop, resolver: names, policy: policy), limits: limits)
    }

    func end() {
        client.closeIdle()
        names.shutdown()
    }
}

/// Runs `body` with a well-behaved server and a client on one loop.
func withServerAndClient(
    limits: ClientLimits = ClientLimits(), serverLimits: ServerLimits = ServerLimits(),
    tls: TLSContext? = nil,
    handler: @escaping @Sendable (Exchange) async -> Void,
    _ body: @escaping @Sendable (HTTPClient, HTTPServer, SocketAddress) async throws -> Void
) async throws {
    try await withLoop { loop in
        let server = HTTPServer(loop: loop, limits: serverLimits, handler: handler)
        let address = try server.listen(on: SocketAddress("127.0.0.1:0")!, tls: tls)
        let caller = Caller(loop, limits: limits)
        defer { caller.end() }
        try await body(caller.client, server, address)
    }
}

/// A server that says exactly what a test wants, whatever it is asked; one script entry a connection.
final class ScriptedUpstream {
    enum Step: Sendable {
        /// Reads until so many requests have come in all, judged by their blank lines.
        case request
        /// Reads the head of a request, and of its content only what comes with that.
        case head
        /// Reads and drops so many bytes of content.
        case content(Int)
        case say(String)
        case bytes([UInt8])
        /// Says them byte by byte, a turn of the loop each.
        case dripBytes([UInt8])
        /// Says it byte by byte, a turn of the loop each.
        case drip(String)
        case wait(milliseconds: Int)
        /// Waits for the test to signal `resume`.
        case await
        /// Tells the test, which waits in `signalled`.
        case signal
        case shutdown
        /// Ends with unread bytes or not: the peer sees a reset or an end.
        case close
        /// Keeps the connection and says no more.
        case hold
    }

    let listener: Listener
    private let isSecure: Bool
    private(set) var connections: [Connection] = []
    private(set) var received = ""
    private(set) var contentBytes = 0
    let resume = Wakeup()
    private let reached = Wakeup()

    /// The last script serves all further connections.
    init(_ loop: EventLoop, _ scripts: [[Step]], tls: TLSContext? = nil) throws {
        var pending = scripts
        var accept: ((Connection) -> Void)?
        isSecure = tls != nil
        listener = try Listener(loop: loop, address: SocketAddress("127.0.0.1:0")!, tls: tls) { accept?($0) }
        accept = { [unowned self] connection in
            connections.append(connection)
            let script = pending.count > 1 ? pending.removeFirst() : pending[0]
            loop.spawn { await self.play(script, on: connection) }
        }
    }

    deinit { listener.close() }

    var url: String { "\(isSecure ? "https" : "http")://\(listener.localAddress)/" }
    var origin: Origin { Origin(WebAddress(url)!)! }

    /// Waits until a script signals, and until what it did before is seen by all sockets of the loop.
    func signalled() async {
        await reached.wait()
        for _ in 0..<3 { await EventLoop.current?.yieldTurn() }
    }

    private func play(_ script: [Step], on connection: Connection) async {
        do {
            for step in script {
                switch step {
                case .request: try await readRequest(connection)
                case .head: try await readRequest(connection, withContent: false)
                case .content(let count):
                    while contentBytes < count, try await connection.fill() {
                        contentBytes += connection.buffered.count
                        connection.consume(connection.buffered.count)
                    }
                case .say(let text): try await connection.say(Array(text.utf8))
                case .bytes(let bytes): try await connection.say(bytes)
                case .dripBytes(let bytes): try await drip(bytes, on: connection)
                case .drip(let text): try await drip(Array(text.utf8), on: connection)
                case .wait(let milliseconds):
                    await connection.loop.sleep(nanoseconds: Int64(milliseconds) * 1_000_000)
                case .await: await resume.wait()
                case .signal: reached.signal()
                case .shutdown: connection.shutdownWrite()
                case .close: connection.close()
                case .hold:
                    while try await connection.fill() { connection.consume(connection.buffered.count) }
                }
            }
        } catch {}
    }

    private func drip(_ bytes: [UInt8], on connection: Connection) async throws {
        for byte in bytes {
            try await connection.say([byte])
            await connection.loop.yieldTurn()
        }
    }

    private func readRequest(_ connection: Connection, withContent: Bool = true) async throws {
        var head = RequestHead()
        while true {
            switch head.parse(connection.buffered) {
            case .complete(let length):
                received += String(decoding: connection.buffered[..<length], as: UTF8.self)
                connection.consume(length)
                guard withContent, case .length(let content) = head.framing else { return }
                connection.maximumBuffered = max(connection.maximumBuffered, content)
                try await connection.fill(until: content)
                received += String(decoding: connection.buffered[..<content], as: UTF8.self)
                connection.consume(content)
                return
            case .refused(let fault): throw fault
            case .incomplete: if try await !connection.fill() { throw TransportError.endOfStream }
            }
        }
    }
}

extension Connection {
    func say(_ bytes: [UInt8]) async throws {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        try await send(UnsafeRawBufferPointer(copy))
    }
}

/// Runs `body` with a scripted server and a client on one loop.
func withScript(
    _ scripts: [[ScriptedUpstream.Step]], limits: ClientLimits = ClientLimits(), tls: TLSContext? = nil,
    _ body: @escaping @Sendable (HTTPClient, ScriptedUpstream) async throws -> Void
) async throws {
    try await withLoop { loop in
        let upstream = try ScriptedUpstream(loop, scripts, tls: tls)
        let caller = Caller(loop, limits: limits)
        defer { caller.end() }
        try await body(caller.client, upstream)
    }
}

extension HTTPClient {
    /// The error of a request that must not succeed.
    func failure(
        _ url: String, _ method: HTTPMethod = .get, body: [UInt8] = [],
        timeoutNanoseconds: Int64 = 10_000_000_000
    ) async -> CallError? {
        do throws(CallError) {
            let response = try await request(
                method, url, body: body, timeoutNanoseconds: timeoutNanoseconds)
            Issue.record("succeeded with \(response.status) and \(response.body.count) bytes")
            return nil
        } catch { return error }
    }
}

extension String {
    func repeated(_ count: Int) -> String { String(repeating: self, count: count) }
}

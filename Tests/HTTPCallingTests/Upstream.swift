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
        case say(String)
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
    private(set) var connections: [Connection] = []
    private(set) var received = ""
    let resume = Wakeup()
    private let reached = Wakeup()

    /// The last script serves all further connections.
    init(_ loop: EventLoop, _ scripts: [[Step]]) throws {
        var pending = scripts
        var accept: ((Connection) -> Void)?
        listener = try Listener(loop: loop, address: SocketAddress("127.0.0.1:0")!) { accept?($0) }
        accept = { [unowned self] connection in
            connections.append(connection)
            let script = pending.count > 1 ? pending.removeFirst() : pending[0]
            loop.spawn { await self.play(script, on: connection) }
        }
    }

    deinit { listener.close() }

    var url: String { "http://\(listener.localAddress)/" }
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
                case .say(let text): try await connection.say(text)
                case .drip(let text):
                    for byte in text.utf8 {
                        try await connection.say(String(UnicodeScalar(byte)))
                        await connection.loop.yieldTurn()
                    }
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

    private func readRequest(_ connection: Connection) async throws {
        var head = RequestHead()
        while true {
            switch head.parse(connection.buffered) {
            case .complete(let length):
                received += String(decoding: connection.buffered[..<length], as: UTF8.self)
                connection.consume(length)
                guard case .length(let content) = head.framing else { return }
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
    func say(_ text: String) async throws {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: text.utf8)
        try await send(UnsafeRawBufferPointer(copy))
    }
}

/// Runs `body` with a scripted server and a client on one loop.
func withScript(
    _ scripts: [[ScriptedUpstream.Step]], limits: ClientLimits = ClientLimits(),
    _ body: @escaping @Sendable (HTTPClient, ScriptedUpstream) async throws -> Void
) async throws {
    try await withLoop { loop in
        let upstream = try ScriptedUpstream(loop, scripts)
        let caller = Caller(loop, limits: limits)
        defer { caller.end() }
        try await body(caller.client, upstream)
    }
}

extension HTTPClient {
    /// The error of a request that must not succeed.
    func failure(
        _ url: String, _ method: HTTPMethod = .get, timeoutNanoseconds: Int64 = 10_000_000_000
    ) async -> CallError? {
        do throws(CallError) {
            let response = try await request(method, url, timeoutNanoseconds: timeoutNanoseconds)
            Issue.record("succeeded with \(response.status) and \(response.body.count) bytes")
            return nil
        } catch { return error }
    }
}

extension String {
    func repeated(_ count: Int) -> String { String(repeating: self, count: count) }
}

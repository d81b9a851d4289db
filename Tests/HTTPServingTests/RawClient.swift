import EventLoops
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPServing

/// A client that says exactly what a test wants to be said.
final class RawClient {
    struct Answer {
        var status = 0
        var fields: HeaderFields = [:]
        var body: [UInt8] = []
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    let connection: Connection

    init(_ loop: EventLoop, _ address: SocketAddress, tls: TLSContext? = nil) async throws {
        let pool = BlockingPool(threads: 1, queueLimit: 1, name: "names")
        defer { pool.shutdown() }
        let dialer = Dialer(loop: loop, resolver: pool, policy: .unrestricted)
        connection = try await dialer.connect(
            host: "127.0.0.1", port: address.port, tls: tls, serverName: tls == nil ? nil : "localhost",
            timeoutNanoseconds: 5_000_000_000)
        connection.setDeadline(afterNanoseconds: 20_000_000_000)
    }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        try await connection.send(UnsafeRawBufferPointer(copy))
    }

    /// One whole answer to a request of `method`; throws when the server ends before its end.
    func answer(to method: HTTPMethod = .get) async throws -> Answer {
        var head = ResponseHead()
        var length = 0
        while length == 0 {
            switch head.parse(connection.buffered) {
            case .complete(let count): length = count
            case .refused(let fault): throw fault
            case .incomplete: if try await !connection.fill() { throw TransportError.endOfStream }
            }
        }
        var answer = Answer()
        answer.status = head.status
        answer.fields = HeaderFields(head.fields, in: connection.buffered.baseAddress!)
        connection.consume(length)
        var body = BodyDecoder(head.framing(answering: method), limits: .response)
        while !body.isComplete {
            if connection.buffered.isEmpty, try await !connection.fill() {
                if body.endOfStream() { break }
                throw TransportError.endOfStream
            }
            let bytes = connection.buffered
            let step = try body.decode(bytes)
            answer.body += bytes[step.framing..<(step.framing + step.content)]
            connection.consume(step.framing + step.content)
        }
        return answer
    }

    /// Everything until the server ends.
    func rest() async throws -> String {
        var bytes: [UInt8] = []
        repeat {
            bytes += connection.buffered
            connection.consume(connection.buffered.count)
        } while try await connection.fill()
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the server has ended the connection, with or without an error.
    func isEnded() async -> Bool {
        do {
            while try await connection.fill() { connection.consume(connection.buffered.count) }
            return true
        } catch { return error == .reset }
    }
}

/// Runs `body` with a server of its own on a loop of its own.
func withServer(
    _ limits: ServerLimits = ServerLimits(), tls: TLSContext? = nil,
    handler: @escaping @Sendable (Exchange) async -> Void = Routes.serve,
    _ body: @escaping @Sendable (HTTPServer, SocketAddress) async throws -> Void
) async throws {
    try await withLoop { loop in
        let server = HTTPServer(loop: loop, limits: limits, handler: handler)
        let address = try server.listen(on: SocketAddress("127.0.0.1:0")!, tls: tls)
        try await body(server, address)
        await server.drain(withinNanoseconds: 100_000_000)
        #expect(server.connectionCount == 0)
    }
}

/// A handler for each thing a test asks about.
enum Routes {
    @Sendable static func serve(_ exchange: Exchange) async {
        do {
            try await route(exchange)
        } catch let error as RequestError {
            guard let status = error.status else { return }
            try? await exchange.respond(status: status, text: "refused")
        } catch {}
    }

    static func route(_ exchange: Exchange) async throws {
        switch exchange.path {
        case "/echo":
            let body = try await exchange.readBody(limit: limit(exchange))
            try await exchange.respond(
                status: 200, fields: ["x-path": exchange.path, "x-query": "\(exchange.query.count)"],
                body: body)
        case "/twice":
            _ = try await exchange.readBody(limit: limit(exchange))
            let body = try await exchange.readBody(limit: limit(exchange))
            try await exchange.respond(status: 200, body: body)
        case "/parts":
            var count = 0, parts = 0
            while let part = try await exchange.nextBodyPart() {
                count += part.count
                parts += 1
            }
            let host = exchange.fieldText(.host) ?? ""
            try await exchange.respond(status: 200, text: "\(count) in \(parts > 0) for \(host)")
        case "/part-then-all":
            _ = try await exchange.nextBodyPart()
            let body = try await exchange.readBody(limit: 1 << 20)
            try await exchange.respond(status: 200, body: Array(body))
        case "/all-then-parts":
            _ = try await exchange.readBody(limit: 1 << 20)
            var count = 0
            while let part = try await exchange.nextBodyPart() { count += part.count }
            try await exchange.respond(status: 200, text: "\(count)")
        case "/stream":
            try await exchange.startStreaming(status: 200, fields: ["content-type": "text/event-stream"])
            for index in 0..<3 { try await write(exchange, "data: \(index)\n\n") }
            try await write(exchange, "")
            try await exchange.finish()
        case "/cut":
            try await exchange.startStreaming(status: 200)
            try await write(exchange, "half")
        case "/big":
            let bytes = [UInt8](repeating: 0x78, count: limit(exchange))
            try await exchange.respond(status: 200, body: bytes)
        case "/nothing": return
        case "/spoiled":
            try await exchange.respond(status: 200, fields: ["x": "a\r\nset-cookie: b"], text: "never")
        case "/spoiled-stream":
            try await exchange.startStreaming(status: 200, fields: ["x": "a\nb"])
            try await write(exchange, "never")
            try await exchange.finish()
        case "/framing": try await framing(exchange)
        case "/empty": try await exchange.respond(status: 204)
        case "/raw": try await raw(exchange)
        case "/every":
            exchange.everyAnswer = ["x-every": "here"]
            try await exchange.respond(status: 200, text: exchange.path)
        case "/id": try await exchange.respond(status: 200, text: exchange.requestID.description)
        default: try await exchange.respond(status: 404, text: exchange.path)
        }
    }

    private static func framing(_ exchange: Exchange) async throws {
        let fields: HeaderFields = [
            "Content-Length": "999", "Transfer-Encoding": "x", "Connection": "y", "Date": "z",
            "x-request-id": "w",
        ]
        try await exchange.respond(status: 200, fields: fields, text: "ok")
        // An answer is given once.
        try await exchange.respond(status: 500, text: "again")
        try await exchange.startStreaming(status: 500)
    }

    private static func raw(_ exchange: Exchange) async throws {
        let keepsAlive = exchange.canKeepAlive
        var writer = HeadWriter()
        writer.beginResponse(status: 200)
        writer.field("content-length", number: 4)
        writer.field("date", exchange.dateBytes)
        writer.field("x-request-id", exchange.requestIDBytes)
        if !keepsAlive { writer.field("connection", "close") }
        guard let head = writer.finish() else { return }
        let body: StaticString = "rawr"
        try await exchange.sendRaw(head, UnsafeRawBufferPointer(start: body.utf8Start, count: 2))
        try await exchange.sendRaw(UnsafeRawBufferPointer(start: body.utf8Start + 2, count: 2))
        exchange.markResponded(keepAlive: keepsAlive)
    }

    private static func limit(_ exchange: Exchange) -> Int {
        exchange.query.first { $0.name == "n" }.flatMap { Int($0.value) } ?? (32 << 20)
    }

    static func write(_ exchange: Exchange, _ text: String) async throws {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        defer { bytes.deallocate() }
        bytes.copyBytes(from: text.utf8)
        try await exchange.write(UnsafeRawBufferPointer(bytes))
    }
}

extension String {
    func repeated(_ count: Int) -> String { String(repeating: self, count: count) }
}

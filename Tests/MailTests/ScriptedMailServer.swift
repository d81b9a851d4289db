import EventLoops
import SMTP
import TestSupport
import Testing

@testable import Transport

/// A mail server that says exactly what a test wants; one connection at a time.
final class ScriptedMailServer {
    enum Step: Sendable {
        case say(String)
        /// Reads one line and notes it.
        case line
        /// Reads up to the dot that ends a message and notes it.
        case content
        case secure
        case hang
    }

    private(set) var listener: Listener?
    private(set) var heard: [String] = []
    private var connections: [Connection] = []
    private let tls: TestTLS
    private let script: [Step]

    init(_ loop: EventLoop, tls: TestTLS, implicit: Bool = false, _ script: [Step]) throws {
        self.tls = tls
        self.script = script
        listener = try Listener(
            loop: loop, address: SocketAddress("127.0.0.1:0")!, tls: implicit ? tls.server : nil
        ) { [unowned self] connection in
            connections.append(connection)
            loop.spawn { await self.play(on: connection) }
        }
    }

    var port: UInt16 { listener?.localAddress.port ?? 0 }

    func close() {
        listener?.close()
        for connection in connections { connection.close() }
    }

    private func play(on connection: Connection) async {
        do {
            for step in script {
                switch step {
                case .say(let text): try await say(text, connection)
                case .line: heard.append(try await read(until: "\r\n", connection))
                case .content: heard.append(try await read(until: "\r\n.\r\n", connection))
                case .secure: try await connection.acceptTLS(tls.server)
                case .hang: return
                }
            }
        } catch {}
        connection.close()
    }

    private func read(until end: String, _ connection: Connection) async throws -> String {
        var text = ""
        while !text.hasSuffix(end) {
            if connection.buffered.isEmpty, try await !connection.fill() { return text }
            text.unicodeScalars.append(Unicode.Scalar(connection.buffered[0]))
            connection.consume(1)
        }
        return String(text.dropLast(end.count))
    }

    private func say(_ text: String, _ connection: Connection) async throws {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: text.utf8)
        try await connection.send(UnsafeRawBufferPointer(copy))
    }
}

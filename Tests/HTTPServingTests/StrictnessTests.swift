import EventLoops
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPServing

/// The requests of `Tests/Strictness` over real sockets.
@Suite("strictness over sockets")
struct StrictnessTests {
    /// How the bytes of one request are sent.
    enum Pace: Sendable { case whole, halves, drip }

    @Test("a server does with every request what the table says", arguments: [Pace.whole, .halves, .drip])
    func requests(_ pace: Pace) async throws {
        try await withServer(handler: Echo.serve) { server, address in
            for example in WireTable.requests {
                if pace == .drip && example.bytes.count > 300 { continue }
                let client = try await RawClient(server.loop, address)
                await Self.send(example.bytes, pace, client, server.loop)
                client.connection.shutdownWrite()
                let said = try await Self.answers(client, to: example)
                #expect(said == example.outcomes.filter { $0 != "waits" }, "\(example)")
                client.connection.close()
            }
        }
    }

    @Test("bytes that are no TLS get nothing from a TLS listener, and it goes on")
    func plainOnTLS() async throws {
        let contexts = try TestTLS()
        try await withServer(tls: contexts.server, handler: Echo.serve) { server, address in
            for example in WireTable.requests where example.bytes.count < 100 && !example.bytes.isEmpty {
                let client = try await RawClient(server.loop, address)
                await Self.send(example.bytes, .whole, client, server.loop)
                client.connection.shutdownWrite()
                let rest = (try? await client.rest()) ?? ""
                #expect(!rest.contains("HTTP/1.1"), "\(example)")
                client.connection.close()
            }
            #expect(server.statistics.requests == 0)
            let client = try await RawClient(server.loop, address, tls: contexts.client)
            try await client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.answer().status == 200)
        }
    }

    /// A server that has refused may stop listening: what it did not take is no matter.
    private static func send(_ bytes: [UInt8], _ pace: Pace, _ client: RawClient, _ loop: EventLoop) async {
        let pieces: [ArraySlice<UInt8>] =
            switch pace {
            case .whole: [bytes[...]]
            case .halves: [bytes[..<(bytes.count / 2)], bytes[(bytes.count / 2)...]]
            case .drip: bytes.indices.map { bytes[$0...$0] }
            }
        for piece in pieces {
            try? await client.send(Array(piece))
            await loop.yieldTurn()
        }
    }

    /// The answers until the server ends, in the words of the table.
    private static func answers(_ client: RawClient, to example: WireCase) async throws -> [String] {
        var said: [String] = []
        while true {
            while client.connection.buffered.isEmpty {
                if try await !client.connection.fill() { return said }
            }
            let isHead = said.count < example.outcomes.count && example.outcomes[said.count].hasPrefix("HEAD")
            let answer = try await client.answer(to: isHead ? .head : .get)
            if answer.status == 100 { continue }
            let isClosing = answer.fields["connection"] == "close"
            if answer.status == 200 {
                said.append(answer.fields["x-said"].map(Echo.unescape) ?? "")
                if isClosing { said.append("close") }
            } else {
                let fault = answer.text.split(separator: "\n").first.map { " " + $0 } ?? ""
                said.append("\(answer.status)\(fault)")
                #expect(isClosing, "\(example)")
            }
        }
    }
}

/// Answers with what it was asked.
enum Echo {
    @Sendable static func serve(_ exchange: Exchange) async {
        let query = exchange.head.query(in: exchange.headBytes).map {
            "?" + String(decoding: $0, as: UTF8.self)
        }
        var said = "\(exchange.method) \(exchange.path)\(query ?? "")"
        do throws(RequestError) {
            let content = try await exchange.readBody(limit: 16 << 20)
            if !content.isEmpty { said += " \"\(String(decoding: content, as: UTF8.self))\"" }
            try? await exchange.respond(status: 200, fields: ["x-said": QueryItems.escape(said)])
        } catch {
            guard let status = error.status else { return }
            var text = ""
            if case .malformed(let fault) = error { text = fault.rawValue }
            try? await exchange.respond(status: status, text: text)
        }
    }

    static func unescape(_ text: String) -> String {
        var item = "a=\(text)"
        return item.withUTF8 { QueryItems.parse(UnsafeRawBufferPointer($0)).first?.value ?? "" }
    }
}

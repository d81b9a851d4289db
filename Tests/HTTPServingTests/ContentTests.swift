import EventLoops
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPServing

@Suite("content of requests")
struct ContentTests {
    static let head = "POST /echo HTTP/1.1\r\nHost: a\r\n"

    @Test(
        "content of any size arrives whole, by length and in chunks",
        arguments: [0, 1, 1000, 16_000, 16_384, 20_000, 65_536, 100_000, 3_000_000], [false, true])
    func sizes(_ size: Int, _ isChunked: Bool) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            for target in ["/echo?a=b&c=d", "/twice"] {
                let start = "POST \(target) HTTP/1.1\r\nHost: a\r\n"
                if isChunked {
                    try await client.send(start + "Transfer-Encoding: chunked\r\n\r\n")
                    for index in stride(from: 0, to: size, by: 50_000) {
                        let piece = content[index..<min(index + 50_000, size)]
                        try await client.send("\(String(piece.count, radix: 16))\r\n")
                        try await client.send(piece + [13, 10])
                    }
                    try await client.send("0\r\n\r\n")
                } else {
                    try await client.send(start + "Content-Length: \(size)\r\n\r\n")
                    try await client.send(content)
                }
                let answer = try await client.answer()
                #expect(answer.status == 200)
                #expect(answer.body == content)
                if target != "/twice" {
                    // The head is still there after its content was read.
                    #expect(answer.fields["x-path"] == "/echo")
                    #expect(answer.fields["x-query"] == "2")
                }
            }
        }
    }

    @Test("content that comes byte by byte is read", arguments: [false, true])
    func drip(_ isChunked: Bool) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let framing = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: 5"
            let body = isChunked ? "3;x=\"y\"\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n" : "abcde"
            for byte in (Self.head + framing + "\r\n\r\n" + body).utf8 {
                try await client.send([byte])
                await server.loop.yieldTurn()
            }
            #expect(try await client.answer().text == "abcde")
        }
    }

    @Test("content is handed out in parts", arguments: [0, 10, 200_000], [false, true])
    func parts(_ size: Int, _ isChunked: Bool) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let content = "x".repeated(size)
            let head = "POST /parts HTTP/1.1\r\nHost: here\r\n"
            for _ in 0..<2 {
                if isChunked {
                    let chunk = size > 0 ? "\(String(size, radix: 16))\r\n\(content)\r\n" : ""
                    try await client.send(head + "Transfer-Encoding: chunked\r\n\r\n\(chunk)0\r\n\r\n")
                } else {
                    try await client.send(head + "Content-Length: \(size)\r\n\r\n" + content)
                }
                #expect(try await client.answer().text == "\(size) in \(size > 0) for here")
            }
        }
    }

    @Test("parts and whole can be mixed")
    func mixed() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
            try await client.send("POST /part-then-all HTTP/1.1\r\nHost: a\r\n" + chunks)
            #expect(try await client.answer().text == "def")
            try await client.send("POST /all-then-parts HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            #expect(try await client.answer().text == "3")
            try await client.send("POST /all-then-parts HTTP/1.1\r\nHost: a\r\n" + chunks)
            #expect(try await client.answer().text == "0")
        }
    }

    @Test("content can be given back before a long answer", arguments: [0, 10, 100_000], [false, true])
    func release(_ size: Int, _ isChunked: Bool) async throws {
        try await withServer(handler: { exchange in
            // Too early: nothing was read.
            exchange.releaseContent()
            guard let count = try? await exchange.readBody(limit: 1 << 20).count else { return }
            let before = exchange.connection.loop.lentBlocks
            exchange.releaseContent()
            exchange.releaseContent()
            let isReleased = exchange.connection.buffered.isEmpty && exchange.gathered.isEmpty
            let host = exchange.fieldText(.host) ?? "", lent = exchange.connection.loop.lentBlocks
            let rest = (try? await exchange.readBody(limit: 10).count) ?? -1
            #expect(lent <= before)
            try? await exchange.respond(status: 200, text: "\(count) \(isReleased) \(rest) \(host)")
        }) { server, address in
            let client = try await RawClient(server.loop, address)
            let content = "x".repeated(size)
            for _ in 0..<3 {
                if isChunked {
                    let chunk = size > 0 ? "\(String(size, radix: 16))\r\n\(content)\r\n" : ""
                    try await client.send(
                        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\(chunk)0\r\n\r\n")
                } else {
                    try await client.send(
                        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(size)\r\n\r\n" + content)
                }
                #expect(try await client.answer().text == "\(size) true 0 h")
            }
        }
    }

    @Test("a client that waits to be asked is asked, and only then")
    func expectation() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            for framing in ["Content-Length: 3\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
                try await client.send(Self.head + "Expect: 100-continue\r\n" + framing)
                let interim = try await client.answer()
                #expect(interim.status == 100)
                try await client.send(framing.hasPrefix("C") ? "abc" : "3\r\nabc\r\n0\r\n\r\n")
                #expect(try await client.answer().text == "abc")
            }
            // It did not wait.
            try await client.send(Self.head + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
            let answer = try await client.answer()
            #expect(answer.status == 200)
            #expect(answer.text == "abc")
        }
    }

    @Test("content that nobody wants is not asked for, and ends the connection")
    func unwantedExpectation() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send(
                "POST /id HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.status == 200)
            #expect(answer.fields["connection"] == "close")
            #expect(await client.isEnded())
        }
    }

    @Test(
        "too much content is refused before it is read or asked for",
        arguments: ["", "Expect: 100-continue\r\n"])
    func tooLarge(_ expectation: String) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let start = "POST /echo?n=10 HTTP/1.1\r\nHost: a\r\n\(expectation)"
            try await client.send(start + "Content-Length: 11\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.status == 413)
            #expect(answer.fields["connection"] == "close")
            #expect(await client.isEnded())
            #expect(server.statistics.refused == 1)
        }
    }

    @Test("a claimed length costs no memory", arguments: [Int.max, 1 << 40])
    func claimedLength(_ length: Int) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send(
                "POST /echo?n=\(Int.max) HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\nabc")
            client.connection.shutdownWrite()
            #expect(try await client.answer().status == (length == .max ? 413 : 400))
        }
    }

    @Test("the answer to too much content can be read while the client still sends")
    func readableRefusal() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let content = "x".repeated(150_000)
            try await client.send(
                "POST /echo?n=10 HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n" + content)
            #expect(try await client.answer().status == 413)
            let chunk = "\(String(content.utf8.count, radix: 16))\r\n\(content)\r\n0\r\n\r\n"
            let other = try await RawClient(server.loop, address)
            try await other.send(
                "POST /echo?n=10 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
            #expect(try await other.answer().status == 413)
        }
    }

    @Test("a little unread content is dropped, a lot ends the connection", arguments: [1000, 65_537])
    func unread(_ size: Int) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("POST /id HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.status == 200)
            #expect(answer.fields["connection"] == (size > 65_536 ? "close" : nil))
            guard size <= 65_536 else { return }
            try await client.send("y".repeated(size) + "GET /z HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.answer().text == "/z")
        }
    }

    @Test(
        "broken chunks are answered 400, readable, and nothing after them is",
        arguments: [
            "x\r\n", "3\r\nabcd\r\n", "3\nabc\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "0\r\nX\r\n\r\n",
        ])
    func brokenChunks(_ body: String) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let next = "GET /never HTTP/1.1\r\nHost: a\r\n\r\n"
            try await client.send(Self.head + "Transfer-Encoding: chunked\r\n\r\n" + body + next)
            let answer = try await client.answer()
            #expect(answer.status == 400)
            #expect(answer.fields["connection"] == "close")
            #expect(try await client.rest() == "")
        }
    }

    @Test(
        "content that is cut is answered 400", arguments: ["Content-Length: 5", "Transfer-Encoding: chunked"])
    func cut(_ framing: String) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send(
                Self.head + framing + "\r\n\r\n" + (framing.hasPrefix("C") ? "abc" : "5\r\nabc"))
            client.connection.shutdownWrite()
            #expect(try await client.answer().status == 400)
        }
    }

    @Test("a handler that ignores broken content does not keep the connection")
    func ignoredFailure() async throws {
        try await withServer(handler: { exchange in
            _ = try? await exchange.readBody(limit: 10)
            // Asking again gives the same answer.
            for asksForParts in [false, true] {
                do throws(RequestError) {
                    if asksForParts {
                        _ = try await exchange.nextBodyPart()
                    } else {
                        _ = try await exchange.readBody(limit: 10)
                    }
                    Issue.record("broken content was read")
                } catch { #expect(error == .malformed(.malformedChunk)) }
            }
        }) { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send(Self.head + "Transfer-Encoding: chunked\r\n\r\nx\r\n")
            let answer = try await client.answer()
            #expect(answer.status == 400)
            #expect(await client.isEnded())
        }
    }
}

import EventLoops
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPServing

@Suite("answers")
struct AnswerTests {
    @Test("one connection serves request after request")
    func keepAlive() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            var ids = Set<String>()
            for _ in 0..<20 {
                try await client.send("GET /id HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await client.answer()
                #expect(answer.status == 200)
                #expect(answer.fields["x-request-id"] == answer.text)
                #expect(answer.text.hasPrefix("req_"))
                #expect(answer.text.utf8.count == 36)
                #expect(answer.fields["date"]?.hasSuffix("GMT") == true)
                #expect(answer.fields["connection"] == nil)
                ids.insert(answer.text)
            }
            #expect(ids.count == 20)
            #expect(server.statistics.accepted == 1)
            #expect(server.statistics.requests == 20)
        }
    }

    @Test("fields of every answer are those of one request alone")
    func everyAnswer() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            for (path, expected) in [("/every", "here"), ("/id", nil), ("/every", "here"), ("/none", nil)] {
                try await client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await client.answer().fields["x-every"] == expected, "\(path)")
            }
        }
    }

    @Test("pipelined requests are answered in order, far beyond one turn of the loop")
    func pipelining() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let requests = (0..<300).map { "GET /x\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined()
            try await client.send(requests)
            for index in 0..<300 { #expect(try await client.answer().text == "/x\(index)") }
        }
    }

    @Test("pipelined requests with content stay apart")
    func pipelinedContent() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let length = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            let chunked =
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n"
            let unread = "POST /id HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nghi"
            try await client.send(length + chunked + unread + length)
            #expect(try await client.answer().text == "abc")
            #expect(try await client.answer().text == "def")
            #expect(try await client.answer().text.hasPrefix("req_"))
            #expect(try await client.answer().text == "abc")
        }
    }

    @Test("a client that asks for the end gets it", arguments: ["HTTP/1.1\r\nConnection: close", "HTTP/1.0"])
    func close(_ version: String) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET /x \(version)\r\nHost: a\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.text == "/x")
            #expect(answer.fields["connection"] == "close")
            #expect(await client.isEnded())
        }
    }

    @Test("an old client that asks to stay may")
    func oldKeepAlive() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            for _ in 0..<2 {
                try await client.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(try await client.answer().fields["connection"] == "keep-alive")
            }
        }
    }

    @Test("HEAD is answered like GET without content", arguments: ["/x", "/stream", "/big?n=70000"])
    func head(_ target: String) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send(
                "HEAD \(target) HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await client.answer(to: .head)
            #expect(answer.body.isEmpty)
            if target == "/x" { #expect(answer.fields["content-length"] == "2") }
            if target == "/stream" { #expect(answer.fields["transfer-encoding"] == "chunked") }
            #expect(try await client.answer().text == "/y")
        }
    }

    @Test("204 has neither content nor length")
    func noContent() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET /empty HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.status == 204)
            #expect(answer.fields["content-length"] == nil)
            #expect(try await client.answer().text == "/y")
        }
    }

    @Test("a stream comes in chunks and leaves the connection open")
    func streaming() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            for _ in 0..<2 {
                try await client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await client.answer()
                #expect(answer.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n")
                #expect(answer.fields["transfer-encoding"] == "chunked")
                #expect(answer.fields["content-length"] == nil)
            }
        }
    }

    @Test("an old client gets a stream without chunks, ended by the connection")
    func oldStreaming() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n")
            #expect(answer.fields["transfer-encoding"] == nil)
            #expect(answer.fields["connection"] == "close")
        }
    }

    @Test("a stream that its handler leaves open is cut, not finished")
    func cut() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
            await #expect(throws: TransportError.self) { try await client.answer() }
        }
    }

    @Test("large answers arrive whole", arguments: [65_536, 300_000, 5_000_000])
    func large(_ size: Int) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send(
                "GET /big?n=\(size) HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.body.count == size)
            #expect(answer.body.allSatisfy { $0 == 0x78 })
            #expect(try await client.answer().text == "/y")
        }
    }

    @Test("a large stream part is cut into chunks that arrive whole")
    func largePart() async throws {
        try await withServer(handler: { exchange in
            try? await exchange.startStreaming(status: 200)
            try? await Routes.write(exchange, "abcd".repeated(50_000))
            try? await exchange.finish()
        }) { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.answer().text == "abcd".repeated(50_000))
        }
    }

    @Test("a handler that answers nothing gives a 500 and keeps the connection")
    func unanswered() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send(
                "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.answer().status == 500)
            #expect(try await client.answer().text == "/y")
        }
    }

    @Test(
        "a field that would split the answer makes it an empty 500",
        arguments: ["/spoiled", "/spoiled-stream"])
    func splitting(_ target: String) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.status == 500)
            #expect(answer.body.isEmpty)
            #expect(!answer.fields.contains("set-cookie"))
            #expect(await client.isEnded())
            #expect(server.statistics.spoiledHeads == 1)
        }
    }

    @Test("framing is the server's own, and an answer is given once")
    func framing() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send(
                "GET /framing HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.fields.values("content-length") == ["2"])
            #expect(!answer.fields.contains("transfer-encoding"))
            #expect(!answer.fields.contains("connection"))
            #expect(answer.fields.values("date").count == 1)
            #expect(answer.fields.values("x-request-id").first?.hasPrefix("req_") == true)
            #expect(answer.text == "ok")
            #expect(try await client.answer().text == "/y")
        }
    }

    @Test("raw answers leave the connection as they say", arguments: [true, false])
    func raw(_ keepsAlive: Bool) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            let field = keepsAlive ? "" : "Connection: close\r\n"
            try await client.send("GET /raw HTTP/1.1\r\nHost: a\r\n\(field)\r\n")
            let answer = try await client.answer()
            #expect(answer.text == "rawr")
            #expect(answer.fields["connection"] == (keepsAlive ? nil : "close"))
            if keepsAlive {
                try await client.send("GET /y HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await client.answer().text == "/y")
            } else {
                #expect(await client.isEnded())
            }
        }
    }

    @Test("the handler sees the request as it is")
    func request() async throws {
        try await withServer(handler: { exchange in
            let lines = [
                exchange.method.description, exchange.path,
                String(decoding: exchange.pathBytes, as: UTF8.self),
                String(decoding: exchange.rawTarget, as: UTF8.self),
                exchange.query.map { "\($0.name)=\($0.value)" }.joined(separator: ","),
                exchange.fieldText(.userAgent) ?? "-", exchange.fieldText("x-odd") ?? "-",
                exchange.fieldText("x-none") ?? "-", "\(exchange.connection.peer.isLoopback)",
                "\(exchange.isUnanswered)", "\(exchange.query.count)",
            ]
            try? await exchange.respond(status: 200, text: lines.joined(separator: "|"))
        }) { server, address in
            let client = try await RawClient(server.loop, address)
            let lines = "Host: a\r\nUser-Agent: me\r\nX-Odd:  1 \r\n"
            try await client.send("PATCH /a/../b%20c?x=1%202&y HTTP/1.1\r\n\(lines)\r\n")
            let expected = "PATCH|/b c|/b c|/a/../b%20c?x=1%202&y|x=1 2,y=|me|1|-|true|true|2"
            #expect(try await client.answer().text == expected)
        }
    }

    @Test("TLS connections are served the same way")
    func secure() async throws {
        let contexts = try TestTLS()
        try await withServer(tls: contexts.server) { server, address in
            let client = try await RawClient(server.loop, address, tls: contexts.client)
            let content = "x".repeated(40_000)
            for _ in 0..<3 {
                try await client.send(
                    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n" + content)
                #expect(try await client.answer().text == content)
            }
        }
    }
}

import EventLoops
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPServing

/// Short times, so that a test of a timeout takes a fraction of a second.
func hastyLimits() -> ServerLimits {
    var limits = ServerLimits()
    limits.headerNanoseconds = 200_000_000
    limits.idleNanoseconds = 200_000_000
    limits.bodyGraceNanoseconds = 200_000_000
    limits.stalledReaderNanoseconds = 200_000_000
    limits.lingerNanoseconds = 200_000_000
    return limits
}

@Suite("refusals and limits")
struct RefusalTests {
    @Test(
        "what is not a request is answered once, readable, and the connection ends",
        arguments: [
            ("GET / HTTP/1.1\nHost: a\n\n", 400), ("GET / HTTP/1.1\r\n\r\n", 400), ("\u{16}\u{3}\u{1}", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501), ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
            ("POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n", 417),
            ("GET /\("a".repeated(9000)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \("a".repeated(70_000))\r\n\r\n", 431),
            ("GET / HTTP/1.1\r\nHost: a\r\n\("X: a\r\n".repeated(101))\r\n", 431),
            ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /.. HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ])
    func refused(_ request: String, _ status: Int) async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send(request + "GET /never HTTP/1.1\r\nHost: a\r\n\r\n".repeated(20))
            let answer = try await client.answer()
            #expect(answer.status == status)
            #expect(answer.fields["connection"] == "close")
            #expect(RequestFault(rawValue: String(answer.text.dropLast()))?.status == status)
            #expect(try await client.rest() == "")
            #expect(server.statistics.refused == 1)
            #expect(server.statistics.requests == 0)
        }
    }

    @Test("requests before a broken one are answered")
    func refusedLater() async throws {
        try await withServer { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\n\r\n")
            #expect(try await client.answer().text == "/x")
            #expect(try await client.answer().status == 400)
            #expect(await client.isEnded())
        }
    }

    @Test("a head must be complete in time, however often bytes come; one that is not is told so")
    func slowHead() async throws {
        try await withServer(hastyLimits()) { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET / HTTP/1.1\r\n")
            let dripping = Wakeup()
            server.loop.spawn {
                while !client.connection.isEnded, (try? await client.send("X: y\r\n")) != nil {
                    await server.loop.sleep(nanoseconds: 10_000_000)
                }
                dripping.signal()
            }
            #expect(try await client.answer().status == 408)
            #expect(await client.isEnded())
            client.connection.close()
            await dripping.wait()
            #expect(server.statistics.timedOut == 1)
        }
    }

    @Test("an idle connection is closed", arguments: [false, true])
    func idle(_ afterRequest: Bool) async throws {
        try await withServer(hastyLimits()) { server, address in
            let client = try await RawClient(server.loop, address)
            if afterRequest {
                try await client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await client.answer().text == "/x")
            }
            #expect(await client.isEnded())
            #expect(server.statistics.timedOut == 1)
        }
    }

    @Test(
        "content that comes too slowly is answered with 408 and ends the connection",
        arguments: [false, true])
    func slowContent(_ isChunked: Bool) async throws {
        var limits = hastyLimits()
        limits.bodyBytesPerSecond = 100_000_000
        try await withServer(limits) { server, address in
            let client = try await RawClient(server.loop, address)
            let framing =
                isChunked
                ? "Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n" : "Content-Length: 1000000\r\n\r\n"
            try await client.send("POST /parts HTTP/1.1\r\nHost: a\r\n" + framing)
            let dripping = Wakeup()
            server.loop.spawn {
                while !client.connection.isEnded, (try? await client.send("x")) != nil {
                    await server.loop.sleep(nanoseconds: 10_000_000)
                }
                dripping.signal()
            }
            #expect(try await client.answer().status == 408)
            #expect(await client.isEnded())
            client.connection.close()
            await dripping.wait()
            #expect(server.statistics.timedOut == 1)
        }
    }

    @Test("content at the rate is waited for beyond the grace")
    func steadyContent() async throws {
        var limits = hastyLimits()
        limits.bodyBytesPerSecond = 1
        try await withServer(limits) { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n")
            for _ in 0..<10 {
                try await client.send("ab")
                await server.loop.sleep(nanoseconds: 40_000_000)
            }
            #expect(try await client.answer().text == "ab".repeated(10))
        }
    }

    @Test("a handler may take its time")
    func slowHandler() async throws {
        try await withServer(
            hastyLimits(),
            handler: { exchange in
                await EventLoop.current?.sleep(nanoseconds: 450_000_000)
                try? await exchange.respond(status: 200, text: "late")
            }
        ) { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.answer().text == "late")
        }
    }

    @Test("a client that does not read is cut, and the handler sees it")
    func stalledReader() async throws {
        let seen = Completion<TransportError?>()
        try await withServer(
            hastyLimits(),
            handler: { exchange in
                do throws(TransportError) {
                    try await exchange.startStreaming(status: 200)
                    let part = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 1)
                    defer { part.deallocate() }
                    part.initializeMemory(as: UInt8.self, repeating: 0x78)
                    while true { try await exchange.write(UnsafeRawBufferPointer(part)) }
                } catch { seen.fulfil(error) }
            }
        ) { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await seen.value() == .timedOut)
            #expect(server.statistics.timedOut == 1)
        }
    }

    @Test("a client that hangs up ends what is linked to it")
    func hangUp() async throws {
        let seen = Completion<TransportError?>()
        try await withServer(handler: { exchange in
            // The other side of a call: a connection that never says anything.
            guard let loop = EventLoop.current, let pair = try? await Silence.connect(loop) else { return }
            exchange.connection.linked = pair.client
            do throws(TransportError) {
                _ = try await pair.client.fill()
                seen.fulfil(nil)
            } catch { seen.fulfil(error) }
        }) { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await server.loop.sleep(nanoseconds: 20_000_000)
            client.connection.close()
            #expect(await seen.value() == .aborted)
        }
    }

    @Test("a handler may close the connection at any point", arguments: 0..<5)
    func closedByHandler(_ point: Int) async throws {
        let seen = Completion<[String]>()
        try await withServer(handler: { exchange in
            var log: [String] = []
            func note(_ body: () async throws -> Void) async {
                do { try await body() } catch { log.append("\(error)") }
            }
            if point == 0 { exchange.connection.close() }
            await note { _ = try await exchange.readBody(limit: 10) }
            if point == 1 { exchange.connection.close() }
            await note { _ = try await exchange.readBody(limit: 10) }
            if point == 2 { exchange.connection.abort() }
            await note { _ = try await exchange.nextBodyPart() }
            exchange.releaseContent()
            if point == 3 { exchange.connection.close() }
            await note { try await exchange.respond(status: 200) }
            if point == 4 { exchange.connection.close() }
            seen.fulfil(log)
        }) { server, address in
            let client = try await RawClient(server.loop, address)
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            #expect(await seen.value().count == max(0, 4 - point))
            _ = await client.isEnded()
        }
    }

    @Test("connections above the limit are closed at once")
    func connectionLimit() async throws {
        var limits = ServerLimits()
        limits.maximumConnections = 2
        try await withServer(limits) { server, address in
            let first = try await RawClient(server.loop, address)
            let second = try await RawClient(server.loop, address)
            let third = try await RawClient(server.loop, address)
            #expect(await third.isEnded())
            for client in [first, second] {
                try await client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await client.answer().text == "/x")
            }
            #expect(server.statistics.overLimit == 1)
            #expect(server.connectionCount == 2)
        }
    }
}

/// A connection whose other end says nothing.
struct Silence {
    let client: Connection
    let server: Connection

    static func connect(_ loop: EventLoop) async throws -> Silence {
        let accepted = Wakeup()
        var server: Connection?
        let listener = try Listener(loop: loop, address: SocketAddress("127.0.0.1:0")!) {
            server = $0
            accepted.signal()
        }
        defer { listener.close() }
        let client = try await RawClient(loop, listener.localAddress).connection
        await accepted.wait()
        return Silence(client: client, server: server!)
    }
}

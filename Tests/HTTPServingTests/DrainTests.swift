import EventLoops
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPServing

@Suite("draining")
struct DrainTests {
    @Test("idle connections are closed, requests under way are finished, nothing new is accepted")
    func drain() async throws {
        try await withLoop { loop in
            let release = Wakeup(), arrived = Wakeup()
            let server = HTTPServer(loop: loop) { exchange in
                arrived.signal()
                await release.wait()
                try? await exchange.respond(status: 200, text: "done")
            }
            let address = try server.listen(on: SocketAddress("127.0.0.1:0")!)
            let idle = try await RawClient(loop, address)
            let busy = try await RawClient(loop, address)
            try await busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await arrived.wait()
            #expect(server.connectionCount == 2)
            let drained = Wakeup()
            loop.spawn {
                await server.drain(withinNanoseconds: 5_000_000_000)
                drained.signal()
            }
            #expect(server.isDraining)
            #expect(await idle.isEnded())
            await #expect(throws: TransportError.refused) { try await RawClient(loop, address) }
            release.signal()
            let answer = try await busy.answer()
            #expect(answer.text == "done")
            #expect(answer.fields["connection"] == "close")
            #expect(await busy.isEnded())
            busy.connection.close()
            await drained.wait()
            #expect(server.connectionCount == 0)
        }
    }

    @Test("what takes too long is cut")
    func cut() async throws {
        try await withLoop { loop in
            let arrived = Wakeup()
            let server = HTTPServer(loop: loop) { exchange in
                arrived.signal()
                _ = try? await exchange.readBody(limit: 100)
            }
            let address = try server.listen(on: SocketAddress("127.0.0.1:0")!)
            let client = try await RawClient(loop, address)
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            await arrived.wait()
            await server.drain(withinNanoseconds: 20_000_000)
            #expect(server.connectionCount == 0)
            #expect(await client.isEnded())
        }
    }

    @Test("a handler that cannot be ended does not hold up the drain for ever")
    func stuck() async throws {
        try await withLoop { loop in
            let never = Wakeup(), arrived = Wakeup()
            let server = HTTPServer(loop: loop) { _ in
                arrived.signal()
                await never.wait()
            }
            let address = try server.listen(on: SocketAddress("127.0.0.1:0")!)
            let client = try await RawClient(loop, address)
            try await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await arrived.wait()
            await server.drain(withinNanoseconds: 1)
            #expect(server.connectionCount == 1)
            never.signal()
            #expect(await client.isEnded())
        }
    }

    @Test("a server without connections drains at once, and refuses what comes from elsewhere")
    func empty() async throws {
        try await withLoop { loop in
            let server = HTTPServer(loop: loop) { _ in }
            await server.drain(withinNanoseconds: 1_000_000_000)
            let pair = try await Silence.connect(loop)
            server.serve(pair.server)
            #expect(pair.server.isEnded)
            #expect(server.connectionCount == 0)
        }
    }

    @Test("ids do not repeat and are written in hexadecimal")
    func ids() {
        var source = RequestIDSource()
        let ids = (0..<1000).map { _ in source.next() }
        #expect(Set(ids).count == 1000)
        #expect(Set(ids.map(\.high)).count == 1)
        #expect(
            RequestID(high: 0x0123_4567_89ab_cdef, low: 1).description
                == "req_0123456789abcdef0000000000000001")
    }

    @Test("a date is written once a second")
    func date() {
        var date = DateText()
        let first = String(decoding: date.bytes(1_000_000_000_000), as: UTF8.self)
        #expect(first.hasSuffix(" GMT"))
        #expect(String(decoding: date.bytes(1_000_000_000_001), as: UTF8.self) == first)
    }
}

import EventLoops
import HTTPServing
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPCalling

@Suite("pools and deadlines")
struct PoolTests {
    static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    @Test("a connection is used for call after call")
    func reuse() async throws {
        try await withServerAndClient(handler: CallTests.echo) { client, server, address in
            for _ in 0..<50 { _ = try await client.request(.post, "http://\(address)/x", body: [1]) }
            #expect(server.statistics.accepted == 1)
            let pool = client.pool(for: Origin(WebAddress("http://\(address)/")!)!)
            #expect(pool.dialled == 1)
            #expect(pool.reused == 49)
            #expect(pool.idleCount == 1)
            client.closeIdle()
            #expect(pool.open == 0)
        }
    }

    @Test("a connection that its server closed at rest is not used")
    func closedAtRest() async throws {
        try await withScript([[.request, .say(Self.ok), .close, .signal], [.request, .say(Self.ok), .hold]]) {
            client, upstream in
            _ = try await client.request(.post, upstream.url)
            await upstream.signalled()
            let response = try await client.request(.post, upstream.url)
            #expect(response.status == 200)
            #expect(upstream.connections.count == 2)
        }
    }

    @Test("a connection that dies under its second request is replaced once, when that is safe")
    func stale() async throws {
        let dying: [ScriptedUpstream.Step] = [.request, .say(Self.ok), .request, .close]
        try await withScript([dying, [.request, .say(Self.ok), .hold]]) { client, upstream in
            _ = try await client.request(.get, upstream.url)
            #expect(try await client.request(.get, upstream.url).status == 200)
            #expect(upstream.connections.count == 2)
        }
        try await withScript([dying]) { client, upstream in
            _ = try await client.request(.get, upstream.url)
            let error = await client.failure(upstream.url, .post)
            #expect(error == .endedBeforeAnswer(reused: true))
            #expect(error?.isStaleConnection == true)
            #expect(error?.nothingWasSent == false)
            #expect(upstream.connections.count == 1)
        }
        // A fresh connection that dies is not worth another.
        try await withScript([[.request, .close]]) { client, upstream in
            #expect(await client.failure(upstream.url) == .endedBeforeAnswer(reused: false))
            #expect(upstream.connections.count == 1)
        }
    }

    @Test("connections at rest are bounded in number and in time")
    func idleBounds() async throws {
        var limits = ClientLimits()
        limits.idlePerOrigin = 2
        limits.idleNanoseconds = 50_000_000
        try await withServerAndClient(limits: limits, handler: CallTests.echo) { client, server, address in
            let origin = Origin(WebAddress("http://\(address)/")!)!
            let pool = client.pool(for: origin)
            var calls: [ClientConnection] = []
            for _ in 0..<4 { calls.append(try await client.checkOut(origin)) }
            #expect(pool.open == 4)
            for call in calls {
                try await call.sendText("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
                try await call.receiveHead(answering: .get)
                call.finish()
            }
            #expect(pool.idleCount == 2)
            #expect(pool.open == 2)
            await client.loop.sleep(nanoseconds: 200_000_000)
            #expect(pool.idleCount == 0)
            #expect(pool.open == 0)
        }
    }

    @Test("connections in all are bounded")
    func openBound() async throws {
        var limits = ClientLimits()
        limits.connectionsPerOrigin = 1
        try await withServerAndClient(limits: limits, handler: CallTests.echo) { client, _, address in
            let origin = Origin(WebAddress("http://\(address)/")!)!
            let first = try await client.checkOut(origin)
            await #expect(throws: CallError.tooManyConnections) {
                _ = try await client.checkOut(origin).isReused
            }
            first.finish()
            let second = try await client.checkOut(origin)
            #expect(!second.isReused)
            second.finish()
            second.finish()
            #expect(client.pool(for: origin).open == 0)
        }
    }

    @Test("a call that is dropped without being finished gives its place back")
    func dropped() async throws {
        try await withServerAndClient(handler: CallTests.echo) { client, _, address in
            let origin = Origin(WebAddress("http://\(address)/")!)!
            do { _ = try await client.checkOut(origin) }
            #expect(client.pool(for: origin).open == 0)
        }
    }

    @Test(
        "each stage has its deadline",
        arguments: [
            (0, CallError.Stage.firstByte), (10, .betweenReads), (40, .betweenReads), (-1, .total),
            (-10, .total),
        ])
    func deadlines(_ bytes: Int, _ stage: CallError.Stage) async throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nabcdefg"
        let said = String(answer.prefix(abs(bytes)))
        try await withScript([[.request, .say(said), .hold]]) { client, upstream in
            var deadlines = CallDeadlines()
            if stage == .total {
                deadlines.totalNanoseconds = 200_000_000
            } else {
                deadlines.firstByteNanoseconds = 200_000_000
                deadlines.betweenReadsNanoseconds = 200_000_000
            }
            let call = try await client.checkOut(upstream.origin, deadlines: deadlines)
            defer { call.finish() }
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            do throws(CallError) {
                try await call.receiveHead(answering: .get)
                while try await call.nextBody() != nil {}
                Issue.record("looks finished")
            } catch { #expect(error == .timedOut(stage)) }
        }
    }

    @Test("time that the caller takes between two reads is not the server's")
    func slowCaller() async throws {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
        try await withScript([[.request, .say(answer), .await, .say("1\r\nb\r\n0\r\n\r\n"), .hold]]) {
            client, upstream in
            var deadlines = CallDeadlines()
            deadlines.firstByteNanoseconds = 200_000_000
            deadlines.betweenReadsNanoseconds = 200_000_000
            let call = try await client.checkOut(upstream.origin, deadlines: deadlines)
            defer { call.finish() }
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await call.receiveHead(answering: .get)
            await client.loop.sleep(nanoseconds: 400_000_000)
            var content = ""
            while let part = try await call.nextBody() {
                content += String(decoding: part, as: UTF8.self)
                await client.loop.sleep(nanoseconds: 400_000_000)
                upstream.resume.signal()
            }
            #expect(content == "ab")
        }
    }

    @Test("a call whose connection is gone says so and can be finished", arguments: [false, true])
    func closedUnderneath(_ isTimedOut: Bool) async throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"
        try await withScript([[.request, .say(answer), .hold]]) { client, upstream in
            var deadlines = CallDeadlines()
            if isTimedOut { deadlines.totalNanoseconds = 300_000_000 }
            let call = try await client.checkOut(upstream.origin, deadlines: deadlines)
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await call.receiveHead(answering: .get)
            let first = try await call.nextBody()
            #expect(first?.count == 2)
            if isTimedOut {
                await client.loop.sleep(nanoseconds: 600_000_000)
            } else {
                call.connection.close()
            }
            let expected: CallError = isTimedOut ? .timedOut(.total) : .aborted
            do throws(CallError) {
                _ = try await call.nextBody()
                Issue.record("read from nowhere")
            } catch { #expect(error == expected) }
            do throws(CallError) {
                _ = try await call.nextBody()
                Issue.record("read from nowhere")
            } catch { #expect(error == expected) }
            call.finish()
            #expect(client.pool(for: upstream.origin).open == 0)
        }
    }

    @Test("a whole request has one deadline")
    func requestDeadline() async throws {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"
        try await withScript([[.request, .say(half), .drip("x".repeated(5)), .hold]]) { client, upstream in
            #expect(await client.failure(upstream.url, timeoutNanoseconds: 200_000_000) == .timedOut(.total))
        }
    }

    @Test("a server that does not read is given up")
    func stalledUpstream() async throws {
        try await withScript([[.wait(milliseconds: 2000), .close]]) { client, upstream in
            var deadlines = CallDeadlines()
            deadlines.sendNanoseconds = 200_000_000
            let call = try await client.checkOut(upstream.origin, deadlines: deadlines)
            defer { call.finish() }
            do throws(CallError) {
                let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 20, alignment: 1)
                defer { bytes.deallocate() }
                bytes.initializeMemory(as: UInt8.self, repeating: 0)
                try await call.send(UnsafeRawBufferPointer(bytes))
                Issue.record("sent")
            } catch { #expect(error == .timedOut(.send)) }
        }
    }

    @Test("a client that hangs up aborts the call, and the link is gone afterwards")
    func abort() async throws {
        try await withScript([[.request, .say(Self.ok), .request, .hold]]) { client, upstream in
            let loop = client.loop
            let first = try await Pair.connect(loop), second = try await Pair.connect(loop)
            // A finished call leaves no link behind.
            let done = try await client.checkOut(upstream.origin)
            done.abortWhenEnded(first.near)
            try await done.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await done.receiveHead(answering: .get)
            while try await done.nextBody() != nil {}
            done.finish()
            #expect(first.near.linked == nil)
            let call = try await client.checkOut(upstream.origin)
            #expect(call.isReused)
            call.abortWhenEnded(second.near)
            first.far.close()
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            loop.schedule(afterNanoseconds: 20_000_000) { second.far.close() }
            do throws(CallError) {
                try await call.receiveHead(answering: .get)
                Issue.record("answered")
            } catch { #expect(error == .aborted) }
            call.finish()
            #expect(call.isClosed)
        }
    }

    @Test("origins are equal by value")
    func origins() throws {
        let tls = try TestTLS().client, otherTLS = try TestTLS().client
        let address = try #require(WebAddress("https://a.example:8443/v1"))
        let other = try #require(WebAddress("https://A.example:8443/other"))
        let origin = try #require(Origin(address, tls: tls))
        #expect(origin == Origin(other, tls: tls))
        #expect(origin != Origin(address, tls: tls, serverName: "b"))
        #expect(origin != Origin(address, tls: otherTLS))
        #expect(Origin(address) == nil)
        #expect(origin.description == "https://a.example:8443")
        let plainAddress = try #require(WebAddress("http://a/"))
        let plain = try #require(Origin(plainAddress, tls: tls))
        #expect(plain.tls == nil)
        #expect(plain.authority == "a")
        #expect(plain.description == "http://a")
    }

    @Test("a new connection to a server resumes the TLS session of the one before")
    func resumesSessions() async throws {
        let contexts = try TestTLS()
        try await withServerAndClient(
            tls: contexts.server,
            handler: { exchange in
                try? await exchange.respond(status: 200, text: "\(exchange.connection.isResumed)")
            }
        ) { client, server, address in
            for expected in ["false", "true", "true"] {
                let answer = try await client.request(.get, "https://\(address)/", tls: contexts.client)
                #expect(String(decoding: answer.body, as: UTF8.self) == expected)
                client.closeIdle()
            }
            #expect(server.statistics.accepted == 3)
        }
    }
}

/// Two ends of one connection.
struct Pair {
    let near: Connection
    let far: Connection

    static func connect(_ loop: EventLoop) async throws -> Pair {
        let accepted = Wakeup()
        var near: Connection?
        let listener = try Listener(loop: loop, address: SocketAddress("127.0.0.1:0")!) {
            near = $0
            accepted.signal()
        }
        defer { listener.close() }
        let names = BlockingPool(threads: 1, queueLimit: 1, name: "names")
        defer { names.shutdown() }
        let far = try await Dialer(loop: loop, resolver: names, policy: .unrestricted).connect(
            host: "127.0.0.1", port: listener.localAddress.port, tls: nil, timeoutNanoseconds: 5_000_000_000)
        await accepted.wait()
        return Pair(near: near!, far: far)
    }
}

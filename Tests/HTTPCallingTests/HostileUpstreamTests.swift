import EventLoops
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPCalling

/// An answer from a broken or hostile server, and what the caller must be told.
struct HostileCase: Sendable, CustomTestStringConvertible {
    let name: String
    let answer: String
    let expected: CallError
    /// The server ends the connection after its answer; otherwise it stays.
    var ends = false
    var testDescription: String { name }

    init(_ name: String, _ answer: String, _ expected: CallError, ends: Bool = false) {
        self.name = name
        self.answer = answer
        self.expected = expected
        self.ends = ends
    }

    static let ok = "HTTP/1.1 200 OK\r\n"

    static let all: [HostileCase] = [
        HostileCase("nothing at all", "", .endedBeforeAnswer(reused: false), ends: true),
        HostileCase("half a status line", "HTTP/1.1 2", .cut, ends: true),
        HostileCase("half a head", ok + "Content-Length: 5\r\n", .cut, ends: true),
        HostileCase("less than its length", ok + "Content-Length: 5\r\n\r\nabc", .cut, ends: true),
        HostileCase("length and nothing", ok + "Content-Length: 5\r\n\r\n", .cut, ends: true),
        HostileCase("no last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", .cut, ends: true),
        HostileCase("half a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", .cut, ends: true),
        HostileCase("half a last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n", .cut, ends: true),
        HostileCase("interim answers only", "HTTP/1.1 100 Continue\r\n\r\n", .cut, ends: true),
        HostileCase(
            "interim answers to no end", "HTTP/1.1 102 Processing\r\n\r\n".repeated(50),
            .malformedHead(.tooManyInterimResponses)),
        HostileCase("HTTP/0.9", "hello", .malformedHead(.malformedStatusLine)),
        HostileCase(
            "bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", .malformedHead(.bareLineFeed)),
        HostileCase(
            "length and coding", ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            .malformedHead(.lengthAndCoding)),
        HostileCase(
            "two lengths", ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
            .malformedHead(.repeatedContentLength)),
        HostileCase(
            "bad length", ok + "Content-Length: 3x\r\n\r\nabc", .malformedHead(.invalidContentLength)),
        HostileCase(
            "unknown coding", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
            .malformedHead(.unknownTransferCoding)),
        HostileCase("header bomb", ok + "X: \("y".repeated(70_000))\r\n\r\n", .malformedHead(.headTooLarge)),
        HostileCase("field bomb", ok + "X: y\r\n".repeated(200) + "\r\n", .malformedHead(.tooManyFields)),
        HostileCase("upgrade", "HTTP/1.1 101 Switching\r\n\r\n", .malformedHead(.unexpectedStatus)),
        HostileCase(
            "bad chunk", ok + "Transfer-Encoding: chunked\r\n\r\nx\r\n", .malformedContent(.malformed)),
        HostileCase(
            "chunk of 2^64", ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            .malformedContent(.sizeTooLarge)),
        HostileCase("content to no end", ok + "Content-Length: 99999999999\r\n\r\nabc", .tooLarge),
    ]
}

@Suite("hostile upstreams")
struct HostileUpstreamTests {
    @Test("a broken answer is an error, never a short success", arguments: HostileCase.all, [false, true])
    func broken(_ example: HostileCase, _ drips: Bool) async throws {
        if drips && example.answer.utf8.count > 2000 { return }
        let say = drips ? ScriptedUpstream.Step.drip(example.answer) : .say(example.answer)
        try await withScript([[.request, say, example.ends ? .shutdown : .hold, .hold]]) { client, upstream in
            #expect(await client.failure(upstream.url, .post) == example.expected)
            let pool = client.pool(for: upstream.origin)
            #expect(pool.idleCount == 0)
            #expect(pool.open == 0)
        }
    }

    @Test("a reset in the middle is an error too")
    func reset() async throws {
        // Closing with a request unread makes the kernel send a reset.
        let half = HostileCase.ok + "Content-Length: 5\r\n\r\nabc"
        try await withScript([[.request, .say(half), .wait(milliseconds: 20), .close]]) { client, upstream in
            let call = try await client.checkOut(upstream.origin)
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await call.receiveHead(answering: .get)
            do throws(CallError) {
                while try await call.nextBody() != nil {}
                Issue.record("looks finished")
            } catch { #expect(error == .cut) }
            call.finish()
            #expect(call.isClosed)
        }
    }

    @Test(
        "after an odd but complete answer the connection is not used again",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokEXTRA",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
        ])
    func odd(_ answer: String) async throws {
        try await withScript([[.request, .say(answer), .hold]]) { client, upstream in
            for _ in 0..<2 {
                let response = try await client.request(.get, upstream.url)
                #expect(response.body == (response.status == 204 ? [] : Array("ok".utf8)))
            }
            #expect(upstream.connections.count == 2)
        }
    }

    @Test("bytes that nobody asked for, sent later, spoil a connection at rest")
    func poison() async throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
        let scripts: [[ScriptedUpstream.Step]] = [
            [.request, .say(answer), .await, .say(poison), .signal, .hold],
            [.request, .say(answer), .hold],
        ]
        try await withScript(scripts) { client, upstream in
            _ = try await client.request(.get, upstream.url)
            upstream.resume.signal()
            await upstream.signalled()
            let response = try await client.request(.get, upstream.url)
            #expect(response.body == Array("ok".utf8))
            #expect(upstream.connections.count == 2)
        }
    }

    @Test("content that ends with the connection is complete, and says so")
    func untilClose() async throws {
        let answer = "HTTP/1.1 200 OK\r\n\r\nall of it"
        try await withScript([[.request, .say(answer), .shutdown, .hold]]) { client, upstream in
            let call = try await client.checkOut(upstream.origin)
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await call.receiveHead(answering: .get)
            #expect(call.framing == .untilClose)
            var content = ""
            while let part = try await call.nextBody() { content += String(decoding: part, as: UTF8.self) }
            #expect(content == "all of it")
            #expect(call.isBodyComplete)
            call.finish()
            #expect(client.pool(for: upstream.origin).open == 0)
        }
    }

    @Test("interim answers are skipped", arguments: [1, 8])
    func interim(_ count: Int) async throws {
        let early = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeated(count)
        let answer = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
        try await withScript([[.request, .say(early + answer), .request, .drip(early + answer), .hold]]) {
            client, upstream in
            for _ in 0..<2 {
                let response = try await client.request(.get, upstream.url)
                #expect(response.status == 201)
                #expect(!response.fields.contains("link"))
            }
            #expect(upstream.connections.count == 1)
        }
    }

    @Test(
        "answers without content leave the connection usable",
        arguments: [
            (HTTPMethod.get, "HTTP/1.1 204 No Content\r\n\r\n"),
            (.get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n"),
            (.head, "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"),
            (.head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (.get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ])
    func bodyless(_ method: HTTPMethod, _ answer: String) async throws {
        try await withScript([[.request, .say(answer), .request, .say(answer), .hold]]) { client, upstream in
            for _ in 0..<2 {
                let response = try await client.request(method, upstream.url)
                #expect(response.body.isEmpty)
            }
            #expect(upstream.connections.count == 1)
        }
    }
}

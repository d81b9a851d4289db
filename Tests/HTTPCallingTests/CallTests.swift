import EventLoops
import HTTPServing
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPCalling

@Suite("calls")
struct CallTests {
    @Sendable static func echo(_ exchange: Exchange) async {
        guard let body = try? await exchange.readBody(limit: 32 << 20) else { return }
        let fields: HeaderFields = [
            "x-method": exchange.method.description, "x-target": exchange.fieldText(.host) ?? "",
            "x-coding": exchange.fieldText(.acceptEncoding) ?? "",
            "x-custom": exchange.fieldText("x-custom") ?? "",
            "x-length": exchange.fieldText(.contentLength) ?? "none", "x-kind": exchange.path,
        ]
        if exchange.path == "/stream" {
            try? await exchange.startStreaming(status: 200, fields: fields)
            try? await exchange.write(body)
            try? await exchange.finish()
        } else {
            try? await exchange.respond(
                status: exchange.path == "/missing" ? 404 : 200, fields: fields, body: body)
        }
    }

    @Test(
        "a request comes back as an answer",
        arguments: [HTTPMethod.get, .post, .put, .patch, .delete, .options], ["/x", "/stream", "/missing"])
    func request(_ method: HTTPMethod, _ path: String) async throws {
        try await withServerAndClient(handler: Self.echo) { client, _, address in
            let body = method == .get ? [] : Array("hello".utf8)
            let response = try await client.request(
                method, "http://\(address)\(path)?q",
                fields: ["X-Custom": "1", "Host": "evil", "content-length": "9"],
                body: body)
            #expect(response.status == (path == "/missing" ? 404 : 200))
            #expect(response.body == body)
            #expect(response.fields["x-method"] == method.description)
            #expect(response.fields["x-target"] == "\(address)")
            #expect(response.fields["x-coding"] == "identity")
            #expect(response.fields["x-custom"] == "1")
            #expect(response.fields["x-length"] == (method == .get ? "none" : "5"))
        }
    }

    @Test("HEAD has no content, whatever length is announced")
    func head() async throws {
        try await withServerAndClient(handler: Self.echo) { client, server, address in
            for _ in 0..<3 {
                let response = try await client.request(.head, "http://\(address)/x", body: Array("abc".utf8))
                #expect(response.body.isEmpty)
                #expect(response.fields["content-length"] == "3")
            }
            #expect(server.statistics.accepted == 1)
        }
    }

    @Test("large content goes both ways", arguments: [70_000, 3_000_000], ["/x", "/stream"])
    func large(_ size: Int, _ path: String) async throws {
        try await withServerAndClient(handler: Self.echo) { client, _, address in
            let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let response = try await client.request(.post, "http://\(address)\(path)", body: body)
            #expect(response.body == body)
        }
    }

    @Test("TLS calls verify the server and reuse the connection")
    func secure() async throws {
        let tls = try TestTLS()
        try await withServerAndClient(tls: tls.server, handler: Self.echo) { client, server, address in
            for index in 0..<5 {
                let response = try await client.request(
                    .post, "https://localhost:\(address.port)/x", body: Array("\(index)".utf8),
                    tls: tls.client)
                #expect(response.body == Array("\(index)".utf8))
            }
            #expect(server.statistics.accepted == 1)
            let stranger = try TLSContext.client(trustPEM: TestTLS().authorityPEM)
            await #expect(throws: CallError.self) {
                try await client.request(.get, "https://localhost:\(address.port)/x", tls: stranger)
            }
            let named = try await client.request(
                .get, "https://127.0.0.1:\(address.port)/x", tls: tls.client, serverName: "localhost")
            #expect(named.status == 200)
        }
    }

    @Test("what cannot be asked is not sent")
    func invalid() async throws {
        try await withLoop { loop in
            let caller = Caller(loop)
            defer { caller.end() }
            for url in ["", "ftp://a/", "http://a b/", "http://u@a/", "https://a/"] {
                let error = await caller.client.failure(url)
                #expect(error?.nothingWasSent == true)
                guard case .invalidRequest = error else {
                    Issue.record("\(url): \(String(describing: error))")
                    continue
                }
            }
            await #expect(throws: CallError.invalidRequest("a field holds a forbidden byte")) {
                _ = try await caller.client.request(.get, "http://127.0.0.1:1/", fields: ["x": "a\r\nb"])
                    .status
            }
        }
    }

    @Test("a server that is not there, or may not be called, is told apart")
    func unreachable() async throws {
        try await withLoop { loop in
            let caller = Caller(loop)
            defer { caller.end() }
            #expect(await caller.client.failure("http://127.0.0.1:1/") == .connect(.refused))
            let strict = Caller(loop, policy: .publicInternetOnly)
            defer { strict.end() }
            guard case .connect(.forbiddenAddress) = await strict.client.failure("http://127.0.0.1:1/") else {
                Issue.record("not refused by the policy")
                return
            }
        }
    }

    @Test("content above the caller's limit is refused, announced or not", arguments: ["/x", "/stream"])
    func tooLarge(_ path: String) async throws {
        try await withServerAndClient(handler: Self.echo) { client, _, address in
            await #expect(throws: CallError.tooLarge) {
                let body = [UInt8](repeating: 1, count: 1001)
                _ = try await client.request(.post, "http://\(address)\(path)", body: body, maximumBody: 1000)
                    .status
            }
            let body = [UInt8](repeating: 1, count: 1000)
            let response = try await client.request(
                .post, "http://\(address)\(path)", body: body, maximumBody: 1000)
            #expect(response.body.count == 1000)
        }
    }

    @Test("an early refusal is read although the server stops listening")
    func earlyAnswer() async throws {
        var limits = ServerLimits()
        limits.lingerBytes = 100_000
        try await withServerAndClient(
            serverLimits: limits,
            handler: { exchange in
                do { _ = try await exchange.readBody(limit: 10) } catch {
                    try? await exchange.respond(status: 413, text: "too large")
                }
            }
        ) { client, _, address in
            let body = [UInt8](repeating: 1, count: 90_000)
            let response = try await client.request(.post, "http://\(address)/", body: body)
            #expect(response.status == 413)
        }
    }

    /// Takes content until it has so many bytes, again and again.
    private final class Taker: ContentTaker {
        var content = ""
        /// What had come whenever a part ended.
        var parts: [String] = []
        let limit: Int

        init(limit: Int = .max) { self.limit = limit }

        func take(_ content: UnsafeRawBufferPointer) {
            self.content += String(decoding: content, as: UTF8.self)
        }
        func endPart() -> Bool {
            parts.append(content)
            return content.utf8.count < limit
        }
    }

    @Test("content is given in the turn it comes, until its end", arguments: [true, false])
    func passing(_ drips: Bool) async throws {
        let chunks = "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: u\r\n\r\n"
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        try await withScript([[.request, drips ? .drip(answer) : .say(answer), .hold]]) { client, upstream in
            let call = try await client.checkOut(upstream.origin)
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await call.receiveHead(answering: .get)
            #expect(call.head.status == 200)
            #expect(call.framing == .chunked)
            #expect(!call.isBodyComplete)
            let taker = Taker()
            #expect(try await !call.passContent(to: taker))
            #expect(taker.content == "hello world")
            if drips { #expect(Set(taker.parts).isSuperset(of: ["h", "hello", "hello w"])) }
            #expect(call.isBodyComplete)
            call.finish()
            #expect(client.pool(for: upstream.origin).idleCount == 1)
        }
    }

    @Test("who has enough content is asked no more, and can go on later")
    func enough() async throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"
        try await withScript([[.request, .drip(answer), .hold]]) { client, upstream in
            let call = try await client.checkOut(upstream.origin)
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await call.receiveHead(answering: .get)
            let taker = Taker(limit: 2)
            var count = 0
            while try await call.passContent(to: taker) {
                count += 1
                #expect(taker.content.utf8.count >= 2)
            }
            #expect(taker.content == "abcdef")
            #expect(count >= 1 && call.isBodyComplete)
            call.finish()
        }
    }

    @Test(
        "content that is cut, malformed or late is an error whoever looks at it",
        arguments: [
            ("2\r\nab\r\n", true, CallError.cut), ("2\r\nab\r\nzz\r\n", false, .malformedContent(.malformed)),
            ("2\r\nab\r\n", false, .timedOut(.betweenReads)),
        ])
    func broken(_ chunks: String, _ closes: Bool, _ expected: CallError) async throws {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        let script: [ScriptedUpstream.Step] = [
            .request, .say(head), .drip(chunks), closes ? .shutdown : .hold,
        ]
        try await withScript([script + [.hold]]) { client, upstream in
            let call = try await client.checkOut(upstream.origin)
            call.deadlines.betweenReadsNanoseconds = 300_000_000
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await call.receiveHead(answering: .get)
            let taker = Taker()
            await #expect(throws: expected) { _ = try await call.passContent(to: taker) }
            #expect(taker.content == "ab")
            call.finish()
            #expect(client.pool(for: upstream.origin).open == 0)
        }
    }

    @Test("decoded parts come without framing")
    func parts() async throws {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        try await withScript([[.request, .say(answer), .hold]]) { client, upstream in
            let call = try await client.checkOut(upstream.origin)
            defer { call.finish() }
            try await call.sendText("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try await call.receiveHead(answering: .get)
            let coding = call.head.fields.value(.transferEncoding, in: call.headBytes)
            #expect(coding.map { String(decoding: $0, as: UTF8.self) } == "chunked")
            var parts: [String] = []
            while let part = try await call.nextBody() { parts.append(String(decoding: part, as: UTF8.self)) }
            #expect(parts == ["ab", "c"])
        }
    }
}

extension ClientConnection {
    func sendText(_ text: String) async throws {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: text.utf8)
        try await send(UnsafeRawBufferPointer(copy))
    }
}

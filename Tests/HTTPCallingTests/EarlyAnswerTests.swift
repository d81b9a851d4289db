import EventLoops
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPCalling

/// Servers that answer before they have all of a large request. More is sent than the kernel's buffers hold,
/// to a server that does not read it: a client that only sends would wait for its deadline.
@Suite("early answers")
struct EarlyAnswerTests {
    private static let content = [UInt8](repeating: 0x78, count: 24 << 20)
    private static let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch"

    @Test(
        "a refusal is taken while the request is still being sent, and ends the connection",
        arguments: [false, true])
    func refused(_ isSecure: Bool) async throws {
        let contexts = try TestTLS()
        let script: [ScriptedUpstream.Step] = [.head, .say(Self.refusal), .await]
        try await withScript([script], tls: isSecure ? contexts.server : nil) { client, upstream in
            let answer = try await client.request(
                .post, upstream.url, body: Self.content, tls: contexts.client, serverName: "localhost")
            #expect(answer.status == 413)
            #expect(answer.body == Array("much".utf8))
            #expect(isSecure || client.pool(for: upstream.origin).open == 0)
            upstream.resume.signal()
        }
    }

    @Test("a refusal whose content comes slowly is taken whole")
    func slowRefusal() async throws {
        try await withScript([[.head, .drip(Self.refusal), .await]]) { client, upstream in
            let answer = try await client.request(.post, upstream.url, body: Self.content)
            #expect(answer.status == 413)
            #expect(answer.body == Array("much".utf8))
            upstream.resume.signal()
        }
    }

    @Test("what is no answer ends the call as well")
    func broken() async throws {
        try await withScript([[.head, .say("hello\r\n"), .await]]) { client, upstream in
            let failure = await client.failure(upstream.url, .post, body: Self.content)
            #expect(failure == .malformedHead(.malformedStatusLine))
            upstream.resume.signal()
        }
    }

    @Test("a server that ends without reading on is told apart from one that answers")
    func ended() async throws {
        try await withScript([[.head, .shutdown, .await]]) { client, upstream in
            let failure = await client.failure(upstream.url, .post, body: Self.content)
            #expect(failure == .endedBeforeAnswer(reused: false))
            upstream.resume.signal()
        }
    }

    @Test("interim answers and an early success do not end the request", arguments: [false, true])
    func goesOn(_ isSecure: Bool) async throws {
        let contexts = try TestTLS()
        let early = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
        let script: [ScriptedUpstream.Step] = [
            .head, .say(early), .content(Self.content.count), .say("done"), .hold,
        ]
        try await withScript([script], tls: isSecure ? contexts.server : nil) { client, upstream in
            let answer = try await client.request(
                .post, upstream.url, body: Self.content, tls: contexts.client, serverName: "localhost")
            #expect(answer.status == 200)
            #expect(answer.body == Array("done".utf8))
            #expect(upstream.contentBytes == Self.content.count)
        }
    }
}

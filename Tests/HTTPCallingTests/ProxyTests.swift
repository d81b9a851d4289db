import EventLoops
import HTTPServing
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPCalling

/// A proxy that passes bytes on to whatever it is asked for.
private final class ForwardingProxy {
    private let listener: Listener
    private let dialer: Dialer
    private let names = BlockingPool(threads: 1, queueLimit: 8, name: "names")
    private(set) var asked: [String] = []

    init(_ loop: EventLoop) throws {
        dialer = Dialer(loop: loop, resolver: names, policy: .unrestricted)
        var accept: ((Connection) -> Void)?
        listener = try Listener(loop: loop, address: SocketAddress("127.0.0.1:0")!) { accept?($0) }
        accept = { [unowned self] connection in loop.spawn { await self.serve(connection, loop) } }
    }

    func end() {
        listener.close()
        names.shutdown()
    }

    var address: ProxyAddress { ProxyAddress(host: "127.0.0.1", port: listener.localAddress.port) }

    private func serve(_ client: Connection, _ loop: EventLoop) async {
        do {
            while !String(decoding: client.buffered, as: UTF8.self).hasSuffix("\r\n\r\n") {
                guard try await client.fill() else { return }
            }
            let line = String(decoding: client.buffered, as: UTF8.self).prefix { $0 != "\r\n" }
            asked.append(String(line))
            client.consume(client.buffered.count)
            let target = try #require(SocketAddress(String(line.split(separator: " ")[1])))
            let server = try await dialer.connect(
                host: target.address.description, port: target.port, tls: nil,
                timeoutNanoseconds: 5_000_000_000)
            try await client.say(Array("HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n".utf8))
            loop.spawn { await Self.pump(from: server, to: client) }
            await Self.pump(from: client, to: server)
        } catch {}
    }

    private static func pump(from source: Connection, to sink: Connection) async {
        do {
            while try await source.fill() {
                let bytes = [UInt8](source.buffered)
                source.consume(bytes.count)
                try await sink.say(bytes)
            }
            sink.shutdownWrite()
        } catch { sink.abort() }
    }
}

/// Hears what it is asked for and says what a test wants, one text a connection; without one it hangs up.
private final class ScriptedProxy {
    private let listener: Listener
    private(set) var received = ""
    private(set) var accepted = 0

    init(_ loop: EventLoop, _ answers: [String?]) throws {
        var accept: ((Connection) -> Void)?
        listener = try Listener(loop: loop, address: SocketAddress("127.0.0.1:0")!) { accept?($0) }
        accept = { [unowned self] connection in
            let answer = answers[min(accepted, answers.count - 1)]
            accepted += 1
            loop.spawn { await self.serve(connection, answer) }
        }
    }

    deinit { listener.close() }

    var address: ProxyAddress { ProxyAddress(host: "127.0.0.1", port: listener.localAddress.port) }

    private func serve(_ client: Connection, _ answer: String?) async {
        do {
            while !String(decoding: client.buffered, as: UTF8.self).hasSuffix("\r\n\r\n") {
                guard try await client.fill() else { return }
            }
            received += String(decoding: client.buffered, as: UTF8.self)
            client.consume(client.buffered.count)
            guard let answer else { return client.close() }
            try await client.say(Array(answer.utf8))
            while try await client.fill() { client.consume(client.buffered.count) }
        } catch {}
    }
}

extension HTTPClient {
    /// The error of a request through a proxy that must not succeed.
    fileprivate func failure(
        _ url: String, through proxy: ProxyAddress, tls: TLSContext? = nil, serverName: String? = nil,
        timeoutNanoseconds: Int64 = 10_000_000_000
    ) async -> CallError? {
        do throws(CallError) {
            let response = try await request(
                .get, url, tls: tls, serverName: serverName, proxy: proxy,
                timeoutNanoseconds: timeoutNanoseconds)
            Issue.record("succeeded with \(response.status)")
            return nil
        } catch { return error }
    }
}

@Suite("calls through a proxy")
struct ProxyTests {
    @Sendable private static func answer(_ exchange: Exchange) async {
        guard let body = try? await exchange.readBody(limit: 1 << 20) else { return }
        try? await exchange.respond(
            status: 200, fields: ["x-host": exchange.fieldText(.host) ?? ""], body: body)
    }

    @Test("the proxy is asked for the server, which is then spoken to as ever, and the connection is kept")
    func tunnel() async throws {
        try await withServerAndClient(handler: Self.answer) { client, server, address in
            let proxy = try ForwardingProxy(client.loop)
            defer { proxy.end() }
            for text in ["one", "two"] {
                let response = try await client.request(
                    .post, "http://\(address)/x", body: Array(text.utf8), proxy: proxy.address)
                #expect(response.status == 200 && response.body == Array(text.utf8))
                #expect(response.fields["x-host"] == "\(address)")
            }
            #expect(proxy.asked == ["CONNECT \(address) HTTP/1.1"])
            #expect(server.statistics.accepted == 1)
            _ = try await client.request(.get, "http://\(address)/x")
            #expect(server.statistics.accepted == 2, "straight calls have connections of their own")
        }
    }

    @Test("TLS goes through the tunnel: the server's certificate is judged, not the proxy's")
    func secure() async throws {
        let authority = try TestTLS()
        try await withServerAndClient(tls: authority.server, handler: Self.answer) {
            client, _, address in
            let proxy = try ForwardingProxy(client.loop)
            defer { proxy.end() }
            let response = try await client.request(
                .post, "https://\(address)/x", body: Array("secret".utf8), tls: authority.client,
                serverName: "localhost", proxy: proxy.address)
            #expect(response.body == Array("secret".utf8))
            let other = await client.failure(
                "https://\(address)/x", through: proxy.address, tls: authority.client,
                serverName: "other.example")
            guard case .connect(.tls) = other else {
                Issue.record("\(String(describing: other))")
                return
            }
        }
    }

    @Test(
        "a proxy that does not pass on is told apart, and nothing was sent",
        arguments: [
            ("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", 407),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", 502), ("hello\r\n\r\n", 0),
            ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\nx: " + "a".repeated(9000) + "\r\n\r\n", 0),
        ])
    func refused(_ answer: String, _ status: Int) async throws {
        try await withLoop { loop in
            let proxy = try ScriptedProxy(loop, [answer])
            let caller = Caller(loop)
            defer { caller.end() }
            let error = await caller.client.failure("http://192.0.2.1:8080/", through: proxy.address)
            #expect(error == .connect(.proxyRefused(status)) && error?.nothingWasSent == true)
            #expect(proxy.received.hasPrefix("CONNECT 192.0.2.1:8080 HTTP/1.1\r\nhost: 192.0.2.1:8080\r\n"))
            #expect(!proxy.received.contains("GET"))
        }
    }

    @Test("interim answers are skipped; a proxy that hangs up or says nothing ends in time")
    func odd() async throws {
        try await withLoop { loop in
            let interim = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 No\r\n\r\n"
            let proxy = try ScriptedProxy(loop, [interim, nil, ""])
            let caller = Caller(loop)
            defer { caller.end() }
            func failure() async -> CallError? {
                await caller.client.failure(
                    "http://192.0.2.1/", through: proxy.address, timeoutNanoseconds: 500_000_000)
            }
            let failures = [await failure(), await failure(), await failure()]
            #expect(
                failures == [
                    .connect(.proxyRefused(403)), .connect(.endOfStream), .timedOut(.connect),
                ])
        }
    }

    @Test("proxy and destination are both judged by the egress policy")
    func policy() async throws {
        let tls = try TestTLS()
        try await withLoop { loop in
            let proxy = try ScriptedProxy(loop, [nil])
            let caller = Caller(loop, policy: .publicInternetOnly)
            defer { caller.end() }
            let error = await caller.client.failure(
                "https://api.example.com/", through: proxy.address, tls: tls.client)
            guard case .connect(.forbiddenAddress(let reason)) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(reason.contains("127.0.0.1"))
            #expect(proxy.accepted == 0)
        }
    }
}

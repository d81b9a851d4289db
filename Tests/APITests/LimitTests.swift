import API
import Domain
import EventLoops
import HTTPServing
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing
import Transport

/// What one client may cost.
@Suite("Limits of requests")
struct LimitTests {
    @Test("an address that asks too often is told to wait, whatever it asks, and served again after that")
    func perAddress() async throws {
        try await withAdminServer(options: .init(addressRate: 1)) { server in
            for _ in 0..<RequestLimits.burstSeconds {
                #expect(try await server.send(.get, "/health/live").status == 200)
            }
            for path in ["/health/live", "/api/v1/me", "/nowhere"] {
                let reply = try await server.send(.get, path)
                #expect(reply.status == 429)
                #expect(reply.code == "rate_limited")
                #expect(reply.fields["retry-after"] == "1")
            }
            server.clock.advance(seconds: 1)
            #expect(try await server.send(.get, "/health/live").status == 200)
            #expect(try await server.send(.get, "/health/live").status == 429)
        }
    }

    @Test(
        "behind a trusted proxy each client counts for itself, of IPv6 a /64; others are not believed"
    )
    func behindProxy() async throws {
        let proxies = TrustedProxies(["127.0.0.1", "10.0.0.0/8"].compactMap { AddressBlock($0) })
        try await withAdminServer(options: .init(addressRate: 1, proxies: proxies)) { server in
            func ask(_ from: String) async throws -> Int {
                try await server.send(.get, "/health/live", fields: ["x-forwarded-for": from]).status
            }
            for index in 0..<RequestLimits.burstSeconds {
                for client in ["1.1.1.\(index), 198.51.100.1, 10.0.0.9", "2001:db8::\(index)"] {
                    let status = try await ask(client)
                    #expect(status == 200, "\(client)")
                }
            }
            for (client, expected) in [
                ("8.8.8.8, 198.51.100.1", 429), ("2001:db8::ffff", 429), ("198.51.100.2", 200),
                ("2001:db8:0:1::1", 200),
            ] {
                let status = try await ask(client)
                #expect(status == expected, "\(client)")
            }
        }
        try await withAdminServer(options: .init(proxies: proxies)) { server in
            let admin = try await server.administrator()
            let fields: HeaderFields = ["x-forwarded-for": "198.51.100.1, 10.0.0.9"]
            _ = try await server.send(.patch, "/api/v1/me", token: admin, body: ["name": "R"], fields: fields)
            let events = try await server.send(.get, "/api/v1/audit-events", token: admin)
            #expect(events.json["data"]?[0]?["address"]?.string == "198.51.100.1", "\(events.text)")
        }
        let elsewhere = TrustedProxies(["10.0.0.0/8"].compactMap { AddressBlock($0) })
        try await withAdminServer(options: .init(addressRate: 1, proxies: elsewhere)) { server in
            for index in 0...RequestLimits.burstSeconds {
                let reply = try await server.send(
                    .get, "/health/live", fields: ["x-forwarded-for": "1.1.1.\(index)"])
                #expect(reply.status == (index < RequestLimits.burstSeconds ? 200 : 429))
            }
        }
    }

    @Test("a user has a share of their own, whatever the address")
    func perUser() async throws {
        try await withAdminServer(options: .init(userRate: 1)) { server in
            let token = try await server.administrator()
            for _ in 0..<RequestLimits.burstSeconds {
                #expect(try await server.send(.get, "/api/v1/me", token: token).status == 200)
            }
            let refused = try await server.send(.get, "/api/v1/me", token: token)
            #expect(refused.status == 429)
            #expect(try await server.send(.get, "/health/live").status == 200)
        }
    }

    @Test("what takes longer than its route allows is ended, and its transaction rolled back")
    func deadline() async throws {
        let slow = AdminRoute.write(
            .post, "/api/v1/slow", .signedIn(reason: "a test's."), "slow.create", "Slow", status: 201,
            answers: Representation<String>("Slow", [])
        ) { call throws(OperationError) in
            let value = try await call.operations.tenants.create(
                slug: "late", name: "Late", by: try call.caller)
            await (try Self.loop(call)).sleep(nanoseconds: 1_300_000_000)
            return Changed("", token: value.token)
        }.within(seconds: 1)
        try await withAdminServer(options: .init(moreRoutes: [slow])) { server in
            let token = try await server.administrator()
            let reply = try await server.send(
                .post, "/api/v1/slow", token: token, fields: ["idempotency-key": "slow"])
            #expect(reply.status == 504)
            #expect(reply.code == "deadline_exceeded")
            try await server.waitForEndOfTransactions()
            #expect(try await server.count("tenants where slug = 'late'") == 0)
            #expect(try await server.send(.get, "/api/v1/me", token: token).status == 200)
        }
    }

    private static func loop(_ call: Call) throws(OperationError) -> EventLoop {
        guard let loop = EventLoop.current else { throw .fault("no loop") }
        return loop
    }

    @Test(
        "bytes that are no request are answered with a problem document too",
        arguments: [
            ("GET /\r\n\r\n", "bad_request", 400),
            ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "invalid_target", 400),
            ("GET / HTTP/1.1\r\n\r\n", "bad_request", 400),
            ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "not_implemented", 501),
            ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", "http_version_not_supported", 505),
            ("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", "expectation_failed", 417),
            (
                "GET /" + String(repeating: "a", count: 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n",
                "target_too_long",
                414
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "a: b\r\n", count: 101) + "\r\n",
                "headers_too_large", 431
            ),
            ("GET / HTTP/1.1\r\nHost:", "request_timeout", 408),
            (
                "POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                    + "Content-Length: 9\r\n\r\n{", "request_timeout", 408
            ),
            (
                "POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                    + "Content-Length: 2000000\r\n\r\n", "payload_too_large", 413
            ),
            ("PUT /health/live HTTP/1.1\r\nHost: a\r\n\r\n", "method_not_allowed", 405),
        ])
    func notRequests(_ text: String, _ code: String, _ status: Int) async throws {
        var limits = ServerLimits()
        limits.headerNanoseconds = 200_000_000
        limits.bodyGraceNanoseconds = 200_000_000
        limits.lingerNanoseconds = 50_000_000
        try await withAdminServer(options: .init(http: limits)) { server in
            let answer = try await server.raw(text)
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
            #expect(answer.contains("content-type: application/problem+json"))
            #expect(answer.contains("\"code\":\"\(code)\""), "\(answer)")
            #expect(answer.contains("x-request-id: req_"))
        }
    }

    @Test("pages of other origins may not ask, but for those that are named exactly")
    func crossOrigin() async throws {
        try await withAdminServer(options: .init(corsOrigins: ["https://console.example.com"])) { server in
            let asked: HeaderFields = [
                "origin": "https://console.example.com", "access-control-request-method": "PATCH",
            ]
            let preflight = try await server.send(.options, "/api/v1/me", fields: asked)
            #expect(preflight.status == 204)
            #expect(preflight.fields["access-control-allow-origin"] == "https://console.example.com")
            #expect(preflight.fields["access-control-allow-headers"]?.contains("if-match") == true)
            let read = try await server.send(
                .get, "/health/live", fields: ["origin": "https://console.example.com"])
            #expect(read.fields["access-control-allow-origin"] == "https://console.example.com")
            #expect(read.fields["vary"] == "origin")
            for origin in ["https://console.example.com.evil.test", "http://console.example.com", "null"] {
                let fields: HeaderFields = ["origin": origin, "access-control-request-method": "PATCH"]
                let refused = try await server.send(.options, "/api/v1/me", fields: fields)
                #expect(refused.status == 405)
                #expect(refused.fields["access-control-allow-origin"] == nil)
            }
        }
        #expect(CrossOrigin.problem("https://a.example.com:8443") == nil)
        for text in [
            "*", "https://*.example.com", "https://a/", "a.example.com", "https://A.example.com", "null",
        ] {
            #expect(CrossOrigin.problem(text) != nil, "\(text)")
        }
    }
}

extension AdminServer {
    /// Returns when nobody is inside a transaction.
    func waitForEndOfTransactions() async throws {
        for _ in 0..<500 {
            let open = try await count(
                "pg_stat_activity where datname = current_database() and state like 'idle in transaction%'")
            if open == 0 { return }
            await database.loop.sleep(nanoseconds: 10_000_000)
        }
        Issue.record("a transaction does not end")
    }

    /// A connection on which bytes have been sent.
    func open(_ text: String) async throws -> Connection {
        let address = try #require(SocketAddress(String(url.dropFirst("http://".count))))
        let connection = try await Dialer(
            loop: database.loop, resolver: Self.resolver, policy: .unrestricted
        ).connect(
            host: "127.0.0.1", port: address.port, tls: nil, serverName: nil,
            timeoutNanoseconds: 5_000_000_000)
        connection.setDeadline(afterNanoseconds: 20_000_000_000)
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        defer { bytes.deallocate() }
        bytes.copyBytes(from: text.utf8)
        try await connection.send(UnsafeRawBufferPointer(bytes))
        return connection
    }

    /// Sends bytes and reads a problem document, or all until the end of the connection.
    func raw(_ text: String) async throws -> String {
        let connection = try await open(text)
        defer { connection.close() }
        var answer = ""
        while let more = try? await connection.fill(), more {
            answer += String(decoding: connection.buffered, as: UTF8.self)
            connection.consume(connection.buffered.count)
            if answer.contains("\"request_id\"") { break }
        }
        return answer
    }
}

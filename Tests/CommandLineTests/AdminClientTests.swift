import EventLoops
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import TestSupport
import Testing
import Transport

@testable import CommandLineTool

/// The admin client against a small real server.
@Suite("admin client")
struct AdminClientTests {
    /// Serves `answer(method and path, token)`; gives the client's base URL to `body`.
    static func serving(
        _ answer: @escaping @Sendable (String, String) -> (Int, JSONValue),
        _ body: @escaping @Sendable (HTTPClient, String) async throws -> Void
    ) async throws {
        try await withLoop { loop in
            let server = HTTPServer(loop: loop) { exchange in
                let call = "\(exchange.method) \(exchange.path)"
                let token = exchange.fieldText("authorization") ?? ""
                _ = try? await exchange.readBody(limit: 1 << 20)
                let (status, value) = answer(call, token)
                try? await exchange.respond(
                    status: status, fields: ["content-type": "application/json"], body: value.bytes)
            }
            let address = try server.listen(on: try #require(SocketAddress("127.0.0.1:0")))
            let pool = BlockingPool(threads: 1, queueLimit: 4, name: "resolver")
            let dialer = Dialer(loop: loop, resolver: pool, policy: .unrestricted)
            try await body(HTTPClient(loop: loop, dialer: dialer), "http://\(address)")
            pool.shutdown()
            await server.drain(withinNanoseconds: 1_000_000_000)
        }
    }

    @Test("an expired access token is renewed once, kept, and the call made again")
    func renewal() async throws {
        try await Self.serving { call, token in
            switch (call, token) {
            case ("POST /api/v1/sessions/refresh", _): (200, ["access_token": "new", "refresh_token": "r2"])
            case ("GET /api/v1/me", "Bearer new"): (200, ["email": "a@example.com"])
            default: (401, ["title": "Expired"])
            }
        } _: { http, url in
            let kept = Kept()
            let old = Session(url: url, accessToken: "old", refreshToken: "r1")
            let client = AdminClient(http: http, session: old) { kept.session = $0 }
            let me = try await client.get("/me")
            #expect(me["email"]?.string == "a@example.com")
            #expect(kept.session == Session(url: url, accessToken: "new", refreshToken: "r2"))
        }
    }

    @Test("a second factor is asked for, and the sign-in goes on with its code")
    func secondFactor() async throws {
        try await Self.serving { call, _ in
            switch call {
            case "POST /api/v1/sessions": (201, ["access_token": .null, "challenge": "ech_1"])
            case "POST /api/v1/sessions/second-step": (201, ["access_token": "a", "refresh_token": "r"])
            default: (404, [:])
            }
        } _: { http, url in
            let session = try await AdminClient.login(http: http, url: url, email: "a", password: "b") { "1" }
            #expect(session == Session(url: url, accessToken: "a", refreshToken: "r"))
            let failure = await #expect(throws: CommandFailure.self) {
                try await AdminClient.login(http: http, url: url, email: "a", password: "b")
            }
            #expect("\(try #require(failure))".contains("--code"))
        }
    }

    @Test("a session that cannot be renewed is signed out")
    func signedOut() async throws {
        try await Self.serving { _, _ in
            (401, ["detail": "Your session has ended."])
        } _: { http, url in
            let client = AdminClient(
                http: http, session: Session(url: url, accessToken: "a", refreshToken: "r")
            ) { _ in }
            await #expect(throws: CommandFailure.signedOut("Your session has ended.")) {
                try await client.get("/me")
            }
        }
    }

    @Test("a list is read to its last page")
    func paging() async throws {
        try await Self.serving { call, _ in
            call == "GET /api/v1/tenants" ? (200, ["data": [1, 2], "next_cursor": nil]) : (404, [:])
        } _: { http, url in
            let client = AdminClient(
                http: http, session: Session(url: url, accessToken: "a", refreshToken: "r")
            ) { _ in }
            let tenants = try await client.list("/tenants")
            #expect(tenants == [1, 2])
        }
    }

    @Test("a refusal shows the problem, an outage says so, with codes of their own")
    func failures() async throws {
        try await Self.serving { call, _ in
            call.hasSuffix("/down") ? (503, [:]) : (400, ["detail": "No.", "errors": []])
        } _: { http, url in
            let client = AdminClient(
                http: http, session: Session(url: url, accessToken: "a", refreshToken: "r")
            ) { _ in }
            await #expect(throws: CommandFailure.refused("No.")) { try await client.post("/tenants") }
            await #expect {
                try await client.get("/down")
            } throws: {
                ($0 as? CommandFailure)?.exitCode == 69
            }
        }
    }

    @Test("no server at all is an outage that says what to start")
    func noServer() async throws {
        try await withLoop { loop in
            let pool = BlockingPool(threads: 1, queueLimit: 4, name: "resolver")
            let http = HTTPClient(
                loop: loop, dialer: Dialer(loop: loop, resolver: pool, policy: .unrestricted))
            await #expect {
                try await AdminClient.login(http: http, url: "http://127.0.0.1:1", email: "a", password: "b")
            } throws: {
                ($0 as? CommandFailure)?.text.contains("make up") == true
            }
            pool.shutdown()
        }
    }
}

private final class Kept { var session: Session? }

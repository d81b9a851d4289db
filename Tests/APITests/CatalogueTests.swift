import API
import Domain
import EventLoops
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

@Suite("Codes of the admin API")
struct CatalogueTests {
    /// What the HTTP server answers by itself, before any route: see `LimitTests`.
    private static let belowTheAPI: [ErrorCode] = [
        .badRequest, .invalidTarget, .requestTimeout, .targetTooLong, .expectationFailed, .headersTooLarge,
        .notImplemented, .httpVersionNotSupported,
    ]
    @Test("every code the admin API has in the catalogue can be had from it, with its status and text")
    func everyCode() async throws {
        let pool = BlockingPool(threads: 1, queueLimit: 1, name: "tiny")
        try await withAdminServer(hashing: pool, statementTimeoutMilliseconds: 2_000) { server in
            let world = try await World(server)
            var seen: [String: Reply] = [:]
            for reply in try await Self.provoke(server, world) { seen[reply.code] = reply }
            let expected = ErrorCode.all.filter {
                ($0.surface == .admin || $0.surface == .both) && !Self.belowTheAPI.contains($0)
            }
            for code in expected {
                let reply = try #require(seen[code.code], "\(code.code) was not provoked")
                #expect(reply.status == code.status)
                #expect(reply.string("title") == code.safeText)
                #expect(reply.json["retryable"]?.boolean == code.isRetryable)
                #expect(reply.string("type") == "urn:eclusa:error:\(code.code)")
            }
            let unknown = Set(seen.keys).subtracting(expected.map(\.code)).subtracting([""])
            #expect(unknown.isEmpty, "answered, but not expected: \(unknown)")
        }
    }

    private static func provoke(_ server: AdminServer, _ world: World) async throws -> [Reply] {
        let base = "/api/v1/tenants/\(world.acme.tenant)"
        let json: HeaderFields = ["content-type": "application/json"]
        let sessions = "/api/v1/sessions"
        let asked = "/api/v1/tenants/\(world.other.tenant)"
        _ = try await server.send(
            .patch, "\(asked)/security", token: world.admin, body: ["require_second_factor": true])
        var replies = [
            try await server.send(.get, "/api/v1/me"),
            try await server.send(.get, "\(asked)/keys", token: world.stranger),
            try await server.send(.post, "/api/v1/email-verifications", body: ["token": "eml_wrong"]),
            try await server.send(
                .post, "/api/v1/tenants", token: world.tokens["viewer"], body: ["slug": "a", "name": "A"]),
            try await server.send(.get, "/nowhere"),
            try await server.send(.put, "/api/v1/tenants"),
            try await server.sendRaw(.post, sessions, fields: json, body: Array("{".utf8)),
            try await server.send(.post, sessions, body: [:]),
            try await server.sendRaw(.post, sessions, fields: ["content-type": "text/plain"], body: [0x7B]),
            try await server.sendRaw(
                .post, sessions, fields: json, body: [UInt8](repeating: 0x20, count: 1_100_000)),
            try await server.send(
                .post, "\(base)/workspaces", token: world.admin, body: ["slug": "default", "name": "D"]),
            try await server.send(.post, "\(base)/keys/\(world.acme.key)/revoke", token: world.admin),
            try await server.send(.post, "\(base)/keys/\(world.acme.key)/revoke", token: world.admin),
        ]
        _ = try await world.node()
        let tokens = try await server.send(.get, "/api/v1/join-tokens", token: world.admin)
        let used = try #require(tokens.json["data"]?[0]?["id"]?.string)
        replies.append(try await server.send(.delete, "/api/v1/join-tokens/\(used)", token: world.admin))
        for _ in 0..<7 {
            replies.append(
                try await server.send(.post, sessions, body: ["email": "x@example.com", "password": "x"]))
        }
        replies.append(
            try await server.send(
                .patch, base, token: world.admin, body: ["name": "X"], fields: ["if-match": "\"old\""]))
        replies += try await repeated(server, world)
        let slow = try await server.database.pool.withTransaction { connection in
            _ = try await connection.query("select from tenants for update")
            return try await server.send(.patch, base, token: world.admin, body: ["name": "X"])
        }
        replies.append(slow)
        replies += try await overloaded(server)
        replies.append(try await shownBefore(server, world))
        let token = world.admin
        server.clock.advance(seconds: 601)
        replies.append(try await server.send(.get, "/api/v1/me", token: token))
        try await server.database.pool.withConnection {
            try await $0.executeScript("alter table refresh_tokens rename to elsewhere")
        }
        replies.append(try await server.refresh("ert_x"))
        try await server.setDatabase(reachable: false)
        replies.append(try await server.refresh("ert_x"))
        try await server.setDatabase(reachable: true)
        return replies
    }

    private static func issue(_ server: AdminServer, _ world: World, _ name: String) async throws -> Reply {
        try await server.send(
            .post, "/api/v1/tenants/\(world.acme.tenant)/keys", token: world.admin,
            body: ["workspace": .string(world.acme.workspace), "name": .string(name)],
            fields: ["idempotency-key": "issue"])
    }

    private static func repeated(_ server: AdminServer, _ world: World) async throws -> [Reply] {
        [try await issue(server, world, "a"), try await issue(server, world, "b")]
    }

    /// The key of `repeated` again, after the secret's time.
    private static func shownBefore(_ server: AdminServer, _ world: World) async throws -> Reply {
        try await server.database.pool.withConnection {
            _ = try await $0.execute(
                "update idempotency_keys set created_at = created_at - interval '11 minutes'")
        }
        return try await issue(server, world, "a")
    }

    /// More sign-ins at once than the pool of passwords takes.
    private static func overloaded(_ server: AdminServer) async throws -> [Reply] {
        let count = 12
        var replies: [Reply] = []
        let done = Wakeup()
        for index in 0..<count {
            server.database.loop.spawn {
                let reply = try? await server.send(
                    .post, "/api/v1/sessions",
                    body: ["email": .string("u\(index)@example.com"), "password": "x"])
                if let reply { replies.append(reply) }
                if replies.count == count { done.signal() }
            }
        }
        await done.wait()
        return replies
    }
}

import API
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

/// `Idempotency-Key`: a repeated POST has one effect.
@Suite("Repeated requests")
struct RepetitionTests {
    private static func fields(_ key: String) -> HeaderFields { ["idempotency-key": key] }

    @Test("the same request under a key has one effect and one answer, fields and all, for 24 hours")
    func repeated() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/workspaces"
            let body: JSONValue = ["slug": "once", "name": "Once"]
            let first = try await server.send(
                .post, path, token: world.admin, body: body, fields: Self.fields("a-key"))
            let second = try await server.send(
                .post, path, token: world.admin, body: body, fields: Self.fields("a-key"))
            #expect(first.status == 201 && second.status == 201)
            #expect(second.body == first.body)
            #expect(second.change == first.change)
            #expect(second.fields["etag"] == first.fields["etag"])
            #expect(first.fields["idempotency-replayed"] == nil)
            #expect(second.fields["idempotency-replayed"] == "true")
            #expect(try await server.count("workspaces where slug = 'once'") == 1)
            #expect(try await server.count("audit_events where action = 'workspaces.create'") == 3)

            server.clock.advance(seconds: Operations.repetitionSeconds)
            let token = try await server.signIn()
            let later = try await server.send(
                .post, path, token: token, body: body, fields: Self.fields("a-key"))
            #expect(later.status == 409, "after a day the key is new, and the slug is taken")
        }
    }

    @Test("another request under a used key is refused, but another caller may use it")
    func mismatch() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/workspaces"
            let body: JSONValue = ["slug": "once", "name": "Once"]
            _ = try await server.send(
                .post, path, token: world.admin, body: body, fields: Self.fields("k"))
            let other = try await server.send(
                .post, path, token: world.admin, body: ["slug": "two", "name": "Once"],
                fields: Self.fields("k"))
            #expect(other.status == 422)
            #expect(other.code == "idempotency_mismatch")
            let elsewhere = try await server.send(
                .post, "/api/v1/tenants/\(world.other.tenant)/workspaces", token: world.admin, body: body,
                fields: Self.fields("k"))
            #expect(elsewhere.code == "idempotency_mismatch")
            let somebody = try await server.send(
                .post, path, token: world.tokens["tenant-owner"], body: ["slug": "two", "name": "Once"],
                fields: Self.fields("k"))
            #expect(somebody.status == 201)
        }
    }

    @Test("failures are not kept: the request may be repaired and tried again under its key")
    func failures() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/workspaces"
            let taken = try await server.send(
                .post, path, token: world.admin, body: ["slug": "default", "name": "D"],
                fields: Self.fields("k"))
            #expect(taken.status == 409)
            let repaired = try await server.send(
                .post, path, token: world.admin, body: ["slug": "better", "name": "D"],
                fields: Self.fields("k"))
            #expect(repaired.status == 201)
            for key in ["", "two words", String(repeating: "k", count: 256), "schlüssel"] {
                let reply = try await server.send(
                    .post, path, token: world.admin, body: ["slug": "x", "name": "X"],
                    fields: Self.fields(key))
                #expect(reply.pointers == ["Idempotency-Key"], "\(key)")
            }
        }
    }

    @Test("an answer with a secret is kept sealed for ten minutes, and then says that it was shown")
    func secrets() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys"
            let body: JSONValue = ["workspace": .string(world.acme.workspace), "name": "app"]
            let first = try await server.send(
                .post, path, token: world.admin, body: body, fields: Self.fields("k"))
            let second = try await server.send(
                .post, path, token: world.admin, body: body, fields: Self.fields("k"))
            let secret = first.string("secret")
            #expect(secret.hasPrefix("ek_") && second.string("secret") == secret)
            let kept = try await server.database.pool.withConnection {
                try await $0.query("select body, key from idempotency_keys where holds_secret")
            }
            let sealed = try #require(try kept.first?.optionalBytes(0))
            #expect(!String(decoding: sealed, as: UTF8.self).contains(secret.dropFirst(20)))

            server.clock.advance(seconds: Operations.shownSecretSeconds + 1)
            let token = try await server.signIn()
            let third = try await server.send(
                .post, path, token: token, body: body, fields: Self.fields("k"))
            #expect(third.status == 409)
            #expect(third.code == "secret_already_shown")
        }
    }

    @Test("of equal requests at once one does the work and all get its answer", arguments: [8])
    func raced(count: Int) async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys"
            let body: JSONValue = ["workspace": .string(world.acme.workspace), "name": "raced"]
            let replies = await server.all(count) { _ in
                try await server.send(
                    .post, path, token: world.admin, body: body, fields: Self.fields("raced"))
            }
            #expect(replies.count == count)
            #expect(replies.allSatisfy { $0.status == 201 && $0.body == replies[0].body })
            #expect(replies.filter { $0.fields["idempotency-replayed"] == nil }.count == 1)
            #expect(try await server.count("keys where name = 'raced'") == 1)
        }
    }

    @Test("the publisher is woken once for a write and not for its repetition")
    func wakes() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let before = server.changes
            for _ in 0..<2 {
                _ = try await server.send(
                    .post, "/api/v1/tenants", token: world.admin, body: ["slug": "woken", "name": "W"],
                    fields: Self.fields("w"))
            }
            #expect(server.changes == before + 1)
        }
    }
}

extension AdminServer {
    /// How many rows; `what` is a table and a condition.
    func count(_ what: StaticString) async throws -> Int64 {
        let statement = "select count(*) from " + SQL(stringLiteral: what)
        return try await database.pool.withConnection {
            try await $0.query(statement).first?.int64(0) ?? -1
        }
    }
}

import API
import Domain
import EventLoops
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

/// `ETag` and `If-Match`: nobody overwrites what they have not seen.
@Suite("Conditional writes")
struct ConditionTests {
    @Test("a noun has the same tag in its GET and in the answer that wrote it, and another after a change")
    func tags() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let read = try await server.send(.get, path, token: world.admin)
            let again = try await server.send(.get, path, token: world.admin)
            let written = try await server.send(.patch, path, token: world.admin, body: ["name": "Other"])
            let reread = try await server.send(.get, path, token: world.admin)
            let tag = try #require(read.fields["etag"])
            #expect(tag.wholeMatch(of: /"[A-Za-z0-9_-]{22}"/) != nil)
            #expect(again.fields["etag"] == tag)
            #expect(written.fields["etag"] != tag)
            #expect(reread.fields["etag"] == written.fields["etag"])
        }
    }

    @Test("what moves by itself, like the last use of a key, is no part of the tag")
    func moving() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys/\(world.acme.key)"
            let before = try await server.send(.get, path, token: world.admin)
            let tenant = try #require(TenantID(world.acme.tenant)), key = try #require(KeyID(world.acme.key))
            try await server.database.pool.withConnection {
                try await $0.execute(
                    """
                    insert into key_uses (tenant_id, key_id, last_used_at)
                    values (\(PostgresUUID(high: tenant.high, low: tenant.low)),
                            \(PostgresUUID(high: key.high, low: key.low)), now())
                    """)
            }
            let after = try await server.send(.get, path, token: world.admin)
            #expect(before.string("last_used_at") != after.string("last_used_at"))
            #expect(after.fields["etag"] == before.fields["etag"])
            let revoked = try await server.send(.post, "\(path)/revoke", token: world.admin)
            #expect(revoked.fields["etag"] != before.fields["etag"])
            #expect(
                try await server.send(.get, path, token: world.admin).fields["etag"] == revoked.fields["etag"]
            )
        }
    }

    @Test("If-Match is met by the right tag, by a list with it and by *; by nothing else")
    func matching() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let cases: [(String, Int)] = [
                ("%", 200), ("*", 200), ("\"a,b\", %", 200), (" , %,", 200), ("\"abc\"", 412), ("W/%", 412),
                ("", 400), ("abc", 400), ("\"a", 400), ("% %", 400), ("*, %", 400), ("\"a\"\"b\"", 400),
            ]
            for (index, (text, status)) in cases.enumerated() {
                let tag = try #require(
                    try await server.send(.get, path, token: world.admin).fields["etag"])
                let reply = try await server.send(
                    .patch, path, token: world.admin, body: ["name": .string("Name \(index)")],
                    fields: ["if-match": text.replacing("%", with: tag)])
                #expect(reply.status == status, "\(text)")
                if status == 412 { #expect(reply.code == "precondition_failed") }
                if status == 400 { #expect(reply.pointers == ["If-Match"]) }
            }
        }
    }

    @Test("a tag that was right once is refused after a change, and nothing happens")
    func stale() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            for path in [
                "/api/v1/tenants/\(world.acme.tenant)", "/api/v1/providers/\(world.shared.provider)",
                "/api/v1/tenants/\(world.acme.tenant)/routes/\(world.acme.route)",
            ] {
                let tag = try #require(try await server.send(.get, path, token: world.admin).fields["etag"])
                let fields: HeaderFields = ["if-match": tag]
                let first = try await server.send(
                    .patch, path, token: world.admin, body: ["name": "first"], fields: fields)
                let second = try await server.send(
                    .patch, path, token: world.admin, body: ["name": "second"], fields: fields)
                #expect(first.status == 200 && second.status == 412, "\(path)")
                let now = try await server.send(.get, path, token: world.admin)
                #expect(now.string("name") == "first")
            }
        }
    }

    @Test("actions honour it too, and a thing that has no tag never matches")
    func actions() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys/\(world.acme.key)"
            let wrong = try await server.send(
                .post, "\(path)/revoke", token: world.admin, fields: ["if-match": "\"stale\""])
            #expect(wrong.status == 412)
            let tag = try #require(try await server.send(.get, path, token: world.admin).fields["etag"])
            let right = try await server.send(
                .post, "\(path)/revoke", token: world.admin, fields: ["if-match": tag])
            #expect(right.status == 200)
            let untagged = try await server.send(
                .delete, "/api/v1/sessions/current", token: world.admin, fields: ["if-match": "*"])
            #expect(untagged.status == 412)
            #expect(try await server.send(.get, "/api/v1/me", token: world.admin).status == 200)
        }
    }

    @Test("of many writers that saw the same state, one wins", arguments: [8])
    func raced(count: Int) async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let tag = try #require(try await server.send(.get, path, token: world.admin).fields["etag"])
            let replies = await server.all(count) { index in
                try await server.send(
                    .patch, path, token: world.admin, body: ["name": .string("Writer \(index)")],
                    fields: ["if-match": tag])
            }
            #expect(replies.filter { $0.status == 200 }.count == 1)
            #expect(replies.filter { $0.status == 412 }.count == count - 1)
            let name = try await server.send(.get, path, token: world.admin).string("name")
            #expect(name == replies.first { $0.status == 200 }?.string("name"))
        }
    }

    @Test("every noun that can be changed is read at its path, and its row can be locked")
    func everyNoun() {
        let tags = EntityTags(of: RouteTable.all)
        for route in RouteTable.all where [.patch, .put, .delete].contains(route.method) {
            guard let reader = tags.reader(of: route) else {
                #expect(
                    Self.withoutTag.contains(route.operationID), "\(route.operationID) has no GET beside it")
                continue
            }
            #expect(tags.carriesTag(reader), "\(reader.operationID)")
            guard let noun = route.pathParameters.last else { continue }
            #expect(NounLock.knows(noun.prefix), "Store/NounLock.swift lacks the table of \(noun.name)")
        }
    }

    /// Changes of things that nobody can read by themselves; the last change wins.
    private static let withoutTag: Set<String> = [
        "sessions.revoke", "users.change-password", "join-tokens.delete", "groups.add-member",
        "groups.remove-member", "sessions.end", "invitations.revoke",
    ]
}

extension AdminServer {
    /// So many requests at once; answers in the order of their numbers.
    func all(_ count: Int, _ send: @escaping (Int) async throws -> Reply) async -> [Reply] {
        var replies: [Int: Reply] = [:]
        var finished = 0
        let done = Wakeup()
        for index in 0..<count {
            database.loop.spawn {
                do { replies[index] = try await send(index) } catch { Issue.record(error) }
                finished += 1
                if finished == count { done.signal() }
            }
        }
        await done.wait()
        return (0..<count).compactMap { replies[$0] }
    }
}

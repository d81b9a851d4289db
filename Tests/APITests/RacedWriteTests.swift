import API
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

/// Writes of one thing at once: those without a precondition go one after the other, and what can be done
/// once is done once.
@Suite("Raced writes")
struct RacedWriteTests {
    private static let count = 20

    private func race(
        _ server: AdminServer, _ count: Int = count, _ send: @escaping (Int) async throws -> Reply
    ) async -> [Reply] {
        // So that what is written now differs from what was there.
        server.clock.advance(seconds: 1)
        return await server.all(count, send)
    }

    /// How many answers have each status.
    private func statuses(_ replies: [Reply]) -> [Int: Int] {
        Dictionary(grouping: replies, by: \.status).mapValues(\.count)
    }

    @Test("of many renames at once all are made, and the name is the last one's")
    func renames() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys/\(world.acme.key)"
            let replies = await race(server) { index in
                try await server.send(
                    .patch, path, token: world.admin, body: ["name": .string("name-\(index)")])
            }
            #expect(statuses(replies) == [200: Self.count])
            #expect(Set(replies.map { $0.string("name") }).count == Self.count)
            let name = try await server.send(.get, path, token: world.admin).string("name")
            #expect(replies.contains { $0.string("name") == name })
            #expect(try await server.count("audit_events where action = 'keys.update'") == Int64(Self.count))
        }
    }

    @Test("changes of different members at once are all there in the end")
    func members() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys/\(world.acme.key)"
            let bodies: [JSONValue] = [["name": "other"], ["tags": ["team:red"]], ["strict": true]]
            let replies = await race(server, bodies.count) { index in
                try await server.send(.patch, path, token: world.admin, body: bodies[index])
            }
            #expect(statuses(replies) == [200: bodies.count])
            let key = try await server.send(.get, path, token: world.admin)
            #expect(key.string("name") == "other" && key.json["strict"] == true)
            #expect(key.json["tags"] == ["team:red"])
        }
    }

    @Test("of many renames under one entity tag one is made, and the others are told")
    func conditional() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys/\(world.acme.key)"
            let tag = try #require(try await server.send(.get, path, token: world.admin).fields["etag"])
            let replies = await race(server) { index in
                try await server.send(
                    .patch, path, token: world.admin, body: ["name": .string("name-\(index)")],
                    fields: ["if-match": tag])
            }
            #expect(statuses(replies) == [200: 1, 412: Self.count - 1])
        }
    }

    @Test("a key is revoked once, however many ask at once, and the others are told it was not them")
    func revocations() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys/\(world.acme.key)/revoke"
            let replies = await race(server) { _ in
                try await server.send(.post, path, token: world.admin, body: [:])
            }
            #expect(statuses(replies) == [200: 1, 409: Self.count - 1])
            #expect(replies.allSatisfy { $0.status == 200 || $0.code == "already_revoked" })
            let revoked = try await server.count(
                "audit_events where action = 'keys.revoke' and not details ? 'refused'")
            #expect(revoked == 1)
        }
    }

    @Test("no change or action without a precondition is refused for one, whatever the noun")
    func everyNoun() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tags = EntityTags(of: RouteTable.all)
            for route in RouteTable.all where route.method != .delete && tags.reader(of: route) != nil {
                let probe = RouteProbe(route, world)
                let path = try await probe.path()
                let replies = await race(server, 6) { _ in
                    try await probe.send(token: world.admin, path: path)
                }
                let isOnce = Self.once.contains(route.operationID)
                let expected = isOnce ? [route.answer.status: 1, 409: 5] : [route.answer.status: 6]
                #expect(statuses(replies) == expected, "\(route.operationID): \(replies.map(\.text))")
            }
        }
    }

    /// Actions that somebody has done once they are done.
    private static let once: Set<String> = [
        "keys.revoke", "nodes.revoke", "invoices.void", "prices.end", "shared-prices.end",
        "alert-deliveries.replay", "platform-alert-deliveries.replay",
    ]

    @Test("a management token is revoked once, and whatever is deleted is deleted once")
    func onceAndForAll() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            for route in RouteTable.all
            where !route.pathParameters.isEmpty
                && (route.method == .delete || route.operationID.hasSuffix("revoke-token"))
            {
                let probe = RouteProbe(route, world)
                let path = try await probe.path()
                let replies = await race(server, 6) { _ in
                    try await probe.send(token: world.admin, path: path)
                }
                let isDone = replies.count { $0.status == route.answer.status }
                let isRefused = replies.count { $0.status == 404 || $0.status == 409 }
                #expect(
                    isDone == 1 && isRefused == 5, "\(route.operationID): \(replies.map(\.text))")
            }
        }
    }
}

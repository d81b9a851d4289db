import API
import Contract
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("Audit")
struct AuditTests {
    /// Acts on many, or on what there is one of.
    private static let withoutTarget = ["keys.revoke-matching", "sign-up-settings.update"]

    @Test("every write leaves one row named like its operation, with who, where and by which request")
    func everyWrite() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let me = try await server.send(.get, "/api/v1/me", token: world.admin).string("user", "id")
            for route in RouteTable.all where route.method != .get {
                // Verifying reads; applying a document makes the writes of other routes, with their rows.
                guard case .needs = route.access,
                    ![".verify", ".explain", ".apply"].contains(where: route.operationID.hasSuffix)
                else { continue }
                let probe = RouteProbe(route, world)
                let isOfTenant = route.path.contains("{tenant}")
                let path = try await probe.path()
                let owner = isOfTenant ? TenantID(String(path.split(separator: "/")[3])) : nil
                let before = try await server.audit(of: owner)
                let reply = try await probe.send(token: world.admin, path: path)
                #expect(reply.status < 300, "\(route.operationID): \(reply.text)")
                let after = try await server.audit(of: owner)
                #expect(after.count == before.count + 1, "\(route.operationID)")
                let event = try #require(after.first)
                let action = route.operationID.replacing("shared-", with: "")
                    .replacing("platform-", with: "")
                #expect(event.action == action)
                #expect(event.actor == .user(try #require(UserID(me))))
                #expect(event.requestID == reply.fields["x-request-id"])
                #expect(event.address == "127.0.0.1")
                // What acts on many names them in its details.
                #expect((event.target.id == nil) == Self.withoutTarget.contains(action))
            }
        }
    }

    @Test("the log of a tenant can be read page by page, and its chain holds")
    func reading() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/audit-events"
            let token = try #require(world.tokens["tenant-owner"])
            var actions: [String] = []
            var query = "?limit=2"
            while actions.count < 100 {
                let page = try await server.send(.get, path + query, token: token)
                actions += page.json["data"]?.array?.compactMap { $0["action"]?.string } ?? []
                guard let next = page.json["next_cursor"]?.string else { break }
                query = "?limit=2&cursor=\(next)"
            }
            #expect(
                actions == [
                    "keys.create", "routes.create", "prices.create", "models.create", "providers.create",
                    "workspaces.create",
                ])
            let platform = try await server.send(.get, "/api/v1/audit-events", token: world.admin)
            let first = platform.json["data"]?.array?.last
            #expect(first?["action"]?.string == "users.create")
            #expect(first?["actor"] == .null, "the system made the first administrator")
            for owner in [TenantID(world.acme.tenant), nil] {
                let broken = try await server.database.pool.withConnection {
                    try await AuditStore.firstBroken(of: owner, $0)
                }
                #expect(broken == nil)
            }
        }
    }

    @Test("signing in, out and refreshing twice are in the platform's log")
    func sessions() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let session = try await server.signInReply().string("refresh_token")
            _ = try await server.refresh(session)
            server.clock.advance(seconds: 60)
            _ = try await server.refresh(session)
            _ = try await server.send(.delete, "/api/v1/sessions/current", token: token)
            let actions = try await server.audit(of: nil).map(\.action)
            #expect(
                actions == [
                    "sessions.revoke", "sessions.revoke", "sessions.create", "sessions.create",
                    "users.create",
                ])
        }
    }
}

extension AdminServer {
    /// The newest events of a log, the newest first.
    func audit(of tenant: TenantID?) async throws -> [AuditEvent] {
        try await database.pool.withConnection { connection in
            try await AuditStore.list(of: tenant, limit: 200, connection).map(\.event)
        }
    }
}

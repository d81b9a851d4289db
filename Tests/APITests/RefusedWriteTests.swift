import API
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

/// A refused write leaves no trace but its audit event.
@Suite("Refused writes")
struct RefusedWriteTests {
    private func last(_ server: AdminServer, _ world: World, _ path: String) async throws -> JSONValue {
        let reply = try await server.send(.get, "\(path)/audit-events?limit=1", token: world.admin)
        return try #require(reply.json["data"]?[0])
    }

    @Test("it is in the tenant's log with who, what and why, when the caller belongs to the tenant")
    func recorded() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = "/api/v1/tenants/\(world.acme.tenant)"
            let key = "\(tenant)/keys/\(world.acme.key)"
            let missing = "\(tenant)/keys/\(KeyID(at: server.clock.now))"
            let cases: [(HTTPMethod, String, String, JSONValue?, HeaderFields, Int, String)] = [
                (.post, "\(key)/revoke", "viewer", nil, [:], 403, "keys.revoke"),
                (.post, "\(missing)/revoke", "tenant-owner", nil, [:], 404, "keys.revoke"),
                (
                    .post, "\(tenant)/workspaces", "tenant-owner", ["slug": "default", "name": "D"], [:], 409,
                    "workspaces.create"
                ),
                (
                    .patch, tenant, "tenant-owner", ["name": "X"], ["if-match": "\"old\""], 412,
                    "tenants.update"
                ),
            ]
            for (method, path, role, body, fields, status, action) in cases {
                let reply = try await server.send(
                    method, path, token: world.tokens[role], body: body, fields: fields)
                #expect(reply.status == status)
                let event = try await last(server, world, tenant)
                #expect(event["action"]?.string == action)
                #expect(event["request_id"]?.string == reply.string("request_id"))
                #expect(event["actor"]?.string?.hasPrefix("user_") == true)
                #expect(event["details"]?.text.contains("\"\(reply.code)\"") == true)
            }
        }
    }

    @Test("a stranger's goes into the platform's log, not into the tenant's")
    func stranger() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = "/api/v1/tenants/\(world.acme.tenant)"
            let before = try await last(server, world, tenant)
            let reply = try await server.send(
                .post, "\(tenant)/keys/\(world.acme.key)/revoke", token: world.stranger)
            #expect(reply.status == 404)
            #expect(try await last(server, world, tenant) == before)
            let event = try await last(server, world, "/api/v1")
            #expect(event["request_id"]?.string == reply.string("request_id"))
            #expect(event["details"]?.text.contains(world.acme.tenant) == true)
        }
    }

    @Test("what is misspelt, and what was only read, is not recorded")
    func notRecorded() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = "/api/v1/tenants/\(world.acme.tenant)"
            let before = try await server.count("audit_events")
            _ = try await server.send(.post, "\(tenant)/workspaces", token: world.admin, body: ["slug": 7])
            _ = try await server.send(.get, "\(tenant)/keys/nonsense", token: world.admin)
            _ = try await server.send(.get, "/api/v1/nodes", token: world.tokens["viewer"])
            _ = try await server.send(.post, "\(tenant)/keys", body: [:])
            #expect(try await server.count("audit_events") == before)
        }
    }

    @Test("nobody fills the log: beyond a share a minute refusals are only counted")
    func limited() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let before = try await server.count("audit_events")
            let more = 5
            for _ in 0..<(AuditOperations.refusalBurst + more) {
                let reply = try await server.send(
                    .post, "/api/v1/tenants", token: world.tokens["viewer"], body: ["slug": "a", "name": "A"])
                #expect(reply.status == 403)
            }
            let recorded = try await server.count("audit_events") - before
            #expect(recorded == Int64(AuditOperations.refusalBurst))
            let metrics = try await server.send(.get, "/metrics")
            #expect(metrics.text.contains("eclusa_admin_unrecorded_refusals_total \(more)"))
        }
    }
}

import API
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("Tenants and workspaces")
struct TenancyTests {
    @Test("a tenant's settings are changed one by one, and each wrong one is named")
    func settings() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let changed = try await server.send(
                .patch, path, token: world.admin,
                body: [
                    "slug": "acme-ltd", "time_zone": "America/Sao_Paulo", "currency": "BRL",
                    "retention_days": 90, "region": "eu", "sign_up_domain": "acme.example",
                ])
            #expect(changed.status == 200, "\(changed.text)")
            let cleared = try await server.send(
                .patch, path, token: world.admin, body: ["retention_days": .null, "region": .null])
            #expect(cleared.json["retention_days"] == .null && cleared.json["region"] == .null)
            #expect(
                cleared.string("time_zone") == "America/Sao_Paulo" && cleared.string("slug") == "acme-ltd")
            for (body, pointer): (JSONValue, String) in [
                (["time_zone": "America/Nowhere"], "/time_zone"), (["time_zone": "EST5EDT"], "/time_zone"),
                (["currency": "brl"], "/currency"), (["retention_days": 0], "/retention_days"),
                (["region": "Not a slug"], "/region"),
                (["sign_up_domain": "Acme.Example"], "/sign_up_domain"),
                (["slug": "Not a slug"], "/slug"), (["name": .null], "/name"), (["plan": "gold"], "/plan"),
            ] {
                let reply = try await server.send(.patch, path, token: world.admin, body: body)
                #expect(reply.status == 400 && reply.pointers == [pointer], "\(reply.text)")
            }
            let taken = try await server.send(
                .patch, "/api/v1/tenants/\(world.other.tenant)", token: world.admin,
                body: ["sign_up_domain": "acme.example"])
            #expect(taken.status == 409 && taken.pointers == ["/sign_up_domain"])
        }
    }

    @Test("an owner settles what is theirs; who runs the platform decides where and for whom it works")
    func platformSettings() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let owner = world.tokens["tenant-owner"]
            let own = try await server.send(.patch, path, token: owner, body: ["currency": "EUR"])
            #expect(own.status == 200)
            for body: JSONValue in [
                ["region": "eu"], ["sign_up_domain": "gmail.com"],
                ["region": .null],
            ] {
                let reply = try await server.send(.patch, path, token: owner, body: body)
                #expect(reply.status == 403, "\(reply.text)")
            }
        }
    }

    @Test("a workspace is renamed and deleted, but not while it has keys")
    func workspaces() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/workspaces"
            let spare = try await world.spareWorkspace()
            let taken = try await server.send(
                .patch, "\(base)/\(spare)", token: world.admin, body: ["slug": "default"])
            #expect(taken.status == 409 && taken.pointers == ["/slug"])
            let renamed = try await server.send(
                .patch, "\(base)/\(spare)", token: world.admin, body: ["name": "Renamed"])
            #expect(renamed.string("name") == "Renamed")
            let used = try await server.send(
                .delete, "\(base)/\(world.acme.workspace)", token: world.admin)
            #expect(used.status == 409 && used.code == "in_use")
            let deleted = try await server.send(.delete, "\(base)/\(spare)", token: world.admin)
            let gone = try await server.send(.get, "\(base)/\(spare)", token: world.admin)
            #expect(deleted.status == 200 && gone.status == 404)
        }
    }

    @Test("a deleted tenant's credentials cannot be opened from that moment, the rest goes by and by")
    func deletion() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let tenant = try #require(TenantID(world.acme.tenant))
            let deleted = try await server.send(.delete, path, token: world.tokens["tenant-owner"])
            #expect(deleted.status == 202 && deleted.string("status") == "deleting")
            let left = try await server.database.pool.withConnection { connection in
                try await connection.query(
                    "select from provider_credentials where tenant_id = \(tenant)"
                ).count
                    + connection.query(
                        "select from platform_secrets where purpose like \("%\(tenant)")"
                    ).count
            }
            #expect(left == 0, "neither the credential nor the key that opens it")
            for (method, path) in [(HTTPMethod.patch, path), (.delete, path), (.post, "\(path)/resume")] {
                let body: JSONValue? = method == .patch ? ["name": "Again"] : nil
                let reply = try await server.send(method, path, token: world.admin, body: body)
                #expect(reply.status == 409, "\(reply.text)")
            }
            #expect(try await server.operations.tenantPurge.run() == [tenant])
            #expect(try await server.operations.tenantPurge.run().isEmpty)
            #expect(try await server.send(.get, path, token: world.admin).status == 404)
            let events = try await server.audit(of: tenant).map(\.action)
            #expect(events.contains("tenants.delete"), "its log stays")
            #expect(try await server.audit(of: nil).first?.action == "tenants.purge")
            let other = try await server.send(
                .get, "/api/v1/tenants/\(world.other.tenant)/keys/\(world.other.key)", token: world.admin)
            #expect(other.status == 200)
        }
    }
}

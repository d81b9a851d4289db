import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

@Suite("Identity providers")
struct IdentityProviderTests {
    private static func body(_ change: [(String, JSONValue)] = []) -> JSONValue {
        var object = JSONObject()
        for (name, value) in [
            ("name", "SSO"), ("issuer", "https://idp.example.com"), ("client_id", "eclusa"),
            ("client_secret", "planted-client-secret-0123456789"),
        ] as [(String, JSONValue)] + change { object[name] = value }
        return .object(object)
    }

    @Test("a client secret goes in and never comes out, and is sealed where it lies")
    func secret() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            let made = try await server.send(
                .post, "/api/v1/identity-providers", token: admin, body: Self.body())
            #expect(made.status == 201 && made.json["has_client_secret"]?.boolean == true)
            let path = "/api/v1/identity-providers/\(made.string("id"))"
            let kept = try await server.send(.patch, path, token: admin, body: ["name": "Other"])
            #expect(kept.string("name") == "Other" && kept.json["has_client_secret"]?.boolean == true)
            #expect(!server.answered.contains("planted-client-secret"))
            let stored = try await server.database.pool.withConnection { connection in
                try await connection.query(
                    """
                    select encode(client_secret, 'escape') from identity_providers
                    union all select details::text from audit_events
                    """
                ).map { try $0.text(0) }
            }
            #expect(stored.count > 2 && stored.allSatisfy { !$0.contains("planted-client-secret") })
            #expect(try await server.send(.delete, path, token: admin).status == 204)
            #expect(try await server.send(.get, path, token: admin).status == 404)
        }
    }

    @Test(
        "what cannot be right is refused, at its field",
        arguments: [
            ("issuer", "not a url", "/issuer"), ("scopes", ["email"], "/scopes"), ("name", "", "/name"),
            ("allowed_domains", ["Example.com"], "/allowed_domains/0"),
            ("role_mappings", [["group": "x", "role": "nonsense"]], "/role_mappings/0/role"),
            ("issuer", "https://refused.example.com", "/issuer"), ("secret", "x", "/secret"),
        ] as [(String, JSONValue, String)])
    func refused(_ field: String, _ value: JSONValue, _ pointer: String) async throws {
        try await withAdminServer { server in
            server.refusedHosts = ["refused.example.com"]
            let admin = try await server.administrator()
            let reply = try await server.send(
                .post, "/api/v1/identity-providers", token: admin, body: Self.body([(field, value)]))
            #expect(reply.status == 400 && reply.pointers == [pointer], "\(reply.text)")
        }
    }

    @Test("nobody maps a group to a role with permissions they lack")
    func escalation() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/identity-providers"
            for role in ["tenant-owner", "platform-admin"] {
                let reply = try await server.send(
                    .post, base, token: world.tokens["tenant-admin"],
                    body: Self.body([("role_mappings", [["group": "*", "role": .string(role)]])]))
                #expect(reply.pointers == ["/role_mappings/0/role"])
            }
            let fine = try await server.send(
                .post, base, token: world.tokens["tenant-admin"],
                body: Self.body([("role_mappings", [["group": "*", "role": "viewer"]])]))
            #expect(fine.status == 201)
        }
    }

    @Test(
        "one sees where to sign in by the tenant's slug, enabled providers alone, and nothing about strangers"
    )
    func options() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let slug = try await server.send(
                .get, "/api/v1/tenants/\(world.acme.tenant)", token: world.admin
            ).string("slug")
            let base = "/api/v1/tenants/\(world.acme.tenant)/identity-providers"
            let made = try await server.send(.post, base, token: world.admin, body: Self.body())
            func names(_ query: String) async throws -> [String] {
                let reply = try await server.send(.get, "/api/v1/sessions/providers\(query)")
                #expect(reply.status == 200)
                return reply.json["providers"]?.array?.compactMap { $0["name"]?.string } ?? []
            }
            #expect(try await names("?tenant=\(slug)") == ["SSO"])
            #expect(try await names("").isEmpty)
            #expect(try await names("?tenant=platform").isEmpty)
            #expect(try await names("?tenant=nobody").isEmpty)
            _ = try await server.send(
                .patch, "\(base)/\(made.string("id"))", token: world.admin, body: ["enabled": false])
            #expect(try await names("?tenant=\(slug)").isEmpty)
            let begun = try await server.send(
                .post, "/api/v1/sessions/providers", body: ["provider": .string(made.string("id"))])
            #expect(begun.status == 404)
        }
    }
}

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

    @Test("nobody maps a group to a role with permissions they lack, and only who owns a tenant may map any")
    func escalation() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let base = "/api/v1/tenants/\(tenant)/identity-providers"
            func mapping(_ role: String, _ token: String?) async throws -> Reply {
                try await server.send(
                    .post, base, token: token,
                    body: Self.body([("role_mappings", [["group": "*", "role": .string(role)]])]))
            }
            // Whose provider it is can be anybody there, an owner too.
            #expect(try await mapping("viewer", world.tokens["tenant-admin"]).status == 403)
            let role = try await world.role([.identityProvidersCreate])
            let user = try await world.user()
            try await world.give(.viewer, to: user, .tenant(tenant))
            _ = try await world.make(
                "/api/v1/tenants/\(tenant)/bindings",
                ["user": .string(user.description), "role": .string(role)])
            let keeper = try await world.signIn(user)
            for role in ["developer", "tenant-owner", "platform-admin"] {
                #expect(try await mapping(role, keeper).pointers == ["/role_mappings/0/role"])
            }
            #expect(try await mapping("viewer", keeper).status == 201)
            let owner = world.tokens["tenant-owner"]
            #expect(try await mapping("platform-admin", owner).pointers == ["/role_mappings/0/role"])
        }
    }

    @Test("who came by a tenant's provider has nothing elsewhere, and no hand on the account itself")
    func vouchedForByATenant() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let acme = try #require(TenantID(world.acme.tenant)),
                other = try #require(TenantID(world.other.tenant))
            let user = try await world.user()
            try await world.give(.viewer, to: user, .tenant(acme))
            try await world.give(.tenantOwner, to: user, .tenant(other))
            try await world.give(.platformAdmin, to: user, .platform)
            let token = try await world.signIn(user, only: acme)
            for (path, status) in [
                ("tenants/\(acme)/keys", 200), ("tenants/\(other)/keys", 404), ("users", 403), ("me", 200),
                ("me/sessions", 403),
            ] {
                let reply = try await server.send(.get, "/api/v1/\(path)", token: token)
                #expect(reply.status == status, "\(path): \(reply.text)")
            }
            let me = try await server.send(.get, "/api/v1/me", token: token)
            #expect(me.json["bindings"]?.array?.count == 1, "the tenant learns of no other: \(me.text)")
            let password = AdminServer.adminPassword
            for (method, path, body): (HTTPMethod, String, JSONValue) in [
                (.patch, "me", ["name": "Mallory"]), (.post, "me/sessions/end", [:]),
                (
                    .put, "me/password",
                    ["current_password": .string(password), "new_password": "a long new one"]
                ),
                (.post, "me/second-factor", ["current_password": .string(password)]),
                (.post, "me/email/verification", [:]),
            ] {
                let reply = try await server.send(method, "/api/v1/\(path)", token: token, body: body)
                #expect(reply.status == 403, "\(method) \(path): \(reply.text)")
            }
            let end = try await server.send(.delete, "/api/v1/sessions/current", token: token)
            #expect(end.status == 204)
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
            #expect(begun.pointers == ["/provider"])
        }
    }
}

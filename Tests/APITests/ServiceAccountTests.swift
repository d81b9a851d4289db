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

@Suite("Service accounts and management tokens")
struct ServiceAccountTests {
    /// A service account of `acme` with a role, and a token of it.
    private func machine(_ world: World, _ role: String) async throws -> (id: String, token: Reply) {
        let base = "/api/v1/tenants/\(world.acme.tenant)"
        let id = try await world.serviceAccount()
        _ = try await world.make(
            "\(base)/bindings", ["service_account": .string(id), "role": .string(role)])
        let issued = try await world.server.send(
            .post, "\(base)/service-accounts/\(id)/tokens", token: world.admin, body: ["name": "terraform"])
        #expect(issued.status == 201, "\(issued.text)")
        return (id, issued)
    }

    @Test("a token does what its account's roles allow, in its tenant alone, and the log names the account")
    func use() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let (id, issued) = try await machine(world, "tenant-admin")
            let token = issued.string("secret")
            let made = try await server.send(
                .post, "\(base)/workspaces", token: token, body: ["slug": "made", "name": "Made"])
            #expect(made.status == 201, "\(made.text)")
            let event = try #require(try await server.audit(of: TenantID(world.acme.tenant)).first)
            #expect(event.actor == .serviceAccount(try #require(ServiceAccountID(id))))
            let shown = try await server.send(
                .get, "\(base)/audit-events?actor=\(id)", token: world.admin)
            #expect(shown.json["data"]?[0]?["actor"]?.string == id)
            let tenants = try await server.send(.get, "/api/v1/tenants", token: token)
            #expect(tenants.json["data"]?.array?.compactMap { $0["id"]?.string } == [world.acme.tenant])
            let foreign = try await server.send(
                .get, "/api/v1/tenants/\(world.other.tenant)/keys", token: token)
            #expect(foreign.status == 404)
            #expect(try await server.send(.get, "/api/v1/users", token: token).status == 403)
            for (method, path) in [(HTTPMethod.get, "/api/v1/me"), (.delete, "/api/v1/sessions/current")] {
                #expect(try await server.send(method, path, token: token).status == 403, "\(path)")
            }
        }
    }

    @Test("a platform's account that only enrolls nodes makes join tokens, and may do nothing else anywhere")
    func platform() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let id = try await world.platformServiceAccount()
            let bound = try await server.send(
                .post, "/api/v1/bindings", token: world.admin,
                body: ["service_account": .string(id), "role": "node-enroller"])
            #expect(bound.status == 201, "\(bound.text)")
            let issued = try await server.send(
                .post, "/api/v1/service-accounts/\(id)/tokens", token: world.admin, body: ["name": "pods"])
            let token = issued.string("secret")
            let joined = try await server.send(
                .post, "/api/v1/join-tokens", token: token, body: ["node_name": "pod-1"])
            #expect(joined.status == 201, "\(joined.text)")
            for path in ["nodes", "join-tokens", "users", "service-accounts", "backups"] {
                let status = try await server.send(.get, "/api/v1/\(path)", token: token).status
                #expect(status == 403, "\(path)")
            }
            let foreign = try await server.send(
                .get, "/api/v1/tenants/\(world.acme.tenant)/keys", token: token)
            #expect(foreign.status == 403)
            let seen = try await server.send(
                .get, "/api/v1/tenants/\(world.acme.tenant)/service-accounts/\(id)", token: world.admin)
            #expect(seen.status == 404, "it is no tenant's")
            let actors = try await server.audit(of: nil).map(\.actor)
            #expect(actors.contains(.serviceAccount(try #require(ServiceAccountID(id)))))
        }
    }

    @Test("a token that is wrong in a character, revoked, expired, or of a disabled account is refused")
    func refusals() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let (id, issued) = try await machine(world, "viewer")
            let token = issued.string("secret")
            func status(_ token: String) async throws -> Int {
                try await server.send(.get, "\(base)/keys", token: token).status
            }
            #expect(try await status(token) == 200)
            let listed = try await server.send(
                .get, "\(base)/service-accounts/\(id)/tokens", token: world.admin)
            #expect(listed.json["data"]?[0]?["last_used_at"]?.string != nil)
            #expect(!listed.text.contains(token), "shown once")

            for place in [4, 20, 30, 58] {
                var wrong = Array(token)
                wrong[place] = wrong[place] == "x" ? "y" : "x"
                #expect(try await status(String(wrong)) == 401, "character \(place)")
            }
            var generator = SystemRandomNumberGenerator()
            #expect(try await status(ManagementTokenText(using: &generator).reveal()) == 401)

            let account = "\(base)/service-accounts/\(id)"
            for (state, expected) in [("disabled", 401), ("active", 200)] {
                _ = try await server.send(
                    .patch, account, token: world.admin, body: ["status": .string(state)])
                #expect(try await status(token) == expected)
            }
            let revoke = "\(account)/tokens/\(issued.string("token", "id"))/revoke"
            #expect(try await server.send(.post, revoke, token: world.admin).status == 200)
            #expect(try await status(token) == 401)
            #expect(try await server.send(.post, revoke, token: world.admin).code == "already_revoked")

            let soon = server.clock.now.advanced(bySeconds: 60)
            let short = try await server.send(
                .post, "\(account)/tokens", token: world.admin,
                body: ["name": "short", "expires_at": .string(soon.description)])
            #expect(try await status(short.string("secret")) == 200)
            server.clock.advance(seconds: 60)
            #expect(try await status(short.string("secret")) == 401)
            let late = server.clock.now.advanced(bySeconds: 400 * 86_400)
            let tooLong = try await server.send(
                .post, "\(account)/tokens", token: world.admin,
                body: ["name": "long", "expires_at": .string(late.description)])
            #expect(tooLong.status == 400 && tooLong.pointers == ["/expires_at"])
        }
    }

    @Test("a model key cannot call the admin API, and a management token is no model key")
    func apart() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let issued = try await server.send(
                .post, "\(base)/keys", token: world.admin,
                body: ["workspace": .string(world.acme.workspace), "name": "app"])
            #expect(
                try await server.send(.get, "\(base)/keys", token: issued.string("secret")).status == 401)
            let (_, token) = try await machine(world, "tenant-owner")
            #expect(KeyText(token.string("secret")) == nil, "a gateway refuses it before any look-up")
        }
    }
}

import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

@Suite("Invitations")
struct InvitationTests {
    private static let guest = "guest@example.org"

    private static func invite(
        _ world: World, _ roles: JSONValue = ["developer"], email: String = guest, token: String? = nil
    ) async throws -> Reply {
        try await world.server.send(
            .post, "/api/v1/tenants/\(world.acme.tenant)/invitations",
            token: token ?? world.tokens["tenant-admin"],
            body: ["email": .string(email), "roles": roles])
    }

    private static func accept(_ server: AdminServer, _ token: String) async throws -> Reply {
        try await server.send(
            .post, "/api/v1/invitations/accept",
            body: [
                "token": .string(token), "name": "Guest", "password": "a long enough password",
                "locale": "pt-BR",
            ])
    }

    @Test("an invitation makes a user with the roles it names, once; its token is in the message alone")
    func newUser() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let invited = try await Self.invite(world)
            #expect(invited.status == 201)
            let token = try await server.newestToken(for: Self.guest)
            #expect(token.hasPrefix("einv_") && !server.answered.contains(token))
            let accepted = try await Self.accept(server, token)
            #expect(accepted.status == 201, "\(accepted.text)")
            #expect(accepted.json["bindings"]?[0]?["role"]?.string == "developer")
            #expect(accepted.string("user", "email_verified_at") != "")
            #expect(accepted.string("user", "locale") == "pt-BR")
            let session = try await server.signIn(Self.guest, "a long enough password")
            let keys = try await server.send(
                .get, "/api/v1/tenants/\(world.acme.tenant)/keys", token: session)
            #expect(keys.status == 200)
            let again = try await Self.accept(server, token)
            #expect(again.code == "link_invalid")
            let stored = try await server.database.pool.withConnection {
                try await $0.query("select 1 from mails where encode(sealed, 'escape') like '%einv_%'").count
            }
            #expect(stored == 0)
        }
    }

    @Test("a tenant's own role is offered like a built-in one, by who has its permissions, while it is there")
    func ownRole() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let role = try await world.role([.usageRead, .keysRead])
            let strong = try await world.role([.tenantsDelete])
            #expect(try await Self.invite(world, [.string(strong)]).pointers == ["/roles/0"])
            let unknown = RoleID(at: server.clock.now).description
            #expect(try await Self.invite(world, ["viewer", .string(unknown)]).pointers == ["/roles/1"])
            #expect(try await Self.invite(world, [.string(role)]).status == 201)
            let token = try await server.newestToken(for: Self.guest)
            let accepted = try await Self.accept(server, token)
            #expect(accepted.status == 201, "\(accepted.text)")
            let session = try await server.signIn(Self.guest, "a long enough password")
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            #expect(try await server.send(.get, "\(base)/keys", token: session).status == 200)
            #expect(try await server.send(.get, "\(base)/providers", token: session).status == 403)

            let gone = try await world.role([.usageRead])
            _ = try await Self.invite(world, [.string(gone)], email: "late@example.org")
            let late = try await server.newestToken(for: "late@example.org")
            _ = try await server.send(.delete, "\(base)/roles/\(gone)", token: world.admin)
            #expect(try await Self.accept(server, late).code == "link_invalid")
        }
    }

    @Test("a user accepts signed in, and only one's own invitation")
    func knownUser() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            _ = try await server.send(
                .post, "/api/v1/users", token: world.admin,
                body: ["email": .string(Self.guest), "name": "G", "password": "a long enough password"])
            _ = try await Self.invite(world, ["viewer", "developer"])
            let token = try await server.newestToken(for: Self.guest)
            #expect(try await Self.accept(server, token).code == "conflict")
            let stranger = try await server.send(
                .post, "/api/v1/me/invitations", token: world.tokens["viewer"],
                body: ["token": .string(token)])
            #expect(stranger.code == "link_invalid")
            let session = try await server.signIn(Self.guest, "a long enough password")
            let joined = try await server.send(
                .post, "/api/v1/me/invitations", token: session, body: ["token": .string(token)])
            #expect(joined.status == 200)
            #expect(joined.json["bindings"]?.array?.count == 2)
        }
    }

    @Test("nobody offers a role with permissions they lack, and nobody has two open invitations to a tenant")
    func limits() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let escalation = try await Self.invite(world, ["viewer", "tenant-owner"])
            #expect(escalation.pointers == ["/roles/1"])
            let platform = try await Self.invite(world, ["platform-admin"], token: world.admin)
            #expect(platform.pointers == ["/roles/0"])
            #expect(try await Self.invite(world, []).pointers == ["/roles"])
            #expect(try await Self.invite(world, email: "nonsense").pointers == ["/email"])
            #expect(try await Self.invite(world).status == 201)
            #expect(try await Self.invite(world, email: "GUEST@example.org").pointers == ["/email"])
            #expect(try await server.mails(to: "GUEST@example.org").isEmpty, "a refused write sends nothing")
        }
    }

    @Test("the link dies by time, by revocation, by being sent again, and with the inviter's rights")
    func endings() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/invitations"
            let id = try await Self.invite(world).string("id")
            let first = try await server.newestToken(for: Self.guest)
            let resent = try await server.send(.post, "\(base)/\(id)/resend", token: world.admin)
            #expect(resent.status == 200)
            #expect(try await Self.accept(server, first).code == "link_invalid")

            let second = try await server.newestToken(for: Self.guest)
            let revoked = try await server.send(.delete, "\(base)/\(id)", token: world.admin)
            #expect(revoked.status == 204)
            #expect(try await Self.accept(server, second).code == "link_invalid")
            #expect(try await server.send(.delete, "\(base)/\(id)", token: world.admin).status == 404)

            _ = try await Self.invite(world)
            let third = try await server.newestToken(for: Self.guest)
            server.clock.advance(seconds: Invitation.lifetimeSeconds)
            #expect(try await Self.accept(server, third).code == "link_invalid")
        }
    }

    @Test("an invitation is worth nothing once the inviter is disabled")
    func inviterDisabled() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            _ = try await Self.invite(world)
            let me = try await server.send(.get, "/api/v1/me", token: world.tokens["tenant-admin"])
            _ = try await server.send(
                .post, "/api/v1/users/\(me.string("user", "id"))/disable", token: world.admin)
            let late = try await Self.accept(server, try await server.newestToken(for: Self.guest))
            #expect(late.code == "link_invalid")
            let nobody = try await server.send(
                .get, "/api/v1/users?email=guest", token: world.admin)
            #expect(nobody.json["data"]?.array?.isEmpty == true)
        }
    }
}

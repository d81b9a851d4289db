import Cryptography
import Domain
import EventLoops
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

@Suite("Signing up, proving a mailbox, and a new password by mail")
struct SignUpTests {
    private static let ana = "ana@example.com"

    private static func signUp(_ server: AdminServer, _ email: String = ana) async throws -> Reply {
        try await server.send(
            .post, "/api/v1/sign-ups", body: ["email": .string(email), "name": "Ana", "locale": "pt-BR"])
    }

    private static func choose(
        _ server: AdminServer, _ path: String, _ token: String, _ password: String = "a long enough password"
    ) async throws -> Reply {
        try await server.send(
            .post, path, body: ["token": .string(token), "password": .string(password)])
    }

    @Test("signing up is closed until it is opened, and then for the named domains alone")
    func closed() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            #expect(try await Self.signUp(server).code == "forbidden")
            let untouched = try await server.send(.get, "/api/v1/sign-up-settings", token: admin)
            #expect(untouched.json["updated_at"] == .null, "nobody has changed them")
            let opened = try await server.send(
                .patch, "/api/v1/sign-up-settings", token: admin,
                body: ["open": true, "allowed_domains": ["example.com"]])
            #expect(opened.status == 200 && opened.string("updated_at") == server.clock.now.description)
            #expect(try await Self.signUp(server, "ana@example.org").code == "forbidden")
            #expect(try await Self.signUp(server).status == 204)
            let wrong = try await server.send(
                .patch, "/api/v1/sign-up-settings", token: admin, body: ["allowed_domains": ["Example.com"]])
            #expect(wrong.pointers == ["/allowed_domains/0"])
        }
    }

    @Test("who has an address of a tenant's domain may sign up although it is closed, and is a member then")
    func domain() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let admin = world.admin, acme = "/api/v1/tenants/\(world.acme.tenant)"
            _ = try await server.send(.patch, "/api/v1/sign-up-settings", token: admin, body: ["open": false])
            #expect(try await Self.signUp(server).code == "forbidden")
            _ = try await server.send(.patch, acme, token: admin, body: ["sign_up_domain": "example.com"])
            #expect(try await Self.signUp(server, "ana@sub.example.com").code == "forbidden")
            #expect(try await Self.signUp(server, "Ana@Example.com").status == 204)
            let mail = try #require(try await server.mails(to: "Ana@Example.com").last)
            let made = try await Self.choose(server, "/api/v1/sign-ups/complete", mail.token)
            #expect(made.status == 201, "\(made.text)")
            let member = try await server.send(
                .get, "\(acme)/members/\(made.string("user", "id"))", token: admin)
            #expect(member.status == 200 && member.json["permissions"]?.array?.isEmpty == true)
            _ = try await server.send(.post, "\(acme)/suspend", token: admin)
            #expect(try await Self.signUp(server, "bia@example.com").code == "forbidden")
        }
    }

    @Test("a link makes the account, with the password given then; it counts once")
    func link() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            _ = try await server.send(.patch, "/api/v1/sign-up-settings", token: admin, body: ["open": true])
            #expect(try await Self.signUp(server).status == 204)
            let mail = try #require(try await server.mails(to: Self.ana).last)
            #expect(mail.subject == "Conclua seu cadastro")
            let early = try await server.send(
                .post, "/api/v1/sessions",
                body: ["email": .string(Self.ana), "password": "a long enough password"])
            #expect(early.code == "invalid_credentials")
            let made = try await Self.choose(server, "/api/v1/sign-ups/complete", mail.token)
            #expect(made.status == 201 && made.string("user", "email_verified_at") != "")
            _ = try await server.signIn(Self.ana, "a long enough password")
            let again = try await Self.choose(server, "/api/v1/sign-ups/complete", mail.token)
            #expect(again.code == "link_invalid")

            // Whoever has an account gets the same answer, and a note without a link to sign up.
            #expect(try await Self.signUp(server).status == 204)
            let note = try #require(try await server.mails(to: Self.ana).last)
            #expect(note.subject == "Você já tem uma conta" && note.token.isEmpty)
        }
    }

    @Test("a link is of one kind and dies by time")
    func kinds() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            _ = try await server.send(.patch, "/api/v1/sign-up-settings", token: admin, body: ["open": true])
            _ = try await Self.signUp(server)
            let token = try await server.newestToken(for: Self.ana)
            let other = try await Self.choose(server, "/api/v1/password-resets/complete", token)
            #expect(other.code == "link_invalid")
            server.clock.advance(seconds: 86_400)
            let late = try await Self.choose(server, "/api/v1/sign-ups/complete", token)
            #expect(late.code == "link_invalid")
        }
    }

    private static func reset(_ server: AdminServer, _ email: String) async throws -> Reply {
        try await server.send(.post, "/api/v1/password-resets", body: ["email": .string(email)])
    }

    @Test("a new password by mail ends every session and every link")
    func passwordReset() async throws {
        try await withAdminServer { server in
            let session = try await server.administrator()
            let email = AdminServer.adminEmail
            #expect(try await Self.reset(server, email).status == 204)
            let first = try await server.newestToken(for: email)
            #expect(try await Self.reset(server, email.uppercased()).status == 204)
            let second = try await server.newestToken(for: email)
            let path = "/api/v1/password-resets/complete"
            let short = try await Self.choose(server, path, second, "short")
            #expect(short.pointers == ["/password"])
            #expect(try await Self.choose(server, path, second, email).pointers == ["/password"])
            #expect(try await Self.choose(server, path, second).status == 204)
            #expect(try await server.send(.get, "/api/v1/me", token: session).status == 401)
            #expect(try await Self.choose(server, path, first).code == "link_invalid")
            _ = try await server.signIn(email, "a long enough password")
            let notice = try #require(try await server.mails(to: email).last)
            #expect(notice.kind == .securityNotice && notice.subject == "Your password was changed")

            _ = try await Self.reset(server, email)
            let third = try await server.newestToken(for: email)
            server.clock.advance(seconds: 1_800)
            #expect(try await Self.choose(server, path, third).code == "link_invalid")
        }
    }

    @Test("who asks for a reset cannot tell whether there is such a user: one answer, the same writes")
    func noEnumeration() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            let user = try await server.send(
                .post, "/api/v1/users", token: admin,
                body: ["email": "dis@example.com", "name": "D", "password": "a long enough password"])
            _ = try await server.send(
                .post, "/api/v1/users/\(user.string("user", "id"))/disable", token: admin)
            for email in [AdminServer.adminEmail, "nobody@example.com", "dis@example.com"] {
                let reply = try await Self.reset(server, email)
                #expect(reply.status == 204 && reply.body.isEmpty)
                let mails = try await server.mails(to: email)
                #expect(mails.count == 1 && mails[0].isDecoy == (email != AdminServer.adminEmail))
            }
            let tokens = try await server.database.pool.withConnection {
                try await $0.query("select 1 from email_tokens").count
            }
            #expect(tokens == 3)
        }
    }

    @Test("asking again and again is slowed down")
    func throttled() async throws {
        try await withAdminServer { server in
            for _ in 0..<6 {
                let reply = try await Self.reset(server, Self.ana)
                #expect(reply.status == 204)
            }
            let refused = try await Self.reset(server, Self.ana)
            #expect(refused.code == "rate_limited")
        }
    }

    @Test("of two who follow a link at once, one wins")
    func raced() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            _ = try await Self.reset(server, AdminServer.adminEmail)
            let token = try await server.newestToken(for: AdminServer.adminEmail)
            var replies: [Int] = []
            let done = Wakeup()
            for number in 0..<8 {
                server.database.loop.spawn {
                    let reply = try? await Self.choose(
                        server, "/api/v1/password-resets/complete", token, "a long password \(number)")
                    replies.append(reply?.status ?? 0)
                    if replies.count == 8 { done.signal() }
                }
            }
            await done.wait()
            #expect(replies.filter { $0 == 204 }.count == 1)
        }
    }

    @Test("a link proves the mailbox of a user an administrator made")
    func verification() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let asked = try await server.send(.post, "/api/v1/me/email/verification", token: token)
            #expect(asked.status == 204)
            let link = try await server.newestToken(for: AdminServer.adminEmail)
            for expected in [204, 400] {
                let proven = try await server.send(
                    .post, "/api/v1/email-verifications", body: ["token": .string(link)])
                #expect(proven.status == expected)
            }
            let me = try await server.send(.get, "/api/v1/me", token: token)
            #expect(me.string("user", "email_verified_at") != "")
        }
    }
}

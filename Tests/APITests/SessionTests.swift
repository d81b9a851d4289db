import API
import Cryptography
import Domain
import EventLoops
import Glibc
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("Signing in")
struct SessionTests {
    @Test("a password gives tokens that work, and the profile they stand for")
    func signIn() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let me = try await server.send(.get, "/api/v1/me", token: token)
            #expect(me.status == 200)
            #expect(me.string("user", "email") == AdminServer.adminEmail)
            #expect(me.json["bindings"]?[0]?["role"]?.string == "platform-admin")
        }
    }

    @Test("the address is compared without case, and the scheme too")
    func withoutCase() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            let token = try await server.signIn("ROOT@Example.COM")
            let me = try await server.send(.get, "/api/v1/me", fields: ["authorization": "bEaReR \(token)"])
            #expect(me.status == 200)
        }
    }

    @Test("unknown addresses, wrong passwords and disabled users get the same answer")
    func sameAnswer() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            let user = try await server.send(
                .post, "/api/v1/users", token: admin,
                body: ["email": "dis@example.com", "name": "D", "password": "a long enough password"])
            let disabled = try await server.send(
                .post, "/api/v1/users/\(user.string("user", "id"))/disable", token: admin)
            #expect(disabled.string("status") == "disabled")
            var answers: Set<String> = []
            for (email, password) in [
                ("nobody@example.com", AdminServer.adminPassword), (AdminServer.adminEmail, "wrong password"),
                ("dis@example.com", "a long enough password"), ("not an address", "x"), ("", "x"),
            ] where !email.isEmpty {
                let reply = try await server.send(
                    .post, "/api/v1/sessions", body: ["email": .string(email), "password": .string(password)])
                #expect(reply.status == 401)
                #expect(reply.code == "invalid_credentials")
                answers.insert(reply.text.replacing(reply.string("request_id"), with: ""))
            }
            #expect(answers.count == 1)
        }
    }

    @Test("an unknown address costs the same work as a known one: its password is hashed too")
    func sameWork() async throws {
        let pool = BlockingPool(threads: 1, queueLimit: 1, name: "busy")
        try await withAdminServer(hashing: pool) { server in
            _ = try await server.administrator()
            // One piece of work holds the thread, one fills the queue: whoever wants to hash is turned away.
            let release = Completion<Void>(), started = Completion<Void>()
            let gate = Gate()
            server.database.loop.spawn {
                _ = try? await pool.run {
                    started.fulfil(())
                    gate.wait()
                }
                release.fulfil(())
            }
            await started.value()
            server.database.loop.spawn { _ = try? await pool.run {} }
            for email in [AdminServer.adminEmail, "nobody@example.com"] {
                let reply = try await server.send(
                    .post, "/api/v1/sessions", body: ["email": .string(email), "password": "wrong"])
                #expect(reply.code == "overloaded", "\(email)")
            }
            gate.open()
            await release.value()
        }
    }

    @Test("guessing is slowed down, per account and address, and a right password helps again")
    func throttled() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            func attempt(_ password: String) async throws -> Reply {
                try await server.send(
                    .post, "/api/v1/sessions",
                    body: ["email": .string(AdminServer.adminEmail), "password": .string(password)])
            }
            for _ in 0..<6 { #expect(try await attempt("wrong").status == 401) }
            let refused = try await attempt(AdminServer.adminPassword)
            #expect(refused.status == 429)
            #expect(refused.code == "rate_limited")
            #expect(refused.fields["retry-after"] == "1")
            server.clock.advance(seconds: 2)
            #expect(try await attempt(AdminServer.adminPassword).status == 201)
        }
    }

    @Test("a token works for ten minutes, and no longer")
    func expires() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            server.clock.advance(seconds: 599)
            #expect(try await server.send(.get, "/api/v1/me", token: token).status == 200)
            server.clock.advance(seconds: 1)
            let late = try await server.send(.get, "/api/v1/me", token: token)
            #expect(late.status == 401)
            #expect(late.code == "token_expired")
        }
    }

    @Test("a refresh token counts once; used again later it ends the whole session")
    func refreshReuse() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            let first = try await server.signInReply()
            let second = try await server.refresh(first.string("refresh_token"))
            #expect(second.status == 200)
            #expect(second.string("session") == first.string("session"))
            let access = second.string("access_token")
            #expect(try await server.send(.get, "/api/v1/me", token: access).status == 200)

            server.clock.advance(seconds: 11)
            let reused = try await server.refresh(first.string("refresh_token"))
            #expect(reused.status == 401)
            #expect(reused.code == "unauthenticated")
            // The thief's and the owner's tokens are both dead, access tokens too.
            #expect(try await server.send(.get, "/api/v1/me", token: access).status == 401)
            #expect(try await server.refresh(second.string("refresh_token")).status == 401)
            #expect(server.logged.all.contains("a refresh token was used twice"))
            #expect(!server.logged.all.contains(first.string("refresh_token")))
        }
    }

    @Test("of fifty simultaneous refreshes one wins, and its session goes on")
    func simultaneous() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            let token = try await server.signInReply().string("refresh_token")
            var replies: [Reply] = []
            let done = Wakeup()
            for _ in 0..<50 {
                server.database.loop.spawn {
                    if let reply = try? await server.refresh(token) { replies.append(reply) }
                    if replies.count == 50 { done.signal() }
                }
            }
            await done.wait()
            let winners = replies.filter { $0.status == 200 }
            #expect(winners.count == 1)
            #expect(replies.filter { $0.status == 401 }.count == 49)
            let access = try #require(winners.first).string("access_token")
            #expect(try await server.send(.get, "/api/v1/me", token: access).status == 200)
        }
    }

    @Test("garbage is no refresh token")
    func garbage() async throws {
        try await withAdminServer { server in
            for token in ["x", "ert_", "ert_" + String(repeating: "A", count: 43)] {
                let reply = try await server.refresh(token)
                #expect(reply.code == "unauthenticated")
            }
        }
    }

    @Test("signing out ends the session at once, its refresh token too")
    func signOut() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            let session = try await server.signInReply()
            let token = session.string("access_token")
            let out = try await server.send(.delete, "/api/v1/sessions/current", token: token)
            #expect(out.status == 204)
            #expect(out.body.isEmpty)
            #expect(try await server.send(.get, "/api/v1/me", token: token).status == 401)
            #expect(try await server.refresh(session.string("refresh_token")).status == 401)
        }
    }

    @Test("a 401 says what was not good: which credential, and whether to send one, renew it or sign in")
    func whichCredential() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            func me(_ fields: HeaderFields) async throws -> Reply {
                try await server.send(.get, "/api/v1/me", fields: fields)
            }
            let ended = try await server.signInReply().string("access_token")
            _ = try await server.send(.delete, "/api/v1/sessions/current", token: ended)
            var generator = SystemRandomNumberGenerator()
            let machine = ManagementTokenText(using: &generator).reveal()
            var cases: [(Reply, ErrorCode, String)] = [
                (try await me([:]), .unauthenticated, "There is no credential"),
                (try await me(["authorization": "Basic eDp5"]), .unauthenticated, "word Bearer"),
                (try await me(["authorization": "Bearer x"]), .unauthenticated, "access token is none of"),
                (try await me(["authorization": "Bearer \(ended)"]), .unauthenticated, "session has ended"),
                (try await me(["authorization": "Bearer \(machine)"]), .unauthenticated, "management token"),
                (try await server.refresh("ert_x"), .unauthenticated, "The refresh token is unknown"),
                (
                    try await server.send(.post, "/api/v1/sessions/refresh", body: [:]), .unauthenticated,
                    "There is no refresh token"
                ),
                (
                    try await server.send(
                        .put, "/api/v1/me/password", token: world.admin,
                        body: ["current_password": "x", "new_password": "a long enough password"]),
                    .invalidCredentials, "The password is wrong."
                ),
            ]
            server.clock.advance(seconds: AccessTokens.lifetimeSeconds + 1)
            cases.append((try await me(["authorization": "Bearer \(world.admin)"]), .tokenExpired, ""))
            for (reply, code, detail) in cases {
                #expect(reply.status == 401 && reply.code == code.code, "\(reply.text)")
                #expect(detail.isEmpty || reply.string("detail").contains(detail), "\(reply.text)")
            }
            let titles = ErrorCode.all.filter { $0.status == 401 }.map(\.safeText)
            #expect(Set(titles).count == titles.count)
        }
    }

    @Test("a session ends for good after thirty days, however often it is refreshed")
    func sessionEnds() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            var token = try await server.signInReply().string("refresh_token")
            for _ in 0..<4 {
                server.clock.advance(seconds: 7 * 86_400)
                let reply = try await server.refresh(token)
                #expect(reply.status == 200)
                token = reply.string("refresh_token")
            }
            server.clock.advance(seconds: 2 * 86_400)
            #expect(try await server.refresh(token).status == 401)
        }
    }

    @Test("a new password ends every other session; the old password is wrong then")
    func changePassword() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let other = try await server.signIn()
            func change(_ current: String, _ new: String) async throws -> Reply {
                try await server.send(
                    .put, "/api/v1/me/password", token: token,
                    body: ["current_password": .string(current), "new_password": .string(new)])
            }
            let wrong = try await change("not this", "another long password")
            #expect(wrong.code == "invalid_credentials")
            let short = try await change(AdminServer.adminPassword, "short")
            #expect(short.pointers == ["/new_password"])
            #expect(try await change(AdminServer.adminPassword, "another long password").status == 204)
            #expect(try await server.send(.get, "/api/v1/me", token: other).status == 401)
            #expect(try await server.send(.get, "/api/v1/me", token: token).status == 200)
            let old = try await server.send(
                .post, "/api/v1/sessions",
                body: [
                    "email": .string(AdminServer.adminEmail), "password": .string(AdminServer.adminPassword),
                ])
            #expect(old.status == 401)
            _ = try await server.signIn(AdminServer.adminEmail, "another long password")
        }
    }

    @Test("disabling a user ends their sessions at once; nobody disables themselves")
    func disable() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            let made = try await server.send(
                .post, "/api/v1/users", token: admin,
                body: [
                    "email": "ana@example.com", "name": "Ana", "password": "a long enough password",
                    "bindings": [["role": "platform-auditor"]],
                ])
            #expect(made.status == 201)
            let token = try await server.signIn("ana@example.com", "a long enough password")
            #expect(try await server.send(.get, "/api/v1/users", token: token).status == 200)
            let user = made.string("user", "id")
            #expect(try await server.send(.post, "/api/v1/users/\(user)/disable", token: admin).status == 200)
            #expect(try await server.send(.get, "/api/v1/users", token: token).status == 401)
            let me = try await server.send(.get, "/api/v1/me", token: admin).string("user", "id")
            let own = try await server.send(.post, "/api/v1/users/\(me)/disable", token: admin)
            #expect(own.code == "conflict")
        }
    }

    @Test("taking a role away works at the next request")
    func roleTaken() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let token = try #require(world.tokens["viewer"])
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys"
            #expect(try await server.send(.get, path, token: token).status == 200)
            let user = try #require(
                UserID(try await server.send(.get, "/api/v1/me", token: token).string("user", "id")))
            try await server.database.pool.withTransaction { connection in
                for binding in try await BindingStore.list(of: user, connection) {
                    _ = try await BindingStore.delete(binding.id, of: binding.scope.tenant, connection)
                }
            }
            #expect(try await server.send(.get, path, token: token).status == 404)
        }
    }

    @Test("when too many passwords wait to be hashed, sign-ins are told to come back")
    func poolFull() async throws {
        let pool = BlockingPool(threads: 1, queueLimit: 1, name: "tiny")
        try await withAdminServer(hashing: pool) { server in
            _ = try await server.administrator()
            var replies: [Reply] = []
            let done = Wakeup()
            for _ in 0..<12 {
                server.database.loop.spawn {
                    if let reply = try? await server.send(
                        .post, "/api/v1/sessions", body: ["email": "x@example.com", "password": "x"])
                    {
                        replies.append(reply)
                    }
                    if replies.count == 12 { done.signal() }
                }
            }
            await done.wait()
            let shed = replies.filter { $0.status == 503 }
            #expect(!shed.isEmpty)
            #expect(shed.allSatisfy { $0.code == "overloaded" && $0.fields["retry-after"] == "1" })
        }
    }

    @Test("a hash of lower cost is made anew at the next sign-in")
    func rehash() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            let dear = try #require(PasswordHash.Cost(memoryKiB: 20_480, passes: 2))
            let old = try PasswordHash.make(Secret(utf8: AdminServer.adminPassword), cost: dear)
            try await server.setHash(old.text)
            _ = try await server.signIn()
            #expect(try await server.storedHash()?.contains("m=19456") == true)
            _ = try await server.signIn()
        }
    }
}

/// Blocks a thread until it is opened: a read from a pipe that ends when it is closed.
private final class Gate: Sendable {
    private let descriptors: [Int32]

    init() {
        var pair: [Int32] = [0, 0]
        pipe(&pair)
        descriptors = pair
    }

    func open() { close(descriptors[1]) }

    func wait() {
        var byte: UInt8 = 0
        _ = read(descriptors[0], &byte, 1)
    }

    deinit { close(descriptors[0]) }
}

extension AdminServer {
    func signInReply() async throws -> Reply {
        try await send(
            .post, "/api/v1/sessions",
            body: ["email": .string(Self.adminEmail), "password": .string(Self.adminPassword)])
    }

    func refresh(_ token: String) async throws -> Reply {
        try await send(.post, "/api/v1/sessions/refresh", body: ["refresh_token": .string(token)])
    }

    func storedHash() async throws -> String? {
        try await database.pool.withConnection {
            try await UserStore.credentials(email: Self.adminEmail, $0)?.passwordHash
        }
    }

    func setHash(_ hash: String) async throws {
        try await database.pool.withConnection { connection in
            let user = try #require(try await UserStore.find(email: Self.adminEmail, connection))
            _ = try await UserStore.setPassword(hash: hash, of: user.id, at: user.createdAt, connection)
        }
    }
}

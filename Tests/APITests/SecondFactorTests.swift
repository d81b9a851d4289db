import Cryptography
import Domain
import EventLoops
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

/// Somebody's authenticator app.
private struct App {
    let secret: Secret
    let codes: [String]

    /// The code the app shows now.
    func code(_ server: AdminServer) -> String {
        TimeBasedCode.code(secret, step: TimeBasedCode.step(at: server.clock.now.microseconds / 1_000_000))
    }
}

@Suite("Second factors")
struct SecondFactorTests {
    private static let base = "/api/v1/me/second-factor"

    /// The seed an authenticator app makes of its text (base32).
    static func secret(_ text: String) throws -> Secret {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        var bits: UInt64 = 0, count = 0
        var bytes: [UInt8] = []
        for character in text {
            bits = bits << 5 | UInt64(try #require(alphabet.firstIndex(of: character)))
            count += 5
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(count)))
            }
        }
        return Secret(bytes)
    }

    /// Enrols an app; afterwards the clock stands in a step whose code nobody has used.
    private static func enrol(
        _ server: AdminServer, _ token: String, password: String = AdminServer.adminPassword
    ) async throws -> App {
        let begun = try await server.send(
            .post, base, token: token, body: ["current_password": .string(password)])
        #expect(begun.status == 201, "\(begun.text)")
        let text = begun.string("secret")
        #expect(
            begun.string("uri").contains("secret=\(text)&issuer=Eclusa&algorithm=SHA1&digits=6&period=30"))
        let app = App(secret: try secret(text), codes: [])
        let confirmed = try await server.send(
            .post, "\(base)/confirm", token: token, body: ["code": .string(app.code(server))])
        #expect(confirmed.status == 200, "\(confirmed.text)")
        server.clock.advance(seconds: 30)
        let codes = confirmed.json["codes"]?.array?.compactMap(\.string) ?? []
        #expect(Set(codes).count == SecondFactor.recoveryCodeCount)
        return App(secret: app.secret, codes: codes)
    }

    private static func firstStep(_ server: AdminServer) async throws -> String {
        let reply = try await server.signInReply()
        #expect(reply.status == 201 && reply.json["access_token"]?.isNull == true)
        return reply.string("challenge")
    }

    private static func secondStep(
        _ server: AdminServer, _ challenge: String, _ code: String
    ) async throws -> Reply {
        try await server.send(
            .post, "/api/v1/sessions/second-step",
            body: ["challenge": .string(challenge), "code": .string(code)])
    }

    @Test("with an app a sign-in takes two steps, and each code counts once")
    func twoSteps() async throws {
        try await withAdminServer { server in
            let app = try await Self.enrol(server, try await server.administrator())
            let challenge = try await Self.firstStep(server)
            let code = app.code(server)
            #expect(try await Self.secondStep(server, "ech_wrong", code).code == "link_invalid")
            let done = try await Self.secondStep(server, challenge, code)
            #expect(done.status == 201)
            let token = done.string("access_token")
            #expect(try await server.send(.get, "/api/v1/me", token: token).status == 200)
            #expect(try await Self.secondStep(server, challenge, code).code == "link_invalid")
            let replayed = try await Self.secondStep(server, try await Self.firstStep(server), code)
            #expect(replayed.code == "invalid_credentials")
            server.clock.advance(seconds: 30)
            let late = try await Self.firstStep(server)
            server.clock.advance(seconds: 300)
            #expect(try await Self.secondStep(server, late, app.code(server)).code == "link_invalid")
        }
    }

    @Test("a sign-in that waits for its code ends with the sessions: its password may be the old one")
    func waitingEnds() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            let app = try await Self.enrol(server, admin)
            let waiting = try await Self.firstStep(server)
            let ended = try await server.send(
                .post, "/api/v1/me/sessions/end", token: admin, body: ["include_current": true])
            #expect(ended.status == 204, "\(ended.text)")
            #expect(try await Self.secondStep(server, waiting, app.code(server)).code == "link_invalid")
        }
    }

    @Test("of eight who show one code at once, one is let in")
    func raced() async throws {
        try await withAdminServer { server in
            let app = try await Self.enrol(server, try await server.administrator())
            var challenges: [String] = []
            for _ in 0..<4 { challenges.append(try await Self.firstStep(server)) }
            let code = app.code(server)
            var statuses: [Int] = []
            let done = Wakeup()
            for challenge in challenges {
                server.database.loop.spawn {
                    statuses.append((try? await Self.secondStep(server, challenge, code))?.status ?? 0)
                    if statuses.count == challenges.count { done.signal() }
                }
            }
            await done.wait()
            #expect(statuses.filter { $0 == 201 }.count == 1)
        }
    }

    @Test("guessing stops after five tries, for half a minute and then twice as long each time")
    func guessing() async throws {
        try await withAdminServer { server in
            let app = try await Self.enrol(server, try await server.administrator())
            let challenge = try await Self.firstStep(server)
            for _ in 0..<5 {
                #expect(try await Self.secondStep(server, challenge, "000000").code == "invalid_credentials")
            }
            let blocked = try await Self.secondStep(server, challenge, app.code(server))
            #expect(blocked.code == "rate_limited" && blocked.fields["retry-after"] == "30")
            server.clock.advance(seconds: 30)
            _ = try await Self.secondStep(server, challenge, "000000")
            let longer = try await Self.secondStep(server, challenge, app.code(server))
            #expect(longer.fields["retry-after"] == "60")
            server.clock.advance(seconds: 60)
            #expect(try await Self.secondStep(server, challenge, app.code(server)).status == 201)
        }
    }

    @Test("a recovery code lets in once; new ones end the old")
    func recovery() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let app = try await Self.enrol(server, token)
            let first = try await Self.firstStep(server)
            let spelled = app.codes[0].uppercased().replacing("-", with: " ")
            #expect(try await Self.secondStep(server, first, spelled).status == 201)
            let second = try await Self.firstStep(server)
            #expect(try await Self.secondStep(server, second, app.codes[0]).code == "invalid_credentials")
            let left = try await server.send(.get, Self.base, token: token)
            #expect(left.json["recovery_codes_left"]?.exactInt64 == 9)
            let renewed = try await server.send(
                .post, "\(Self.base)/recovery-codes", token: token, body: ["code": .string(app.code(server))])
            #expect(renewed.json["codes"]?.array?.count == 10)
            #expect(try await Self.secondStep(server, second, app.codes[1]).code == "invalid_credentials")
            let stored = try await server.database.pool.withConnection { connection in
                try await connection.query("select code_hash from recovery_codes")
                    .map { try Hexadecimal.encode($0.bytes(0)) }
            }
            #expect(!stored.contains(Hexadecimal.encode(sha256(app.codes[1]).bytes)))
        }
    }

    @Test(
        "enrolling takes the password and a right code; an app is removed with a code, or by an administrator"
    )
    func lifecycle() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            let wrong = try await server.send(
                .post, Self.base, token: admin, body: ["current_password": "not this one"])
            #expect(wrong.code == "invalid_credentials")
            _ = try await server.send(
                .post, Self.base, token: admin,
                body: ["current_password": .string(AdminServer.adminPassword)])
            let unproven = try await server.send(
                .post, "\(Self.base)/confirm", token: admin, body: ["code": "000000"])
            #expect(unproven.code == "invalid_credentials")
            #expect(try await server.signInReply().json["challenge"]?.isNull == true, "not confirmed yet")

            let app = try await Self.enrol(server, admin)
            let twice = try await server.send(
                .post, Self.base, token: admin,
                body: ["current_password": .string(AdminServer.adminPassword)])
            #expect(twice.code == "conflict")
            let removed = try await server.send(
                .post, "\(Self.base)/remove", token: admin, body: ["code": .string(app.code(server))])
            #expect(removed.status == 204)

            let made = try await server.send(
                .post, "/api/v1/users", token: admin,
                body: ["email": "ana@example.com", "name": "Ana", "password": "a long enough password"])
            let ana = try await server.signIn("ana@example.com", "a long enough password")
            _ = try await Self.enrol(server, ana, password: "a long enough password")
            let reset = try await server.send(
                .post, "/api/v1/users/\(made.string("user", "id"))/second-factor/reset", token: admin)
            #expect(reset.status == 204)
            #expect(try await server.send(.get, "/api/v1/me", token: ana).status == 401)
            _ = try await server.signIn("ana@example.com", "a long enough password")
            let mails = try await server.mails(to: "ana@example.com").map(\.subject)
            #expect(mails == ["A second factor was added", "Your second factor was removed"])
        }
    }

    @Test("where a tenant requires it, members without one may only enrol; elsewhere they go on")
    func required() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let (acme, other) = (
                "/api/v1/tenants/\(world.acme.tenant)", "/api/v1/tenants/\(world.other.tenant)"
            )
            let made = try await server.send(
                .post, "/api/v1/users", token: world.admin,
                body: [
                    "email": "ana@example.com", "name": "Ana", "password": "a long enough password",
                    "bindings": [
                        ["role": "developer", "tenant": .string(world.acme.tenant)],
                        ["role": "developer", "tenant": .string(world.other.tenant)],
                    ],
                ])
            #expect(made.status == 201)
            let ana = try await server.signIn("ana@example.com", "a long enough password")
            let asked = try await server.send(
                .patch, "\(acme)/security", token: world.tokens["tenant-owner"],
                body: ["require_second_factor": true])
            #expect(asked.json["require_second_factor"]?.boolean == true)
            for path in ["keys", "workspaces", "routes"] {
                let barred = try await server.send(.get, "\(acme)/\(path)", token: ana)
                #expect(barred.status == 403 && barred.code == "second_factor_required")
            }
            #expect(try await server.send(.get, "\(other)/keys", token: ana).status == 200)
            #expect(try await server.send(.get, "\(acme)/keys", token: world.admin).status == 200)
            let state = try await server.send(.get, Self.base, token: ana)
            #expect(state.json["required"]?.boolean == true)

            let app = try await Self.enrol(server, ana, password: "a long enough password")
            #expect(try await server.send(.get, "\(acme)/keys", token: ana).status == 200)
            let kept = try await server.send(
                .post, "\(Self.base)/remove", token: ana, body: ["code": .string(app.code(server))])
            #expect(kept.code == "conflict")
        }
    }

    @Test("where the platform requires it, nobody without one may do more than enrol, wherever they belong")
    func requiredEverywhere() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/security", keys = "/api/v1/tenants/\(world.acme.tenant)/keys"
            func require(_ isRequired: Bool) async throws -> Reply {
                try await server.send(
                    .patch, path, token: world.admin, body: ["require_second_factor": .boolean(isRequired)])
            }
            #expect(try await require(true).code == "conflict", "one must not shut oneself out")
            _ = try await Self.enrol(server, world.admin, password: AdminServer.adminPassword)
            #expect(try await require(true).json["require_second_factor"]?.boolean == true)
            for role in ["viewer", "tenant-owner", "platform-admin", "platform-auditor"] {
                let barred = try await server.send(.get, keys, token: world.tokens[role])
                #expect(barred.code == "second_factor_required", "\(role): \(barred.text)")
                let state = try await server.send(.get, Self.base, token: world.tokens[role])
                #expect(state.json["required"]?.boolean == true)
            }
            #expect(try await server.send(.get, keys, token: world.admin).status == 200)
            #expect(try await require(false).status == 200)
            #expect(try await server.send(.get, keys, token: world.tokens["viewer"]).status == 200)
        }
    }

    @Test("the secret is nowhere in the clear: not in the tables, the audit log or the program's log")
    func sealed() async throws {
        try await withAdminServer { server in
            let app = try await Self.enrol(server, try await server.administrator())
            let text = app.secret.withBytes { Base32.encode(Array($0)) }
            let raw = app.secret.withBytes { Hexadecimal.encode(Array($0)) }
            let rows = try await server.database.pool.withConnection { connection in
                try await connection.query(
                    """
                    select encode(sealed, 'hex') from second_factors
                    union all select details::text from audit_events
                    """
                ).map { try $0.text(0) }
            }
            #expect(rows.count > 2)
            #expect(rows.allSatisfy { !$0.contains(raw) && !$0.contains(text) && !$0.contains(app.codes[0]) })
            #expect(!server.logged.all.contains(text))
        }
    }
}

import Cryptography
import Domain
import EventLoops
import HTTPServing
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing
import Transport

@Suite("Users and their sessions")
struct UserTests {
    private static func make(_ server: AdminServer, _ admin: String, _ email: String) async throws -> String {
        try await server.send(
            .post, "/api/v1/users", token: admin,
            body: ["email": .string(email), "name": "Ana", "password": "a long enough password"]
        ).string("user", "id")
    }

    @Test("users are found by the beginning of their address, and by status")
    func search() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            for name in ["Ana", "anders", "bob"] {
                server.clock.advance(seconds: 1)
                _ = try await Self.make(server, admin, "\(name)@example.com")
            }
            func find(_ query: String) async throws -> [String] {
                let reply = try await server.send(.get, "/api/v1/users?\(query)", token: admin)
                return reply.json["data"]?.array?.compactMap { $0["email"]?.string } ?? []
            }
            #expect(try await find("email=an") == ["anders@example.com", "Ana@example.com"])
            #expect(try await find("email=ANA@") == ["Ana@example.com"])
            #expect(try await find("email=%25").isEmpty)
            #expect(try await find("status=disabled").isEmpty)
            #expect(try await find("status=active").count == 4)
        }
    }

    @Test("a user is changed, disabled, enabled and deleted; sessions end at once")
    func lifecycle() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            let path = "/api/v1/users/\(try await Self.make(server, admin, "ana@example.com"))"
            let token = try await server.signIn("ana@example.com", "a long enough password")
            let own = try await server.send(
                .patch, "/api/v1/me", token: token, body: ["name": "Ana Maria", "locale": "pt-BR"])
            #expect(own.string("name") == "Ana Maria" && own.string("locale") == "pt-BR")
            let changed = try await server.send(.patch, path, token: admin, body: ["name": "Ana M."])
            #expect(changed.string("name") == "Ana M." && changed.string("locale") == "pt-BR")

            let listed = try await server.send(.get, "\(path)/sessions", token: admin)
            #expect(listed.json["data"]?.array?.count == 1)
            #expect(try await server.send(.post, "\(path)/sessions/end", token: admin).status == 204)
            #expect(try await server.send(.get, "/api/v1/me", token: token).status == 401)

            _ = try await server.send(.post, "\(path)/disable", token: admin)
            let refused = try await server.send(
                .post, "/api/v1/sessions",
                body: ["email": "ana@example.com", "password": "a long enough password"])
            #expect(refused.code == "invalid_credentials")
            let enabled = try await server.send(.post, "\(path)/enable", token: admin)
            #expect(enabled.string("status") == "active")
            let back = try await server.signIn("ana@example.com", "a long enough password")

            #expect(try await server.send(.delete, path, token: admin).status == 204)
            #expect(try await server.send(.get, "/api/v1/me", token: back).status == 401)
            #expect(try await server.send(.get, path, token: admin).status == 404)
            let me = try await server.send(.get, "/api/v1/me", token: admin).string("user", "id")
            let suicide = try await server.send(.delete, "/api/v1/users/\(me)", token: admin)
            #expect(suicide.code == "conflict")
        }
    }

    @Test("a tenant's last owner is neither disabled nor deleted; with another one they are")
    func lastOwner() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let other = try #require(TenantID(world.other.tenant))
            let bindings = try await server.send(
                .get, "/api/v1/tenants/\(other)/bindings", token: world.admin)
            let owner = try #require(bindings.json["data"]?[0]?["user"]?.string)
            for (method, path): (HTTPMethod, String) in [
                (.post, "/\(owner)/disable"), (.delete, "/\(owner)"),
            ] {
                let reply = try await server.send(method, "/api/v1/users\(path)", token: world.admin)
                #expect(
                    reply.code == "conflict" && reply.string("detail").contains("\(other)"), "\(reply.text)")
            }
            let second = try await world.user()
            try await world.give(.tenantOwner, to: second, .tenant(other))
            let disabled = try await server.send(
                .post, "/api/v1/users/\(owner)/disable", token: world.admin)
            #expect(disabled.string("status") == "disabled", "\(disabled.text)")
            let left = try await server.send(.delete, "/api/v1/users/\(second)", token: world.admin)
            #expect(left.code == "conflict", "a disabled owner is none")
            #expect(
                try await server.send(.delete, "/api/v1/users/\(owner)", token: world.admin).status == 204)
        }
    }

    @Test("guesses from everywhere at one account are counted together, and end with the right one")
    func fromEverywhere() async throws {
        let proxies = TrustedProxies([AddressBlock("127.0.0.1")].compactMap(\.self))
        try await withAdminServer(options: .init(proxies: proxies)) { server in
            _ = try await server.administrator()
            func guess(_ index: Int, _ password: String = "wrong") async throws -> Int {
                try await server.send(
                    .post, "/api/v1/sessions",
                    body: ["email": .string(AdminServer.adminEmail), "password": .string(password)],
                    fields: ["x-forwarded-for": "198.51.\(index / 250).\(index % 250)"]
                ).status
            }
            for index in 0...100 { #expect(try await guess(index) == 401) }
            #expect(try await guess(200) == 429)
            server.clock.advance(seconds: 2)
            #expect(try await guess(201, AdminServer.adminPassword) == 201)
            #expect(try await guess(202) == 401)
        }
    }

    @Test("people see their sessions and end one, the others, or all")
    func sessions() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            var tokens: [String] = []
            for _ in 0..<3 {
                server.clock.advance(seconds: 1)
                tokens.append(try await server.signIn())
            }
            func status(_ token: String) async throws -> Int {
                try await server.send(.get, "/api/v1/me", token: token).status
            }
            let list = try await server.send(.get, "/api/v1/me/sessions", token: tokens[2])
            let ids = list.json["data"]?.array?.compactMap { $0["id"]?.string } ?? []
            #expect(ids.count == 4 && list.json["data"]?[0]?["address"]?.string == "127.0.0.1")
            let ended = try await server.send(.delete, "/api/v1/me/sessions/\(ids[1])", token: tokens[2])
            #expect(ended.status == 204)
            #expect(try await status(tokens[1]) == 401)
            #expect(
                try await server.send(.delete, "/api/v1/me/sessions/\(ids[1])", token: tokens[2]).status
                    == 404)
            let others = try await server.send(
                .post, "/api/v1/me/sessions/end", token: tokens[2], body: [:])
            #expect(others.status == 204)
            #expect(try await status(tokens[0]) == 401)
            #expect(try await status(tokens[2]) == 200)
            _ = try await server.send(
                .post, "/api/v1/me/sessions/end", token: tokens[2], body: ["include_current": true])
            #expect(try await status(tokens[2]) == 401)
        }
    }

    @Test("nobody ends another's session")
    func foreignSession() async throws {
        try await withAdminServer { server in
            let admin = try await server.administrator()
            _ = try await Self.make(server, admin, "ana@example.com")
            let ana = try await server.signIn("ana@example.com", "a long enough password")
            let list = try await server.send(.get, "/api/v1/me/sessions", token: admin)
            let id = list.json["data"]?[0]?["id"]?.string ?? ""
            #expect(try await server.send(.delete, "/api/v1/me/sessions/\(id)", token: ana).status == 404)
            #expect(try await server.send(.get, "/api/v1/me", token: admin).status == 200)
        }
    }

    @Test("tries that come at once are all counted: of thirty wrong ones few are looked at")
    func burst() async throws {
        try await withAdminServer { server in
            _ = try await server.administrator()
            var statuses: [Int] = []
            let done = Wakeup()
            for _ in 0..<30 {
                server.database.loop.spawn {
                    let reply = try? await server.send(
                        .post, "/api/v1/sessions",
                        body: ["email": .string(AdminServer.adminEmail), "password": "wrong"])
                    statuses.append(reply?.status ?? 0)
                    if statuses.count == 30 { done.signal() }
                }
            }
            await done.wait()
            #expect(statuses.filter { $0 == 401 }.count == 6)
            #expect(statuses.filter { $0 == 429 }.count == 24)
        }
    }

    @Test("of ten control planes that start at once, one makes the first administrator")
    func firstAdministrator() async throws {
        try await withAdminServer { server in
            var made = 0
            var ended = 0
            let done = Wakeup()
            for number in 0..<10 {
                server.database.loop.spawn {
                    let user = try? await server.operations.users.createFirstAdministrator(
                        email: "root\(number)@example.com", password: Secret(utf8: "a long enough password"))
                    if user != nil { made += 1 }
                    ended += 1
                    if ended == 10 { done.signal() }
                }
            }
            await done.wait()
            let users = try await server.database.pool.withConnection {
                try await $0.query("select 1 from users").count
            }
            #expect(made == 1 && users == 1)
        }
    }
}

import API
import Domain
import HTTPWire
import JSONText
import TestSupport
import Testing

@Suite("Sessions of browsers")
struct BrowserSessionTests {
    /// What a browser holds after an answer, and sends.
    private struct Jar {
        private(set) var cookies: [String: String] = [:]

        init(_ replies: Reply...) { for reply in replies { take(reply) } }

        mutating func take(_ reply: Reply) {
            for line in reply.fields.values("set-cookie") {
                let pair = line.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1)
                if line.contains("Max-Age=0") {
                    cookies[String(pair[0])] = nil
                } else {
                    cookies[String(pair[0])] = String(pair[1])
                }
            }
        }

        func fields(csrf: Bool = true, mode: Bool = false, site: String? = "same-origin") -> HeaderFields {
            var fields: HeaderFields = [
                "cookie": cookies.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: "; ")
            ]
            if csrf, let text = cookies["eclusa_csrf"] { fields.append("eclusa-csrf", text) }
            if mode { fields.append("eclusa-session", "cookie") }
            if let site { fields.append("sec-fetch-site", site) }
            return fields
        }
    }

    private static func signIn(_ server: AdminServer) async throws -> Reply {
        _ = try await server.administrator()
        return try await server.send(
            .post, "/api/v1/sessions",
            body: [
                "email": .string(AdminServer.adminEmail), "password": .string(AdminServer.adminPassword),
            ], fields: ["eclusa-session": "cookie", "sec-fetch-site": "same-origin"])
    }

    private static let workspaceBody: JSONValue = ["slug": "acme", "name": "Acme"]

    @Test("the tokens are in cookies that scripts, other sites and plain HTTP do not see, and nowhere else")
    func attributes() async throws {
        for isSecure in [false, true] {
            try await withAdminServer(options: .init(isSecure: isSecure)) { server in
                let reply = try await Self.signIn(server)
                #expect(reply.status == 201)
                #expect(reply.json["access_token"]?.isNull == true)
                #expect(reply.json["refresh_token"]?.isNull == true)
                let lines = reply.fields.values("set-cookie")
                #expect(lines.count == 3)
                for line in lines {
                    #expect(line.contains("SameSite=Strict"))
                    #expect(line.contains("; Secure") == isSecure)
                    #expect(line.contains("HttpOnly") != line.hasPrefix("eclusa_csrf="))
                }
                #expect(lines.contains { $0.hasPrefix("__Host-eclusa_access=") } == isSecure)
                #expect(lines.contains { $0.contains("Path=/api/v1/sessions;") })
            }
        }
    }

    @Test("a cookie reads; it writes only beside its CSRF text")
    func csrf() async throws {
        try await withAdminServer { server in
            let jar = Jar(try await Self.signIn(server))
            #expect(try await server.send(.get, "/api/v1/me", fields: jar.fields(csrf: false)).status == 200)
            for wrong in [nil, "", "wrong", String(repeating: "A", count: 43)] {
                var fields = jar.fields(csrf: false)
                if let wrong { fields.append("eclusa-csrf", wrong) }
                let refused = try await server.send(
                    .post, "/api/v1/tenants", body: Self.workspaceBody, fields: fields)
                #expect(refused.status == 403 && refused.code == "forbidden")
            }
            let made = try await server.send(
                .post, "/api/v1/tenants", body: Self.workspaceBody, fields: jar.fields())
            #expect(made.status == 201)
        }
    }

    @Test("pages of other sites get nothing by cookie, and no cookies")
    func otherSites() async throws {
        try await withAdminServer { server in
            let jar = Jar(try await Self.signIn(server))
            for site in ["cross-site", "same-site"] {
                let reply = try await server.send(.get, "/api/v1/me", fields: jar.fields(site: site))
                #expect(reply.status == 401)
                let refreshed = try await server.send(
                    .post, "/api/v1/sessions/refresh", body: .object(JSONObject()),
                    fields: jar.fields(mode: true, site: site))
                #expect(refreshed.status == 401 && refreshed.fields["set-cookie"] == nil)
            }
        }
    }

    @Test("a bearer token counts before cookies, also a bad one")
    func bearerFirst() async throws {
        try await withAdminServer { server in
            var fields = Jar(try await Self.signIn(server)).fields()
            fields.append("authorization", "Bearer nonsense")
            #expect(try await server.send(.get, "/api/v1/me", fields: fields).status == 401)
        }
    }

    @Test("the refresh cookie trades for new cookies, once; without cookies asked for it does not count")
    func refresh() async throws {
        try await withAdminServer { server in
            var jar = Jar(try await Self.signIn(server))
            let old = jar
            server.clock.advance(seconds: 700)
            let expired = try await server.send(.get, "/api/v1/me", fields: jar.fields())
            #expect(expired.status == 401 && expired.code == "token_expired")
            let nothing = JSONValue.object(JSONObject())
            let bare = try await server.send(
                .post, "/api/v1/sessions/refresh", body: nothing, fields: jar.fields())
            #expect(bare.status == 401)
            let refreshed = try await server.send(
                .post, "/api/v1/sessions/refresh", body: nothing, fields: jar.fields(mode: true))
            #expect(refreshed.status == 200 && refreshed.json["refresh_token"]?.isNull == true)
            jar.take(refreshed)
            #expect(try await server.send(.get, "/api/v1/me", fields: jar.fields()).status == 200)
            let again = try await server.send(
                .post, "/api/v1/sessions/refresh", body: nothing, fields: old.fields(mode: true))
            #expect(again.status == 401)
        }
    }

    @Test("signing out ends the session and empties the jar")
    func signOut() async throws {
        try await withAdminServer { server in
            var jar = Jar(try await Self.signIn(server))
            let held = jar
            let gone = try await server.send(
                .delete, "/api/v1/sessions/current", fields: jar.fields())
            #expect(gone.status == 204)
            jar.take(gone)
            #expect(jar.cookies.isEmpty)
            #expect(try await server.send(.get, "/api/v1/me", fields: held.fields()).status == 401)
        }
    }

    @Test("a page watches events by its cookie")
    func events() async throws {
        try await withAdminServer(options: .init(eventStreams: 0)) { server in
            let jar = Jar(try await Self.signIn(server))
            let reply = try await server.send(.get, "/api/v1/events", fields: jar.fields(csrf: false))
            // Known and allowed, but this server has no room for streams.
            #expect(reply.status == 503 && reply.code == "overloaded")
        }
    }
}

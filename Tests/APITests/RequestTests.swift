import API
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

/// What is said to requests that are not as they should be.
@Suite("Requests")
struct RequestTests {
    private static let json: HeaderFields = ["content-type": "application/json"]

    @Test("what is not JSON is refused with the place where it stops being it")
    func malformed() async throws {
        try await withAdminServer { server in
            let cases = [
                ("{\"email\": }", "at byte 10"), ("{\"email\": \"a\"", "at byte 13"), ("[1,]", "at byte 3"),
                ("{\"email\":\"a\",\"email\":\"b\"}", "the same name twice"),
                (String(repeating: "[", count: 100_000), "nesting deeper than 128"),
                ("\u{feff}{}", "at byte 0"),
            ]
            for (body, detail) in cases {
                let reply = try await server.sendRaw(
                    .post, "/api/v1/sessions", fields: Self.json, body: Array(body.utf8))
                #expect(reply.status == 400)
                #expect(reply.code == "invalid_json")
                #expect(reply.string("detail").contains(detail), "\(reply.string("detail"))")
            }
            let empty = try await server.sendRaw(.post, "/api/v1/sessions", fields: [:], body: [])
            #expect(empty.code == "invalid_json")
        }
    }

    @Test("only application/json is taken, with or without parameters")
    func mediaType() async throws {
        try await withAdminServer { server in
            let body = Array("{\"email\":\"a@example.com\",\"password\":\"x\"}".utf8)
            let cases: [(String?, Int)] = [
                ("application/json; charset=utf-8", 401), ("APPLICATION/JSON", 401), ("text/plain", 415),
                ("application/x-www-form-urlencoded", 415), ("application/jsonp", 415), (nil, 415),
            ]
            for (type, status) in cases {
                let fields: HeaderFields = if let type { ["content-type": type] } else { [:] }
                let reply = try await server.sendRaw(.post, "/api/v1/sessions", fields: fields, body: body)
                #expect(reply.status == status, "\(type ?? "none")")
                guard status == 415 else { continue }
                let said = type.map { "was \($0)" } ?? "there was none"
                #expect(reply.pointers == ["Content-Type"])
                #expect(
                    reply.json["errors"]?[0]?["message"]?.string == "must be application/json; \(said)")
            }
        }
    }

    @Test("a body above 1 MiB is refused")
    func tooLarge() async throws {
        try await withAdminServer { server in
            let body = [UInt8](repeating: 0x20, count: (1 << 20) + 1)
            let reply = try await server.sendRaw(.post, "/api/v1/sessions", fields: Self.json, body: body)
            #expect(reply.status == 413)
            #expect(reply.code == "payload_too_large")
            let fits = try await server.sendRaw(
                .post, "/api/v1/sessions", fields: Self.json, body: Array(body.dropLast()))
            #expect(fits.code == "invalid_json")
        }
    }

    @Test("unknown, missing and wrong fields are all named at once, by their pointers")
    func fields() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let cases: [(JSONValue, [String])] = [
                (["slug": "UPPER", "nme": "x"], ["/nme", "/slug", "/name"]),
                (["slug": 7, "name": .null], ["/slug", "/name"]),
                (["slug": "", "name": "x\u{0}y"], ["/slug", "/name"]),
                (["slug": "a", "name": "n", "id": "tenant_x", "status": "suspended"], ["/id", "/status"]),
                (["a/b": 1, "c~d": 2, "slug": "s", "name": "n"], ["/a~1b", "/c~0d"]),
                ([1, 2], [""]),
            ]
            for (body, pointers) in cases {
                let reply = try await server.send(.post, "/api/v1/tenants", token: token, body: body)
                #expect(reply.status == 400)
                #expect(reply.code == "invalid_request")
                #expect(reply.pointers == pointers, "\(body.text)")
            }
            let refused = try await server.send(
                .post, "/api/v1/tenants", token: token, body: ["slug": "a", "nope": 1])
            let codes = refused.json["errors"]?.array?.compactMap { $0["code"]?.string }
            #expect(codes == ["unknown_field", "required"])
        }
    }

    @Test("the character no column can hold is refused wherever it stands, and is never our fault")
    func nul() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let bodies: [(String, JSONValue)] = [
                ("groups", ["name": "n", "description": "x\u{0}y"]),
                ("service-accounts", ["name": "n", "description": "\u{0}"]),
                (
                    "keys",
                    [
                        "name": "k", "workspace": .string(world.acme.workspace),
                        "metadata": ["note": "\u{0}"],
                    ]
                ),
                ("scim/v2/Groups", ["displayName": "g\u{0}"]),
                ("scim/v2/Users", ["userName": "u@example.com", "externalId": "\u{0}"]),
                ("invitations", ["email": "a\u{0}@example.com", "roles": ["viewer"]]),
            ]
            for (path, body) in bodies {
                let reply = try await server.send(.post, "\(base)/\(path)", token: world.admin, body: body)
                #expect(reply.status == 400, "\(path): \(reply.status) \(reply.text)")
            }
            let signIn = try await server.send(
                .post, "/api/v1/sessions", body: ["email": "a\u{0}@example.com", "password": "x"])
            #expect(signIn.status == 400, "\(signIn.text)")
        }
    }

    @Test("a flood of unknown fields is answered with the first few")
    func manyFields() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            var object = JSONObject()
            for index in 0..<1000 { object["field\(index)"] = 1 }
            let reply = try await server.send(.post, "/api/v1/tenants", token: token, body: .object(object))
            #expect(reply.json["errors"]?.array?.count == 50)
        }
    }

    @Test("a route that takes no body refuses fields, and is content with nothing or an empty object")
    func noBody() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/suspend"
            let refused = try await server.send(.post, path, token: world.admin, body: ["why": "x"])
            #expect(refused.pointers == ["/why"])
            #expect(try await server.send(.post, path, token: world.admin, body: [:]).status == 200)
            #expect(try await server.send(.post, path, token: world.admin).status == 200)
        }
    }

    @Test("query parameters are checked like fields, and named without a slash")
    func query() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let cases: [(String, [String], Int)] = [
                ("?limit=200", [], 200), ("?limit=201", ["limit"], 400), ("?limit=0", ["limit"], 400),
                ("?limit=ten", ["limit"], 400), ("?limit=", ["limit"], 400), ("?limit=+5", [], 400),
                ("?limti=5", ["limti"], 400), ("?limit=5&limit=6", ["limit"], 400),
                ("?cursor=nonsense", ["cursor"], 400), ("?cursor=AAAAAAAAAAAAAAAAAAAAAA", ["cursor"], 400),
                ("?", [], 200), ("?%6cimit=3", [], 200),
            ]
            for (query, pointers, status) in cases {
                let reply = try await server.send(.get, "/api/v1/tenants\(query)", token: token)
                #expect(reply.status == status, "\(query)")
                if !pointers.isEmpty { #expect(reply.pointers == pointers, "\(query)") }
            }
            // Routes that have no parameters refuse them too.
            let me = try await server.send(.get, "/api/v1/me?verbose=1", token: token)
            #expect(me.pointers == ["verbose"])
        }
    }

    @Test("another method is refused with those that would do; HEAD goes where GET goes")
    func methods() async throws {
        try await withAdminServer { server in
            let reply = try await server.send(.put, "/api/v1/tenants")
            #expect(reply.status == 405)
            #expect(reply.fields["allow"] == "GET, HEAD, POST")
            let options = try await server.send(.options, "/api/v1/me")
            #expect(options.fields["allow"] == "GET, HEAD, PATCH")
            let head = try await server.send(.head, "/health/live")
            #expect(head.status == 200)
            #expect(head.body.isEmpty)
        }
    }

    @Test("a path that leads nowhere is not found, with or without credentials")
    func paths() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            for path in [
                "/", "/api", "/api/v1", "/api/v1/tenants/", "/api/v2/tenants", "/api/v1/teapots", "/metrics/",
            ] {
                let reply = try await server.send(.get, path)
                #expect(reply.status == 404, "\(path)")
                #expect(reply.code == "not_found")
                #expect(try await server.send(.get, path, token: token).status == 404)
            }
            // Dot segments are resolved before routing.
            #expect(try await server.send(.get, "/api/v1/../../health/live").status == 200)
        }
    }

    @Test("health, metrics and security fields")
    func system() async throws {
        try await withAdminServer { server in
            #expect(try await server.send(.get, "/health/live").string("status") == "live")
            #expect(try await server.send(.get, "/health/ready").string("status") == "ready")
            let metrics = try await server.send(.get, "/metrics")
            #expect(
                metrics.text.contains(
                    "eclusa_admin_requests_total{operation=\"health.ready\",status=\"200\"} 1"))
            #expect(metrics.text.contains("eclusa_admin_request_seconds_count{operation=\"health.live\"} 1"))
            #expect(metrics.fields["x-content-type-options"] == "nosniff")
            #expect(metrics.fields["referrer-policy"] == "no-referrer")
            #expect(metrics.fields["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'")
        }
    }
}

import API
import Contract
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("guardrails by the admin API")
struct GuardrailTests {
    @Test("a guardrail is made, found, changed and deleted")
    func life() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/guardrails"
            let made = try await server.send(
                .post, base, token: world.admin,
                body: [
                    "name": "no codenames", "kind": "patterns", "patterns": [#"(?i)project \w+"#],
                    "action": "redact", "subject": ["route": .string(world.acme.route)], "sides": ["output"],
                ])
            #expect(made.status == 201, "\(made.text)")
            #expect(made.json["subject"]?["route"]?.string == world.acme.route)
            #expect(made.json["patterns"] == [#"(?i)project \w+"#] && made.json["words"] == [])
            #expect(made.string("mode") == "enforce" && made.json["sides"] == ["output"])
            let size = try await server.send(
                .post, base, token: world.admin,
                body: ["name": "small", "kind": "size", "size": ["messages": 50], "mode": "observe"])
            #expect(size.status == 201 && size.json["sides"] == ["input"], "\(size.text)")
            for (query, count) in [("", 2), ("?kind=size", 1), ("?mode=enforce", 1), ("?enabled=false", 0)] {
                let listed = try await server.send(.get, base + query, token: world.admin)
                #expect(listed.json["data"]?.array?.count == count, "\(query): \(listed.text)")
            }
            let path = "\(base)/\(made.string("id"))"
            let changed = try await server.send(
                .patch, path, token: world.admin,
                body: ["patterns": ["x"], "action": "block", "sides": ["input", "output"], "enabled": false])
            #expect(changed.status == 200 && changed.json["patterns"] == ["x"], "\(changed.text)")
            #expect(changed.json["enabled"] == false && changed.string("action") == "block")
            #expect(try await server.send(.delete, path, token: world.admin).status == 200)
            #expect(try await server.send(.get, path, token: world.admin).status == 404)
            let events = try await server.send(
                .get, "/api/v1/tenants/\(world.acme.tenant)/audit-events", token: world.admin)
            #expect(events.text.contains("guardrails.update") && events.text.contains(#"(?i)project \\w+"#))
        }
    }

    @Test("what cannot be is refused at its place")
    func refused() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/guardrails"
            server.refusedHosts = ["metadata.internal"]
            let cases: [(JSONValue, String)] = [
                (["kind": "patterns"], "/patterns"),
                (["kind": "patterns", "patterns": ["a", "(b"]], "/patterns/1"),
                (["kind": "patterns", "patterns": [#"(a)\1"#]], "/patterns/0"),
                (["kind": "patterns", "patterns": ["a"], "words": ["b"]], "/words"),
                (["kind": "secrets", "patterns": ["a"]], "/patterns"),
                (["kind": "words", "words": [""]], "/words/0"),
                (["kind": "personal_data"], "/personal_data"),
                (["kind": "personal_data", "personal_data": ["email", "email"]], "/personal_data"),
                (["kind": "personal_data", "personal_data": ["name"]], "/personal_data/0"),
                (["kind": "size"], "/size"), (["kind": "size", "size": ["tokens": 0]], "/size/tokens"),
                (["kind": "size", "size": ["tokens": 5], "action": "redact"], "/action"),
                (["kind": "size", "size": ["tokens": 5], "sides": ["output"]], "/sides"),
                (["kind": "secrets", "size": ["tokens": 5]], "/size"), (["kind": "magic"], "/kind"),
                (["kind": "webhook", "webhook_secret": .string(Self.secret)], "/webhook"),
                (["kind": "webhook", "webhook": Self.webhook], "/webhook_secret"),
                (
                    ["kind": "webhook", "webhook": Self.webhook, "webhook_secret": .string(Self.weak)],
                    "/webhook_secret"
                ),
                (["kind": "secrets", "webhook": Self.webhook], "/webhook"),
                (["kind": "secrets", "webhook_secret": .string(Self.secret)], "/webhook_secret"),
                (["kind": "webhook", "webhook": [:]], "/webhook/url"),
                (["kind": "webhook", "webhook": ["url": "ftp://judge.example"]], "/webhook/url"),
                (
                    ["kind": "webhook", "webhook": ["url": "https://j.example", "timeout_ms": 49]],
                    "/webhook/timeout_ms"
                ),
                (
                    ["kind": "webhook", "webhook": ["url": "https://j.example", "on_failure": "maybe"]],
                    "/webhook/on_failure"
                ),
                (
                    [
                        "kind": "webhook", "webhook": ["url": "https://metadata.internal/"],
                        "webhook_secret": .string(Self.secret),
                    ], "/webhook/url"
                ),
                (["kind": "secrets", "sides": []], "/sides"),
                (
                    ["kind": "secrets", "subject": ["route": .string(world.other.route)]], "/subject/route"
                ),
                (["kind": "secrets", "subject": ["key": .string(world.other.key)]], "/subject/key"),
                (
                    [
                        "kind": "secrets",
                        "subject": [
                            "key": .string(world.acme.key), "workspace": .string(world.acme.workspace),
                        ],
                    ], "/subject"
                ),
            ]
            for (changes, pointer) in cases {
                var body = try #require(changes.object)
                body["name"] = "rule"
                let answer = try await server.send(.post, base, token: world.admin, body: .object(body))
                #expect((400...422).contains(answer.status), "\(answer.text)")
                #expect(answer.json["errors"]?[0]?["pointer"]?.string == pointer, "\(answer.text)")
            }
        }
    }

    private static let secret = "whsec_" + String(repeating: "QUJD", count: 10)
    private static let weak = "whsec_" + String(repeating: "QUJD", count: 20) + "====" + "QUJD"
    private static let webhook: JSONValue = ["url": "https://judge.example/v1/"]

    @Test("a webhook's secret is never shown; a new one is sent to nodes with the one before, for a day")
    func webhook() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/guardrails"
            let made = try await server.send(
                .post, base, token: world.admin,
                body: [
                    "name": "judge", "kind": "webhook", "action": "redact",
                    "webhook": ["url": "https://judge.example/v1/", "on_failure": "allow"],
                    "webhook_secret": .string(Self.secret),
                ])
            #expect(made.status == 201, "\(made.text)")
            #expect(
                made.json["webhook"] == [
                    "url": "https://judge.example/v1", "timeout_ms": 2000, "on_failure": "allow",
                ])
            #expect(made.json["secret_overlap_until"]?.isNull == true && !made.text.contains("whsec_"))
            let tenant = try #require(TenantID(world.acme.tenant))
            let id = try #require(GuardrailID(made.string("id")))
            func kept() async throws -> (secrets: String, travelling: String) {
                try await server.database.pool.withConnection { connection in
                    let stored = try #require(try await GuardrailStore.secret(of: id, in: tenant, connection))
                    let seal = try #require(stored.forFleet)
                    let opened = try await server.keys.vault.open(
                        stored.sealed, of: .guardrail(id), owner: tenant, connection)
                    let sealed = SealedCredential(fleetKey: seal.fleetKey, sealed: seal.sealed)
                    let travelling = try sealed.open(of: .guardrail(id), with: server.keys.fleetKey)
                    return (
                        opened.withBytes { String(decoding: $0, as: UTF8.self) },
                        travelling.withBytes { String(decoding: $0, as: UTF8.self) }
                    )
                }
            }
            #expect(try await kept() == (Self.secret, Self.secret))
            var last = Self.secret
            for round in ["AAAA", "BBBB"] {
                let next = "whsec_" + String(repeating: round, count: 10)
                let changed = try await server.send(
                    .patch, "\(base)/\(id)", token: world.admin, body: ["webhook_secret": .string(next)])
                #expect(changed.status == 200, "\(changed.text)")
                let until = server.clock.now.advanced(bySeconds: 86_400)
                #expect(changed.string("secret_overlap_until") == until.description)
                #expect(try await kept() == ("\(next) \(last)", "\(next) \(last)"))
                last = next
            }
            let moved = try await server.send(
                .patch, "\(base)/\(id)", token: world.admin,
                body: ["webhook": ["url": "https://other.example", "timeout_ms": 500]])
            #expect(moved.json["webhook"]?["url"] == "https://other.example", "\(moved.text)")
            #expect(moved.json["webhook"]?["on_failure"] == "block")
            #expect(moved.json["secret_overlap_until"]?.isNull == false)
            let events = try await server.send(
                .get, "/api/v1/tenants/\(world.acme.tenant)/audit-events", token: world.admin)
            #expect(events.text.contains("https://other.example") && !events.text.contains("whsec_"))
        }
    }

    @Test("a call waits for few webhooks: a tenant has five at most")
    func fewWebhooks() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            for number in 1...6 {
                let made = try await server.send(
                    .post, "/api/v1/tenants/\(world.acme.tenant)/guardrails", token: world.admin,
                    body: [
                        "name": .string("judge \(number)"), "kind": "webhook", "webhook": Self.webhook,
                        "webhook_secret": .string(Self.secret),
                    ])
                #expect(made.status == (number < 6 ? 201 : 409), "\(made.text)")
            }
        }
    }

    @Test("explain names the guardrails that look at a call")
    func explain() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            for (name, body) in [
                ("mine", ["kind": "secrets", "subject": ["key": .string(world.acme.key)]] as JSONValue),
                ("off", ["kind": "secrets", "enabled": false]),
            ] {
                var body = try #require(body.object)
                body["name"] = .string(name)
                let made = try await server.send(
                    .post, "\(base)/guardrails", token: world.admin, body: .object(body))
                #expect(made.status == 201, "\(made.text)")
            }
            let route = try await server.send(
                .get, "\(base)/routes/\(world.acme.route)", token: world.admin)
            let said = try await server.send(
                .post, "\(base)/explain", token: world.admin,
                body: ["key": .string(world.acme.key), "model": .string(route.string("name"))])
            let names = said.json["guardrails"]?.array?.compactMap { $0["name"]?.string }
            #expect(names == ["mine"], "\(said.text)")
        }
    }
}

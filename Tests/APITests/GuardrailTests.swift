import API
import Contract
import Domain
import HTTPWire
import JSONText
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

import API
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

/// A tenant as a document: out, in again, and into another tenant.
@Suite("Declarations")
struct DeclarationTests {
    private static func export(
        _ server: AdminServer, _ tenant: String, _ token: String, keys: Bool = true
    ) async throws -> JSONValue {
        let reply = try await server.send(
            .get, "/api/v1/tenants/\(tenant)/declaration?keys=\(keys)", token: token)
        #expect(reply.status == 200, "\(reply.text)")
        return reply.json
    }

    private static func apply(
        _ server: AdminServer, _ tenant: String, _ token: String, _ document: JSONValue, dryRun: Bool = false
    ) async throws -> Reply {
        try await server.send(
            .post, "/api/v1/tenants/\(tenant)/apply\(dryRun ? "?dry_run=true" : "")", token: token,
            body: document)
    }

    private static func actions(_ reply: Reply) -> [String] {
        (reply.json["steps"]?.array ?? []).compactMap { $0["action"]?.string }
    }

    /// A tenant with one of everything, roles and bindings too.
    private static func furnished(_ server: AdminServer) async throws -> World {
        let world = try await World(server)
        let base = "/api/v1/tenants/\(world.acme.tenant)"
        let role = try await world.role()
        _ = try await world.make(
            "\(base)/bindings",
            [
                "group": .string(world.acme.group), "role": .string(role),
                "workspace": .string(world.acme.workspace),
            ])
        _ = try await world.member()
        let limits: [JSONValue] = [
            ["name": "monthly", "metric": "cost", "amount": "100.00", "period": "month", "thresholds": [80]],
            [
                "name": "burst", "metric": "requests", "amount": "50", "period": "minute",
                "subject": ["group": .string(world.acme.group)],
                "match": ["routes": [.string(world.acme.route)]],
            ],
            [
                "name": "own", "metric": "concurrency", "amount": "4", "period": "open",
                "subject": ["key": .string(world.acme.key)],
            ],
        ]
        for limit in limits { _ = try await world.make("\(base)/limits", limit) }
        let guardrails: [JSONValue] = [
            ["name": "no mail", "kind": "personal_data", "personal_data": ["email"], "action": "redact"],
            [
                "name": "small", "kind": "size", "size": ["messages": 5],
                "subject": ["route": .string(world.acme.route)],
            ],
        ]
        for guardrail in guardrails { _ = try await world.make("\(base)/guardrails", guardrail) }
        let key = try await server.send(
            .patch, "\(base)/keys/\(world.acme.key)", token: world.admin,
            body: ["routes": [.string(world.acme.route)], "tags": ["team"], "metadata": ["a": "@1"]])
        #expect(key.status == 200, "\(key.text)")
        return world
    }

    @Test("what is exported names everything, holds no ID of its own and no secret, and changes nothing")
    func roundTrip() async throws {
        try await withAdminServer { server in
            let world = try await Self.furnished(server)
            let document = try await Self.export(server, world.acme.tenant, world.admin)
            #expect(document["models"]?[0]?["provider"] == "@provider/openai")
            #expect(document["prices"]?[0]?["model"] == "@model/openai/gpt-4o-mini")
            #expect(document["routes"]?[0]?["targets"]?[0]?["model"] == "@model/openai/gpt-4o-mini")
            #expect(document["keys"]?[0]?["routes"] == ["@route/chat"])
            #expect(document["keys"]?[0]?["metadata"] == ["a": "@@1"])
            func subject(of limit: String) -> JSONValue? {
                document["limits"]?.array?.first { $0["name"]?.string == limit }?["subject"]
            }
            #expect(subject(of: "burst")?["group"] == "@group/Everybody")
            #expect(subject(of: "own")?["key"] == "@key/default/app")
            #expect(document["group_members"]?[0]?["group"] == "@group/Everybody")
            #expect(document["group_members"]?[0]?["user"]?.string?.hasPrefix("@user/") == true)
            let keyless = try await Self.export(server, world.acme.tenant, world.admin, keys: false)
            #expect(keyless["limits"]?.array?.count == 2, "without the one of a key")
            let text = document.text
            for secret in ["sk-test", "ek_", "prov_", "model_", "ws_", "created_at", "credential"] {
                #expect(!text.contains("\"\(secret)"), "\(secret)")
            }
            let before = try await server.fingerprint()
            let reply = try await Self.apply(server, world.acme.tenant, world.admin, document)
            #expect(reply.status == 200, "\(reply.text)")
            #expect(Set(Self.actions(reply)) == ["unchanged"])
            #expect(try await server.fingerprint() == before)
        }
    }

    @Test("another tenant becomes the same, but for people and keys; a second time nothing happens")
    func elsewhere() async throws {
        try await withAdminServer { server in
            let world = try await Self.furnished(server)
            let document = try await Self.export(server, world.acme.tenant, world.admin)
            var portable = try #require(document.object)
            portable["limits"] = .array(
                (document["limits"]?.array ?? []).filter { $0["subject"]?["key"]?.isNull == true })
            let twin = try await world.make("/api/v1/tenants", ["slug": "twin", "name": "Twin"])
            let plan = try await Self.apply(server, twin, world.admin, .object(portable), dryRun: true)
            #expect(plan.status == 200, "\(plan.text)")
            #expect(Set(Self.actions(plan)) == ["create", "skip"])
            #expect(try await Self.export(server, twin, world.admin)["providers"] == [])
            let done = try await Self.apply(server, twin, world.admin, .object(portable))
            #expect(Self.actions(done) == Self.actions(plan), "\(done.text)")
            let again = try await Self.apply(server, twin, world.admin, .object(portable))
            #expect(Set(Self.actions(again)) == ["unchanged", "skip"])
            let copy = try await Self.export(server, twin, world.admin)
            func sorted(_ things: JSONValue?) -> [String] { (things?.array ?? []).map(\.text).sorted() }
            for noun in [
                "workspaces", "groups", "roles", "providers", "models", "prices", "routes", "limits",
                "guardrails",
            ] {
                // Of what is made in one moment, the order is not known.
                #expect(sorted(copy[noun]) == sorted(portable[noun]), "\(noun)")
            }
            let ofGroups = (document["bindings"]?.array ?? []).filter { $0["group"]?.isNull == false }
            #expect(copy["bindings"]?.array == ofGroups && !ofGroups.isEmpty)
        }
    }

    @Test("people are declared by their address: members stay, others are invited, what is about them waits")
    func people() async throws {
        try await withAdminServer { server in
            let world = try await Self.furnished(server)
            let twin = try await world.make("/api/v1/tenants", ["slug": "twin", "name": "Twin"])
            let document: JSONValue = [
                "groups": [["name": "Team"]],
                "members": [
                    ["email": "new@example.com", "roles": ["viewer"]], ["email": "idle@example.com"],
                ],
                "group_members": [["group": "@group/Team", "user": "@user/new@example.com"]],
                "bindings": [["user": "@user/new@example.com", "role": "developer"]],
            ]
            func steps(_ reply: Reply) -> [String] {
                (reply.json["steps"]?.array ?? []).map { step in
                    "\(step["noun"]?.string ?? "") \(step["action"]?.string ?? "")"
                }
            }
            let first = try await Self.apply(server, twin, world.admin, document)
            #expect(first.status == 200, "\(first.text)")
            let expected = [
                "members create", "members skip", "groups create", "group_members skip", "bindings skip",
            ]
            #expect(steps(first) == expected)
            let again = try await Self.apply(server, twin, world.admin, document)
            #expect(
                steps(again) == [
                    "members skip", "members skip", "groups unchanged", "group_members skip",
                    "bindings skip",
                ])
            let invited = try await server.send(
                .get, "/api/v1/tenants/\(twin)/invitations", token: world.admin)
            #expect(invited.json["data"]?.array?.map { $0["email"] } == ["new@example.com"])
            #expect(invited.json["data"]?[0]?["roles"] == ["viewer"])

            let user = try await world.make(
                "/api/v1/users",
                ["email": "New@example.com", "name": "New", "password": "a long enough password"],
                id: "user", "id")
            _ = try await server.send(
                .post, "/api/v1/tenants/\(twin)/members", token: world.admin, body: ["user": .string(user)])
            // Now they are in; addresses are compared in lowercase, and named as they are.
            var named = document.object ?? JSONObject()
            named["members"] = [["email": "new@example.com"]]
            named["group_members"] = [["group": "@group/Team", "user": "@user/New@example.com"]]
            named["bindings"] = [["user": "@user/New@example.com", "role": "developer"]]
            let arrived = try await Self.apply(server, twin, world.admin, .object(named))
            #expect(
                steps(arrived) == [
                    "members unchanged", "groups unchanged", "group_members create", "bindings create",
                ], "\(arrived.text)")
            let done = try await Self.apply(server, twin, world.admin, .object(named))
            #expect(Set(Self.actions(done)) == ["unchanged"])
            let unknown = try await Self.apply(
                server, twin, world.admin, ["bindings": [["user": "@user/no@example.com", "role": "viewer"]]])
            #expect(unknown.status == 400 && unknown.pointers == ["/bindings/0/user"])
        }
    }

    @Test("limits are changed where they may be, compared by their amounts, and never remade")
    func limits() async throws {
        try await withAdminServer { server in
            let world = try await Self.furnished(server)
            let tenant = world.acme.tenant
            let reply = try await Self.apply(
                server, tenant, world.admin,
                [
                    "limits": [
                        ["name": "monthly", "metric": "cost", "amount": "100", "period": "month"],
                        [
                            "name": "burst", "metric": "requests", "amount": "60", "period": "minute",
                            "subject": ["group": "@group/Everybody"],
                        ],
                        [
                            "name": "own", "metric": "concurrency", "amount": "4", "period": "open",
                            "subject": ["key": "@key/default/app"],
                        ],
                    ]
                ])
            #expect(Self.actions(reply) == ["unchanged", "update", "unchanged"], "\(reply.text)")
            let fixed = try await Self.apply(
                server, tenant, world.admin,
                [
                    "limits": [
                        ["name": "monthly", "metric": "requests", "amount": "100", "period": "day"]
                    ]
                ])
            #expect(fixed.status == 409)
            #expect(Set(fixed.pointers) == ["/limits/0/metric", "/limits/0/period"])
        }
    }

    @Test("guardrails are changed by name; one that asks a webhook needs its secret to be made, and no more")
    func guardrails() async throws {
        try await withAdminServer { server in
            let world = try await Self.furnished(server)
            let tenant = world.acme.tenant
            var webhook = JSONObject()
            webhook["name"] = "judge"
            webhook["kind"] = "webhook"
            webhook["webhook"] = ["url": "https://judge.example/v1"]
            webhook["subject"] = ["key": "@key/default/app"]
            var secret = webhook
            secret["webhook_secret"] = .string("whsec_" + String(repeating: "QUJD", count: 10))
            func document(_ webhook: JSONObject) -> JSONValue {
                [
                    "guardrails": [
                        [
                            "name": "no mail", "kind": "personal_data", "personal_data": ["email", "card"],
                            "action": "redact",
                        ], .object(webhook),
                    ]
                ]
            }
            let bare = try await Self.apply(server, tenant, world.admin, document(webhook))
            #expect(bare.status == 400 && bare.pointers == ["/guardrails/1/webhook_secret"], "\(bare.text)")
            let made = try await Self.apply(server, tenant, world.admin, document(secret))
            #expect(Self.actions(made) == ["update", "create"], "\(made.text)")
            for again in [webhook, secret] {
                let same = try await Self.apply(server, tenant, world.admin, document(again))
                #expect(Set(Self.actions(same)) == ["unchanged"], "\(same.text)")
            }
            let exported = try await Self.export(server, tenant, world.admin)
            #expect(!exported.text.contains("whsec_"))
            let names = exported["guardrails"]?.array?.compactMap { $0["name"]?.string }
            // Of what is made in one moment, the order is not known.
            #expect(names.map(Set.init) == ["no mail", "small", "judge"])
            let keyless = try await Self.export(server, tenant, world.admin, keys: false)
            #expect(keyless["guardrails"]?.array?.count == 2, "without the one of a key")
            webhook["webhook"] = ["url": "https://judge.example/v2", "on_failure": "allow"]
            let moved = try await Self.apply(server, tenant, world.admin, document(webhook))
            #expect(Self.actions(moved) == ["unchanged", "update"], "\(moved.text)")
        }
    }

    @Test("what the platform shares is a document too, for those who run it")
    func platform() async throws {
        try await withAdminServer { server in
            let world = try await Self.furnished(server)
            let base = "/api/v1"
            _ = try await world.make(
                "\(base)/models/\(world.shared.model)/prices",
                ["input": "1", "output": "2", "effective_from": "2030-01-01T00:00:00Z"])
            let document = try await server.send(.get, "\(base)/declaration", token: world.admin)
            #expect(document.status == 200, "\(document.text)")
            #expect(document.json["providers"]?[0]?["name"] == "shared")
            #expect(document.json["models"]?[0]?["provider"] == "@provider/shared")
            #expect(document.json["prices"]?[0]?["model"] == "@model/shared/shared-model")
            #expect(!document.text.contains("sk-test") && !document.text.contains("gpt-4o-mini"))
            let same = try await server.send(
                .post, "\(base)/apply", token: world.admin, body: document.json)
            #expect(Set(Self.actions(same)) == ["unchanged"], "\(same.text)")
            let more: JSONValue = [
                "providers": [World.provider("second")],
                "models": [["provider": "@provider/second", "name": "big", "capabilities": ["chat"]]],
            ]
            let plan = try await server.send(
                .post, "\(base)/apply?dry_run=true", token: world.admin, body: more)
            #expect(Self.actions(plan) == ["create", "create"], "\(plan.text)")
            let made = try await server.send(.post, "\(base)/apply", token: world.admin, body: more)
            #expect(Self.actions(made) == ["create", "create"], "\(made.text)")
            let read = try await server.send(.get, "\(base)/models?name=big", token: world.admin)
            #expect(read.json["data"]?.array?.count == 1)
            let auditor = try #require(world.tokens["platform-auditor"])
            let unchanged = try await server.send(.post, "\(base)/apply", token: auditor, body: more)
            #expect(Set(Self.actions(unchanged)) == ["unchanged"], "\(unchanged.text)")
            let refused = try await server.send(
                .post, "\(base)/apply", token: auditor, body: ["providers": [World.provider("third")]])
            #expect(refused.status == 403)
            let foreign = try await server.send(.get, "\(base)/declaration", token: world.stranger)
            #expect(foreign.status == 403)
        }
    }

    @Test("only what differs is written, and what is not mentioned stays")
    func changes() async throws {
        try await withAdminServer { server in
            let world = try await Self.furnished(server)
            let tenant = world.acme.tenant
            let reply = try await Self.apply(
                server, tenant, world.admin,
                [
                    "workspaces": [
                        ["slug": "default", "name": "Renamed"], ["slug": "extra", "name": "Extra"],
                    ],
                    "routes": [
                        ["name": "second", "targets": [["model": "@model/openai/gpt-4o-mini"]]],
                        ["name": "chat", "targets": [["model": "@model/openai/gpt-4o-mini"]]],
                    ],
                    "prices": [
                        [
                            "model": "@model/openai/gpt-4o-mini", "input": "0.150", "output": "0.6",
                            "effective_from": .string("2031-01-01T00:00:00Z"),
                        ]
                    ],
                    "keys": [["workspace": "@workspace/default", "name": "app", "tags": ["x"]]],
                ])
            #expect(reply.status == 200, "\(reply.text)")
            let steps = (reply.json["steps"]?.array ?? []).map { step in
                "\(step["noun"]?.string ?? "") \(step["name"]?.string ?? ""): \(step["action"]?.string ?? "")"
            }
            #expect(
                steps == [
                    "workspaces default: update", "workspaces extra: create",
                    "prices @model/openai/gpt-4o-mini 2031-01-01T00:00:00Z: create", "routes second: create",
                    "routes chat: unchanged", "keys @workspace/default app: update",
                ])
            let key = try await server.send(
                .get, "/api/v1/tenants/\(tenant)/keys/\(world.acme.key)", token: world.admin)
            #expect(key.json["tags"] == ["x"])
            #expect(key.json["metadata"] == ["a": "@1"])
        }
    }

    @Test("it is all or nothing, and each problem says where it is")
    func refusals() async throws {
        try await withAdminServer { server in
            let world = try await Self.furnished(server)
            let good: JSONValue = ["slug": "fine", "name": "Fine"]
            let cases: [(JSONValue, Int, [String])] = [
                (["workspaces": [good], "groups": [["nome": "x"]]], 400, ["/groups/0/nome"]),
                (
                    ["workspaces": [good, ["slug": "Ä", "name": ""]]], 400,
                    ["/workspaces/1/slug", "/workspaces/1/name"]
                ),
                (
                    ["workspaces": [good], "routes": [["name": "r", "targets": [["model": "@model/no"]]]]],
                    400, ["/routes/0/targets/0/model"]
                ),
                (
                    [
                        "workspaces": [good],
                        "routes": [["name": "r", "targets": [["model": .string(world.other.model)]]]],
                    ],
                    400, ["/routes/0/targets/0/model"]
                ),
                (
                    ["workspaces": [good], "providers": [["name": "openai", "kind": "anthropic"]]], 409,
                    ["/providers/0/kind"]
                ),
                (["workspaces": [good], "things": []], 400, ["/things"]),
                (["workspaces": [good, 7]], 400, ["/workspaces/1"]),
            ]
            for (document, status, pointers) in cases {
                let reply = try await Self.apply(server, world.acme.tenant, world.admin, document)
                #expect(reply.status == status, "\(reply.text)")
                #expect(reply.pointers == pointers)
            }
            let document = try await Self.export(server, world.acme.tenant, world.admin)
            #expect(document["workspaces"]?.array?.count == 1)
        }
    }

    @Test("a step needs the permission of its own route; an export holds what its reader may read")
    func permissions() async throws {
        try await withAdminServer { server in
            let world = try await Self.furnished(server)
            let tenant = world.acme.tenant
            let viewer = try #require(world.tokens["viewer"])
            let refused = try await Self.apply(
                server, tenant, viewer, ["workspaces": [["slug": "mine", "name": "Mine"]]])
            #expect(refused.status == 403)
            #expect(refused.string("detail").contains("/workspaces/0"))
            let foreign = try await Self.apply(server, tenant, world.stranger, [:])
            #expect(foreign.status == 404)
            let own = try await Self.export(server, tenant, viewer)
            #expect(own["workspaces"]?.array?.count == 1)
        }
    }
}

import API
import Domain
import HTTPWire
import JSONText
import Operations
import Store
import TestSupport
import Testing

/// What each noun's routes do for those who may use them.
@Suite("Nouns")
struct NounTests {
    @Test("tenants: make, get, list, rename, suspend, resume; a slug is taken once")
    func tenants() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let made = try await server.send(
                .post, "/api/v1/tenants", token: token, body: ["slug": "acme", "name": "Acme Ltd"])
            #expect(made.status == 201)
            #expect(made.string("status") == "active")
            let path = "/api/v1/tenants/\(made.string("id"))"
            #expect(try await server.send(.get, path, token: token).json == made.json)
            let again = try await server.send(
                .post, "/api/v1/tenants", token: token, body: ["slug": "acme", "name": "Other"])
            #expect(again.status == 409)
            #expect(again.code == "conflict")
            #expect(again.pointers == ["/slug"])
            server.clock.advance(seconds: 5)
            let renamed = try await server.send(.patch, path, token: token, body: ["name": "Acme SA"])
            #expect(renamed.string("name") == "Acme SA")
            #expect(renamed.string("updated_at") > made.string("updated_at"))
            let unchanged = try await server.send(.patch, path, token: token, body: [:])
            #expect(unchanged.string("name") == "Acme SA")
            let suspended = try await server.send(.post, "\(path)/suspend", token: token)
            #expect(suspended.string("status") == "suspended")
            let resumed = try await server.send(.post, "\(path)/resume", token: token, body: [:])
            #expect(resumed.string("status") == "active")
            let list = try await server.send(.get, "/api/v1/tenants", token: token)
            #expect(list.json["data"]?.array?.count == 1)
            #expect(list.json["next_cursor"] == .null)
        }
    }

    @Test("members see their tenants and no others; administrators see all")
    func ownTenants() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let all = try await server.send(.get, "/api/v1/tenants", token: world.admin)
            #expect(all.json["data"]?.array?.count == 2)
            let own = try await server.send(.get, "/api/v1/tenants", token: world.tokens["viewer"])
            #expect(own.json["data"]?.array?.compactMap { $0["id"]?.string } == [world.acme.tenant])
        }
    }

    @Test("lists come in pages, each thing once, the newest first")
    func paging() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            var made: [String] = []
            for index in 0..<7 {
                server.clock.advance(seconds: 1)
                let reply = try await server.send(
                    .post, "/api/v1/tenants", token: token, body: ["slug": .string("t\(index)"), "name": "T"])
                made.append(reply.string("id"))
            }
            var seen: [String] = []
            var cursor = ""
            repeat {
                let query = cursor.isEmpty ? "?limit=3" : "?limit=3&cursor=\(cursor)"
                let page = try await server.send(.get, "/api/v1/tenants\(query)", token: token)
                seen += page.json["data"]?.array?.compactMap { $0["id"]?.string } ?? []
                cursor = page.string("next_cursor")
            } while !cursor.isEmpty
            #expect(seen == made.reversed())
        }
    }

    @Test("a cursor of another list is refused, and one of its own taken")
    func cursorsOfOthers() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let page = try await server.send(.get, "/api/v1/tenants?limit=1", token: world.admin)
            let cursor = page.string("next_cursor")
            for path in ["/tenants/\(world.acme.tenant)/keys", "/users", "/audit-events"] {
                let reply = try await server.send(
                    .get, "/api/v1\(path)?cursor=\(cursor)", token: world.admin)
                #expect(reply.status == 400 && reply.pointers == ["cursor"], "\(path): \(reply.text)")
                #expect(reply.text.contains("must be a next_cursor of this list"))
            }
            let own = try await server.send(.get, "/api/v1/tenants?cursor=\(cursor)", token: world.admin)
            #expect(own.status == 200 && own.json["data"]?.array?.isEmpty == false)
        }
    }

    @Test("workspaces belong to one tenant")
    func workspaces() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/workspaces"
            let got = try await server.send(.get, "\(base)/\(world.acme.workspace)", token: world.admin)
            #expect(got.string("slug") == "default")
            let foreign = try await server.send(.get, "\(base)/\(world.other.workspace)", token: world.admin)
            #expect(foreign.status == 404)
            let taken = try await server.send(
                .post, base, token: world.admin, body: ["slug": "default", "name": "X"])
            #expect(taken.pointers == ["/slug"])
            let list = try await server.send(.get, base, token: world.admin)
            #expect(list.json["data"]?.array?.count == 1)
        }
    }

    @Test("providers keep their credential sealed: only its last four characters are ever shown")
    func providers() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/providers"
            let path = "\(base)/\(world.acme.provider)"
            let got = try await server.send(.get, path, token: world.admin)
            #expect(got.string("credential_hint") == "abcd")
            #expect(got.string("base_url") == "https://api.example.com/v1")
            #expect(!got.text.contains("0123456789"))
            let changed = try await server.send(
                .patch, path, token: world.admin,
                body: [
                    "credential": "sk-new-credential-wxyz", "base_url": "https://api2.example.com",
                    "headers": ["openai-organization": "org-1"], "timeouts": ["total_ms": 1000],
                    "enabled": false,
                    "name": "renamed",
                ])
            #expect(changed.string("credential_hint") == "wxyz")
            #expect(changed.string("headers", "openai-organization") == "org-1")
            #expect(changed.json["timeouts"]?["total_ms"]?.exactInt64 == 1000)
            #expect(changed.json["timeouts"]?["connect_ms"]?.exactInt64 == 5000)
            #expect(changed.json["enabled"]?.boolean == false)
            let vendor = try await server.send(
                .post, base, token: world.admin, body: ["name": "vendor", "kind": "anthropic"])
            #expect(vendor.string("base_url") == "https://api.anthropic.com")
            #expect(vendor.json["credential_hint"] == .null)
            let short = try await server.send(
                .post, base, token: world.admin,
                body: ["name": "short", "kind": "openai", "credential": "tiny"])
            #expect(short.string("credential_hint") == "", "four of four characters would show it all")
        }
    }

    @Test("what is wrong with a provider is said at its place")
    func providerProblems() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/providers"
            let cases: [(JSONValue, [String])] = [
                (["name": "a", "kind": "azure_openai"], ["/base_url"]),
                (["name": "a", "kind": "openai", "base_url": "ftp://x"], ["/base_url"]),
                (["name": "a", "kind": "teapot"], ["/kind"]),
                (["name": "a", "kind": "openai", "credential": "has blanks inside"], ["/credential"]),
                (
                    ["name": "a", "kind": "openai", "headers": ["Authorization": "x"]],
                    ["/headers/Authorization"]
                ),
                (["name": "a", "kind": "openai", "headers": ["x": 1]], ["/headers/x"]),
                (["name": "a", "kind": "openai", "timeouts": ["total_ms": 0]], ["/timeouts/total_ms"]),
                (["name": "a", "kind": "openai", "timeouts": ["never": 1]], ["/timeouts/never"]),
                (["name": "openai", "kind": "openai"], ["/name"]),
            ]
            for (body, pointers) in cases {
                let reply = try await server.send(.post, base, token: world.admin, body: body)
                #expect([400, 409].contains(reply.status), "\(body.text)")
                #expect(reply.pointers == pointers, "\(body.text)")
                #expect(!reply.text.contains("blanks inside"))
            }
        }
    }

    @Test("models belong to a provider of the same owner; prices hold from now or later")
    func models() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/models"
            let foreign = try await server.send(
                .post, base, token: world.admin,
                body: ["provider": .string(world.other.provider), "name": "m"])
            #expect(foreign.pointers == ["/provider"])
            let listed = try await server.send(.get, base, token: world.admin)
            let ids = Set(listed.json["data"]?.array?.compactMap { $0["id"]?.string } ?? [])
            #expect(ids == [world.acme.model, world.shared.model], "its own and the shared ones")
            #expect(
                try await server.send(.get, "\(base)/\(world.shared.model)", token: world.admin).status == 200
            )
            #expect(
                try await server.send(.get, "\(base)/\(world.other.model)", token: world.admin).status == 404)

            let prices = "\(base)/\(world.acme.model)/prices"
            let later = server.clock.now.advanced(bySeconds: 3600).description
            let price = try await server.send(
                .post, prices, token: world.admin,
                body: [
                    "input": "2.50", "cached_input": "1.25", "output": "10", "effective_from": .string(later),
                ])
            #expect(price.string("cached_input") == "1.25")
            #expect(price.string("cache_write") == "2.50")
            #expect(price.string("reasoning") == "10.00")
            #expect(price.string("effective_from") == later)
            let past = try await server.send(
                .post, prices, token: world.admin,
                body: ["input": "1", "output": "1", "effective_from": "2020-01-01T00:00:00Z"])
            #expect(past.pointers == ["/effective_from"])
            let wrong = try await server.send(
                .post, prices, token: world.admin, body: ["input": "1e3", "output": "-1"])
            #expect(wrong.pointers == ["/input", "/output"])
            let list = try await server.send(.get, prices, token: world.admin)
            #expect(list.json["data"]?.array?.count == 2)
            // A shared model's price is the platform's to set.
            let shared = try await server.send(
                .post, "\(base)/\(world.shared.model)/prices", token: world.admin,
                body: ["input": "1", "output": "1"])
            #expect(shared.status == 404)
        }
    }

    @Test(
        "a price that has begun is ended, not deleted; one to come is deleted; a model goes with its prices")
    func endedPrices() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let model = try await world.make(
                "\(base)/models", ["provider": .string(world.acme.provider), "name": "spare"])
            let price = try await world.make(
                "\(base)/models/\(model)/prices",
                [
                    "input": "1.25", "output": "10", "batch": ["input": "0.625", "output": "5"],
                    "tiers": [["above": 200_000, "input": "2.50", "output": "15", "cached_input": "0.25"]],
                ])
            let got = try await server.send(.get, "\(base)/prices/\(price)", token: world.admin)
            #expect(
                got.json["tiers"]?[0]?["cached_input"]?.string == "0.25"
                    && got.string("batch", "output") == "5.00")
            #expect(got.json["effective_until"]?.isNull == true)
            let falling = try await server.send(
                .post, "\(base)/models/\(model)/prices", token: world.admin,
                body: [
                    "input": "1", "output": "1",
                    "tiers": [
                        ["above": 2, "input": "1", "output": "1"], ["above": 1, "input": "1", "output": "1"],
                    ],
                ])
            #expect(falling.pointers == ["/tiers"])
            let kept = try await server.send(.delete, "\(base)/prices/\(price)", token: world.admin)
            #expect(kept.code == "in_use")
            let later = server.clock.now.advanced(bySeconds: 3600).description
            let ended = try await server.send(
                .post, "\(base)/prices/\(price)/end", token: world.admin,
                body: ["effective_until": .string(later)])
            #expect(ended.status == 200 && ended.string("effective_until") == later)
            let past = try await server.send(
                .post, "\(base)/prices/\(price)/end", token: world.admin,
                body: ["effective_until": "2020-01-01T00:00:00Z"])
            #expect(past.pointers == ["/effective_until"])
            let future = try await world.make(
                "\(base)/models/\(model)/prices",
                ["input": "1", "output": "1", "effective_from": .string(later)])
            #expect(
                try await server.send(.delete, "\(base)/prices/\(future)", token: world.admin).status == 200)
            #expect(
                try await server.send(.delete, "\(base)/models/\(model)", token: world.admin).status == 200)
            let left = try await server.send(.get, "\(base)/prices/\(price)", token: world.admin)
            #expect(left.status == 200 && left.string("effective_until") != later, "ended with its model")
            let again = try await server.send(
                .post, "\(base)/prices/\(price)/end", token: world.admin, body: [:])
            #expect(again.code == "conflict")
        }
    }

    @Test("a provider's calls go through a proxy when it has one")
    func egressProxy() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/providers"
            let path = "\(base)/\(world.acme.provider)"
            let set = try await server.send(
                .patch, path, token: world.admin, body: ["egress_proxy": "http://proxy.example.com:3128"])
            #expect(set.string("egress_proxy") == "http://proxy.example.com:3128")
            #expect(try await server.send(.get, path, token: world.admin).json == set.json)
            for wrong in [
                "https://proxy:3128", "proxy:3128", "http://proxy", "http://u:p@proxy:3128",
                "http://proxy:3128/x", "http://proxy:3128/",
            ] {
                let refused = try await server.send(
                    .patch, path, token: world.admin, body: ["egress_proxy": .string(wrong)])
                #expect(refused.pointers == ["/egress_proxy"], "\(wrong)")
            }
            let cleared = try await server.send(
                .patch, path, token: world.admin, body: ["egress_proxy": .null])
            #expect(cleared.json["egress_proxy"]?.isNull == true)
        }
    }

    @Test("routes lead into routes, keep all they are told, and never go in circles")
    func nestedRoutes() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/routes"
            let body: JSONValue = [
                "name": "outer", "strategy": "affinity", "affinity": "prompt_prefix",
                "retries": ["attempts": 4], "timeouts": ["first_token_ms": 900], "cache": ["seconds": 30],
                "targets": [
                    ["route": .string(world.acme.route), "weight": 3],
                    [
                        "model": .string(world.acme.model), "use": "context_window",
                        "conditions": [
                            "tags": ["gold"], "maximum_input": 9, "needs": ["tools"],
                            "hours": ["days": ["sunday", "monday"], "from": "22:00", "until": "06:30"],
                        ], "parameters": ["temperature": 1, "seed": .null],
                    ],
                ],
            ]
            let outer = try await server.send(.post, base, token: world.admin, body: body)
            #expect(outer.status == 201, "\(outer.text)")
            #expect(outer.json["targets"]?[0]?["route"]?.string == world.acme.route)
            let hours = outer.json["targets"]?[1]?["conditions"]?["hours"]
            #expect(hours == ["days": ["monday", "sunday"], "from": "22:00", "until": "06:30"])
            #expect(outer.json["targets"]?[1]?["parameters"] == ["temperature": 1, "seed": .null])
            #expect(outer.json["retries"]?["attempts"]?.exactInt64 == 4)
            #expect(outer.json["cache"] == ["seconds": 30, "maximum_bytes": 65_536])
            let path = "\(base)/\(outer.string("id"))"
            #expect(try await server.send(.get, path, token: world.admin).json == outer.json)

            let circle = try await server.send(
                .patch, "\(base)/\(world.acme.route)", token: world.admin,
                body: ["targets": [["route": .string(outer.string("id"))]]])
            #expect(circle.pointers == ["/targets"] && circle.text.contains("chat → outer → chat"))
            let used = try await server.send(
                .delete, "\(base)/\(world.acme.route)", token: world.admin)
            #expect(used.code == "in_use")
            let both = try await server.send(
                .post, base, token: world.admin,
                body: [
                    "name": "x",
                    "targets": [
                        ["route": .string(world.acme.route), "model": .string(world.acme.model)], [:],
                        ["model": .string(world.acme.model), "parameters": ["model": "x"]],
                        ["model": .string(world.acme.model), "conditions": ["hours": ["days": []]]],
                    ],
                ])
            #expect(
                both.pointers == [
                    "/targets/0/route", "/targets/1/model", "/targets/3/conditions/hours/days",
                    "/targets/3/conditions/hours/from", "/targets/3/conditions/hours/until",
                ])
            #expect(try await server.send(.delete, path, token: world.admin).status == 200)
        }
    }

    @Test("routes name models of their tenant or shared ones, each once")
    func routes() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/routes"
            let foreign = try await server.send(
                .post, base, token: world.admin,
                body: ["name": "x", "targets": [["model": .string(world.other.model)]]])
            #expect(foreign.pointers == ["/targets/0/model"])
            let strangers = try await server.send(
                .post, base, token: world.admin,
                body: [
                    "name": "x",
                    "targets": [
                        ["model": .string(world.acme.model)],
                        ["model": .string(ModelID(at: server.clock.now).description)],
                        ["route": .string(RouteID(at: server.clock.now).description)],
                    ],
                ])
            #expect(strangers.pointers == ["/targets/1/model", "/targets/2/route"], "\(strangers.text)")
            let patched = try await server.send(
                .patch, "\(base)/\(world.acme.route)", token: world.admin,
                body: ["targets": [["model": .string(world.other.model)]]])
            #expect(patched.pointers == ["/targets/0/model"])
            let twice = try await server.send(
                .post, base, token: world.admin,
                body: [
                    "name": "x",
                    "targets": [["model": .string(world.acme.model)], ["model": .string(world.acme.model)]],
                ])
            #expect(twice.pointers == ["/targets/1/model"])
            let none = try await server.send(
                .post, base, token: world.admin, body: ["name": "x", "targets": []])
            #expect(none.pointers == ["/targets"])
            let path = "\(base)/\(world.acme.route)"
            let changed = try await server.send(
                .patch, path, token: world.admin,
                body: [
                    "targets": [
                        ["model": .string(world.shared.model), "weight": 7, "priority": 1],
                        ["model": .string(world.acme.model)],
                    ]
                ])
            #expect(changed.status == 200)
            #expect(changed.json["targets"]?[0]?["weight"]?.exactInt64 == 7)
            #expect(changed.json["targets"]?[1]?["weight"]?.exactInt64 == 100)
            #expect(try await server.send(.get, path, token: world.admin).json == changed.json)
            let taken = try await server.send(
                .post, base, token: world.admin,
                body: ["name": "chat", "targets": [["model": .string(world.acme.model)]]])
            #expect(taken.code == "conflict")
        }
    }

    @Test("a key's text is shown once, and only its hash is kept")
    func keys() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/keys"
            let issued = try await server.send(
                .post, base, token: world.admin,
                body: [
                    "workspace": .string(world.acme.workspace), "name": "app", "endpoints": ["chat"],
                    "routes": [.string(world.acme.route)],
                ])
            let secret = issued.string("secret")
            let text = try #require(KeyText(secret))
            #expect(issued.string("key", "prefix") == "ek_\(text.publicID)")
            #expect(issued.string("key", "standing") == "active")
            let path = "\(base)/\(issued.string("key", "id"))"
            let got = try await server.send(.get, path, token: world.admin)
            #expect(got.json == issued.json["key"])
            #expect(!got.text.contains(secret))
            #expect(got.json["endpoints"]?[0]?.string == "chat")
            let hidden = try await server.send(
                .get, "/api/v1/tenants/\(world.other.tenant)/keys/\(issued.string("key", "id"))",
                token: world.admin)
            #expect(hidden.status == 404)
        }
    }

    @Test("what is wrong with a key is said at its place")
    func keyProblems() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/keys"
            let workspace = JSONValue.string(world.acme.workspace)
            let cases: [(JSONValue, [String])] = [
                (["workspace": .string(world.other.workspace), "name": "x"], ["/workspace"]),
                (
                    ["workspace": workspace, "name": "x", "expires_at": "2020-01-01T00:00:00Z"],
                    ["/expires_at"]
                ),
                (
                    [
                        "workspace": workspace, "name": "x", "not_before": "2030-01-02T00:00:00Z",
                        "expires_at": "2030-01-01T00:00:00Z",
                    ], ["/expires_at"]
                ),
                (
                    ["workspace": workspace, "name": "x", "routes": [.string(world.other.route)]],
                    ["/routes/0"]
                ),
                (["workspace": workspace, "name": " x", "endpoints": ["tea"]], ["/name", "/endpoints/0"]),
                (["workspace": "ws_1", "expires_at": "yesterday"], ["/workspace", "/name", "/expires_at"]),
            ]
            for (body, pointers) in cases {
                let reply = try await server.send(.post, base, token: world.admin, body: body)
                #expect(reply.status == 400, "\(body.text)")
                #expect(reply.pointers == pointers, "\(body.text)")
            }
        }
    }

    @Test("a revoked key stays revoked, and its answer says where to see the nodes follow")
    func revoke() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys/\(world.acme.key)"
            let before = server.changes
            let revoked = try await server.send(.post, "\(path)/revoke", token: world.admin)
            #expect(revoked.status == 200)
            #expect(revoked.string("key", "standing") == "revoked")
            #expect(revoked.string("propagation") == "/api/v1/changes/\(revoked.change ?? "")")
            #expect(server.changes == before + 1, "the publisher was woken")
            let again = try await server.send(.post, "\(path)/revoke", token: world.admin)
            #expect(again.status == 409)
            #expect(again.code == "already_revoked")
            let change = try await server.send(.get, revoked.string("propagation"), token: world.admin)
            #expect(change.json["version"] == .null, "nothing was published")
            #expect(change.json["complete"]?.boolean == false)
            let strange = try await server.send(.get, "/api/v1/changes/change_zz", token: world.admin)
            #expect(strange.status == 404)
        }
    }

    @Test("a developer of one workspace sees and issues keys there and nowhere else")
    func workspaceScope() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let second = try await world.make("\(base)/workspaces", ["slug": "second", "name": "Second"])
            let workspace = try #require(WorkspaceID(second))
            let token = try await world.token(.developer, .workspace(tenant, workspace))
            let mine = try await server.send(
                .post, "\(base)/keys", token: token, body: ["workspace": .string(second), "name": "mine"])
            #expect(mine.status == 201)
            let theirs = try await server.send(
                .post, "\(base)/keys", token: token,
                body: ["workspace": .string(world.acme.workspace), "name": "x"])
            #expect(theirs.status == 403)
            let key = mine.string("key", "id")
            #expect(try await server.send(.get, "\(base)/keys/\(key)", token: token).status == 200)
            #expect(try await server.send(.get, "\(base)/keys/\(world.acme.key)", token: token).status == 404)
            #expect(
                try await server.send(.post, "\(base)/keys/\(world.acme.key)/revoke", token: token).status
                    == 404)
            #expect(try await server.send(.get, "\(base)/keys", token: token).status == 403)
            let listed = try await server.send(.get, "\(base)/keys?workspace=\(second)", token: token)
            #expect(listed.json["data"]?.array?.count == 1)
            #expect(try await server.send(.get, "\(base)/workspaces/\(second)", token: token).status == 200)
            #expect(
                try await server.send(.get, "\(base)/workspaces/\(world.acme.workspace)", token: token).status
                    == 404)
            #expect(try await server.send(.post, "\(base)/keys/\(key)/revoke", token: token).status == 200)
        }
    }

    @Test("nobody gives a role with permissions they lack")
    func grants() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            func create(_ bindings: JSONValue, _ token: String) async throws -> Reply {
                try await server.send(
                    .post, "/api/v1/users", token: token,
                    body: [
                        "email": .string("\(world.fresh("new"))@example.com"), "name": "N",
                        "password": "a long enough password", "bindings": bindings,
                    ])
            }
            let tenant = JSONValue.string(world.acme.tenant)
            let made = try await create([["role": "tenant-owner", "tenant": tenant]], world.admin)
            #expect(made.status == 201)
            #expect(made.json["bindings"]?[0]?["tenant"] == tenant)
            let got = try await server.send(
                .get, "/api/v1/users/\(made.string("user", "id"))", token: world.admin)
            #expect(got.json == made.json)
            let cases: [(JSONValue, String)] = [
                ([["role": "platform-admin", "tenant": tenant]], "/bindings/0/role"),
                ([["role": "viewer", "workspace": .string(world.acme.workspace)]], "/bindings/0/tenant"),
                ([["role": "emperor"]], "/bindings/0/role"),
                (
                    [["role": "viewer", "tenant": .string(TenantID(at: server.clock.now).description)]],
                    "/bindings/0/tenant"
                ),
                (
                    [["role": "viewer", "tenant": tenant, "workspace": .string(world.other.workspace)]],
                    "/bindings"
                ),
            ]
            for (bindings, pointer) in cases {
                let reply = try await create(bindings, world.admin)
                #expect(reply.status == 400, "\(bindings.text)")
                #expect(reply.pointers == [pointer], "\(bindings.text)")
            }
            let taken = try await server.send(
                .post, "/api/v1/users", token: world.admin,
                body: [
                    "email": .string(AdminServer.adminEmail.uppercased()), "name": "N",
                    "password": "a long enough password",
                ])
            #expect(taken.pointers == ["/email"])
        }
    }
}

import API
import Contract
import Domain
import HTTPWire
import JSONText
import PostgresDriver
import Store
import TestSupport
import Testing

/// Limits and budgets over the admin API.
@Suite("Limits and budgets")
struct BudgetTests {
    private static func limit(_ name: String, _ more: JSONValue = [:]) -> JSONValue {
        var object = JSONObject()
        object["name"] = .string(name)
        object["metric"] = "cost"
        object["amount"] = "100.00"
        object["period"] = "month"
        for member in more.object?.members ?? [] { object[member.name] = member.value }
        return .object(object)
    }

    @Test("a budget is made, read, listed by what it is, changed, raised for a while and deleted")
    func lifeCycle() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/limits"
            let made = try await server.send(
                .post, base, token: world.admin,
                body: Self.limit(
                    "monthly",
                    [
                        "subject": ["key": .string(world.acme.key)], "time_zone": "Europe/Lisbon",
                        "match": ["routes": [.string(world.acme.route)], "tags": ["batch"]],
                        "thresholds": [50, 90],
                    ]))
            #expect(made.status == 201, "\(made.text)")
            #expect(made.string("kind") == "budget")
            #expect(made.json["subject"]?["key"]?.string == world.acme.key)
            let rate = try await server.send(
                .post, base, token: world.admin,
                body: ["name": "calls", "metric": "requests", "amount": "600", "period": "minute"])
            #expect(rate.string("kind") == "rate" && rate.string("time_zone") == "UTC")
            // One name may stand once for each subject.
            let again = try await server.send(.post, base, token: world.admin, body: Self.limit("monthly"))
            #expect(again.status == 201)
            let taken = try await server.send(.post, base, token: world.admin, body: Self.limit("monthly"))
            #expect(taken.status == 409)
            for (query, count) in [
                ("", 3), ("?kind=budget", 2), ("?kind=rate", 1), ("?subject=key", 1), ("?subject=tenant", 2),
                ("?key=\(world.acme.key)", 1), ("?metric=requests", 1), ("?mode=shadow", 0),
            ] {
                let listed = try await server.send(.get, base + query, token: world.admin)
                #expect(listed.json["data"]?.array?.count == count, "\(query): \(listed.text)")
            }
            let path = "\(base)/\(made.string("id"))"
            let expires = server.clock.now.advanced(bySeconds: 300)
            let raised = try await server.send(
                .patch, path, token: world.admin,
                body: [
                    "amount": "250.5", "mode": "shadow",
                    "increase": ["amount": "49.5", "expires_at": .string(expires.description)],
                ])
            #expect(raised.string("amount") == "250.50" && raised.string("amount_now") == "300.00")
            server.clock.advance(seconds: 301)
            let after = try await server.send(.get, path, token: world.admin)
            #expect(after.string("amount_now") == "250.50")
            let ended = try await server.send(.patch, path, token: world.admin, body: ["increase": .null])
            #expect(ended.json["increase"]?.isNull == true)
            #expect(try await server.send(.delete, path, token: world.admin).status == 200)
            #expect(try await server.send(.get, path, token: world.admin).status == 404)
        }
    }

    @Test("what cannot be is refused at its place")
    func refused() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/limits"
            let foreignKey = JSONValue.string(world.other.key)
            let cases: [(JSONValue, String)] = [
                (["amount": "0"], "/amount"), (["amount": "-1"], "/amount"), (["amount": "1e3"], "/amount"),
                (["amount": "0.0000000001"], "/amount"), (["amount": 5], "/amount"),
                (["metric": "requests", "amount": "1.5"], "/amount"), (["metric": "money"], "/metric"),
                (["period": "open"], "/period"), (["metric": "concurrency", "amount": "5"], "/period"),
                (["period": "hour", "mode": "soft"], "/mode"),
                (["period": "hour", "thresholds": [50]], "/thresholds"),
                (["thresholds": [90, 50]], "/thresholds"), (["thresholds": [0]], "/thresholds/0"),
                (["time_zone": "Europe/Atlantis"], "/time_zone"), (["partition_by": "tag"], "/match/tags"),
                (["match": ["tags": ["a", "a"]]], "/match/tags/1"),
                (["match": ["routes": [.string(world.other.route)]]], "/match/routes/0"),
                (
                    ["match": ["models": [.string(world.shared.model), .string(world.other.model)]]],
                    "/match/models/1"
                ),
                (["subject": ["key": foreignKey]], "/subject/key"),
                (["subject": ["workspace": .string(world.other.workspace)]], "/subject/workspace"),
                (
                    ["subject": ["group": .string(GroupID(at: server.clock.now).description)]],
                    "/subject/group"
                ),
                (["subject": ["user": .string(UserID(at: server.clock.now).description)]], "/subject/user"),
                (
                    [
                        "subject": [
                            "key": .string(world.acme.key), "workspace": .string(world.acme.workspace),
                        ]
                    ],
                    "/subject"
                ),
                (["surprise": true], "/surprise"),
            ]
            for (more, pointer) in cases {
                let reply = try await server.send(
                    .post, base, token: world.admin, body: Self.limit("limit", more))
                #expect(reply.status == 400, "\(pointer): \(reply.text)")
                #expect(reply.json["errors"]?.array?.first?["pointer"]?.string == pointer, "\(reply.text)")
            }
            let listed = try await server.send(.get, base, token: world.admin)
            #expect(listed.json["data"]?.array?.isEmpty == true)
        }
    }

    @Test("a key has at most twenty limits of its own")
    func many() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/limits"
            for number in 0...Limit.maximumOfKey {
                let reply = try await server.send(
                    .post, base, token: world.admin,
                    body: Self.limit("limit \(number)", ["subject": ["key": .string(world.acme.key)]]))
                #expect(reply.status == (number < Limit.maximumOfKey ? 201 : 409), "\(reply.text)")
            }
        }
    }

    /// Lends of a limit as if nodes had asked.
    static func lend(
        _ limit: LimitID, of tenant: TenantID, part: LimitPart = .whole,
        _ grants: [(number: UInt64, node: NodeID, lent: Int64, used: Int64)], on server: AdminServer
    ) async throws {
        let now = server.clock.now
        try await server.database.pool.withTransaction { connection in
            let account = GrantAccount(tenant: tenant, limit: limit, part: part)
            let asked = [(account: account, grant: GrantID(high: 0, low: 0), within: nil as Timestamp?)]
            let found = try await GrantStore.resolve(asked, at: now, connection)
            let subject = try #require(found.first ?? nil)
            _ = try await GrantStore.lock([subject], connection)
            var changes = GrantStore.Changes()
            for (number, node, lent, used) in grants {
                var grant = GrantStore.Stored(
                    id: GrantID(high: part.low, low: number), node: node, seenAt: now)
                (grant.lent, grant.reported, grant.serial) = (lent, used, 1)
                changes.saves.append((subject.account, grant))
            }
            changes.alerts = [
                GrantStore.Alert(
                    id: LimitAlertID(at: now), account: subject.account, threshold: 50, used: 1, amount: 2,
                    crossedAt: now)
            ]
            try await GrantStore.write(changes, connection)
        }
    }

    @Test("its state says what is used, reserved and left, and where; what a dead node has can be given up")
    func state() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let base = "/api/v1/tenants/\(tenant)/limits"
            let made = try await server.send(
                .post, base, token: world.admin, body: Self.limit("monthly", ["thresholds": [50]]))
            let id = try #require(LimitID(made.string("id")))
            let empty = try await server.send(.get, "\(base)/\(id)/state", token: world.admin)
            #expect(empty.string("remaining") == "100.00" && empty.json["grants"]?.array?.isEmpty == true)
            #expect(empty.string("window_starts_at") == "2026-03-01T00:00:00Z")
            #expect(empty.string("resets_at") == "2026-04-01T00:00:00Z")
            let one = try #require(NodeID(try await world.node()))
            let two = try #require(NodeID(try await world.node()))
            let dollar: Int64 = 1_000_000_000
            try await Self.lend(
                id, of: tenant, [(1, one, 30 * dollar, 10 * dollar), (2, two, 20 * dollar, 20 * dollar)],
                on: server)
            let state = try await server.send(.get, "\(base)/\(id)/state", token: world.admin)
            #expect(state.string("used") == "30.00" && state.string("reserved") == "20.00")
            #expect(state.string("remaining") == "70.00")
            #expect(
                state.json["grants"]?.array?.map { $0["node"]?.string } == [one.description, two.description])
            let given = try await server.send(
                .post, "\(base)/\(id)/write-off", token: world.admin,
                body: ["node": .string(one.description)])
            #expect(given.status == 200, "\(given.text)")
            let after = try await server.send(.get, "\(base)/\(id)/state", token: world.admin)
            #expect(after.string("used") == "30.00" && after.string("reserved") == "0.00")
            let alerts = try await server.send(
                .get, "/api/v1/tenants/\(tenant)/limit-alerts?of=\(id)", token: world.admin)
            #expect(alerts.json["data"]?.array?.first?["threshold"]?.exactInt64 == 50)
            #expect(
                try await server.send(.get, "\(base)/\(id)/state?part=x", token: world.admin).status == 400)
        }
    }

    @Test("its history says what was used in each window, the newest first, of all parts together")
    func history() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let base = "/api/v1/tenants/\(tenant)/limits"
            let made = try await server.send(
                .post, base, token: world.admin, body: Self.limit("monthly", ["partition_by": "key"]))
            let id = try #require(LimitID(made.string("id")))
            let empty = try await server.send(.get, "\(base)/\(id)/history", token: world.admin)
            #expect(empty.json["windows"]?.array?.isEmpty == true && empty.string("limit") == "\(id)")
            let node = try #require(NodeID(try await world.node()))
            let parts = [LimitPart(try #require(KeyID(world.acme.key))), LimitPart(KeyID(high: 1, low: 1))]
            for (month, used) in [(0, Int64(5)), (1, 7)] {
                for (index, part) in parts.enumerated() {
                    let grant = UInt64(100 + month * 10 + index)
                    try await Self.lend(id, of: tenant, part: part, [(grant, node, 9, used)], on: server)
                }
                server.clock.advance(seconds: 31 * 86_400)
            }
            let viewer = try await world.token(.viewer, .tenant(tenant))
            let history = try await server.send(.get, "\(base)/\(id)/history", token: viewer)
            let windows = try #require(history.json["windows"]?.array, "\(history.text)")
            let (march, april, may) = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z")
            #expect(windows.map { $0["starts_at"]?.string } == [april, march])
            #expect(windows.map { $0["ends_at"]?.string } == [may, april])
            #expect(windows.map { $0["used"]?.string } == ["0.000000014", "0.00000001"])
        }
    }

    @Test("a budget for a lifetime begins nowhere: not in its state, its history or its alerts")
    func lifetime() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let base = "/api/v1/tenants/\(tenant)/limits"
            let made = try await server.send(
                .post, base, token: world.admin, body: Self.limit("once", ["period": "lifetime"]))
            let id = try #require(LimitID(made.string("id")))
            let node = try #require(NodeID(try await world.node()))
            try await Self.lend(id, of: tenant, [(1, node, 9, 5)], on: server)
            let state = try await server.send(.get, "\(base)/\(id)/state", token: world.admin)
            #expect(state.json["window_starts_at"] == .null && state.string("used") == "0.000000005")
            let history = try await server.send(.get, "\(base)/\(id)/history", token: world.admin)
            #expect(history.json["windows"]?[0]?["starts_at"] == .null, "\(history.text)")
            let alerts = try await server.send(
                .get, "/api/v1/tenants/\(tenant)/limit-alerts?of=\(id)", token: world.admin)
            #expect(alerts.json["data"]?[0]?["window_starts_at"] == .null, "\(alerts.text)")
        }
    }

    @Test("a partitioned budget lists its parts by name")
    func parts() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let base = "/api/v1/tenants/\(tenant)/limits"
            let node = try #require(NodeID(try await world.node()))
            let key = try #require(KeyID(world.acme.key))
            let byKey = try await server.send(
                .post, base, token: world.admin, body: Self.limit("by key", ["partition_by": "key"]))
            let byTag = try await server.send(
                .post, base, token: world.admin,
                body: Self.limit("by tag", ["partition_by": "tag", "match": ["tags": ["red", "blue"]]]))
            let byUser = try await server.send(
                .post, base, token: world.admin, body: Self.limit("by user", ["partition_by": "user"]))
            for (made, part, name) in [
                (byKey, LimitPart(key), key.description), (byTag, LimitPart(tag: "blue"), "blue"),
                (byUser, .whole, "nobody"),
            ] {
                let id = try #require(LimitID(made.string("id")))
                try await Self.lend(id, of: tenant, part: part, [(id.low, node, 5, 4)], on: server)
                let parts = try await server.send(.get, "\(base)/\(id)/parts", token: world.admin)
                let listed = try #require(parts.json["data"]?.array)
                #expect(listed.map { $0["part"]?.string } == [name], "\(parts.text)")
                #expect(listed.first?["used"]?.string == "0.000000004")
                let state = try await server.send(
                    .get, "\(base)/\(id)/state?part=\(name)", token: world.admin)
                #expect(state.string("used") == "0.000000004", "\(state.text)")
                #expect(try await server.send(.get, "\(base)/\(id)/state", token: world.admin).status == 400)
            }
        }
    }
}

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

@Suite("Usage")
struct UsageTests {
    @Test("a report sums calls, tokens and cost, by what it is grouped by, with a total")
    func report() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 3, costNanos: 1_500_000, cached: 4)
            let path = "/api/v1/tenants/\(world.acme.tenant)/usage"
            let sum = try await server.send(.get, path, token: world.tokens["billing-manager"])
            #expect(sum.json["total"]?["calls"]?.exactInt64 == 3)
            #expect(sum.json["total"]?["input_tokens"]?.exactInt64 == 30)
            #expect(sum.json["total"]?["cached_input_tokens"]?.exactInt64 == 12)
            #expect(sum.json["total"]?["output_tokens"]?.exactInt64 == 60)
            #expect(sum.string("total", "cost") == "0.0045")
            #expect(sum.string("currency") == "USD")
            #expect(sum.json["total"]?["average_latency_ms"]?.exactInt64 == 2)
            let grouped = try await server.send(
                .get, "\(path)?group_by=key,model&step=hour", token: world.admin)
            let line = try #require(grouped.json["data"]?[0])
            #expect(line["key"]?.string == world.acme.key)
            #expect(line["model"]?.string == world.acme.model)
            #expect(line["route"] == .null)
            #expect(line["starts_at"]?.string == "2026-03-09T12:00:00Z")
            #expect(line["calls"]?.exactInt64 == 3)
            let none = try await server.send(.get, "\(path)?key=\(world.other.key)", token: world.admin)
            #expect(none.json["data"]?.array?.isEmpty == true)
            #expect(none.json["total"]?["calls"]?.exactInt64 == 0)
            let foreign = try await server.send(
                .get, "/api/v1/tenants/\(world.other.tenant)/usage", token: world.admin)
            #expect(foreign.json["total"]?["calls"]?.exactInt64 == 0)
        }
    }

    @Test("the key shows when it was last used")
    func lastUse() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 1, costNanos: 1)
            let key = try await server.send(
                .get, "/api/v1/tenants/\(world.acme.tenant)/keys/\(world.acme.key)", token: world.admin)
            #expect(key.string("last_used_at") == "2026-03-09T12:00:00Z")
        }
    }

    @Test("a period that makes no sense is refused by name")
    func periods() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/usage"
            let cases = [
                ("?from=2026-03-09T00:00:00Z&to=2026-03-09T00:00:00Z", "from"),
                ("?from=2020-01-01T00:00:00Z&to=2026-03-09T00:00:00Z", "from"),
                ("?from=2026-01-01T00:00:00Z&to=2026-03-09T00:00:00Z&step=minute", "step"),
                ("?group_by=tenant", "group_by/0"), ("?group_by=key,", "group_by/1"), ("?step=year", "step"),
                ("?from=yesterday", "from"), ("?limit=100000", "limit"), ("?key=key_1", "key"),
            ]
            for (query, pointer) in cases {
                let reply = try await server.send(.get, path + query, token: world.admin)
                #expect(reply.status == 400, "\(query)")
                #expect(reply.pointers == [pointer], "\(query)")
            }
        }
    }

    @Test("who may read one workspace's usage can, when asking for that one")
    func ofWorkspace() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 1, costNanos: 1)
            let tenant = try #require(TenantID(world.acme.tenant))
            let workspace = try #require(WorkspaceID(world.acme.workspace))
            let token = try await world.token(.viewer, .workspace(tenant, workspace))
            let path = "/api/v1/tenants/\(world.acme.tenant)/usage"
            #expect(try await server.send(.get, path, token: token).status == 403)
            let own = try await server.send(.get, "\(path)?workspace=\(workspace)", token: token)
            #expect(own.json["total"]?["calls"]?.exactInt64 == 1)
        }
    }

    @Test("a report with more lines than its limit says so, and its total is whole")
    func truncated() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 2, costNanos: 5)
            let second = try await world.key(world.acme)
            try await world.ingest(calls: 1, costNanos: 7, key: second, sequence: 2)
            let report = try await server.send(
                .get, "/api/v1/tenants/\(world.acme.tenant)/usage?group_by=key&limit=1", token: world.admin)
            #expect(report.json["truncated"]?.boolean == true)
            #expect(report.json["data"]?.array?.count == 1)
            #expect(report.json["data"]?[0]?["key"]?.string == world.acme.key, "the dearest first")
            #expect(report.json["total"]?["calls"]?.exactInt64 == 3)
        }
    }
}

extension World {
    private static let node = NodeID(high: 1, low: 1)

    /// What a node would upload: calls of ten tokens in and twenty out, each of 2 ms.
    func ingest(
        calls: Int, costNanos: Int64, cached: Int64 = 0, key: String? = nil, sequence: Int64 = 1,
        latencyMilliseconds: UInt32 = 2, status: UInt16 = 200, errorCode: String? = nil
    ) async throws {
        let now = server.clock.now
        let event = UsageEvent(
            id: UsageEventID(at: now), tenant: try #require(TenantID(acme.tenant)),
            workspace: try #require(WorkspaceID(acme.workspace)), key: try #require(KeyID(key ?? acme.key)),
            route: try #require(RouteID(acme.route)), provider: try #require(ProviderID(acme.provider)),
            model: try #require(ModelID(acme.model)), price: nil, endpoint: .chat, startedAt: now,
            latencyMicroseconds: latencyMilliseconds * 1000, firstByteMicroseconds: 1_000,
            usage: TokenUsage(input: 10, cachedInput: cached, output: 20), cost: NanoUSD(nanos: costNanos),
            costState: .settled, status: status, isStream: false, ending: .completed, errorCode: errorCode)
        let events = (0..<calls).map { _ in
            var one = event
            one.id = UsageEventID(at: now)
            return one
        }
        let sealed = try SealedUsageBatch(
            node: Self.node, outboxEpoch: 1, sequence: sequence, events: events)
        let answer = try await UsageStore.ingest(
            try sealed.opened(), digest: try #require(sealed.digest), at: now, server.database.pool)
        guard case .acknowledged = answer else {
            Issue.record("the batch was not taken: \(answer)")
            return
        }
    }
}

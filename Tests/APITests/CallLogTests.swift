import API
import Domain
import HTTPWire
import JSONText
import PostgresDriver
import TestSupport
import Testing

@Suite("The log of calls")
struct CallLogTests {
    @Test("it lists a tenant's calls, the newest first, page by page, each once")
    func pages() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 7, costNanos: 1_500_000, cached: 4)
            let path = "/api/v1/tenants/\(world.acme.tenant)/usage-events"
            var seen: [String] = []
            var cursor = ""
            repeat {
                let page = try await server.send(
                    .get, "\(path)?limit=3\(cursor)", token: world.tokens["billing-manager"])
                #expect(page.status == 200)
                seen += page.json["data"]?.array?.compactMap { $0["id"]?.string } ?? []
                cursor = page.json["next_cursor"]?.string.map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(seen.count == 7 && Set(seen).count == 7)
            let first = try await server.send(.get, "\(path)?limit=1", token: world.admin)
            let call = try #require(first.json["data"]?[0])
            #expect(call["key"]?.string == world.acme.key)
            #expect(call["model"]?.string == world.acme.model)
            #expect(call["cost"]?.string == "0.0015")
            #expect(call["status"]?.exactInt64 == 200)
            let foreign = try await server.send(
                .get, "/api/v1/tenants/\(world.other.tenant)/usage-events", token: world.admin)
            #expect(foreign.json["data"]?.array?.isEmpty == true)
        }
    }

    @Test("filters narrow it, and one that makes no sense is refused by name")
    func filters() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 2, costNanos: 1)
            let path = "/api/v1/tenants/\(world.acme.tenant)/usage-events"
            for (query, count) in [
                ("key=\(world.acme.key)", 2), ("key=\(world.other.key)", 0), ("failed=true", 0),
                ("failed=false", 2), ("error_code=key_revoked", 0), ("model=\(world.acme.model)", 2),
                ("from=2026-03-09T00:00:00Z&to=2026-03-10T00:00:00Z", 2), ("to=2026-03-09T00:00:00Z", 0),
                ("workspace=\(world.acme.workspace)", 2),
            ] {
                let reply = try await server.send(.get, "\(path)?\(query)", token: world.admin)
                #expect(reply.json["data"]?.array?.count == count, "\(query)")
            }
            for (query, pointer) in [
                ("from=2026-03-09T00:00:00Z&to=2026-03-09T00:00:00Z", "from"), ("failed=maybe", "failed"),
                ("cursor=AAAAAAAAAAAAAAAAAAAAAA", "cursor"), ("cursor=x", "cursor"),
            ] {
                let reply = try await server.send(.get, "\(path)?\(query)", token: world.admin)
                #expect(reply.status == 400 && reply.pointers == [pointer], "\(query)")
            }
        }
    }

    @Test("it is exported as rows, whole; a report too")
    func exports() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 1200, costNanos: 1_000)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let rows = try await server.send(.get, "\(path)/usage-events/export", token: world.admin)
            #expect(rows.text.split(separator: "\n").count == 1200)
            let csv = try await server.send(
                .get, "\(path)/usage-events/export?format=csv", token: world.admin)
            let lines = csv.text.split(separator: "\r\n")
            #expect(lines.count == 1201 && lines[0].hasPrefix("id,started_at,workspace,key,"))
            #expect(csv.fields["content-disposition"] == "attachment; filename=\"usage-events.csv\"")
            let report = try await server.send(
                .get, "\(path)/usage/export?group_by=key", token: world.admin)
            let sums = report.text.split(separator: "\r\n")
            #expect(sums.count == 2 && sums[1].contains(world.acme.key) && sums[1].contains(",1200,"))
        }
    }

    @Test("an export that few calls belong to has them all, in order, however many others lie between")
    func rareCalls() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            try await fill(server, tenant, calls: 45_000, failingAt: [1, 20_000, 20_001, 44_999, 45_000])
            let path = "/api/v1/tenants/\(tenant)/usage-events/export"
            for (query, count) in [
                ("error_code=rare", 5), ("endpoint=none", 0),
                ("failed=false&from=2026-03-01T12:20:00Z", 599),
            ] {
                let rows = try await server.send(.get, "\(path)?\(query)", token: world.admin)
                #expect(rows.status == 200)
                let times = rows.text.split(separator: "\n").compactMap { row in
                    try? JSONValue.parse(Array(row.utf8))["started_at"]?.string
                }
                #expect(times.count == count && Set(times).count == count, "\(query)")
                #expect(times == times.sorted(by: >), "\(query)")
            }
            let csv = try await server.send(.get, "\(path)?endpoint=none&format=csv", token: world.admin)
            #expect(csv.text.hasPrefix("id,started_at,") && csv.text.split(separator: "\r\n").count == 1)
        }
    }

    @Test("an exported report is whole: one with more lines than there can be is refused, not cut")
    func longReport() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            try await server.database.pool.withConnection { connection in
                _ = try await connection.execute(
                    """
                    insert into usage_days (
                        tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id, calls,
                        failed_calls, estimated_calls, input_tokens, cached_input_tokens, cache_write_tokens,
                        output_tokens, reasoning_tokens, cost_nanos, latency_us, first_byte_us)
                    select \(tenant), '2026-03-01T00:00:00Z', gen_random_uuid(), gen_random_uuid(),
                           gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 0, 0, 0, 0, 0, 0, 0, n,
                           0, 0
                      from generate_series(1, 10001) as n
                    """)
            }
            let month = "from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z"
            for base in ["/api/v1/tenants/\(tenant)/usage/export", "/api/v1/usage/export"] {
                let refused = try await server.send(
                    .get, "\(base)?\(month)&group_by=key", token: world.admin)
                #expect(refused.status == 400 && refused.pointers == ["limit"])
                let first = try await server.send(
                    .get, "\(base)?\(month)&group_by=key&limit=5", token: world.admin)
                #expect(first.status == 200 && first.text.split(separator: "\r\n").count == 6)
                let whole = try await server.send(.get, "\(base)?\(month)", token: world.admin)
                #expect(whole.status == 200 && whole.text.contains(",10001,"))
            }
        }
    }

    /// Calls a second apart, some of which failed with the code `rare`.
    private func fill(
        _ server: AdminServer, _ tenant: TenantID, calls: Int, failingAt places: [Int]
    ) async throws {
        let none = LimitID(high: 0, low: 0)
        try await server.database.pool.withConnection { connection in
            _ = try await connection.execute(
                """
                insert into usage_events (tenant_id, id, started_at, workspace_id, key_id, route_id,
                    provider_id, model_id, node_id, endpoint, latency_us, first_byte_us, input_tokens,
                    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nanos,
                    cost_state, status_code, streamed, ending, error_code, attempts)
                select \(tenant), gen_random_uuid(), '2026-03-01T00:00:00Z'::timestamptz + n * interval '1 s',
                       \(none), \(none), \(none), \(none), \(none), \(none), 'chat', 0, 0, 0, 0, 0, 0, 0, 0,
                       'settled', case when n = any(\(places)) then 500 else 200 end, false, 'completed',
                       case when n = any(\(places)) then 'rare' end, 1
                  from generate_series(1, \(calls)) as n
                """)
        }
    }

    @Test("who runs the platform sees what each tenant cost; a tenant's owner does not")
    func platform() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 3, costNanos: 2_000_000)
            let report = try await server.send(
                .get, "/api/v1/usage?group_by=tenant&step=day", token: world.admin)
            let lines = try #require(report.json["data"]?.array)
            #expect(lines.count == 1 && lines[0]["tenant"]?.string == world.acme.tenant)
            #expect(report.string("total", "cost") == "0.006")
            let rows = try await server.send(
                .get, "/api/v1/usage/export?group_by=tenant&format=ndjson", token: world.admin)
            #expect(rows.text.contains(world.acme.tenant))
            let owner = try await server.send(.get, "/api/v1/usage", token: world.tokens["tenant-owner"])
            #expect(owner.status == 403)
        }
    }

    @Test("who may read one workspace's usage sees its calls alone")
    func ofWorkspace() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 1, costNanos: 1)
            let tenant = try #require(TenantID(world.acme.tenant))
            let workspace = try #require(WorkspaceID(world.acme.workspace))
            let token = try await world.token(.viewer, .workspace(tenant, workspace))
            let path = "/api/v1/tenants/\(tenant)/usage-events"
            #expect(try await server.send(.get, path, token: token).status == 403)
            let own = try await server.send(.get, "\(path)?workspace=\(workspace)", token: token)
            #expect(own.json["data"]?.array?.count == 1)
        }
    }
}

import API
import Domain
import HTTPWire
import JSONText
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

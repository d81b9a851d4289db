import API
import Contract
import Domain
import HTTPWire
import Ingest
import JSONText
import Operations
import PostgresDriver
import Store
import Telemetry
import TestSupport
import Testing

@Suite("What was said in calls")
struct ContentTests {
    @Test("it is read by those who may, one call at a time, and the audit log says who did")
    func reading() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            try await world.ingest(calls: 2, costNanos: 1_000)
            let base = "/api/v1/tenants/\(tenant)/usage-events"
            let before = try await server.send(.get, base, token: world.admin)
            let no = JSONValue.boolean(false), yes = JSONValue.boolean(true)
            #expect(before.json["data"]?.array?.map { $0["has_content"] } == [no, no])
            let call = try #require(before.json["data"]?[1]?["id"]?.string.flatMap { UsageEventID($0) })
            try await world.content(of: call)
            let after = try await server.send(.get, base, token: world.admin)
            #expect(after.json["data"]?.array?.map { $0["has_content"] } == [no, yes])

            let path = "\(base)/\(call)/content"
            for role in ["tenant-admin", "billing-manager", "developer", "viewer", "platform-auditor"] {
                let refused = try await server.send(.get, path, token: world.tokens[role])
                #expect(refused.status == 403, "\(role)")
                #expect(refused.string("detail").contains("contents:read"))
            }
            for _ in 0..<2 {
                let read = try await server.send(.get, path, token: world.tokens["tenant-owner"])
                #expect(read.status == 200 && read.string("call") == call.description, "\(read.text)")
                #expect(read.string("request", "text") == #"{"model":"m"}"#)
                #expect(read.json["request"]?["bytes"]?.exactInt64 == 13)
                #expect(read.json["answer"]?["truncated"] == .boolean(true))
                #expect(read.json["answer"]?["redactions"]?.exactInt64 == 2)
            }
            let events = try await server.audit(of: tenant)
            let reads = events.filter { $0.action == "contents.read" }
            #expect(reads.count == 2 && reads.allSatisfy { $0.target.id == call.description })
            #expect(!events.contains { $0.details.contains("olá") }, "what was said is not in the audit log")
            let foreign = try await server.send(
                .get, "/api/v1/tenants/\(world.other.tenant)/usage-events/\(call)/content",
                token: world.admin)
            #expect(foreign.status == 404)
        }
    }

    @Test("in the database it lies sealed: as another call's, or without the tenant's key, it does not open")
    func sealed() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let (one, two) = (try await world.content(), try await world.content())
            let rows = try await server.database.pool.withConnection { connection in
                try await connection.query("select sealed from call_contents").map { try $0.bytes(0) }
            }
            #expect(rows.count == 2)
            #expect(rows.allSatisfy { !String(decoding: $0, as: UTF8.self).contains("model") })
            let base = "/api/v1/tenants/\(tenant)/usage-events"
            try await server.database.pool.withConnection { connection in
                _ = try await connection.execute(
                    "update call_contents set sealed = (select sealed from call_contents where id = \(one))")
            }
            let own = try await server.send(.get, "\(base)/\(one)/content", token: world.admin)
            let moved = try await server.send(.get, "\(base)/\(two)/content", token: world.admin)
            #expect(own.status == 200 && moved.status == 500 && !moved.text.contains("model"))
            try await server.database.pool.withConnection { connection in
                _ = try await SettingsStore.shred("data-key/\(tenant)", connection)
            }
            let shredded = try await server.send(.get, "\(base)/\(one)/content", token: world.admin)
            #expect(shredded.status == 500)
        }
    }

    @Test("it is erased by itself; the call and its cost stay")
    func erasing() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.ingest(calls: 1, costNanos: 1_000)
            let base = "/api/v1/tenants/\(world.acme.tenant)/usage-events"
            let listed = try await server.send(.get, base, token: world.admin)
            let call = try #require(listed.json["data"]?[0]?["id"]?.string.flatMap { UsageEventID($0) })
            try await world.content(of: call)
            let path = "\(base)/\(call)/content"
            #expect(try await server.send(.delete, path, token: world.tokens["viewer"]).status == 403)
            #expect(try await server.send(.delete, path, token: world.tokens["tenant-admin"]).status == 204)
            #expect(try await server.send(.get, path, token: world.admin).status == 404)
            #expect(try await server.send(.delete, path, token: world.admin).status == 404)
            let left = try await server.send(.get, base, token: world.admin)
            #expect(left.json["data"]?[0]?["has_content"] == .boolean(false))
            #expect(left.json["data"]?[0]?["cost"] == listed.json["data"]?[0]?["cost"])
        }
    }

    @Test("a tenant settles whether, how long and of how many calls; a node is told, and others are not kept")
    func settings() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let fresh = try await server.send(.get, path, token: world.admin)
            #expect(fresh.json["content_days"] == .null)
            for (body, pointer) in [
                (["content_days": 0], "/content_days"), (["content_days": 366], "/content_days"),
                (["content_percent": 0], "/content_percent"), (["content_percent": 101], "/content_percent"),
                (["content_percent": .null], "/content_percent"),
            ] as [(JSONValue, String)] {
                let refused = try await server.send(.patch, path, token: world.admin, body: body)
                #expect(refused.status == 400 && refused.pointers == [pointer], "\(body.text)")
            }
            func told() async throws -> [UInt8] {
                try await server.database.pool.withConnection {
                    try await SnapshotExport.tenants($0).map(\.contentPercent)
                }
            }
            #expect(try await told() == [0, 0])
            let on = try await server.send(
                .patch, path, token: world.tokens["tenant-admin"],
                body: ["content_days": 30, "content_percent": 25])
            #expect(on.status == 200 && on.json["content_days"]?.exactInt64 == 30, "\(on.text)")
            #expect(try await told().sorted() == [0, 25])
            let audit = try await server.audit(of: TenantID(world.acme.tenant))
            #expect(audit.contains { $0.action == "tenants.update" && $0.details.contains("content_days") })
            let off = try await server.send(.patch, path, token: world.admin, body: ["content_days": .null])
            #expect(off.json["content_days"] == .null && off.json["content_percent"]?.exactInt64 == 25)
            #expect(try await told() == [0, 0])
        }
    }
}

extension World {
    /// Keeps what was said in a call of the first tenant, as a node would hand it in; which call.
    @discardableResult
    func content(of call: UsageEventID? = nil) async throws -> UsageEventID {
        let tenant = try #require(TenantID(acme.tenant)), now = server.clock.now
        let call = call ?? UsageEventID(at: now)
        let content = CallContent(
            call: call, tenant: tenant, startedAt: now,
            request: .init(text: #"{"model":"m"}"#, byteCount: 13),
            answer: .init(text: #"{"content":"olá"#, byteCount: 70_000, isTruncated: true, redactions: 2))
        let vault = server.keys.vault
        try await server.database.pool.withTransaction { connection in
            try await connection.execute(
                "update tenants set content_days = coalesce(content_days, 30) where id = \(tenant)")
        }
        let ingest = ContentIngest(
            database: server.database.pool, log: .silent, metrics: MetricsRegistry(),
            sealer: { try await vault.contentSealer(of: $0, $1) })
        let outcome = await ingest.take(
            CallContentBatch([content]).encoded, from: NodeID(high: 1, low: 1))
        #expect(outcome == .stored)
        return call
    }
}

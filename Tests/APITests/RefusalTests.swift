import Contract
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("Refused calls")
struct RefusalReportTests {
    @Test("the report says which keys were refused why, how often, and shows some of the calls")
    func report() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.refuse(7, code: "rate_limited")
            let path = "/api/v1/tenants/\(world.acme.tenant)/refusals"
            let report = try await server.send(.get, path, token: world.tokens["billing-manager"])
            #expect(report.status == 200)
            #expect(report.json["total"]?.exactInt64 == 7)
            let line = try #require(report.json["data"]?[0])
            #expect(line["key"]?.string == world.acme.key && line["code"]?.string == "rate_limited")
            #expect(line["calls"]?.exactInt64 == 7)
            let sample = try #require(report.json["samples"]?[0])
            #expect(sample["request_id"]?.string == "req_1" && sample["status"]?.exactInt64 == 429)
            let none = try await server.send(.get, "\(path)?code=key_expired", token: world.admin)
            #expect(none.json["total"]?.exactInt64 == 0 && none.json["data"]?.array?.isEmpty == true)
            let foreign = try await server.send(
                .get, "/api/v1/tenants/\(world.other.tenant)/refusals", token: world.admin)
            #expect(foreign.json["total"]?.exactInt64 == 0)
            let backwards = try await server.send(
                .get, "\(path)?from=2026-03-09T00:00:00Z&to=2026-03-09T00:00:00Z", token: world.admin)
            #expect(backwards.status == 400 && backwards.pointers == ["from"])
        }
    }

    @Test("counters are kept for ninety days, samples for a week")
    func forgotten() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.refuse(7, code: "rate_limited")
            let tenant = try #require(TenantID(world.acme.tenant))
            let filter = RefusalFilter(from: .epoch, to: .distantFuture)
            func kept() async throws -> (total: Int64, samples: Int) {
                try await server.database.pool.withTenant(tenant) { connection in
                    (
                        try await RefusalStore.total(of: tenant, filter, connection),
                        try await RefusalStore.samples(of: tenant, filter, limit: 9, connection).count
                    )
                }
            }
            server.clock.advance(seconds: 8 * 86_400)
            #expect(try await server.operations.refusals.forgetOld() == 1)
            #expect(try await kept() == (7, 0))
            server.clock.advance(seconds: 83 * 86_400)
            #expect(try await server.operations.refusals.forgetOld() == 1)
            #expect(try await kept() == (0, 0))
        }
    }
}

extension World {
    /// What a node would upload of refused calls.
    func refuse(_ calls: UInt32, code: String) async throws {
        let now = server.clock.now
        let tenant = try #require(TenantID(acme.tenant))
        let workspace = try #require(WorkspaceID(acme.workspace))
        let key = try #require(KeyID(acme.key))
        let sealed = try SealedUsageBatch(
            node: NodeID(high: 1, low: 1), outboxEpoch: 9, sequence: 1, events: [],
            refusals: [
                RefusalCount(
                    tenant: tenant, workspace: workspace, key: key, code: code, minute: now.startOfMinute,
                    calls: calls)
            ],
            refusalSamples: [
                RefusalSample(
                    tenant: tenant, workspace: workspace, key: key, code: code, status: 429, at: now,
                    request: "req_1")
            ])
        let answer = try await UsageStore.ingest(
            try sealed.opened(), digest: try #require(sealed.digest), at: now, server.database.pool)
        #expect(answer == .acknowledged(sequence: 1))
    }
}

import Contract
import Cryptography
import Domain
import EventLoops
import Policy
import PostgresDriver
import Publishing
import Store
import Telemetry
import TestSupport
import Testing

@testable import Feed

/// What is lent, over the real route and its mutual TLS; and calls of more budgets than an event can name.
@Suite("the grants' route")
struct GrantRouteTests {
    private static func limit(
        _ number: Int, of tenant: TenantID, amount: Int64, at now: Timestamp
    ) -> Limit {
        Limit(
            id: LimitID(at: now), tenant: tenant, name: "limit-\(number)", subject: .tenant, metric: .cost,
            amount: amount, period: .day, thresholds: [], createdAt: now, updatedAt: now)
    }

    private static func claim(_ limit: Limit, _ amount: Int64) -> LimitClaim {
        LimitClaim(
            account: GrantAccount(tenant: limit.tenant, limit: limit.id),
            terms: LimitTerms(metric: .cost, mode: .enforce, period: .day, amount: limit.amount),
            amount: amount)
    }

    @Test("a node borrows over mutual TLS; nonsense, too much and a revoked node are refused without effect")
    func wire() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, pool = rig.database.pool, now = rig.clock.now()
            let tenant = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool).tenant
            let limit = Self.limit(0, of: tenant, amount: 1_000, at: now)
            try await pool.withConnection { try await LimitStore.create(limit, $0) }
            try rig.listen()
            rig.start()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop)
            await loop.until { node.counter != nil }
            var holder = GrantHolder(
                sequence: 0, at: loop.now, identifiers: SystemRandomNumberGenerator())
            guard case .wait(let wait) = holder.hold([Self.claim(limit, 10)], at: loop.now, wall: now) else {
                Issue.record("nothing was lent yet")
                return
            }
            holder.endWait(wait)
            let request = holder.request(at: loop.now, wall: now)
            let posted = await node.feed.postGrants(request.encoded)
            #expect(posted?.status == 200)
            let answer = try GrantAnswer(encoded: posted?.body ?? [])
            let statement = try #require(answer.replies.first?.statement)
            let grant = try #require(node.feed.verifiedGrant(statement))
            #expect(grant.node == node.node && grant.account.limit == limit.id && grant.lent >= 10)
            func lent() async throws -> Int64 {
                try await pool.withConnection {
                    try await $0.query("select coalesce(sum(lent), 0)::int8 from grants").first?.int64(0)
                        ?? -1
                }
            }
            let before = try await lent()
            for (body, status) in [
                ([1, 2, 3], 400), ([UInt8](repeating: 0, count: GrantExchange.maximumBytes + 1), 413),
            ] { #expect(await node.feed.postGrants(body)?.status == status) }
            let again = await node.feed.postGrants(request.encoded)
            #expect(again?.status == 200, "the same message again")
            #expect(try GrantAnswer(encoded: again?.body ?? []).replies.isEmpty, "is told nothing new")
            let id = node.node
            try await pool.withConnection { connection in
                try await connection.execute("update nodes set status = 'revoked' where id = \(id)")
            }
            rig.registry.forget()
            let last = holder.request(at: loop.now, wall: now)
            #expect(await node.feed.postGrants(last.encoded)?.status == 403)
            #expect(try await lent() == before)
            let counted = #"eclusa_node_requests_total{endpoint="grants",status="403"} 1"#
            #expect(rig.metrics.text().contains(counted))
            node.close()
        }
    }

    @Test("a call of thirty budgets counts in each: what its event cannot name goes by the node's word")
    func thirtyBudgets() async throws {
        try await withTestDatabase { database in
            let time = FakeTime()
            let rig = try ControlPlaneRig(database, keys: try RigKeys(now: time.wall), clock: time.wallClock)
            let now = time.wall, pool = database.pool
            let tenant = try await Tenancy.create("acme", fleet: nil, at: now, pool).tenant
            let limits = (0..<30).map { Self.limit($0, of: tenant, amount: 1_000, at: now) }
            try await pool.withTransaction { connection in
                for limit in limits { try await LimitStore.create(limit, connection) }
            }
            let node = try FakeLentNode(try await rig.node("node"), rig, time, seed: 1)
            var holds: [LimitHold]?
            for _ in 0..<20 where holds == nil {
                switch node.hold(limits.map { Self.claim($0, 10) }) {
                case .held(let held): holds = held
                case .wait(let wait): node.endWait(wait)
                case .refused(let refusal): Issue.record("refused: \(refusal)")
                }
                time.advance(milliseconds: 100)
                try await node.exchange()
            }
            node.settle(try #require(holds), of: tenant, cost: 10)
            try await node.upload()
            time.advance(milliseconds: 1_000)
            try await node.exchange()
            let used = try await pool.withConnection { connection in
                let rows = try await connection.query(
                    """
                    select limit_id, sum(settled)::int8, sum(greatest(settled, reported))::int8
                      from grants
                     group by limit_id
                    """)
                return try rows.map { (try $0.int64(1), try $0.int64(2)) }
            }
            #expect(used.count == 30)
            #expect(used.allSatisfy { $0.1 == 10 }, "\(used)")
            #expect(
                used.count { $0.0 == 10 } == UsageEvent.maximumGrants, "those the event names are settled")
            await rig.close()
        }
    }
}

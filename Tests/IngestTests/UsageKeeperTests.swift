import Contract
import Cryptography
import Domain
import EventLoops
import Ingest
import PostgresDriver
import Store
import Telemetry
import TestSupport
import Testing

/// Partitions ahead, and single calls that go when their tenants keep them no longer.
@Suite("usage keeper")
struct UsageKeeperTests {
    /// Tenants by how long they keep calls.
    private static func tenants(
        _ days: [Int32?], _ pool: PostgresPool, at now: Timestamp
    ) async throws -> [TenantID] {
        var made: [TenantID] = []
        for (index, days) in days.enumerated() {
            var tenant = Tenant(
                id: TenantID(high: 7, low: UInt64(index + 1)), slug: "t\(index)", name: "T", createdAt: now,
                updatedAt: now)
            tenant.settings.retentionDays = days
            try await pool.withConnection { connection in
                try await TenantStore.create(tenant, connection)
                try await connection.execute(
                    """
                    update tenants set retention_days = \(days)
                     where id = \(PostgresUUID(high: tenant.id.high, low: tenant.id.low))
                    """)
            }
            made.append(tenant.id)
        }
        return made
    }

    private static func ingest(
        _ events: [(tenant: TenantID, daysAgo: Int64)], _ pool: PostgresPool, at now: Timestamp,
        sequence: Int64 = 1
    ) async throws {
        let list = events.enumerated().map { index, event in
            UsageEvent(
                id: UsageEventID(high: 9, low: UInt64(index)), tenant: event.tenant,
                workspace: WorkspaceID(high: 3, low: 3), key: KeyID(high: 4, low: 4),
                route: RouteID(high: 5, low: 5), provider: ProviderID(high: 6, low: 6),
                model: ModelID(high: 7, low: 7), price: nil, endpoint: .chat,
                startedAt: now.advanced(bySeconds: -event.daysAgo * 86_400), latencyMicroseconds: 1_000,
                firstByteMicroseconds: 100, usage: TokenUsage(input: 10, output: 1),
                cost: NanoUSD(nanos: 10), costState: .settled, status: 200, isStream: false,
                ending: .completed)
        }
        let sealed = try SealedUsageBatch(
            node: NodeID(high: 1, low: 1), outboxEpoch: 5, sequence: sequence, events: list)
        let answer = try await UsageStore.ingest(
            try sealed.opened(), digest: try #require(sealed.digest), at: now, pool)
        #expect(answer == .acknowledged(sequence: sequence))
    }

    /// Days ago of each tenant's calls that are still there.
    private static func left(_ pool: PostgresPool, at now: Timestamp) async throws -> [[Int64]] {
        try await pool.withConnection { connection in
            let rows = try await connection.query(
                """
                select tenant_id, (extract(epoch from \(now) - started_at) / 86400)::int8
                  from usage_events
                 order by 1, 2
                """)
            var left: [[Int64]] = [[], [], []]
            for row in rows { left[Int(try row.uuid(0).low) - 1].append(try row.int64(1)) }
            return left
        }
    }

    private static func partitions(_ pool: PostgresPool) async throws -> [CivilDate] {
        try await pool.withConnection {
            try await UsageRetention.partitions(before: CivilDate(daysSinceEpoch: 40_000), $0)
        }
    }

    private static func keeper(_ pool: PostgresPool, _ clock: FakeClock) -> UsageKeeper {
        UsageKeeper(database: pool, clock: clock.clock, log: .silent, metrics: MetricsRegistry())
    }

    @Test("partitions are there before their days begin; run again, or by another replica, changes nothing")
    func ahead() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let ingest = database.makePool(size: 2, role: .ingest)
            let keeper = Self.keeper(ingest, clock)
            let today = clock.now.date.daysSinceEpoch
            #expect(try await keeper.run())
            let made = try await Self.partitions(database.pool)
            #expect(made.map(\.daysSinceEpoch) == Array(today...today + 7))
            clock.advance(seconds: 86_400)
            #expect(try await keeper.run())
            let later = try await Self.partitions(database.pool)
            #expect(later.map(\.daysSinceEpoch) == Array(today...today + 8))
            await ingest.close()
        }
    }

    @Test("each tenant's calls go when their days are over, sums and books stay, and the proof knows")
    func retention() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let now = clock.now
            let tenants = try await Self.tenants([30, 90, nil], database.pool, at: now)
            let days: [Int64] = [0, 29, 31, 89, 91, 399, 1_000]
            try await Self.ingest(
                tenants.flatMap { tenant in days.map { (tenant, $0) } }, database.pool, at: now)
            let ingest = database.makePool(size: 2, role: .ingest)
            #expect(try await Self.keeper(ingest, clock).run())
            let left = try await Self.left(database.pool, at: now)
            #expect(left == [[0, 29], [0, 29, 31, 89], days])
            let sums = try await database.pool.withConnection { connection in
                try await connection.query(
                    """
                    select (select sum(calls)::int8 from usage_days),
                           (select sum(amount_nanos)::int8 from ledger_entries where account = 'own_usage')
                    """
                ).first.map { (try $0.int64(0), try $0.int64(1)) }
            }
            #expect(sums?.0 == 21 && sums?.1 == 210)
            let proof = try await database.pool.withConnection {
                try await LedgerProofStore.differences(
                    from: CivilDate(daysSinceEpoch: 0), to: now.date, $0)
            }
            #expect(proof.findings == [])
            await ingest.close()
        }
    }

    @Test("a day that nobody keeps is dropped whole, one that somebody keeps is not")
    func drops() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let now = clock.now
            let tenants = try await Self.tenants([30, 60], database.pool, at: now)
            let gone = TenantID(high: 99, low: 1)
            try await Self.ingest(
                [
                    (tenants[0], 40), (tenants[1], 40), (tenants[0], 70), (tenants[1], 70), (gone, 80),
                    (tenants[0], 10),
                ], database.pool, at: now)
            let before = try await Self.partitions(database.pool).count
            // The platform's own row keeps for ever what it has: nothing.
            let ingest = database.makePool(size: 2, role: .ingest)
            #expect(try await Self.keeper(ingest, clock).run())
            let today = now.date.daysSinceEpoch
            let after = try await Self.partitions(database.pool).map { today - $0.daysSinceEpoch }
            #expect(before == 4 && after.filter { $0 > 0 }.sorted() == [10, 40])
            await ingest.close()
        }
    }

    @Test("one replica at a time does a job; when it ends, or dies, another can")
    func oneAtATime() async throws {
        try await withTestDatabase { database in
            let other = database.makePool(size: 2, role: .ingest)
            var ran: [String] = []
            let first = try await JobLock.run("books", database.pool) {
                let second = try await JobLock.run("books", other) { ran.append("the same job at once") }
                let different = try await JobLock.run("something else", other) { ran.append("another") }
                #expect(!second && different)
            }
            #expect(first && ran == ["another"])
            struct Died: Error {}
            await #expect(throws: Died.self) {
                _ = try await JobLock.run("books", database.pool) { throw Died() }
            }
            #expect(try await JobLock.run("books", other) {})
            await other.close()
        }
    }

    @Test("batches far behind are forgotten, those a node may send again are not")
    func batches() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let start = clock.now
            try await database.pool.withConnection { connection in
                try await connection.executeScript(
                    """
                    insert into usage_streams values ('00000000-0000-0001-0000-000000000001', 5, 3000);
                    insert into usage_batches
                    select '00000000-0000-0001-0000-000000000001', 5, seq, sha256(seq::text::bytea), 0, 0,
                           timestamptz '2020-01-01' from generate_series(1, 3000) as seq;
                    """)
            }
            #expect(start.date.year >= 2026)
            let ingest = database.makePool(size: 2, role: .ingest)
            #expect(try await Self.keeper(ingest, clock).run())
            let kept = try await database.pool.withConnection { connection in
                try await connection.query("select min(seq), count(*) from usage_batches").first.map {
                    (try $0.int64(0), try $0.int64(1))
                }
            }
            #expect(kept?.0 == 2_001 && kept?.1 == 1_000)
            await ingest.close()
        }
    }
}

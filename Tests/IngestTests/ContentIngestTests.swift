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

@Suite("contents of calls come in")
struct ContentIngestTests {
    private static let node = NodeID(high: 1, low: 1)

    private static func tenant(
        _ number: UInt64, contentDays: Int32?, retentionDays: Int32? = nil, _ pool: PostgresPool,
        at now: Timestamp
    ) async throws -> TenantID {
        var tenant = Tenant(
            id: TenantID(high: 7, low: number), slug: "t\(number)", name: "T", createdAt: now, updatedAt: now)
        tenant.settings.contentDays = contentDays
        tenant.settings.retentionDays = retentionDays
        try await pool.withConnection { try await TenantStore.create(tenant, $0) }
        return tenant.id
    }

    private static func content(_ tenant: TenantID, _ number: UInt64, at moment: Timestamp) -> CallContent {
        CallContent(
            call: UsageEventID(high: 9, low: number), tenant: tenant, startedAt: moment,
            request: .init(text: "said \(number)", byteCount: 6), answer: nil)
    }

    private static func kept(_ pool: PostgresPool) async throws -> [UInt64] {
        try await pool.withConnection { connection in
            try await connection.query("select id from call_contents order by id").map { try $0.uuid(0).low }
        }
    }

    /// Sealed with a mark of the tenant and the call; the tenant 3 has no key.
    private static func ingest(_ pool: PostgresPool, _ metrics: MetricsRegistry) -> ContentIngest {
        ContentIngest(database: pool, log: .silent, metrics: metrics) { tenant, _ in
            if tenant.low == 3 { return nil }
            return { content, call in [UInt8(tenant.low), UInt8(call.low)] + content }
        }
    }

    @Test("only those of tenants that keep them are stored, sealed, and once however often they come")
    func taken() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let now = clock.now
            let keeps = try await Self.tenant(1, contentDays: 30, database.pool, at: now)
            let keepsNone = try await Self.tenant(2, contentDays: nil, database.pool, at: now)
            let shredded = try await Self.tenant(3, contentDays: 30, database.pool, at: now)
            let unknown = TenantID(high: 7, low: 4)
            let batch = CallContentBatch(
                [keeps, keepsNone, shredded, unknown, keeps].enumerated().map {
                    Self.content($0.element, UInt64($0.offset), at: now)
                })
            let (pool, metrics) = (database.makePool(role: .publisher), MetricsRegistry())
            let ingest = Self.ingest(pool, metrics)
            for _ in 0..<2 { #expect(await ingest.take(batch.encoded, from: Self.node) == .stored) }
            #expect(try await Self.kept(database.pool) == [0, 4])
            let sealed = try await database.pool.withConnection {
                try await ContentStore.find(UsageEventID(high: 9, low: 4), of: keeps, $0)?.sealed
            }
            #expect(sealed?.prefix(2) == [1, 4])
            let opened = try Zstandard.decompress(Array(sealed?.dropFirst(2) ?? []), limit: 1_000)
            #expect(try CallContent(encoded: opened) == batch.contents[4])
            await pool.close()
        }
    }

    @Test("bytes that say nothing are refused; without a database nothing is taken")
    func refused() async throws {
        try await withTestDatabase { database in
            let ingest = Self.ingest(database.pool, MetricsRegistry())
            guard case .invalid = await ingest.take([4, 4, 4, 4], from: Self.node) else {
                Issue.record("it was taken")
                return
            }
            try await database.pool.withConnection {
                try await $0.executeScript("alter table call_contents rename to elsewhere")
            }
            let tenant = try await Self.tenant(1, contentDays: 1, database.pool, at: FakeClock().now)
            let batch = CallContentBatch([Self.content(tenant, 1, at: FakeClock().now)])
            #expect(await ingest.take(batch.encoded, from: Self.node) == .unavailable)
        }
    }

    @Test("they go when their days, or the calls', are over, and at once when their tenant keeps none")
    func retention() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let (pool, now) = (database.pool, clock.now)
            let tenants = [
                try await Self.tenant(1, contentDays: 30, pool, at: now),
                try await Self.tenant(2, contentDays: 90, retentionDays: 10, pool, at: now),
                try await Self.tenant(3, contentDays: nil, pool, at: now),
                try await Self.tenant(4, contentDays: 365, pool, at: now),
            ]
            for (place, tenant) in tenants.enumerated() {
                for (index, days) in ([0, 9, 11, 29, 31, 59, 61] as [Int64]).enumerated() {
                    let content = SealedContent(
                        call: UsageEventID(high: 9, low: UInt64(place * 10 + index)), tenant: tenant,
                        startedAt: now.advanced(bySeconds: -days * 86_400), sealed: [1])
                    try await pool.withConnection { try await ContentStore.insert(content, $0) }
                }
            }
            var plan = UsageKeeper.Plan()
            plan.retentionDays = 60
            let ingest = database.makePool(size: 2, role: .ingest)
            let keeper = UsageKeeper(
                database: ingest, plan: plan, clock: clock.clock, log: .silent, metrics: MetricsRegistry())
            #expect(try await keeper.run())
            let left: [UInt64] = [0, 1, 2, 3] + [10, 11] + [30, 31, 32, 33, 34, 35]
            #expect(try await Self.kept(pool) == left)
            await ingest.close()
        }
    }
}

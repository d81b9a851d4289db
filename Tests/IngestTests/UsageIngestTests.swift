import Contract
import Cryptography
import Domain
import EventLoops
import PostgresDriver
import Store
import Telemetry
import TestSupport
import Testing

@testable import Ingest

@Suite("usage ingest")
struct UsageIngestTests {
    private static let node = NodeID(high: 1, low: 1)
    private static let tenant = TenantID(high: 2, low: 2)

    private static func event(_ number: Int, at now: Timestamp, cost: Int64 = 10) -> UsageEvent {
        UsageEvent(
            id: UsageEventID(high: 9, low: UInt64(number)), tenant: tenant,
            workspace: WorkspaceID(high: 3, low: 3), key: KeyID(high: 4, low: 4),
            route: RouteID(high: 5, low: 5), provider: ProviderID(high: 6, low: 6),
            model: ModelID(high: 7, low: 7), price: PriceID(high: 8, low: 8), endpoint: .chat, startedAt: now,
            latencyMicroseconds: 1_000, firstByteMicroseconds: 100,
            usage: TokenUsage(input: 10, output: Int64(number)), cost: NanoUSD(nanos: cost),
            costState: .settled, status: 200, isStream: number.isMultiple(of: 2), ending: .completed)
    }

    private static func batch(
        _ sequence: Int64, _ events: [UsageEvent], epoch: Int64 = 5, node: NodeID = node
    ) throws -> [UInt8] {
        try SealedUsageBatch(node: node, outboxEpoch: epoch, sequence: sequence, events: events).bytes
    }

    private struct Totals: Equatable {
        var events: Int64 = 0
        var cost: Int64 = 0
        var minuteCalls: Int64 = 0
        var dayCost: Int64 = 0
    }

    private static func totals(_ pool: PostgresPool) async throws -> Totals {
        try await pool.withConnection { connection in
            let rows = try await connection.query(
                """
                select (select count(*) from usage_events),
                       (select coalesce(sum(cost_nanos), 0)::bigint from usage_events),
                       (select coalesce(sum(calls), 0)::bigint from usage_minutes),
                       (select coalesce(sum(cost_nanos), 0)::bigint from usage_days)
                """)
            let row = rows[0]
            return Totals(
                events: try row.int64(0), cost: try row.int64(1), minuteCalls: try row.int64(2),
                dayCost: try row.int64(3))
        }
    }

    private static func ingest(_ database: TestDatabase, _ clock: FakeClock) -> UsageIngest {
        UsageIngest(database: database.pool, clock: clock.clock, log: .silent, metrics: MetricsRegistry())
    }

    @Test("a batch is taken with its events and sums; the same again is acknowledged and counted once")
    func exactlyOnce() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let ingest = Self.ingest(database, clock)
            let first = try Self.batch(1, (1...3).map { Self.event($0, at: clock.now) })
            for _ in 0..<3 {
                let outcome = await ingest.take(first, from: Self.node)
                #expect(outcome == .answer(.acknowledged(sequence: 1)))
            }
            let second = try Self.batch(2, [Self.event(4, at: clock.now, cost: 70)])
            #expect(await ingest.take(second, from: Self.node) == .answer(.acknowledged(sequence: 2)))
            let totals = try await Self.totals(database.pool)
            #expect(totals == Totals(events: 4, cost: 100, minuteCalls: 4, dayCost: 100))
        }
    }

    @Test("a gap asks for the batch that is missing and takes nothing")
    func gap() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let ingest = Self.ingest(database, clock)
            let third = try Self.batch(3, [Self.event(1, at: clock.now)])
            #expect(await ingest.take(third, from: Self.node) == .answer(.gap(needed: 1)))
            #expect(try await Self.totals(database.pool) == Totals())
        }
    }

    @Test("the same number with other content is a conflict; the same number of another epoch is not")
    func conflict() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let ingest = Self.ingest(database, clock)
            let one = try Self.batch(1, [Self.event(1, at: clock.now)])
            let other = try Self.batch(1, [Self.event(2, at: clock.now)])
            #expect(await ingest.take(one, from: Self.node) == .answer(.acknowledged(sequence: 1)))
            #expect(await ingest.take(other, from: Self.node) == .answer(.conflict(sequence: 1)))
            let nextEpoch = try Self.batch(1, [Self.event(2, at: clock.now)], epoch: 6)
            #expect(await ingest.take(nextEpoch, from: Self.node) == .answer(.acknowledged(sequence: 1)))
            #expect(try await Self.totals(database.pool).events == 2)
        }
    }

    @Test("two uploads of one batch at the same time count once")
    func concurrent() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let ingest = Self.ingest(database, clock)
            let bytes = try Self.batch(1, (1...50).map { Self.event($0, at: clock.now) })
            let completions = (0..<4).map { _ in Completion<UsageIngest.Outcome>() }
            for completion in completions {
                database.loop.spawn { completion.fulfil(await ingest.take(bytes, from: Self.node)) }
            }
            for completion in completions {
                #expect(await completion.value() == .answer(.acknowledged(sequence: 1)))
            }
            #expect(try await Self.totals(database.pool).events == 50)
        }
    }

    @Test("another node's batch, flipped bits, cut and empty bytes are refused and nothing is taken")
    func refused() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let ingest = Self.ingest(database, clock)
            let bytes = try Self.batch(1, [Self.event(1, at: clock.now)])
            #expect(await ingest.take(bytes, from: NodeID(high: 1, low: 9)) == .foreign)
            var cases: [[UInt8]] = [[], [1], Array(bytes.dropLast()), Array(bytes.prefix(31))]
            for position in stride(from: 0, to: bytes.count, by: 7) {
                var flipped = bytes
                flipped[position] ^= 0x20
                cases.append(flipped)
            }
            for damaged in cases {
                let outcome = await ingest.take(damaged, from: Self.node)
                guard case .invalid = outcome else {
                    Issue.record("\(outcome)")
                    continue
                }
            }
            #expect(try await Self.totals(database.pool) == Totals())
        }
    }

    @Test("while the database refuses nothing is acknowledged")
    func unavailable() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let ingest = Self.ingest(database, clock)
            let bytes = try Self.batch(1, [Self.event(1, at: clock.now)])
            _ = try await database.pool.withConnection {
                try await $0.execute("alter table usage_batches rename to usage_batches_gone")
            }
            #expect(await ingest.take(bytes, from: Self.node) == .unavailable)
            _ = try await database.pool.withConnection {
                try await $0.execute("alter table usage_batches_gone rename to usage_batches")
            }
            #expect(await ingest.take(bytes, from: Self.node) == .answer(.acknowledged(sequence: 1)))
        }
    }

    @Test("every outcome is counted under its own name")
    func metrics() async throws {
        let clock = FakeClock()
        try await withTestDatabase { database in
            let registry = MetricsRegistry()
            let ingest = UsageIngest(
                database: database.pool, clock: clock.clock, log: .silent, metrics: registry)
            #expect(
                registry.text().contains("eclusa_ingest_batches_total{outcome=\"conflict\"} 0"),
                "an alert sees the first one too")
            let bytes = try Self.batch(1, [Self.event(1, at: clock.now)])
            _ = await ingest.take(bytes, from: Self.node)
            _ = await ingest.take(bytes, from: NodeID(high: 3, low: 3))
            _ = await ingest.take([], from: Self.node)
            _ = await ingest.take(try Self.batch(7, [Self.event(2, at: clock.now)]), from: Self.node)
            _ = await ingest.take(try Self.batch(1, [Self.event(2, at: clock.now)]), from: Self.node)
            let page = registry.text()
            for outcome in ["acknowledged", "foreign", "invalid", "gap", "conflict"] {
                #expect(page.contains("eclusa_ingest_batches_total{outcome=\"\(outcome)\"} 1"))
            }
        }
    }
}

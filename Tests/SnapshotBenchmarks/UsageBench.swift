import Contract
import Cryptography
import Domain
import EventLoops
import PostgresDriver
import Store
import TestSupport

/// Reports over many calls, and how fast batches are taken in, with the statements the program runs; exports
/// over HTTP. The private Postgres does not wait for its disk: on a server the ingest is bounded by its WAL
/// besides.
struct UsageBench: Sendable {
    private static let tenants = 10
    private static let days = 30
    private static let runs = 40
    private static let batches = 100
    private static let goalMicroseconds: Int64 = 100_000
    private static let goalEvents: Int64 = 50_000

    let events: Int

    func run() async throws {
        output("\(events) calls of \(Self.tenants) tenants in \(Self.days) days\n")
        let bench = self
        try await withTestDatabase(timeLimitSeconds: 3_600) { database in
            let end = Timestamp("2026-03-31T00:00:00Z")!
            try await bench.fill(database, until: end)
            try await bench.report(database, until: end)
            let begin = end.advanced(bySeconds: -Int64(Self.days) * 86_400)
            try ExportBench(database.url, tenant: Self.tenant(3), from: begin, to: end).run()
            try await bench.ingest(database, at: end)
        }
    }

    private static func tenant(_ number: Int) -> TenantID { TenantID(high: 1, low: UInt64(number)) }

    // MARK: Filling

    private func fill(_ database: TestDatabase, until end: Timestamp) async throws {
        let start = monotonicNanoseconds()
        let pool = database.makePool(size: 1, purpose: "fill", timeoutMilliseconds: 1_800_000)
        let perDay = max(1, events / Self.days)
        try await pool.withConnection { connection in
            try await connection.executeScript(
                """
                create function numbered(kind int8, number int8) returns uuid language sql immutable as $$
                    select (lpad(to_hex(kind), 16, '0') || lpad(to_hex(number), 16, '0'))::uuid
                $$
                """)
            try await connection.execute(
                """
                insert into tenants (id, slug, name, status, created_at, updated_at)
                select numbered(1, n), 'tenant-' || n, 'Tenant ' || n, 'active', now(), now()
                  from generate_series(0, \(Self.tenants - 1)) as n
                """)
        }
        for day in 0..<Self.days {
            let begin = end.advanced(bySeconds: -Int64(day + 1) * 86_400)
            try await pool.withTransaction { connection in
                _ = try await UsageRetention.makePartitions(from: begin.date, days: 1, connection)
                try await connection.execute(Self.calls(perDay, from: begin))
            }
        }
        try await pool.withTransaction { connection in
            for (table, step) in [
                ("usage_minutes", "minute"), ("usage_hours", "hour"), ("usage_days", "day"),
            ] as [(SQL, String)] {
                try await connection.execute(Self.sums(table, by: step))
            }
            try await connection.execute(
                """
                insert into ledger_days (tenant_id, day, account, workspace_id, amount_nanos)
                select tenant_id, (starts_at at time zone 'UTC')::date, 'usage', workspace_id, sum(cost_nanos)
                  from usage_days group by 1, 2, 3, 4
                """)
        }
        try await pool.withConnection { try await $0.executeScript("vacuum analyze") }
        await pool.close()
        output("filled the database in \(milliseconds(since: start)) ms")
    }

    /// Keys, models and workspaces in the numbers a tenant has them; most calls by few keys.
    private static func calls(_ count: Int, from begin: Timestamp) -> SQL {
        """
        insert into usage_events (
            tenant_id, id, started_at, workspace_id, key_id, route_id, provider_id, model_id, price_id,
            node_id, endpoint, latency_us, first_byte_us, input_tokens, cached_input_tokens,
            cache_write_tokens, output_tokens, reasoning_tokens, cost_nanos, cost_state, status_code,
            streamed, ending, error_code, attempts)
        select numbered(1, tenant), gen_random_uuid(),
               \(begin) + make_interval(secs => 86400.0 * (n - 1) / \(count)),
               numbered(2, tenant * 10 + key % 3), numbered(3, tenant * 10000 + key), numbered(5, 1),
               numbered(6, 1), numbered(7, n % 4), null, numbered(9, 1 + n % 3), 'chat', 1200000, 300000,
               800 + n % 200, 100, 0, 300, 0, 4000000 + n % 1000000, 'settled',
               case when n % 97 = 0 then 502 else 200 end, true, 'completed',
               case when n % 97 = 0 then 'provider_error' end, 1
          from (select n, (n % \(tenants))::int8 as tenant, (40 * random() * random())::int8 as key
                  from generate_series(1, \(count)) as n) as calls
        """
    }

    private static func sums(_ table: SQL, by step: String) -> SQL {
        """
        insert into \(fragment: table) (
            tenant_id, starts_at, workspace_id, key_id, route_id, provider_id, model_id, calls, failed_calls,
            estimated_calls, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
            reasoning_tokens, cost_nanos, latency_us, first_byte_us)
        select tenant_id, date_trunc(\(step), started_at, 'UTC'), workspace_id, key_id, route_id, provider_id,
               model_id, count(*), count(*) filter (where status_code >= 400), 0, sum(input_tokens),
               sum(cached_input_tokens), 0, sum(output_tokens), 0, sum(cost_nanos), sum(latency_us),
               sum(first_byte_us)
          from usage_events
         group by 1, 2, 3, 4, 5, 6, 7
         order by 1, 2, 3, 4, 5, 6, 7
        """
    }

    // MARK: Reports

    private func report(_ database: TestDatabase, until end: Timestamp) async throws {
        let pool = database.makePool(size: 1, purpose: "reports", timeoutMilliseconds: 60_000)
        let tenant = Self.tenant(3)
        let (month, week) = (
            end.advanced(bySeconds: -Int64(Self.days) * 86_400), end.advanced(bySeconds: -7 * 86_400)
        )
        func query(
            _ from: Timestamp, _ step: UsageQuery.Step?, _ groups: [UsageQuery.Dimension] = [],
            of tenant: TenantID? = tenant, _ change: (inout UsageQuery) -> Void = { _ in }
        ) -> UsageQuery {
            var query = UsageQuery(tenant: tenant, from: from, to: end)
            query.step = step
            query.groupBy = groups
            change(&query)
            return query
        }
        let reports: [(String, UsageQuery)] = [
            ("a month, one line", query(month, nil)), ("a month by day", query(month, .day)),
            ("a month by model", query(month, nil, [.model])),
            ("a month by key and model", query(month, nil, [.key, .model])),
            ("a month of one key by day", query(month, .day) { $0.key = KeyID(high: 3, low: 30_001) }),
            ("a week by hour", query(week, .hour)),
            ("a week by hour and model", query(week, .hour, [.model])),
            ("an hour by minute", query(end.advanced(bySeconds: -3_600), .minute)),
            ("a day by minute", query(end.advanced(bySeconds: -86_400), .minute)),
            ("a week that is not of whole hours", query(week.advanced(bySeconds: 60), nil)),
            ("all tenants, a month by tenant", query(month, nil, [.tenant], of: nil)),
            ("all tenants, a month by day and model", query(month, .day, [.model], of: nil)),
        ]
        for (name, query) in reports {
            try await time(name, pool) { _ = try await UsageStore.report(query, $0) }
        }
        var failed = CallFilter()
        failed.hasFailed = true
        var ofKey = CallFilter()
        ofKey.key = KeyID(high: 3, low: 30_001)
        for (name, filter) in [
            ("the log: newest 50 calls", CallFilter()), ("the log: newest 50 failed calls", failed),
            ("the log: newest 50 calls of a key", ofKey),
        ] {
            try await time(name, pool) {
                _ = try await UsageStore.calls(of: tenant, filter, limit: 50, $0)
            }
        }
        for dimension in LedgerStore.Dimension.allCases {
            try await time("ledger, a month by \(dimension.rawValue)", pool) {
                _ = try await LedgerStore.statement(
                    of: tenant, by: dimension, from: month.date, to: end.date, $0)
            }
        }
        await pool.close()
    }

    private func time(
        _ name: String, _ pool: PostgresPool, _ body: (PostgresConnection) async throws -> Void
    ) async throws {
        var times: [Int64] = []
        for _ in 0..<Self.runs {
            let start = monotonicNanoseconds()
            try await pool.withConnection { try await body($0) }
            times.append((monotonicNanoseconds() - start) / 1_000)
        }
        times.sort()
        output(
            "\(name), p50 \(times[times.count / 2]) µs, p99", times[times.count - 1], "µs",
            goal: Self.goalMicroseconds)
    }

    // MARK: Ingest

    private struct NotTaken: Error { let answer: String }

    private func ingest(_ database: TestDatabase, at now: Timestamp) async throws {
        let pool = database.makePool(size: 2, role: .ingest, purpose: "ingest")
        let nodes = [NodeID(high: 9, low: 1), NodeID(high: 9, low: 2)]
        let sealed = try nodes.map { node in
            try (1...Self.batches / 2).map { sequence in
                let batch = try SealedUsageBatch(
                    node: node, outboxEpoch: 1, sequence: Int64(sequence), events: Self.batch(at: now))
                return (batch: try batch.opened(), digest: batch.digest!)
            }
        }
        let start = monotonicNanoseconds()
        let ended = nodes.map { _ in Completion<Result<Void, any Error>>() }
        for (index, list) in sealed.enumerated() {
            database.loop.spawn {
                do {
                    for (batch, digest) in list {
                        let answer = try await UsageStore.ingest(batch, digest: digest, at: now, pool)
                        guard answer == .acknowledged(sequence: batch.sequence) else {
                            throw NotTaken(answer: "\(answer)")
                        }
                    }
                    ended[index].fulfil(.success(()))
                } catch { ended[index].fulfil(.failure(error)) }
            }
        }
        for completion in ended { try await completion.value().get() }
        let nanoseconds = monotonicNanoseconds() - start
        let rate = Int64(Self.batches * UsageBatch.maximumEvents) * 1_000_000_000 / nanoseconds
        let verdict = rate >= Self.goalEvents ? "" : "   MISSED"
        output(
            "ingest, two nodes at once   \(rate) calls/s   (goal \(Self.goalEvents))\(verdict)"
        )
        await pool.close()
    }

    private static func batch(at now: Timestamp) -> [UsageEvent] {
        (0..<UsageBatch.maximumEvents).map { number in
            let tenant = number % tenants
            return UsageEvent(
                id: UsageEventID(at: now), tenant: self.tenant(tenant),
                workspace: WorkspaceID(high: 2, low: UInt64(tenant * 10 + number % 3)),
                key: KeyID(high: 3, low: UInt64(tenant * 10_000 + number % 20)),
                route: RouteID(high: 5, low: 1),
                provider: ProviderID(high: 6, low: 1), model: ModelID(high: 7, low: UInt64(number % 4)),
                price: nil, endpoint: .chat, startedAt: now.advanced(byMicroseconds: Int64(number) * 500),
                latencyMicroseconds: 1_200_000, firstByteMicroseconds: 300_000,
                usage: TokenUsage(input: 900, cachedInput: 100, output: 300), cost: NanoUSD(nanos: 4_500_000),
                costState: .settled, status: 200, isStream: true, ending: .completed)
        }
    }
}

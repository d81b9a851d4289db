import Contract
import Cryptography
import Domain
import EventLoops
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("usage")
struct UsageStoreTests {
    /// Events of one tenant, with everything they name made up: usage outlives what it names.
    final class Calls {
        let fixture = Fixture()
        let tenant = TenantID(high: 1, low: 1)
        let workspace = WorkspaceID(high: 2, low: 1)
        let keys = [KeyID(high: 3, low: 1), KeyID(high: 3, low: 2)]
        let node = NodeID(high: 4, low: 1)

        func event(
            at moment: Timestamp, key: Int = 0, tenant: TenantID? = nil, cost: Int64 = 1000,
            state: UsageEvent.CostState = .settled, status: UInt16 = 200, error: String? = nil
        ) -> UsageEvent {
            UsageEvent(
                id: UsageEventID(at: moment), tenant: tenant ?? self.tenant, workspace: workspace,
                key: keys[key],
                route: RouteID(high: 5, low: 1), provider: ProviderID(high: 6, low: 1),
                model: ModelID(high: 7, low: 1), price: nil, endpoint: .chat, startedAt: moment,
                latencyMicroseconds: 2000, firstByteMicroseconds: 500,
                usage: TokenUsage(input: 10, cachedInput: 2, cacheWrite: 1, output: 5, reasoning: 1),
                cost: NanoUSD(nanos: cost), costState: state, status: status, isStream: true,
                ending: .completed, errorCode: error)
        }

        func batch(
            _ sequence: Int64, _ events: [UsageEvent], epoch: Int64 = 77
        ) throws -> (batch: UsageBatch, digest: SHA256Digest) {
            let sealed = try SealedUsageBatch(
                node: node, outboxEpoch: epoch, sequence: sequence, events: events)
            return (try sealed.opened(), try #require(sealed.digest))
        }
    }

    private func ingest(
        _ sealed: (batch: UsageBatch, digest: SHA256Digest), _ calls: Calls, _ pool: PostgresPool
    ) async throws -> BatchAnswer {
        try await UsageStore.ingest(sealed.batch, digest: sealed.digest, at: calls.fixture.clock.now, pool)
    }

    private func count(_ pool: PostgresPool) async throws -> Int64 {
        try await pool.withConnection { connection in
            try await connection.query("select count(*) from usage_events").first?.int64(0) ?? -1
        }
    }

    @Test(
        "a batch is taken once: again is acknowledged, altered is a conflict, a gap asks for the missing one")
    func exactlyOnce() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let now = calls.fixture.clock.now
            let first = try calls.batch(1, [calls.event(at: now), calls.event(at: now, key: 1)])
            let second = try calls.batch(2, [calls.event(at: now)])
            let third = try calls.batch(3, [calls.event(at: now)])
            let gap = try await ingest(second, calls, database.pool)
            #expect(gap == .gap(needed: 1))
            let taken = try await ingest(first, calls, database.pool)
            let again = try await ingest(first, calls, database.pool)
            #expect(taken == .acknowledged(sequence: 1) && again == .acknowledged(sequence: 1))
            let altered = try calls.batch(1, [calls.event(at: now)])
            let conflict = try await ingest(altered, calls, database.pool)
            #expect(conflict == .conflict(sequence: 1))
            let early = try await ingest(third, calls, database.pool)
            #expect(early == .gap(needed: 2))
            for batch in [second, third] {
                let answer = try await ingest(batch, calls, database.pool)
                #expect(answer == .acknowledged(sequence: batch.batch.sequence))
            }
            // A new outbox file begins again at 1.
            let other = try await ingest(
                calls.batch(1, [calls.event(at: now)], epoch: 78), calls, database.pool)
            #expect(other == .acknowledged(sequence: 1))
            let events = try await count(database.pool)
            #expect(events == 5)
        }
    }

    @Test("of a recovered batch only the events that are missing are taken, by the role of ingest")
    func recovered() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let now = calls.fixture.clock.now
            let known = [calls.event(at: now), calls.event(at: now, key: 1)]
            let fresh = [calls.event(at: now), calls.event(at: now.advanced(bySeconds: 86_400))]
            let pool = database.makePool(role: .ingest)
            _ = try await ingest(calls.batch(1, known), calls, pool)
            let sealed = try SealedUsageBatch(
                node: calls.node, outboxEpoch: 78, sequence: 1, events: [known[1], fresh[0], fresh[1]],
                isRecovered: true)
            for _ in 0..<2 {
                let answer = try await ingest(
                    (try sealed.opened(), try #require(sealed.digest)), calls, pool)
                #expect(answer == .acknowledged(sequence: 1))
            }
            #expect(try await count(database.pool) == 4)
            let report = try await database.pool.withConnection { connection in
                try await UsageStore.report(
                    UsageQuery(tenant: nil, from: .epoch, to: .distantFuture), connection)
            }
            #expect(report.lines.first?.totals.calls == 4)
            await pool.close()
        }
    }

    @Test("of simultaneous uploads of one batch, one counts and all are acknowledged")
    func race() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let pool = database.makePool(size: 6)
            let sealed = try calls.batch(1, [calls.event(at: calls.fixture.clock.now)])
            var answers: [BatchAnswer] = []
            var failures: [String] = []
            let done = Wakeup()
            for _ in 0..<6 {
                database.loop.spawn {
                    do {
                        answers.append(try await self.ingest(sealed, calls, pool))
                    } catch {
                        failures.append("\(error) \((error as? PostgresError)?.privateDetail ?? "")")
                    }
                    if answers.count + failures.count == 6 { done.signal() }
                }
            }
            await done.wait()
            #expect(failures == [])
            #expect(answers.allSatisfy { $0 == .acknowledged(sequence: 1) })
            let events = try await count(pool)
            #expect(events == 1)
            let report = try await pool.withConnection { connection in
                try await UsageStore.report(
                    UsageQuery(tenant: nil, from: .epoch, to: .distantFuture), connection)
            }
            #expect(report.lines.first?.totals.calls == 1)
            await pool.close()
        }
    }

    @Test("a failed transaction leaves neither events nor sums, and the batch can come again")
    func rollback() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let sealed = try calls.batch(1, [calls.event(at: calls.fixture.clock.now)])
            try await database.pool.withConnection {
                try await $0.executeScript(
                    "alter table usage_days add constraint full_disk check (calls > 1)")
            }
            let error = await postgresFailure { try await self.ingest(sealed, calls, database.pool) }
            #expect(error?.constraint == "full_disk")
            let nothing = try await count(database.pool)
            #expect(nothing == 0)
            try await database.pool.withConnection {
                try await $0.executeScript("alter table usage_days drop constraint full_disk")
            }
            let answer = try await ingest(sealed, calls, database.pool)
            let events = try await count(database.pool)
            #expect(answer == .acknowledged(sequence: 1) && events == 1)
        }
    }

    @Test("an event is stored with every figure, in the partition of its day; wrong clocks share one")
    func stored() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let now = calls.fixture.clock.now
            let yesterday = now.advanced(bySeconds: -86_400)
            let strange = now.advanced(bySeconds: 86_400 * 4000)
            let failed = calls.event(at: yesterday, status: 502, error: "upstream_cut")
            _ = try await ingest(
                calls.batch(1, [calls.event(at: now), failed, calls.event(at: strange)]), calls, database.pool
            )
            try await database.pool.withConnection { connection in
                let homes = try await connection.query(
                    "select tableoid::regclass::text from usage_events order by started_at")
                #expect(
                    try homes.map { try $0.text(0) } == [
                        "usage_events_20260308", "usage_events_20260309", "usage_events_default",
                    ])
                let row = try #require(
                    try await connection.query(
                        """
                        select id, workspace_id, key_id, node_id, price_id, endpoint, latency_us,
                               first_byte_us, input_tokens, cached_input_tokens, cache_write_tokens,
                               output_tokens, reasoning_tokens, cost_nanos, cost_state, status_code,
                               streamed, ending, error_code, attempts, started_at
                          from usage_events where error_code is not null
                        """
                    ).first)
                #expect(try row.uuid(0) == PostgresUUID(high: failed.id.high, low: failed.id.low))
                #expect(try row.uuid(1) == PostgresUUID(high: 2, low: 1))
                #expect(try row.uuid(2) == PostgresUUID(high: 3, low: 1))
                #expect(try row.uuid(3) == PostgresUUID(high: 4, low: 1))
                #expect(try row.isNull(4))
                #expect(try row.text(5) == "chat")
                let figures = try (6...13).map { try row.int64($0) }
                #expect(figures == [2000, 500, 10, 2, 1, 5, 1, 1000])
                #expect(try row.text(14) == "settled" && row.int64(15) == 502 && row.bool(16))
                #expect(try row.text(17) == "completed" && row.text(18) == "upstream_cut")
                #expect(try row.int64(19) == 1 && row.timestampMicroseconds(20) == yesterday.microseconds)
            }
        }
    }

    @Test("calls of a node whose clock was days ahead do not stand in the way of that day, but move to it")
    func early() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let now = calls.fixture.clock.now
            let day = now.advanced(bySeconds: 5 * 86_400)
            _ = try await ingest(
                calls.batch(1, [calls.event(at: now), calls.event(at: day)]), calls, database.pool)
            let then = try calls.batch(2, [calls.event(at: day)])
            let answer = try await UsageStore.ingest(then.batch, digest: then.digest, at: day, database.pool)
            #expect(answer == .acknowledged(sequence: 2))
            try await database.pool.withConnection { connection in
                let homes = try await connection.query(
                    "select tableoid::regclass::text from usage_events order by started_at")
                #expect(
                    try homes.map { try $0.text(0) } == [
                        "usage_events_20260309", "usage_events_20260314", "usage_events_20260314",
                    ])
                let guarded = try await connection.query(
                    """
                    select bool_and(relrowsecurity and relforcerowsecurity)
                      from pg_class where relname like 'usage_events%' and relkind in ('r', 'p')
                    """)
                #expect(try guarded.first?.bool(0) == true)
            }
        }
    }

    @Test("second targets cost and are no calls; copies are in no sum; the log tells what every event was")
    func purposes() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let now = calls.fixture.clock.now
            var events = (0..<4).map { _ in calls.event(at: now) }
            events[1].purpose = .hedge
            events[2].purpose = .mirror
            events[3].isCached = true
            events[3].marks = [
                GuardrailMark(guardrail: GuardrailID(high: 9, low: 1), effect: .redacted, count: 2)
            ]
            _ = try await ingest(calls.batch(1, events), calls, database.pool)
            try await database.pool.withConnection { connection in
                let sums = try #require(
                    try await connection.query("select calls, input_tokens, cost_nanos from usage_days").first
                )
                #expect(try [sums.int64(0), sums.int64(1), sums.int64(2)] == [2, 30, 3000])
                let logged = try await UsageStore.calls(
                    of: calls.tenant, CallFilter(), limit: 9, connection)
                #expect(logged.map(\.purpose).sorted() == ["call", "call", "hedge", "mirror"])
                let marked = logged.filter { $0.guardrailMarks != nil }
                #expect(marked.map(\.isCached) == [true] && logged.count { $0.isCached } == 1)
                let id = GuardrailID(high: 9, low: 1)
                #expect(
                    marked.first?.guardrailMarks
                        == #"[{"guardrail":"\#(id)","effect":"redacted","count":2}]"#)
            }
        }
    }

    @Test("sums by minute, hour and day agree with the events, and keys know when they were used")
    func rollups() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let noon = calls.fixture.clock.now
            let moments = [0, 30, 59, 60, 3599, 3600, 43_199, 43_200].map {
                noon.advanced(bySeconds: Int64($0))
            }
            for (index, half) in [moments.prefix(4), moments.suffix(4)].enumerated() {
                let events =
                    half.map { calls.event(at: $0) } + [
                        calls.event(at: half.first!, key: 1, state: .estimated)
                    ]
                let answer = try await ingest(calls.batch(Int64(index + 1), events), calls, database.pool)
                #expect(answer == .acknowledged(sequence: Int64(index + 1)))
            }
            try await database.pool.withConnection { connection in
                for table: SQL in ["usage_minutes", "usage_hours", "usage_days"] {
                    let row = try #require(
                        try await connection.query(
                            """
                            select sum(calls)::int8, sum(failed_calls)::int8, sum(estimated_calls)::int8,
                                   sum(input_tokens)::int8, sum(output_tokens)::int8, sum(cost_nanos)::int8,
                                   sum(latency_us)::int8, sum(first_byte_us)::int8
                              from \(fragment: table)
                            """
                        ).first)
                    #expect(
                        try (0...7).map { try row.int64($0) } == [10, 0, 2, 100, 50, 10_000, 20_000, 5000])
                }
                var query = UsageQuery(tenant: calls.tenant, from: noon, to: noon.advanced(bySeconds: 86_400))
                query.step = .minute
                query.groupBy = [.key]
                let minutes = try await UsageStore.report(query, connection)
                #expect(
                    minutes.lines.filter { $0.key == calls.keys[0] }.map(\.totals.calls) == [
                        3, 1, 1, 1, 1, 1,
                    ])
                query.step = .day
                let days = try await UsageStore.report(query, connection)
                #expect(days.from == noon.startOfDay && days.lines.map(\.totals.calls) == [7, 2, 1])
                let use = try await KeyStore.lastUse(of: calls.keys[0], calls.tenant, connection)
                let other = try await KeyStore.lastUse(of: calls.keys[1], calls.tenant, connection)
                #expect(use == moments.last && other == moments[4])
            }
        }
    }

    @Test("a report groups, filters, orders by cost, and shows a tenant nothing of another")
    func reports() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let now = calls.fixture.clock.now
            let stranger = TenantID(high: 9, low: 9)
            _ = try await ingest(
                calls.batch(
                    1,
                    [
                        calls.event(at: now, key: 0, cost: 5), calls.event(at: now, key: 1, cost: 50),
                        calls.event(at: now, key: 1, cost: 50, status: 500),
                        calls.event(at: now, tenant: stranger, cost: 1_000_000),
                    ]), calls, database.pool)
            try await database.pool.withConnection { connection in
                var query = UsageQuery(
                    tenant: calls.tenant, from: now.startOfHour, to: now.startOfHour.advanced(bySeconds: 3600)
                )
                let total = try await UsageStore.report(query, connection)
                #expect(total.lines.count == 1 && !total.isCut)
                #expect(total.lines.first?.totals.calls == 3 && total.lines.first?.totals.failedCalls == 1)
                #expect(total.lines.first?.totals.cost == NanoUSD(nanos: 105))
                #expect(total.lines.first?.tenant == nil && total.lines.first?.startsAt == nil)

                query.groupBy = [.key, .model]
                let byKey = try await UsageStore.report(query, connection)
                #expect(byKey.lines.map(\.key) == [calls.keys[1], calls.keys[0]])
                #expect(byKey.lines.first?.model == ModelID(high: 7, low: 1))
                query.limit = 1
                let cut = try await UsageStore.report(query, connection)
                #expect(cut.isCut && cut.lines.map(\.key) == [calls.keys[1]])
                query.limit = 10
                query.key = calls.keys[0]
                let filtered = try await UsageStore.report(query, connection)
                #expect(filtered.lines.map(\.totals.cost.nanos) == [5])
                query.workspace = WorkspaceID(high: 0, low: 0)
                let nothing = try await UsageStore.report(query, connection)
                #expect(nothing.lines.isEmpty)

                var all = UsageQuery(
                    tenant: nil, from: now.startOfDay, to: now.startOfDay.advanced(bySeconds: 86_400))
                all.groupBy = [.tenant, .workspace, .key, .route, .provider, .model]
                all.route = RouteID(high: 5, low: 1)
                all.provider = ProviderID(high: 6, low: 1)
                all.model = ModelID(high: 7, low: 1)
                let platform = try await UsageStore.report(all, connection)
                #expect(platform.lines.map(\.tenant) == [stranger, calls.tenant, calls.tenant])
                #expect(
                    platform.lines.allSatisfy { $0.workspace != nil && $0.route != nil && $0.provider != nil }
                )
            }
        }
    }

    @Test("a period is widened to whole steps, and never narrowed")
    func periods() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let now = calls.fixture.clock.now.advanced(bySeconds: 61)
            _ = try await ingest(calls.batch(1, [calls.event(at: now)]), calls, database.pool)
            try await database.pool.withConnection { connection in
                var query = UsageQuery(
                    tenant: calls.tenant, from: now.advanced(byMicroseconds: 1),
                    to: now.advanced(bySeconds: 1))
                let minutes = try await UsageStore.report(query, connection)
                #expect(minutes.from == now.startOfMinute)
                #expect(minutes.to == now.startOfMinute.advanced(bySeconds: 60))
                #expect(minutes.lines.first?.totals.calls == 1)
                query.step = .hour
                let hours = try await UsageStore.report(query, connection)
                #expect(hours.from == now.startOfHour && hours.lines.first?.startsAt == now.startOfHour)
            }
        }
    }

    @Test("a full batch is taken in at once", .timeLimit(.minutes(1)))
    func large() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let now = calls.fixture.clock.now
            let events = (0..<UsageBatch.maximumEvents).map { number in
                calls.event(at: now.advanced(bySeconds: Int64(number % 600)), key: number % 2)
            }
            let answer = try await ingest(calls.batch(1, events), calls, database.pool)
            let stored = try await count(database.pool)
            #expect(answer == .acknowledged(sequence: 1) && stored == 2000)
        }
    }

    @Test("an empty batch moves the sequence on")
    func empty() async throws {
        try await withTestDatabase { database in
            let calls = Calls()
            let answer = try await ingest(calls.batch(1, []), calls, database.pool)
            let next = try await ingest(
                calls.batch(2, [calls.event(at: calls.fixture.clock.now)]), calls, database.pool)
            #expect(answer == .acknowledged(sequence: 1) && next == .acknowledged(sequence: 2))
        }
    }
}

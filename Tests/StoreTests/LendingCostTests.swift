import Contract
import Domain
import PostgresDriver
import TestSupport
import Testing

@testable import Store

/// What a node's message costs must not depend on how many limits there are: every statement of an exchange
/// finds its rows by an index. Looks at what Postgres did, not at the text of a plan.
@Suite("the cost of lending")
struct LendingCostTests {
    private static let limits = 50_000
    private static let positions = 400
    private static let now = Timestamp(microseconds: 1_773_057_600_000_000)

    private static func id<Noun>(_ number: Int) -> ID<Noun> {
        ID(high: 0x7000, low: 0x8000_0000_0000_0000 + UInt64(number))
    }

    @Test("an exchange over many limits reads its own rows and scans no table")
    func exchange() async throws {
        try await withTestDatabase { database in
            let (tenant, node) = try await Self.fill(database.pool)
            try await database.pool.withTransaction { connection in
                let asked = (0..<Self.positions).map { number in
                    (
                        account: GrantAccount(tenant: tenant, limit: Self.id(1 + number * 100)),
                        grant: Self.id(1 + number * 100) as GrantID, within: nil as Timestamp?
                    )
                }
                let before = try await Self.effort(connection)
                let subjects = try await GrantStore.resolve(asked, at: Self.now, connection).compactMap(
                    \.self)
                #expect(subjects.count == Self.positions)
                _ = try await GrantStore.lock(subjects, connection)
                let stored = try await GrantStore.list(of: subjects, connection)
                #expect(stored.count == Self.positions)
                var changes = GrantStore.Changes()
                for (account, grants) in stored {
                    for var grant in grants {
                        grant.lent += 1
                        changes.saves.append((account, grant))
                    }
                }
                try await GrantStore.write(changes, connection)
                try await GrantSettlement([Self.event(tenant, asked.map(\.grant).prefix(24).map(\.self))])
                    .write(of: node, connection)
                let after = try await Self.effort(connection)
                for (table, effort) in after {
                    let (scans, rows) = before[table] ?? (0, 0)
                    #expect(effort.scans == scans, "\(table) is read as a whole")
                    #expect(effort.rows - rows <= 6 * Self.positions, "\(table): \(effort.rows - rows) rows")
                }
            }
        }
    }

    private static func event(_ tenant: TenantID, _ grants: [GrantID]) -> UsageEvent {
        UsageEvent(
            id: UsageEventID(high: 1, low: 1), tenant: tenant, workspace: WorkspaceID(high: 1, low: 1),
            key: KeyID(high: 1, low: 1), route: RouteID(high: 1, low: 1),
            provider: ProviderID(high: 1, low: 1),
            model: ModelID(high: 1, low: 1), price: nil, endpoint: .chat, startedAt: now,
            latencyMicroseconds: 0, firstByteMicroseconds: 0, usage: TokenUsage(input: 7, output: 3),
            cost: NanoUSD(nanos: 5), costState: .settled, status: 200, isStream: false, ending: .completed,
            grants: grants)
    }

    /// Scans of whole tables and rows fetched, by this transaction.
    private static func effort(
        _ connection: PostgresConnection
    ) async throws -> [String: (scans: Int, rows: Int)] {
        let rows = try await connection.query(
            """
            select relname::text, seq_scan, coalesce(idx_tup_fetch, 0) + seq_tup_read
              from pg_stat_xact_user_tables
             where relname in ('limits', 'grants', 'grant_accounts')
            """)
        var effort: [String: (scans: Int, rows: Int)] = [:]
        for row in rows { effort[try row.text(0)] = (try row.int(1), try row.int(2)) }
        return effort
    }

    private static func fill(_ pool: PostgresPool) async throws -> (TenantID, NodeID) {
        try await pool.withTransaction { connection in
            let fixture = Fixture()
            let tenant = try await fixture.tenant("large", connection)
            let node = try await fixture.joined("node-1", connection)
            let count = Int64(limits)
            // Without a stamp for each row: nobody publishes here.
            try await connection.executeScript("set local session_replication_role = replica")
            try await connection.execute(
                """
                insert into limits (tenant_id, id, name, routes, models, tags, partition_by, metric, amount,
                                    period, time_zone, mode, thresholds, created_at, updated_at)
                select \(tenant.id), ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                       'limit ' || n, '{}', '{}', '{}', 'none', 'cost', 1000000, 'month', 'UTC', 'enforce',
                       '{}', now(), now()
                  from generate_series(1, \(count)) n
                """)
            try await connection.execute(
                """
                insert into grant_accounts (tenant_id, limit_id, part, window_start, window_end)
                select tenant_id, id, '00000000-0000-0000-0000-000000000000', starts, ends
                  from limits, limit_window('month', 'UTC', \(now))
                """)
            try await connection.execute(
                """
                insert into grants (tenant_id, limit_id, part, window_start, id, node_id, serial, lent,
                                    settled, reported, held, need, hold, demand, orphan, seen_at)
                select tenant_id, limit_id, part, window_start, limit_id, \(node.id), 1, 10, 0, 0, 0, 0, 1, 0,
                       false, \(now)
                  from grant_accounts
                """)
            try await connection.executeScript("set local session_replication_role = origin")
            try await connection.executeScript("analyze")
            return (tenant.id, node.id)
        }
    }
}

package import Contract
package import Domain
package import PostgresDriver

/// What nodes were lent of limits.
///
/// An exchange is one transaction: `openStream`, `resolve`, `lock`, `list`, `write`, `closeStream`; each is
/// one statement or two, whatever the number of positions.
package enum GrantStore {
    /// One row: what a node was lent, and what it said of it last.
    package struct Stored: Hashable, Sendable {
        package let id: GrantID
        package let node: NodeID
        package var serial: UInt64 = 0
        package var lent: Int64 = 0
        package var settled: Int64 = 0
        package var reported: Int64 = 0
        package var held: Int64 = 0
        package var need: Int64 = 0
        package var hold: Int64 = 0
        package var demand: Int64 = 0
        package var isOrphan = false
        /// Its node is to forget it; only what was used stays counted.
        package var isWrittenOff = false
        /// Its node is served no more.
        package var isOfRevokedNode = false
        package var seenAt: Timestamp

        package init(id: GrantID, node: NodeID, seenAt: Timestamp) {
            self.id = id
            self.node = node
            self.seenAt = seenAt
        }

        package var used: Int64 { max(settled, reported) }
    }

    /// One amount in one window.
    package struct Account: Hashable, Sendable {
        package let account: GrantAccount
        package let window: LimitWindow

        package init(_ account: GrantAccount, _ window: LimitWindow) {
            self.account = account
            self.window = window
        }
    }

    // MARK: The node

    package struct Stream: Hashable, Sendable {
        /// Of the newest message that was taken.
        package var sequence: UInt64
        /// The epoch in which all that the node was lent is known.
        package var importedEpoch: UInt32
        /// Its round when it first spoke in another epoch.
        package var firstRound: UInt64?
        /// Of the control plane, now.
        package let epoch: UInt32
        /// Every node has said all that it was lent.
        package let isWhole: Bool
    }

    /// What is known of a node's messages; other messages of the node wait until the transaction ends. Nil:
    /// the node is not known, or revoked.
    package static func openStream(
        of node: NodeID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Stream? {
        let rows = try await connection.query(
            """
            select sequence, stream.epoch, first_round, state.epoch,
                   not exists (select
                                 from nodes
                                 left join grant_streams as other on other.node_id = nodes.id
                                where status <> 'revoked' and other.epoch is distinct from state.epoch)
              from grant_streams as stream
              join nodes on nodes.id = node_id
             cross join snapshot_state as state
             where node_id = \(node) and status <> 'revoked'
               for no key update of stream
            """)
        return try rows.first.map { row throws(PostgresError) in
            Stream(
                sequence: UInt64(clamping: try row.int64(0)),
                importedEpoch: UInt32(clamping: try row.int64(1)),
                firstRound: try row.optionalInt64(2).map { UInt64(clamping: $0) },
                epoch: UInt32(clamping: try row.int64(3)), isWhole: try row.bool(4))
        }
    }

    /// Keeps what the message at hand changed of `openStream`.
    package static func closeStream(
        _ stream: Stream, of node: NodeID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update grant_streams
               set sequence = \(Int64(clamping: stream.sequence)), epoch = \(Int64(stream.importedEpoch)),
                   first_round = \(stream.firstRound.map { Int64(clamping: $0) })
             where node_id = \(node)
            """)
    }

    // MARK: Accounts

    /// What a position is about.
    package struct Subject: Hashable, Sendable {
        package let account: Account
        package let metric: LimitMetric
        package let period: LimitPeriod
        /// In force at the moment of the question.
        package let amount: Int64
        package let thresholds: [Int]
        fileprivate let isNew: Bool
    }

    /// The limit of each position, and its window: that of the grant when it was opened before, else the one
    /// that holds the moment (nil: now). Nil: no such limit, or no such part of it.
    package static func resolve(
        _ positions: [(account: GrantAccount, grant: GrantID, within: Timestamp?)], at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Subject?] {
        let (tenants, limits) = (positions.map(\.account.tenant), positions.map(\.account.limit))
        let parts = positions.map { part($0.account) }
        let moments = positions.map { $0.within ?? now }
        // `offset 0` keeps the planner from reading whole tables for a few hundred rows of them.
        let rows = try await connection.query(
            """
            select found.*, account.tenant_id is null
              from (select asked.position, asked.tenant_id, asked.limit_id, asked.part, metric, period,
                           case when follows_balance
                                then prepaid_amount(asked.tenant_id, asked.limit_id)
                                else amount + case when increase_expires > \(now) then increase_amount
                                                   else 0 end end,
                           thresholds,
                           case when opened.id is null
                                then (select starts from limit_window(period, time_zone, moment))
                                else opened.window_start end as starts,
                           case when opened.id is null
                                then (select ends from limit_window(period, time_zone, moment))
                                else (select window_end from grant_accounts as home
                                       where (home.tenant_id, home.limit_id, home.part, home.window_start)
                                             = (opened.tenant_id, opened.limit_id, opened.part,
                                                opened.window_start)) end as ends
                      from unnest(\(tenants), \(limits), \(parts), \(positions.map(\.grant)), \(moments))
                           with ordinality as asked (tenant_id, limit_id, part, grant_id, moment, position)
                     cross join lateral (select *
                                           from limits
                                          where limits.tenant_id = asked.tenant_id
                                            and limits.id = asked.limit_id
                                         offset 0) as subject
                      left join lateral (select *
                                           from grants
                                          where grants.tenant_id = asked.tenant_id
                                            and grants.id = asked.grant_id
                                            and grants.limit_id = asked.limit_id
                                            and grants.part = asked.part
                                         offset 0) as opened on true
                     where partition_by <> 'none' or asked.part = \(GrantID(high: 0, low: 0))) as found
              left join grant_accounts as account on account.tenant_id = found.tenant_id
                                                 and account.limit_id = found.limit_id
                                                 and account.part = found.part
                                                 and account.window_start = found.starts
            """)
        var subjects = [Subject?](repeating: nil, count: positions.count)
        for row in rows {
            let index = Int(try row.int64(0)) - 1
            subjects[index] = Subject(
                account: Account(
                    positions[index].account,
                    LimitWindow(start: try row.timestamp(8), end: try row.optionalTimestamp(9))),
                metric: try row.value(4, LimitMetric.init(name:)),
                period: try row.value(5, LimitPeriod.init(name:)),
                amount: min(Limit.maximumAmount, try row.int64(6)),
                thresholds: try row.int64Array(7).map { Int($0) }, isNew: try row.bool(10))
        }
        return subjects
    }

    /// Locks the accounts until the transaction ends, making those that are new; the highest threshold that
    /// was announced of each. All lenders lock in one order.
    package static func lock(
        _ subjects: [Subject], _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Account: Int] {
        if subjects.contains(where: \.isNew) {
            let columns = unnest(Array(Set(subjects.filter(\.isNew).map(\.account))))
            try await connection.execute(
                """
                insert into grant_accounts (tenant_id, limit_id, part, window_start, window_end)
                select tenant_id, limit_id, part, window_start, window_end
                  from \(fragment: columns)
                 order by tenant_id, limit_id, part, window_start
                on conflict do nothing
                """)
        }
        let accounts = Array(Set(subjects.map(\.account)))
        let rows = try await connection.query(
            """
            select tenant_id, limit_id, part, window_start, window_end, alerted
              from grant_accounts
             where (tenant_id, limit_id, part, window_start)
                   in (select tenant_id, limit_id, part, window_start from \(fragment: unnest(accounts)))
             order by tenant_id, limit_id, part, window_start
               for no key update
            """)
        var alerted: [Account: Int] = [:]
        for row in rows { alerted[try readAccount(row)] = Int(try row.int64(5)) }
        return alerted
    }

    /// Every grant of the accounts, the oldest first.
    package static func list(
        of subjects: [Subject], _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Account: [Stored]] {
        let accounts = Array(Set(subjects.map(\.account)))
        let rows = try await connection.query(
            """
            select grants.tenant_id, limit_id, part, grants.window_start, asked.window_end,
                   \(fragment: columns)
              from \(fragment: unnest(accounts))
              join grants using (tenant_id, limit_id, part, window_start)
              join nodes on nodes.id = node_id
             order by grants.id
            """)
        var grants: [Account: [Stored]] = [:]
        for row in rows { grants[try readAccount(row), default: []].append(try read(row, from: 5)) }
        return grants
    }

    // MARK: Outcome

    /// A threshold that was crossed.
    package struct Alert: Hashable, Sendable {
        package let id: LimitAlertID
        package let account: Account
        package let threshold: Int
        package let used: Int64
        package let amount: Int64
        package let crossedAt: Timestamp

        package init(
            id: LimitAlertID, account: Account, threshold: Int, used: Int64, amount: Int64,
            crossedAt: Timestamp
        ) {
            self.id = id
            self.account = account
            self.threshold = threshold
            self.used = used
            self.amount = amount
            self.crossedAt = crossedAt
        }
    }

    package struct Changes: Sendable {
        package var saves: [(account: Account, grant: Stored)] = []
        package var deletes: [(tenant: TenantID, grant: GrantID)] = []
        package var alerts: [Alert] = []

        package init() {}
    }

    /// Writes what the lender changed; what usage settled meanwhile stays.
    package static func write(
        _ changes: Changes, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        var statements: [SQL] = []
        if !changes.saves.isEmpty { statements.append(save(changes.saves)) }
        if !changes.deletes.isEmpty {
            let (tenants, ids) = (changes.deletes.map(\.tenant), changes.deletes.map(\.grant))
            statements.append(
                """
                delete from grants
                 where (tenant_id, id) in (select * from unnest(\(tenants), \(ids)))
                """)
        }
        if !changes.alerts.isEmpty { statements += record(changes.alerts) }
        if statements.isEmpty { return }
        _ = try await connection.pipeline(statements)
    }

    private static func save(_ saves: [(account: Account, grant: Stored)]) -> SQL {
        func amounts(_ amount: (Stored) -> Int64) -> SQL { "\(saves.map { amount($0.grant) })" }
        let accounts = saves.map(\.account.account)
        return """
            insert into grants (tenant_id, limit_id, part, window_start, id, node_id, serial, lent, settled,
                                reported, held, need, hold, demand, orphan, seen_at)
            select tenant_id, limit_id, part, window_start, id, node_id, serial, lent, 0, reported, held,
                   need, hold, demand, orphan, seen_at
              from unnest(\(accounts.map(\.tenant)), \(accounts.map(\.limit)), \(accounts.map(part)),
                          \(saves.map(\.account.window.start)), \(saves.map(\.grant.id)),
                          \(saves.map(\.grant.node)), \(fragment: amounts { Int64(clamping: $0.serial) }),
                          \(fragment: amounts(\.lent)), \(fragment: amounts(\.reported)),
                          \(fragment: amounts(\.held)), \(fragment: amounts(\.need)),
                          \(fragment: amounts(\.hold)), \(fragment: amounts(\.demand)),
                          \(saves.map(\.grant.isOrphan)), \(saves.map(\.grant.seenAt)))
                   as fresh (tenant_id, limit_id, part, window_start, id, node_id, serial, lent, reported,
                             held, need, hold, demand, orphan, seen_at)
             order by tenant_id, id
            on conflict (tenant_id, id) do update
               set serial = excluded.serial, lent = excluded.lent, reported = excluded.reported,
                   held = excluded.held, need = excluded.need, hold = excluded.hold,
                   demand = excluded.demand, orphan = excluded.orphan, seen_at = excluded.seen_at
             where grants.node_id = excluded.node_id
            """
    }

    private static func record(_ alerts: [Alert]) -> [SQL] {
        let accounts = alerts.map(\.account.account)
        let (tenants, limits, parts) = (accounts.map(\.tenant), accounts.map(\.limit), accounts.map(part))
        let (starts, thresholds) = (alerts.map(\.account.window.start), alerts.map { Int64($0.threshold) })
        return [
            """
            insert into limit_alerts (tenant_id, id, limit_id, part, window_start, threshold, used, amount,
                                      crossed_at)
            select * from unnest(\(tenants), \(alerts.map(\.id)), \(limits), \(parts), \(starts),
                                 \(thresholds), \(alerts.map(\.used)), \(alerts.map(\.amount)),
                                 \(alerts.map(\.crossedAt)))
            on conflict do nothing
            """,
            """
            update grant_accounts as account
               set alerted = greatest(alerted, threshold)
              from (select tenant_id, limit_id, part, window_start, max(threshold) as threshold
                      from unnest(\(tenants), \(limits), \(parts), \(starts), \(thresholds))
                           as crossed (tenant_id, limit_id, part, window_start, threshold)
                     group by 1, 2, 3, 4) as crossed
             where (account.tenant_id, account.limit_id, account.part, account.window_start)
                   = (crossed.tenant_id, crossed.limit_id, crossed.part, crossed.window_start)
            """,
        ]
    }

    // MARK: Rows

    static let columns: SQL =
        """
        grants.id, node_id, serial, lent, settled, reported, held, need, hold, demand, orphan, written_off,
        nodes.status = 'revoked', grants.seen_at
        """

    static func read(_ row: Row, from first: Int) throws(PostgresError) -> Stored {
        var grant = Stored(
            id: try row.id(first), node: try row.id(first + 1), seenAt: try row.timestamp(first + 13))
        grant.serial = UInt64(clamping: try row.int64(first + 2))
        grant.lent = try row.int64(first + 3)
        grant.settled = try row.int64(first + 4)
        grant.reported = try row.int64(first + 5)
        grant.held = try row.int64(first + 6)
        grant.need = try row.int64(first + 7)
        grant.hold = try row.int64(first + 8)
        grant.demand = try row.int64(first + 9)
        grant.isOrphan = try row.bool(first + 10)
        grant.isWrittenOff = try row.bool(first + 11)
        grant.isOfRevokedNode = try row.bool(first + 12)
        return grant
    }

    private static func readAccount(_ row: Row) throws(PostgresError) -> Account {
        let part: GrantID = try row.id(2)
        return Account(
            GrantAccount(
                tenant: try row.id(0), limit: try row.id(1), partHigh: part.high, partLow: part.low),
            LimitWindow(start: try row.timestamp(3), end: try row.optionalTimestamp(4)))
    }

    private static func unnest(_ accounts: [Account]) -> SQL {
        """
        unnest(\(accounts.map(\.account.tenant)), \(accounts.map(\.account.limit)),
               \(accounts.map { part($0.account) }), \(accounts.map(\.window.start)),
               \(accounts.map(\.window.end)))
               as asked (tenant_id, limit_id, part, window_start, window_end)
        """
    }

    /// A part as the tables have it.
    static func part(_ account: GrantAccount) -> GrantID {
        GrantID(high: account.partHigh, low: account.partLow)
    }
}

package import Contract
package import Domain
package import PostgresDriver

/// What nodes were lent of limits.
package enum GrantStore {
    /// One row: what a node was lent, and what it said of it last.
    package struct Stored: Hashable, Sendable {
        package let id: GrantID
        package let node: NodeID
        package var serial: UInt64
        package var lent: Int64
        package var settled: Int64
        package var reported: Int64
        package var held: Int64
        package var need: Int64
        package var hold: Int64
        package var demand: Int64
        package var isOrphan: Bool
        package var seenAt: Timestamp

        package init(
            id: GrantID, node: NodeID, serial: UInt64, lent: Int64, settled: Int64, reported: Int64,
            held: Int64, need: Int64, hold: Int64, demand: Int64, isOrphan: Bool, seenAt: Timestamp
        ) {
            self.id = id
            self.node = node
            self.serial = serial
            self.lent = lent
            self.settled = settled
            self.reported = reported
            self.held = held
            self.need = need
            self.hold = hold
            self.demand = demand
            self.isOrphan = isOrphan
            self.seenAt = seenAt
        }
    }

    /// Takes a node's message when it is newer than all before; else says the newest that was taken.
    package static func takeSequence(
        _ sequence: UInt64, of node: NodeID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> UInt64 {
        let rows = try await connection.query(
            """
            insert into grant_streams (node_id, sequence, epoch)
            values (\(node), \(Int64(clamping: sequence)), 0)
            on conflict (node_id) do update
               set sequence = greatest(grant_streams.sequence, excluded.sequence)
            returning sequence
            """)
        return UInt64(clamping: try rows.first?.int64(0) ?? 0)
    }

    /// Keeps newer messages of the node out until the transaction ends; false: there is one already.
    package static func isNewest(
        _ sequence: UInt64, of node: NodeID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            "select sequence from grant_streams where node_id = \(node) for share")
        return try rows.first.map { row throws(PostgresError) in UInt64(clamping: try row.int64(0)) }
            == sequence
    }

    /// The window of a position's account: that of the grant when it was opened before, else the one that
    /// holds the moment. Nil: no such limit.
    ///
    /// The account and window are locked until the transaction ends; accounts are to be locked in one order.
    package static func lock(
        _ account: GrantAccount, grant: GrantID, within moment: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (limit: Limit, window: LimitWindow)? {
        guard let limit = try await LimitStore.find(account.limit, of: account.tenant, connection) else {
            return nil
        }
        let opened = try await connection.query(
            """
            select window_start, window_end from grants where tenant_id = \(account.tenant) and id = \(grant)
            """)
        var window = try opened.first.map { row throws(PostgresError) in
            LimitWindow(start: try row.timestamp(0), end: try row.optionalTimestamp(1))
        }
        if window == nil {
            window = try await LimitStore.window(
                of: limit.period, in: limit.timeZone, at: moment, connection)
        }
        guard let window else { return nil }
        let name = "\(account.limit) \(part(account).uuidText) \(window.start)"
        _ = try await connection.query(
            "select true from (select pg_advisory_xact_lock(hashtextextended(\(name), 0))) as locked")
        return (limit, window)
    }

    /// Every grant of an account in a window, the oldest first.
    package static func list(
        of account: GrantAccount, in window: LimitWindow, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Stored] {
        let rows = try await connection.query(
            """
            select id, node_id, serial, lent, settled, reported, held, need, hold, demand, orphan, seen_at
              from grants
             where tenant_id = \(account.tenant) and limit_id = \(account.limit)
               and part = \(part(account)) and window_start = \(window.start)
             order by id
            """)
        return try rows.read { row throws(PostgresError) in
            Stored(
                id: try row.id(0), node: try row.id(1), serial: UInt64(clamping: try row.int64(2)),
                lent: try row.int64(3), settled: try row.int64(4), reported: try row.int64(5),
                held: try row.int64(6), need: try row.int64(7), hold: try row.int64(8),
                demand: try row.int64(9), isOrphan: try row.bool(10), seenAt: try row.timestamp(11))
        }
    }

    /// Writes a grant as the lender left it; what usage settled meanwhile stays.
    package static func save(
        _ grant: Stored, of account: GrantAccount, in window: LimitWindow, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into grants (tenant_id, id, limit_id, part, window_start, window_end, node_id, serial,
                                lent, settled, reported, held, need, hold, demand, orphan, seen_at)
            values (\(account.tenant), \(grant.id), \(account.limit), \(part(account)), \(window.start),
                    \(window.end), \(grant.node), \(Int64(clamping: grant.serial)), \(grant.lent), 0,
                    \(grant.reported), \(grant.held), \(grant.need), \(grant.hold), \(grant.demand),
                    \(grant.isOrphan), \(grant.seenAt))
            on conflict (tenant_id, id) do update
               set serial = excluded.serial, lent = excluded.lent, reported = excluded.reported,
                   held = excluded.held, need = excluded.need, hold = excluded.hold,
                   demand = excluded.demand, orphan = excluded.orphan, seen_at = excluded.seen_at
            """)
    }

    package static func delete(
        _ ids: [GrantID], of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            "delete from grants where tenant_id = \(tenant) and id = any(\(ids))")
    }

    /// Adds what calls used of their grants: in the transaction that takes their usage.
    package static func settle(
        _ amounts: [(grant: GrantID, amount: Int64)], of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        guard !amounts.isEmpty else { return }
        try await connection.execute(
            """
            update grants
               set settled = settled + used.amount
              from (select id, sum(amount)::bigint as amount
                      from unnest(\(amounts.map(\.grant)), \(amounts.map(\.amount))) as used (id, amount)
                     group by id) as used
             where tenant_id = \(tenant) and grants.id = used.id
            """)
    }

    private static func part(_ account: GrantAccount) -> GrantID {
        GrantID(high: account.partHigh, low: account.partLow)
    }
}

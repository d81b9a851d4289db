package import Contract
package import Domain
package import PostgresDriver

/// What became of a limit: what nodes were lent, what was used, which thresholds were crossed.
package enum LimitStateStore {
    /// Grants shown of one account.
    package static let maximumGrants = 1000

    /// What nodes were lent of an account, those who use most of it first; at most `maximumGrants`.
    package static func grants(
        of account: GrantStore.Account, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [GrantStore.Stored] {
        let rows = try await connection.query(
            """
            select \(fragment: GrantStore.columns)
              from grants
              join nodes on nodes.id = node_id
             where tenant_id = \(account.account.tenant) and limit_id = \(account.account.limit)
               and part = \(GrantStore.part(account.account)) and window_start = \(account.window.start)
             order by lent desc, grants.id
             limit \(maximumGrants)
            """)
        return try rows.read { row throws(PostgresError) in try GrantStore.read(row, from: 0) }
    }

    /// The sums of one part of a limit in one window.
    package struct Part: Hashable, Sendable {
        package let part: LimitPart
        package let open: Int64
        package let used: Int64
        package let settled: Int64
        package let held: Int64
    }

    /// The parts of a limit of which something was lent in a window, in the order of their bits.
    package static func parts(
        of limit: LimitID, in tenant: TenantID, _ window: LimitWindow, _ page: Page<GrantNoun>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Part, GrantNoun> {
        let rows = try await connection.query(
            """
            select part, coalesce(sum(greatest(lent, settled, reported)), 0)::int8,
                   coalesce(sum(greatest(settled, reported)), 0)::int8, coalesce(sum(settled), 0)::int8,
                   coalesce(sum(held), 0)::int8
              from (select tenant_id, limit_id, part, window_start
                      from grant_accounts
                     where tenant_id = \(tenant) and limit_id = \(limit) and part < \(page.bound)
                       and window_start = \(window.start)
                     order by part desc
                     limit \(page.fetchLimit)) as page
              left join grants using (tenant_id, limit_id, part, window_start)
             group by part
             order by part desc
            """)
        let parts = try rows.read { row throws(PostgresError) in
            let id: GrantID = try row.id(0)
            return Part(
                part: LimitPart(id), open: try row.int64(1), used: try row.int64(2),
                settled: try row.int64(3), held: try row.int64(4))
        }
        return page.listing(parts, \.id)
    }

    /// Gives up what a node was lent of a limit: only what it is known to have used stays counted, and the
    /// node is to forget it. How many grants it had.
    package static func writeOff(
        _ node: NodeID, of limit: LimitID, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        // As lenders do: nobody lends of it meanwhile.
        _ = try await connection.query(
            """
            select from grant_accounts
             where tenant_id = \(tenant) and limit_id = \(limit)
             order by part, window_start
               for no key update
            """)
        return try await connection.execute(
            """
            update grants
               set written_off = true, orphan = true, lent = greatest(settled, reported), held = 0, need = 0,
                   demand = 0
             where tenant_id = \(tenant) and limit_id = \(limit) and node_id = \(node) and not written_off
            """)
    }

    /// What was used of a limit in one window, of all its parts together.
    package struct PastWindow: Hashable, Sendable {
        package let start: Timestamp
        /// nil: it has no end.
        package let end: Timestamp?
        package let used: Int64
        package let settled: Int64
    }

    /// The windows in which something was lent of a limit, the newest first, as far back as they are kept.
    package static func windows(
        of limit: LimitID, in tenant: TenantID, limit count: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [PastWindow] {
        let rows = try await connection.query(
            """
            select window_start, max(window_end), coalesce(sum(greatest(settled, reported)), 0)::int8,
                   coalesce(sum(settled), 0)::int8
              from grant_accounts
              left join grants using (tenant_id, limit_id, part, window_start)
             where tenant_id = \(tenant) and limit_id = \(limit)
             group by window_start
             order by window_start desc
             limit \(count)
            """)
        return try rows.read { row throws(PostgresError) in
            PastWindow(
                start: try row.timestamp(0), end: try row.optionalTimestamp(1), used: try row.int64(2),
                settled: try row.int64(3))
        }
    }

    /// A threshold that was crossed.
    package struct Alert: Hashable, Sendable {
        package let id: LimitAlertID
        package let limit: LimitID
        package let part: LimitPart
        package let windowStart: Timestamp
        package let threshold: Int
        package let used: Int64
        package let amount: Int64
        package let crossedAt: Timestamp
        /// Of the limit.
        package let metric: LimitMetric
        package let name: String
    }

    /// The crossed thresholds of a tenant, or of one limit, the newest first.
    package static func alerts(
        of tenant: TenantID, limit: LimitID? = nil, _ page: Page<LimitAlertNoun>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Alert, LimitAlertNoun> {
        let filter: SQL = limit.map { "and limit_id = \($0)" } ?? ""
        let rows = try await connection.query(
            """
            select alert.id, limit_id, part, window_start, threshold, used, alert.amount, crossed_at, metric,
                   name
              from limit_alerts as alert
              join limits on limits.tenant_id = alert.tenant_id and limits.id = limit_id
             where alert.tenant_id = \(tenant) and alert.id < \(page.bound) \(fragment: filter)
             order by alert.id desc
             limit \(page.fetchLimit)
            """)
        let alerts = try rows.read { row throws(PostgresError) in
            let part: GrantID = try row.id(2)
            return Alert(
                id: try row.id(0), limit: try row.id(1), part: LimitPart(part),
                windowStart: try row.timestamp(3), threshold: Int(try row.int64(4)), used: try row.int64(5),
                amount: try row.int64(6), crossedAt: try row.timestamp(7),
                metric: try row.value(8, LimitMetric.init(name:)), name: try row.text(9))
        }
        return page.listing(alerts, \.id)
    }

    /// Deletes what was lent in windows that ended before a moment; at most so many accounts. How many there
    /// were.
    package static func purge(
        endedBefore moment: Timestamp, limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute(
            """
            delete from grant_accounts
             where (tenant_id, limit_id, part, window_start)
                   in (select tenant_id, limit_id, part, window_start
                         from grant_accounts
                        where window_end < \(moment)
                        limit \(limit))
            """)
    }
}

extension LimitStateStore.Part {
    fileprivate var id: GrantID { GrantID(high: part.high, low: part.low) }
}

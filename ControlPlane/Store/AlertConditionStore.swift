package import Contract
package import Domain
package import PostgresDriver

/// What alert rules look at.
package enum AlertConditionStore {
    /// More findings of one rule than these say nothing new.
    package static let maximumFindings = 200

    // MARK: Budgets

    /// A budget, or one part of it, and how far it is used in the window that is now.
    package struct BudgetUse: Hashable, Sendable {
        package let limit: LimitID
        package let part: LimitPart
        package let windowStart: Timestamp
        /// nil: it has none.
        package let windowEnd: Timestamp?
        package let used: Int64
        /// The highest threshold of these; 0 where thresholds were not asked for.
        package let threshold: Int64
    }

    /// Thresholds from `lowest` on that were crossed in windows that are now, in that order.
    package static func crossings(
        in tenant: TenantID, limit: LimitID?, from lowest: Int64, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [BudgetUse] {
        let rows = try await connection.query(
            """
            select limit_id, part, starts, ends, used, threshold
              from limit_alerts as crossing
              join limits on limits.tenant_id = crossing.tenant_id and limits.id = limit_id
             cross join lateral limit_window(period, time_zone, \(now))
             where crossing.tenant_id = \(tenant) and window_start = starts and threshold >= \(lowest)
                   \(fragment: limit.map { "and limit_id = \($0)" } ?? "")
             order by crossed_at desc, crossing.id desc
             limit \(maximumFindings)
            """)
        return try rows.read(readUse).reversed()
    }

    /// What is used of the budgets of calendar windows, those used most first.
    package static func uses(
        in tenant: TenantID, limit: LimitID?, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [BudgetUse] {
        let rows = try await connection.query(
            """
            select limit_id, part, starts, ends, sum(greatest(settled, reported))::int8 as used, 0::int8
              from limits
             cross join lateral limit_window(period, time_zone, \(now))
              join grants
                on grants.tenant_id = limits.tenant_id and limit_id = limits.id and window_start = starts
             where limits.tenant_id = \(tenant) and period in ('day', 'week', 'month')
                   \(fragment: limit.map { "and limits.id = \($0)" } ?? "")
             group by limit_id, part, starts, ends
             order by used desc
             limit \(maximumFindings)
            """)
        return try rows.read(readUse)
    }

    private static func readUse(_ row: Row) throws(PostgresError) -> BudgetUse {
        let part: GrantID = try row.id(1)
        return BudgetUse(
            limit: try row.id(0), part: LimitPart(part), windowStart: try row.timestamp(2),
            windowEnd: try row.optionalTimestamp(3), used: try row.int64(4), threshold: try row.int64(5))
    }

    // MARK: Calls

    /// Calls of the last minutes.
    package struct CallCounts: Hashable, Sendable {
        package let calls: Int64
        package let failed: Int64
        package let cost: NanoUSD
    }

    package static func counts(
        in tenant: TenantID, _ match: AlertRule.Match, since moment: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> CallCounts {
        let rows = try await connection.query(
            """
            select coalesce(sum(calls), 0)::int8, coalesce(sum(failed_calls), 0)::int8,
                   coalesce(sum(cost_nanos), 0)::int8
              from usage_minutes
             where tenant_id = \(tenant) and starts_at >= \(moment) \(fragment: condition(match))
            """)
        guard let row = rows.first else { return CallCounts(calls: 0, failed: 0, cost: .zero) }
        return CallCounts(
            calls: try row.int64(0), failed: try row.int64(1), cost: NanoUSD(nanos: try row.int64(2)))
    }

    /// What was spent in whole hours between two moments, and when the first of them began; nil: nothing was.
    package static func spending(
        in tenant: TenantID, _ match: AlertRule.Match, from: Timestamp, to: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> (cost: NanoUSD, since: Timestamp)? {
        let rows = try await connection.query(
            """
            select sum(cost_nanos)::int8, min(starts_at)
              from usage_hours
             where tenant_id = \(tenant) and starts_at >= \(from) and starts_at < \(to)
                   \(fragment: condition(match))
            """)
        guard let row = rows.first, let cost = try row.optionalInt64(0),
            let since = try row.optionalTimestamp(1)
        else { return nil }
        return (NanoUSD(nanos: cost), since)
    }

    /// How long calls that were answered took at most, of so many per cent of them, and how many there were.
    package static func latency(
        in tenant: TenantID, _ match: AlertRule.Match, percentile: Int, since moment: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> (milliseconds: Int64, calls: Int64) {
        let rows = try await connection.query(
            """
            select coalesce(percentile_disc(\(Double(percentile) / 100)) within group (order by latency_us),
                            0)::int8, count(*)
              from usage_events
             where tenant_id = \(tenant) and started_at >= \(moment) and status_code < 400
                   and purpose = 'call'
                   \(fragment: condition(match))
            """)
        guard let row = rows.first else { return (0, 0) }
        return (try row.int64(0) / 1000, try row.int64(1))
    }

    private static func condition(_ match: AlertRule.Match) -> SQL {
        var condition: SQL = ""
        if let workspace = match.workspace { condition = condition + " and workspace_id = \(workspace)" }
        if let route = match.route { condition = condition + " and route_id = \(route)" }
        return condition
    }

    // MARK: Nodes

    /// A node and a figure of it.
    package struct NodeFigure: Hashable, Sendable {
        package let node: NodeID
        package let name: String
        package let value: Int64
    }

    /// Nodes that were not heard of for so long. Unit: seconds.
    package static func silent(
        for seconds: Int64, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [NodeFigure] {
        try await figures(
            """
            select id, name, extract(epoch from \(now) - coalesce(seen_at, joined_at))::int8
              from nodes
              left join node_reports on node_id = nodes.id
             where status <> 'revoked'
               and coalesce(seen_at, joined_at) <= \(now.advanced(bySeconds: -seconds))
            """, connection)
    }

    /// Nodes that are heard of, and run an older snapshot although one of its kind is there for so long.
    /// Unit: seconds.
    package static func lagging(
        for seconds: Int64, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [NodeFigure] {
        try await figures(
            """
            select id, name, extract(epoch from \(now) - newer.since)::int8
              from nodes
              join node_reports on node_id = nodes.id
              left join snapshot_versions as running
                on running.epoch = running_epoch and running.counter = running_counter
             cross join lateral (select min(published_at) as since
                                   from snapshot_versions as version
                                  where (version.epoch, version.counter)
                                        > (coalesce(running_epoch, 0), coalesce(running_counter, 0))
                                    and version.track = coalesce(running.track, 'live')) as newer
             where status <> 'revoked'
               and seen_at > \(now.advanced(bySeconds: -Node.silenceLimitSeconds))
               and newer.since <= \(now.advanced(bySeconds: -seconds))
            """, connection)
    }

    /// Nodes that hold so many usage events they have not handed in.
    package static func undelivered(
        atLeast count: Int64, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [NodeFigure] {
        try await figures(
            """
            select id, name, outbox_events
              from nodes
              join node_reports on node_id = nodes.id
             where status <> 'revoked' and outbox_events >= \(count)
            """, connection)
    }

    private static func figures(
        _ query: SQL, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [NodeFigure] {
        let rows = try await connection.query(
            "\(fragment: query) order by 3 desc, 1 limit \(maximumFindings)")
        return try rows.read { row throws(PostgresError) in
            NodeFigure(node: try row.id(0), name: try row.text(1), value: try row.int64(2))
        }
    }
}

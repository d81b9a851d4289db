package import Domain
package import PostgresDriver

/// What a usage report is asked for.
package struct UsageQuery: Hashable, Sendable {
    package enum Dimension: String, Sendable, CaseIterable {
        case tenant, workspace, key, route, provider, model
    }

    package enum Step: String, Sendable, CaseIterable {
        case minute, hour, day
    }

    /// nil: all tenants.
    package var tenant: TenantID?
    package var from: Timestamp
    /// The moment after the last one that counts.
    package var to: Timestamp
    /// One row for each step; nil: one for the whole period.
    package var step: Step?
    package var groupBy: [Dimension] = []
    package var workspace: WorkspaceID?
    package var key: KeyID?
    package var route: RouteID?
    package var provider: ProviderID?
    package var model: ModelID?
    package var limit = 1000

    package static let maximumLimit = 10_000

    package init(tenant: TenantID?, from: Timestamp, to: Timestamp) {
        self.tenant = tenant
        self.from = from
        self.to = to
    }
}

/// The answer: the dearest first, within each step.
package struct UsageReport: Hashable, Sendable {
    package struct Line: Hashable, Sendable {
        /// Set when the query has a step; the others when it groups by them.
        package let startsAt: Timestamp?
        package let tenant: TenantID?
        package let workspace: WorkspaceID?
        package let key: KeyID?
        package let route: RouteID?
        package let provider: ProviderID?
        package let model: ModelID?
        package let totals: UsageTotals
    }

    /// The period that was summed: the query's, widened to whole steps (to whole minutes without one).
    package let from: Timestamp
    package let to: Timestamp
    package let lines: [Line]
    /// More lines than the limit; the cheapest are missing.
    package let isCut: Bool
}

extension UsageStore {
    /// Sums from the rollups; as current as the last batch taken in.
    package static func report(
        _ query: UsageQuery, _ connection: PostgresConnection
    ) async throws(PostgresError) -> UsageReport {
        let table = RollupTable(for: query)
        let limit = min(max(query.limit, 1), UsageQuery.maximumLimit)
        let groups = query.groupBy
        func column(_ dimension: UsageQuery.Dimension) -> SQL {
            groups.contains(dimension) ? dimension.column : "null::uuid"
        }
        let start: SQL = query.step == nil ? "null::timestamptz" : "starts_at"
        let rows = try await connection.query(
            """
            select \(fragment: start), \(fragment: column(.tenant)), \(fragment: column(.workspace)),
                   \(fragment: column(.key)), \(fragment: column(.route)), \(fragment: column(.provider)),
                   \(fragment: column(.model)),
                   sum(calls)::int8, sum(failed_calls)::int8, sum(estimated_calls)::int8,
                   sum(input_tokens)::int8, sum(cached_input_tokens)::int8, sum(cache_write_tokens)::int8,
                   sum(output_tokens)::int8, sum(reasoning_tokens)::int8, sum(cost_nanos)::int8 as cost,
                   sum(latency_us)::int8, sum(first_byte_us)::int8
              from \(fragment: table.name)
             where \(fragment: predicate(query, table))
             group by 1, 2, 3, 4, 5, 6, 7
             order by 1, cost desc, 2, 3, 4, 5, 6, 7
             limit \(limit + 1)
            """)
        let lines = try rows.prefix(limit).map(readLine)
        return UsageReport(from: table.from, to: table.to, lines: lines, isCut: rows.count > limit)
    }

    private static func predicate(_ query: UsageQuery, _ table: RollupTable) -> SQL {
        var predicate: SQL = "starts_at >= \(table.from) and starts_at < \(table.to)"
        if let tenant = query.tenant { predicate = predicate + " and tenant_id = \(tenant)" }
        if let workspace = query.workspace { predicate = predicate + " and workspace_id = \(workspace)" }
        if let key = query.key { predicate = predicate + " and key_id = \(key)" }
        if let route = query.route { predicate = predicate + " and route_id = \(route)" }
        if let provider = query.provider { predicate = predicate + " and provider_id = \(provider)" }
        if let model = query.model { predicate = predicate + " and model_id = \(model)" }
        return predicate
    }

    private static func readLine(_ row: Row) throws(PostgresError) -> UsageReport.Line {
        var totals = UsageTotals()
        totals.calls = try row.int64(7)
        totals.failedCalls = try row.int64(8)
        totals.estimatedCalls = try row.int64(9)
        totals.inputTokens = try row.int64(10)
        totals.cachedInputTokens = try row.int64(11)
        totals.cacheWriteTokens = try row.int64(12)
        totals.outputTokens = try row.int64(13)
        totals.reasoningTokens = try row.int64(14)
        totals.cost = NanoUSD(nanos: try row.int64(15))
        totals.latencyMicroseconds = try row.int64(16)
        totals.firstByteMicroseconds = try row.int64(17)
        return UsageReport.Line(
            startsAt: try row.optionalTimestamp(0), tenant: try row.optionalID(1),
            workspace: try row.optionalID(2), key: try row.optionalID(3), route: try row.optionalID(4),
            provider: try row.optionalID(5), model: try row.optionalID(6), totals: totals)
    }
}

extension UsageQuery.Dimension {
    fileprivate var column: SQL {
        switch self {
        case .tenant: "tenant_id"
        case .workspace: "workspace_id"
        case .key: "key_id"
        case .route: "route_id"
        case .provider: "provider_id"
        case .model: "model_id"
        }
    }
}

/// The table that answers with the fewest rows, and the period in its steps.
struct RollupTable {
    let step: UsageQuery.Step
    let from: Timestamp
    let to: Timestamp

    init(for query: UsageQuery) {
        func isWhole(_ unit: (Timestamp) -> Timestamp) -> Bool {
            unit(query.from) == query.from && unit(query.to) == query.to
        }
        step =
            query.step
            ?? (isWhole(\.startOfDay) ? .day : isWhole(\.startOfHour) ? .hour : .minute)
        from = step.start(of: query.from)
        let floor = step.start(of: query.to)
        to = floor == query.to ? floor : floor.advanced(bySeconds: step.seconds)
    }

    var name: SQL {
        switch step {
        case .minute: "usage_minutes"
        case .hour: "usage_hours"
        case .day: "usage_days"
        }
    }
}

extension UsageQuery.Step {
    fileprivate var seconds: Int64 {
        switch self {
        case .minute: 60
        case .hour: 3600
        case .day: 86_400
        }
    }

    fileprivate func start(of time: Timestamp) -> Timestamp {
        switch self {
        case .minute: time.startOfMinute
        case .hour: time.startOfHour
        case .day: time.startOfDay
        }
    }
}

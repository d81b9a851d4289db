package import Domain
package import PostgresDriver

/// What a usage report is asked for.
package struct UsageQuery: Hashable, Sendable {
    package enum Dimension: String, Sendable, CaseIterable {
        case tenant, workspace, key, route, provider, model
        /// The owner of the key, the groups they are in, the tags of the key: as they are now. A call of
        /// several groups or tags counts in each.
        case user, group, tag
        /// Read from the events themselves, so of one tenant only.
        case status
    }

    package enum Step: String, Sendable, CaseIterable {
        case minute, hour, day, month
    }

    /// What the lines of a step are ordered by, the most first.
    package enum Order: String, Sendable, CaseIterable {
        case cost, calls, failedCalls = "failed_calls", inputTokens = "input_tokens"
        case outputTokens = "output_tokens"
    }

    /// nil: all tenants.
    package var tenant: TenantID?
    package var from: Timestamp
    /// The moment after the last one that counts.
    package var to: Timestamp
    /// One row for each step; nil: one for the whole period.
    package var step: Step?
    package var groupBy: [Dimension] = []
    package var order = Order.cost
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

/// The answer: within each step in the order that was asked for.
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
        package let user: UserID?
        package let group: GroupID?
        package let tag: String?
        package let status: Int?
        package let totals: UsageTotals
    }

    /// The period that was summed: the query's, widened to whole steps (to whole minutes without one).
    package let from: Timestamp
    package let to: Timestamp
    package let lines: [Line]
    /// More lines than the limit; the last are missing.
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
            groups.contains(dimension) ? dimension.column : "null::\(fragment: dimension.type)"
        }
        let start: SQL =
            switch query.step {
            case nil: "null::timestamptz"
            case .month?: "date_trunc('month', usage.starts_at, 'UTC')"
            default: "usage.starts_at"
            }
        let source: SQL =
            groups.contains(.status) ? events(in: table) : "select * from \(fragment: table.name)"
        let rows = try await connection.query(
            """
            select \(fragment: start), \(fragment: column(.tenant)), \(fragment: column(.workspace)),
                   \(fragment: column(.key)), \(fragment: column(.route)), \(fragment: column(.provider)),
                   \(fragment: column(.model)), \(fragment: column(.user)), \(fragment: column(.group)),
                   \(fragment: column(.tag)), \(fragment: column(.status)),
                   sum(calls)::int8 as calls, sum(failed_calls)::int8 as failed_calls,
                   sum(estimated_calls)::int8, sum(input_tokens)::int8 as input_tokens,
                   sum(cached_input_tokens)::int8, sum(cache_write_tokens)::int8,
                   sum(output_tokens)::int8 as output_tokens, sum(reasoning_tokens)::int8,
                   sum(cost_nanos)::int8 as cost, sum(latency_us)::int8, sum(first_byte_us)::int8
              from (\(fragment: source) where \(fragment: predicate(query, table))) as usage
                   \(fragment: joins(groups))
             group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
             order by 1, \(fragment: query.order.column) desc, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
             limit \(limit + 1)
            """)
        let lines = try rows.prefix(limit).map(readLine)
        return UsageReport(from: table.from, to: table.to, lines: lines, isCut: rows.count > limit)
    }

    /// Calls in the form of sums.
    private static func events(in table: RollupTable) -> SQL {
        """
        select * from (
            select tenant_id, date_trunc(\(table.step.rawValue), started_at, 'UTC') as starts_at,
                   workspace_id, key_id, route_id, provider_id, model_id, status_code,
                   (purpose = 'call')::int as calls,
                   (purpose = 'call'
                    and (error_code is not null or status_code >= 400))::int as failed_calls,
                   (purpose = 'call' and cost_state = 'estimated')::int as estimated_calls, input_tokens,
                   cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nanos,
                   latency_us * (purpose = 'call')::int as latency_us,
                   first_byte_us * (purpose = 'call')::int as first_byte_us
              from usage_events
             where started_at >= \(table.from) and started_at < \(table.to) and purpose <> 'mirror'
        ) as calls
        """
    }

    /// What is known of keys only now, not at the time of a call.
    private static func joins(_ groups: [UsageQuery.Dimension]) -> SQL {
        var joins: SQL = ""
        if groups.contains(where: { [.user, .group, .tag].contains($0) }) {
            joins =
                joins + " left join keys on keys.tenant_id = usage.tenant_id and keys.id = usage.key_id"
        }
        if groups.contains(.group) {
            joins =
                joins
                    + """
                     left join group_members on group_members.tenant_id = usage.tenant_id
                                             and group_members.user_id = keys.owner_id
                    """
        }
        if groups.contains(.tag) { joins = joins + " left join lateral unnest(keys.tags) as tag on true" }
        return joins
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
        totals.calls = try row.int64(11)
        totals.failedCalls = try row.int64(12)
        totals.estimatedCalls = try row.int64(13)
        totals.inputTokens = try row.int64(14)
        totals.cachedInputTokens = try row.int64(15)
        totals.cacheWriteTokens = try row.int64(16)
        totals.outputTokens = try row.int64(17)
        totals.reasoningTokens = try row.int64(18)
        totals.cost = NanoUSD(nanos: try row.int64(19))
        totals.latencyMicroseconds = try row.int64(20)
        totals.firstByteMicroseconds = try row.int64(21)
        return UsageReport.Line(
            startsAt: try row.optionalTimestamp(0), tenant: try row.optionalID(1),
            workspace: try row.optionalID(2), key: try row.optionalID(3), route: try row.optionalID(4),
            provider: try row.optionalID(5), model: try row.optionalID(6),
            user: try row.optionalID(7), group: try row.optionalID(8), tag: try row.optionalText(9),
            status: try row.optionalInt64(10).map { Int($0) }, totals: totals)
    }
}

extension UsageQuery.Dimension {
    fileprivate var column: SQL {
        switch self {
        case .tenant: "usage.tenant_id"
        case .workspace: "usage.workspace_id"
        case .key: "usage.key_id"
        case .route: "usage.route_id"
        case .provider: "usage.provider_id"
        case .model: "usage.model_id"
        case .user: "keys.owner_id"
        case .group: "group_members.group_id"
        case .tag: "tag"
        case .status: "usage.status_code::int8"
        }
    }

    fileprivate var type: SQL {
        switch self {
        case .tag: "text"
        case .status: "int8"
        default: "uuid"
        }
    }
}

extension UsageQuery.Order {
    fileprivate var column: SQL {
        switch self {
        case .cost: "cost"
        case .calls: "calls"
        case .failedCalls: "failed_calls"
        case .inputTokens: "input_tokens"
        case .outputTokens: "output_tokens"
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
        // From anywhere in a step, its length leads into the next one.
        to = floor == query.to ? floor : step.start(of: floor.advanced(bySeconds: step.seconds))
    }

    var name: SQL {
        switch step {
        case .minute: "usage_minutes"
        case .hour: "usage_hours"
        case .day, .month: "usage_days"
        }
    }
}

extension UsageQuery.Step {
    fileprivate var seconds: Int64 {
        switch self {
        case .minute: 60
        case .hour: 3600
        case .day: 86_400
        case .month: 31 * 86_400
        }
    }

    fileprivate func start(of time: Timestamp) -> Timestamp {
        switch self {
        case .minute: time.startOfMinute
        case .hour: time.startOfHour
        case .day: time.startOfDay
        case .month: CivilDate(year: time.date.year, month: time.date.month, day: 1)?.start ?? time.startOfDay
        }
    }
}

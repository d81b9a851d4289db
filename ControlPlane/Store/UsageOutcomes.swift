import Contract
package import Domain
package import PostgresDriver

/// What a report about how calls ended and how long they took is asked for.
package struct OutcomeQuery: Hashable, Sendable {
    package enum Dimension: String, Sendable, CaseIterable {
        case route, provider, model, status
    }

    package let tenant: TenantID
    package let from: Timestamp
    /// The moment after the last one that counts.
    package let to: Timestamp
    /// One line an hour or a day; nil: one for the period.
    package var step: UsageQuery.Step?
    package var groupBy: [Dimension] = []
    package var route: RouteID?
    package var provider: ProviderID?
    package var model: ModelID?

    package init(tenant: TenantID, from: Timestamp, to: Timestamp) {
        self.tenant = tenant
        self.from = from
        self.to = to
    }
}

/// How the calls of one step and group ended.
package struct OutcomeLine: Hashable, Sendable {
    /// What tells lines apart.
    package struct Group: Hashable, Sendable {
        package let startsAt: Timestamp?
        package let route: RouteID?
        package let provider: ProviderID?
        package let model: ModelID?
        package let status: Int?
    }

    package let group: Group
    package var latency = LatencyHistogram()
    package var firstByte = LatencyHistogram()
    package var failedCalls: Int64 = 0
    /// By error code.
    package var errors: [String: Int64] = [:]
}

extension UsageStore {
    /// More rows than these are not read: a report is of few groups.
    private static let maximumOutcomeRows = 200_000

    /// How calls ended and how long they took, in whole hours; by step, those with most calls first.
    package static func outcomes(
        _ query: OutcomeQuery, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [OutcomeLine] {
        func column(_ dimension: OutcomeQuery.Dimension, _ name: SQL, _ type: SQL) -> SQL {
            query.groupBy.contains(dimension) ? name : "null::\(fragment: type)"
        }
        let start: SQL =
            switch query.step {
            case nil: "null::timestamptz"
            case .day?: "date_trunc('day', starts_at, 'UTC')"
            case .month?: "date_trunc('month', starts_at, 'UTC')"
            default: "starts_at"
            }
        var filter: SQL = ""
        if let route = query.route { filter = filter + " and route_id = \(route)" }
        if let provider = query.provider { filter = filter + " and provider_id = \(provider)" }
        if let model = query.model { filter = filter + " and model_id = \(model)" }
        let rows = try await connection.query(
            """
            select \(fragment: start), \(fragment: column(.route, "route_id", "uuid")),
                   \(fragment: column(.provider, "provider_id", "uuid")),
                   \(fragment: column(.model, "model_id", "uuid")),
                   \(fragment: column(.status, "status_code", "int8")),
                   status_code >= 400 or error_code <> '', error_code, measure = 'latency', bucket,
                   sum(calls)::int8
              from usage_outcomes
             where tenant_id = \(query.tenant) and starts_at >= \(query.from.startOfHour)
               and starts_at < \(query.to) \(fragment: filter)
             group by 1, 2, 3, 4, 5, 6, 7, 8, 9
             order by 1
             limit \(maximumOutcomeRows)
            """)
        var lines: [OutcomeLine.Group: OutcomeLine] = [:]
        for row in rows { try add(row, to: &lines) }
        return lines.values.sorted {
            let (left, right) = ($0.group.startsAt, $1.group.startsAt)
            if left != right { return (left ?? .epoch) < (right ?? .epoch) }
            return $0.latency.calls > $1.latency.calls
        }
    }

    private static func add(
        _ row: Row, to lines: inout [OutcomeLine.Group: OutcomeLine]
    ) throws(PostgresError) {
        let group = OutcomeLine.Group(
            startsAt: try row.optionalTimestamp(0), route: try row.optionalID(1),
            provider: try row.optionalID(2), model: try row.optionalID(3),
            status: try row.optionalInt64(4).map { Int($0) })
        let calls = try row.int64(9), bucket = LatencyBucket(number: try row.int64(8))
        var line = lines[group] ?? OutcomeLine(group: group)
        if try row.bool(7) {
            line.latency.add(bucket, calls)
            if try row.bool(5) {
                line.failedCalls += calls
                let code = try row.text(6)
                line.errors[code, default: 0] += calls
            }
        } else {
            line.firstByte.add(bucket, calls)
        }
        lines[group] = line
    }
}

/// The counts of a batch's events by how they ended and how long they took.
struct OutcomeRollup {
    struct Key: Hashable {
        let tenant: TenantID
        let hour: Timestamp
        let route: RouteID
        let provider: ProviderID
        let model: ModelID
        let status: Int64
        let error: String
        let measure: String
        let bucket: Int64
    }

    private(set) var counts: [Key: Int64] = [:]

    mutating func add(_ event: UsageEvent) {
        for (measure, microseconds) in [
            ("latency", event.latencyMicroseconds), ("first_byte", event.firstByteMicroseconds),
        ] {
            let key = Key(
                tenant: event.tenant, hour: event.startedAt.startOfHour, route: event.route,
                provider: event.provider, model: event.model, status: Int64(event.status),
                error: event.errorCode ?? "", measure: measure,
                bucket: LatencyBucket(microseconds: Int64(microseconds)).number)
            counts[key, default: 0] += 1
        }
    }

    /// In the order of the table's key, so that two transactions never wait for each other in a circle.
    var upsert: SQL {
        let list = Array(counts)
        let (tenants, hours) = (list.map(\.key.tenant), list.map(\.key.hour))
        let (routes, providers) = (list.map(\.key.route), list.map(\.key.provider))
        let (models, statuses) = (list.map(\.key.model), list.map(\.key.status))
        let (errors, measures) = (list.map(\.key.error), list.map(\.key.measure))
        return """
            insert into usage_outcomes as old (tenant_id, starts_at, route_id, provider_id, model_id,
                                               status_code, error_code, measure, bucket, calls)
            select *
              from unnest(\(tenants), \(hours), \(routes), \(providers), \(models), \(statuses), \(errors),
                          \(measures), \(list.map(\.key.bucket)), \(list.map(\.value))) as new
             order by 1, 2, 3, 4, 5, 6, 7, 8, 9
            on conflict (tenant_id, starts_at, route_id, provider_id, model_id, status_code, error_code,
                         measure, bucket)
            do update set calls = old.calls + excluded.calls
            """
    }
}

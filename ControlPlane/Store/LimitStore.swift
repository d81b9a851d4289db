package import Domain
package import PostgresDriver

/// Rates, slots and budgets of a tenant.
package enum LimitStore {
    static let columns: SQL =
        """
        tenant_id, id, name, workspace_id, group_id, user_id, key_id, routes, models, tags, partition_by,
        metric, amount, period, time_zone, mode, thresholds, increase_amount, increase_expires, created_at,
        updated_at
        """

    /// Fails on `limitNameIsUnique`, `limitWorkspaceExists`, `limitGroupExists`, `limitUserIsAMember` and
    /// `limitKeyExists` of `Constraint`.
    package static func create(
        _ limit: Limit, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let subject = Columns(of: limit.subject)
        try await connection.execute(
            """
            insert into limits (\(fragment: columns))
            values (\(limit.tenant), \(limit.id), \(limit.name), \(subject.workspace), \(subject.group),
                    \(subject.user), \(subject.key), \(limit.match.routes), \(limit.match.models),
                    \(limit.match.tags), \(limit.partition.name), \(limit.metric.name), \(limit.amount),
                    \(limit.period.name), \(limit.timeZone), \(limit.mode.name),
                    \(limit.thresholds.map(Int64.init)), \(limit.increase?.amount),
                    \(limit.increase?.expires), \(limit.createdAt), \(limit.updatedAt))
            """)
    }

    package static func find(
        _ id: LimitID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Limit? {
        let rows = try await connection.query(
            "select \(fragment: columns) from limits where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    /// Writes name, match, amount, mode, thresholds and increase: the rest never changes. False: no such
    /// limit, or (with `expecting`) changed since then.
    package static func update(
        _ limit: Limit, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let count = try await connection.execute(
            """
            update limits
               set name = \(limit.name), routes = \(limit.match.routes), models = \(limit.match.models),
                   tags = \(limit.match.tags), amount = \(limit.amount),
                   mode = \(limit.mode.name), thresholds = \(limit.thresholds.map(Int64.init)),
                   increase_amount = \(limit.increase?.amount),
                   increase_expires = \(limit.increase?.expires), updated_at = \(limit.updatedAt)
             where tenant_id = \(limit.tenant) and id = \(limit.id)
               and updated_at = coalesce(\(expecting), updated_at)
            """)
        return count == 1
    }

    /// False: no such limit. What was lent of it is gone with it.
    package static func delete(
        _ id: LimitID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from limits where tenant_id = \(tenant) and id = \(id)") == 1
    }

    /// Whether Postgres' time zone database knows a name of this spelling.
    package static func isTimeZone(
        _ name: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            "select exists (select from pg_timezone_names where name = \(name))")
        return try rows.first?.bool(0) ?? false
    }

    /// The window of a period that holds a moment, by the clocks of a zone; always one window for periods
    /// that are not of a calendar.
    package static func window(
        of period: LimitPeriod, in timeZone: String, at moment: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> LimitWindow {
        let rows = try await connection.query(
            """
            select starts, ends from limit_window(\(period.name), \(timeZone), \(moment))
            """)
        guard let row = rows.first else { return .always }
        return LimitWindow(start: try row.timestamp(0), end: try row.optionalTimestamp(1))
    }

    /// A subject as the table has it: at most one is not null.
    private struct Columns {
        var workspace: WorkspaceID?
        var group: GroupID?
        var user: UserID?
        var key: KeyID?

        init(of subject: LimitSubject) {
            switch subject {
            case .tenant: break
            case .workspace(let id): workspace = id
            case .group(let id): group = id
            case .user(let id): user = id
            case .key(let id): key = id
            }
        }
    }

    static func read(_ row: Row) throws(PostgresError) -> Limit {
        var increase: LimitIncrease?
        if let amount = try row.optionalInt64(17), let expires = try row.optionalTimestamp(18) {
            increase = LimitIncrease(amount: amount, expires: expires)
        }
        return Limit(
            id: try row.id(1), tenant: try row.id(0), name: try row.text(2), subject: try readSubject(row, 3),
            match: LimitMatch(
                routes: try row.uuidArray(7).map { ID($0) }, models: try row.uuidArray(8).map { ID($0) },
                tags: try row.textArray(9)),
            partition: try row.value(10, LimitPartition.init(name:)),
            metric: try row.value(11, LimitMetric.init(name:)), amount: try row.int64(12),
            period: try row.value(13, LimitPeriod.init(name:)), timeZone: try row.text(14),
            mode: try row.value(15, LimitMode.init(name:)),
            thresholds: try row.int64Array(16).map { Int($0) }, increase: increase,
            createdAt: try row.timestamp(19), updatedAt: try row.timestamp(20))
    }

    private static func readSubject(_ row: Row, _ first: Int) throws(PostgresError) -> LimitSubject {
        let (workspace, group): (WorkspaceID?, GroupID?) = (
            try row.optionalID(first), try row.optionalID(first + 1)
        )
        let (user, key): (UserID?, KeyID?) = (try row.optionalID(first + 2), try row.optionalID(first + 3))
        if let workspace { return .workspace(workspace) }
        if let group { return .group(group) }
        if let user { return .user(user) }
        if let key { return .key(key) }
        return .tenant
    }
}

package import Domain
package import PostgresDriver

/// Reports that are sent by themselves.
package enum ReportScheduleStore {
    private static let columns: SQL =
        """
        tenant_id, id, name, period, hour, time_zone, group_by, lines, recipients, language, enabled, next_at,
        last_sent_at, created_at, updated_at
        """

    /// Fails on `Constraint.reportScheduleNameIsUnique`.
    package static func create(
        _ schedule: ReportSchedule, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into report_schedules (\(fragment: columns))
            values (\(schedule.tenant), \(schedule.id), \(schedule.name), \(schedule.period.rawValue),
                    \(schedule.hour), \(schedule.timeZone), \(schedule.groupBy.rawValue), \(schedule.lines),
                    \(schedule.recipients), \(schedule.language.rawValue), \(schedule.isEnabled),
                    \(schedule.nextAt), \(schedule.lastSentAt), \(schedule.createdAt), \(schedule.updatedAt))
            """)
    }

    package static func find(
        _ id: ReportScheduleID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> ReportSchedule? {
        let rows = try await connection.query(
            "select \(fragment: columns) from report_schedules where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID, _ page: Page<ReportSchedule>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<ReportSchedule, ReportSchedule> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from report_schedules
             where tenant_id = \(tenant) and id < \(page.bound)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    package static func count(
        of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let rows = try await connection.query(
            "select count(*) from report_schedules where tenant_id = \(tenant)")
        return Int(try rows.first?.int64(0) ?? 0)
    }

    /// Writes everything that can change. False: no such schedule, or changed since `expecting`.
    package static func update(
        _ schedule: ReportSchedule, expecting: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update report_schedules
               set name = \(schedule.name), period = \(schedule.period.rawValue), hour = \(schedule.hour),
                   time_zone = \(schedule.timeZone), group_by = \(schedule.groupBy.rawValue),
                   lines = \(schedule.lines), recipients = \(schedule.recipients),
                   language = \(schedule.language.rawValue), enabled = \(schedule.isEnabled),
                   next_at = \(schedule.nextAt), updated_at = \(schedule.updatedAt)
             where tenant_id = \(schedule.tenant) and id = \(schedule.id) and updated_at = \(expecting)
            """) == 1
    }

    package static func delete(
        _ id: ReportScheduleID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "delete from report_schedules where tenant_id = \(tenant) and id = \(id)") == 1
    }

    /// When a report of these settings is sent after a moment.
    package static func next(
        _ period: ReportSchedule.Period, _ timeZone: String, hour: Int, after moment: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Timestamp {
        let rows = try await connection.query(
            "select next_report(\(period.rawValue), \(timeZone), \(hour), \(moment))")
        guard let row = rows.first else { throw PostgresError(.decoding, privateDetail: "no next report") }
        return try row.timestamp(0)
    }

    /// The period that a report sent at a moment is about.
    package static func period(
        of schedule: ReportSchedule, at moment: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (from: Timestamp, to: Timestamp) {
        let rows = try await connection.query(
            """
            select starts, ends
              from reported_period(\(schedule.period.rawValue), \(schedule.timeZone), \(moment))
            """)
        guard let row = rows.first else { throw PostgresError(.decoding, privateDetail: "no period") }
        return (try row.timestamp(0), try row.timestamp(1))
    }

    /// The schedules whose time has come, of all active tenants. Reads over all tenants.
    package static func due(
        at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [(id: ReportScheduleID, tenant: TenantID)] {
        let rows = try await connection.query(
            """
            select report_schedules.id, tenant_id
              from report_schedules
              join tenants on tenants.id = tenant_id
             where enabled and next_at <= \(now) and status = 'active'
             order by next_at
             limit 1000
            """)
        return try rows.read { row throws(PostgresError) in (id: try row.id(0), tenant: try row.id(1)) }
    }

    /// Takes a schedule whose time has come, and sets its next. nil: somebody else did.
    package static func take(
        _ id: ReportScheduleID, of tenant: TenantID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> ReportSchedule? {
        let rows = try await connection.query(
            """
            update report_schedules
               set next_at = next_report(period, time_zone, hour, \(now)), last_sent_at = \(now)
             where tenant_id = \(tenant) and id = \(id) and enabled and next_at <= \(now)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// What people call the things a report is grouped by.
    package static func names(
        of things: [PostgresUUID], as grouping: ReportSchedule.Grouping, in tenant: TenantID,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [PostgresUUID: String] {
        let owners: SQL = "tenant_id in (\(tenant), \(TenantID.platform))"
        let source: SQL
        switch grouping {
        case .workspace: source = "select id, name from workspaces where \(fragment: owners)"
        case .key: source = "select id, name from keys where \(fragment: owners)"
        case .route: source = "select id, name from routes where \(fragment: owners)"
        case .provider: source = "select id, name from providers where \(fragment: owners)"
        case .model: source = "select id, name from models where \(fragment: owners)"
        case .group: source = "select id, name from groups where \(fragment: owners)"
        case .user: source = "select id, name from users where true"
        case .tag: return [:]
        }
        let rows = try await connection.query("\(fragment: source) and id = any (\(things))")
        var names: [PostgresUUID: String] = [:]
        for row in rows { names[try row.uuid(0)] = try row.text(1) }
        return names
    }

    private static func read(_ row: Row) throws(PostgresError) -> ReportSchedule {
        ReportSchedule(
            id: try row.id(1), tenant: try row.id(0), name: try row.text(2),
            period: try row.value(3, ReportSchedule.Period.init(rawValue:)), hour: try row.int(4),
            timeZone: try row.text(5), groupBy: try row.value(6, ReportSchedule.Grouping.init(rawValue:)),
            lines: try row.int(7), recipients: try row.textArray(8),
            language: try row.value(9, Language.init(rawValue:)), isEnabled: try row.bool(10),
            nextAt: try row.timestamp(11), lastSentAt: try row.optionalTimestamp(12),
            createdAt: try row.timestamp(13), updatedAt: try row.timestamp(14))
    }
}

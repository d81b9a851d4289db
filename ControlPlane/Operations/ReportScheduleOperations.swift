package import Domain
import JSONText
import PostgresDriver
import Store

/// What a report schedule is made of, or (nil) what stays as it is.
package struct ReportScheduleChange: Sendable {
    package var name: String?
    package var period: ReportSchedule.Period?
    package var hour: Int?
    package var timeZone: String?
    package var groupBy: ReportSchedule.Grouping?
    package var lines: Int?
    package var recipients: [String]?
    package var language: Language?
    package var isEnabled: Bool?

    package init() {}
}

/// Reports of usage that go to mailboxes by themselves.
package struct ReportScheduleOperations {
    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<ReportSchedule> {
        try await environment.read(.reportSchedulesRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(
                try await ReportScheduleStore.list(of: tenant, page.of(ReportSchedule.self), connection))
        }
    }

    package func get(
        _ id: ReportScheduleID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> ReportSchedule {
        try await environment.read(.reportSchedulesRead, in: .tenant(tenant), by: caller) { connection in
            try found(try await ReportScheduleStore.find(id, of: tenant, connection))
        }
    }

    /// Without a time zone: the tenant's.
    package func create(
        name: String, recipients: [String], _ rest: ReportScheduleChange, in tenant: TenantID,
        by caller: Caller
    ) async throws(OperationError) -> Changed<ReportSchedule> {
        let now = environment.clock.now()
        return try await environment.write(
            "report-schedules.create", .reportSchedulesCreate, in: .tenant(tenant), by: caller
        ) { connection in
            // Two at once must not both find the last place free.
            try await NounLock.take("report schedules of \(tenant)", connection)
            guard
                try await ReportScheduleStore.count(of: tenant, connection) < ReportSchedule.maximumOfTenant
            else {
                throw OperationError(
                    .conflict,
                    detail: "A tenant has at most \(ReportSchedule.maximumOfTenant) report schedules.")
            }
            let zone = try found(try await TenantStore.find(tenant, connection)).settings.timeZone
            var schedule = ReportSchedule(
                id: ReportScheduleID(at: now), tenant: tenant, name: name, period: .month, hour: 7,
                timeZone: zone, groupBy: .model, lines: 20, recipients: recipients, language: .english,
                isEnabled: true, nextAt: now, createdAt: now, updatedAt: now)
            schedule.apply(rest)
            try check(schedule.problems())
            schedule.nextAt = try await next(schedule, connection)
            try await ReportScheduleStore.create(schedule, connection)
            return Recorded(
                schedule, AuditSubject("report_schedule", schedule.id, Self.details(schedule)))
        }
    }

    package func update(
        _ id: ReportScheduleID, _ change: ReportScheduleChange, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<ReportSchedule> {
        let now = environment.clock.now()
        return try await environment.write(
            "report-schedules.update", .reportSchedulesUpdate, in: .tenant(tenant), by: caller
        ) { connection in
            let before = try found(try await ReportScheduleStore.find(id, of: tenant, connection))
            var schedule = before
            schedule.apply(change)
            schedule.updatedAt = now
            try check(schedule.problems())
            schedule.nextAt = try await next(schedule, connection)
            guard
                try await ReportScheduleStore.update(schedule, expecting: before.updatedAt, connection)
            else { throw OperationError(.preconditionFailed) }
            return Recorded(
                schedule,
                AuditSubject("report_schedule", id, from: Self.details(before), to: Self.details(schedule)))
        }
    }

    package func delete(
        _ id: ReportScheduleID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<ReportSchedule> {
        try await environment.write(
            "report-schedules.delete", .reportSchedulesDelete, in: .tenant(tenant), by: caller
        ) { connection in
            let schedule = try found(try await ReportScheduleStore.find(id, of: tenant, connection))
            _ = try await ReportScheduleStore.delete(id, of: tenant, connection)
            return Recorded(schedule, AuditSubject("report_schedule", id, Self.details(schedule)))
        }
    }

    /// Sends it now, about the period before, whenever else it is sent.
    package func send(
        _ id: ReportScheduleID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<ReportSchedule> {
        try await environment.write(
            "report-schedules.send", .reportSchedulesUpdate, in: .tenant(tenant), by: caller
        ) { connection in
            let schedule = try found(try await ReportScheduleStore.find(id, of: tenant, connection))
            try await environment.queueReport(of: schedule, connection)
            return Recorded(
                schedule, AuditSubject("report_schedule", id, ["name": .string(schedule.name)]))
        }
    }

    /// Sends all whose time has come; how many. Any number of control planes may: each is sent once.
    package func sendDue() async throws(OperationError) -> Int {
        let now = environment.clock.now()
        var count = 0
        for due in try await environment.viewAcrossTenants({ try await ReportScheduleStore.due(at: now, $0) })
        {
            do {
                let isSent = try await environment.database.withTenant(due.tenant) { connection in
                    let schedule = try await ReportScheduleStore.take(
                        due.id, of: due.tenant, at: now, connection)
                    guard let schedule else { return false }
                    try await environment.queueReport(of: schedule, connection)
                    return true
                }
                if isSent { count += 1 }
            } catch { throw OperationError(error) }
        }
        return count
    }

    private func next(
        _ schedule: ReportSchedule, _ connection: PostgresConnection
    ) async throws -> Timestamp {
        guard try await LimitStore.isTimeZone(schedule.timeZone, connection) else {
            throw OperationError.missing(
                "/time_zone", "a time zone of the time zone database such as Europe/Lisbon")
        }
        return try await ReportScheduleStore.next(
            schedule.period, schedule.timeZone, hour: schedule.hour, after: environment.clock.now(),
            connection)
    }

    private static func details(_ schedule: ReportSchedule) -> JSONValue {
        [
            "name": .string(schedule.name), "period": .string(schedule.period.rawValue),
            "hour": .number(JSONNumber(Int64(schedule.hour))), "time_zone": .string(schedule.timeZone),
            "group_by": .string(schedule.groupBy.rawValue),
            "lines": .number(JSONNumber(Int64(schedule.lines))),
            "recipients": .array(schedule.recipients.map { .string($0) }),
            "language": .string(schedule.language.rawValue), "enabled": .boolean(schedule.isEnabled),
        ]
    }
}

extension ReportSchedule {
    fileprivate mutating func apply(_ change: ReportScheduleChange) {
        name = change.name ?? name
        period = change.period ?? period
        hour = change.hour ?? hour
        timeZone = change.timeZone ?? timeZone
        groupBy = change.groupBy ?? groupBy
        lines = change.lines ?? lines
        recipients = change.recipients ?? recipients
        language = change.language ?? language
        isEnabled = change.isEnabled ?? isEnabled
    }
}

import Domain
import HTTPWire
import JSONText
import Operations

/// Reports of usage that go to mailboxes by themselves.
enum ReportScheduleRoutes {
    private static let base = "/api/v1/tenants/{tenant}/report-schedules"
    private static let one = "\(base)/{report_schedule}"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.reportSchedulesRead, in: .tenant), "report-schedules.list",
            "List reports that are sent by themselves", of: .reportSchedule
        ) { call throws(OperationError) in
            try await call.operations.reportSchedules.list(
                in: try call.tenant, try call.page, by: try call.caller)
        },
        .write(
            .post, base, .needs(.reportSchedulesCreate, in: .tenant), "report-schedules.create",
            "Send a report of usage to mailboxes every day, week or month", body: ReportScheduleBody.new,
            status: 201, answers: .reportSchedule
        ) { call throws(OperationError) in
            try await call.operations.reportSchedules.create(
                name: try call.body[ReportScheduleBody.name],
                recipients: try call.body[ReportScheduleBody.recipients],
                try ReportScheduleBody.rest(call.body), in: try call.tenant, by: try call.caller)
        },
        .one(
            .get, one, .needs(.reportSchedulesRead, in: .tenant), "report-schedules.get",
            "Get a report that is sent by itself", answers: .reportSchedule
        ) { call throws(OperationError) in
            try await call.operations.reportSchedules.get(
                try call.reportSchedule, in: try call.tenant, by: try call.caller)
        },
        .write(
            .patch, one, .needs(.reportSchedulesUpdate, in: .tenant), "report-schedules.update",
            "Change a report that is sent by itself", body: ReportScheduleBody.change,
            answers: .reportSchedule
        ) { call throws(OperationError) in
            var change = try ReportScheduleBody.rest(call.body)
            change.name = try call.body[ReportScheduleBody.newName]
            change.recipients = try call.body[ReportScheduleBody.newRecipients]
            return try await call.operations.reportSchedules.update(
                try call.reportSchedule, change, in: try call.tenant, by: try call.caller)
        },
        .write(
            .delete, one, .needs(.reportSchedulesDelete, in: .tenant), "report-schedules.delete",
            "Stop sending a report", answers: .reportSchedule
        ) { call throws(OperationError) in
            try await call.operations.reportSchedules.delete(
                try call.reportSchedule, in: try call.tenant, by: try call.caller)
        },
        .write(
            .post, "\(one)/send", .needs(.reportSchedulesUpdate, in: .tenant), "report-schedules.send",
            "Send a report now, about the period before", answers: .reportSchedule
        ) { call throws(OperationError) in
            try await call.operations.reportSchedules.send(
                try call.reportSchedule, in: try call.tenant, by: try call.caller)
        },
    ]
}

/// The bodies that make and change a report schedule.
enum ReportScheduleBody {
    static let name = Field<String>.required(
        "name", .text(.displayName, example: "Spending by model"), "The subject of its mails; unique.")
    static let recipients = Field<[String]>.required(
        "recipients", recipientsReader, "Whose mailboxes.")
    static let newName = Field<String?>.change("name", .text(.displayName), "The subject of its mails.")
    static let newRecipients = Field<[String]?>.change("recipients", recipientsReader, "All mailboxes.")
    private static let recipientsReader = Reader<[String]>.list(
        of: .text(.email, format: "email", example: "finance@example.com"),
        1...ReportSchedule.maximumRecipients)

    private static let period = Field<ReportSchedule.Period?>.change(
        "period", .word(), "How often, and about how long; new: month.")
    private static let hour = Field<Int?>.change(
        "hour", .integer(0...23), "Of the first day after the period; new: 7.")
    private static let timeZone = Field<String?>.change(
        "time_zone", .anyText(1...64), "Whose calendar; new: the tenant's.")
    private static let groupBy = Field<ReportSchedule.Grouping?>.change(
        "group_by", .word(), "What it is split up by; new: model.")
    private static let lines = Field<Int?>.change(
        "lines", .integer(1...ReportSchedule.maximumLines), "The dearest so many; new: 20.")
    private static let language = Field<Language?>.change("language", .word(), "Of its mails; new: en.")
    private static let enabled = Field<Bool?>.change("enabled", .flag, "Whether it is sent; new: true.")
    private static let shared: [any AnyField] = [period, hour, timeZone, groupBy, lines, language, enabled]

    static let new = BodyShape("NewReportSchedule", [name, recipients] + shared)
    static let change = BodyShape("ReportScheduleChange", [newName, newRecipients] + shared)

    static func rest(_ body: BodyValues) throws(OperationError) -> ReportScheduleChange {
        var change = ReportScheduleChange()
        change.period = try body[period]
        change.hour = try body[hour]
        change.timeZone = try body[timeZone]
        change.groupBy = try body[groupBy]
        change.lines = try body[lines]
        change.language = try body[language]
        change.isEnabled = try body[enabled]
        return change
    }
}

extension Representation<ReportSchedule> {
    static let reportSchedule = Representation(
        "ReportSchedule",
        [
            .init("id", .id(ReportSchedule.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Whose it is.") { .text($0.tenant) },
            .init("name", .text(1...200), "The subject of its mails; unique.") { .string($0.name) },
            .init(
                "period", .words(ReportSchedule.Period.allCases.map(\.rawValue)),
                "How often, and about how long."
            ) { .string($0.period.rawValue) },
            .init("hour", .integer(0...23), "Of the first day after the period.") { .integer($0.hour) },
            .init("time_zone", .text(1...64), "Whose calendar.") { .string($0.timeZone) },
            .init(
                "group_by", .words(ReportSchedule.Grouping.allCases.map(\.rawValue)),
                "What it is split up by."
            ) { .string($0.groupBy.rawValue) },
            .init("lines", .integer(1...100), "The dearest so many.") { .integer($0.lines) },
            .init(
                "recipients", .list(.text(3...254), maximumCount: ReportSchedule.maximumRecipients),
                "Whose mailboxes."
            ) { .array($0.recipients.map { .string($0) }) },
            .init("language", .words(Language.allCases.map(\.rawValue)), "Of its mails.") {
                .string($0.language.rawValue)
            },
            .init("enabled", .boolean, "Whether it is sent.") { .boolean($0.isEnabled) },
            .init("next_at", .time, "When it is sent next.", isMoving: true) { .text($0.nextAt) },
            .init("last_sent_at", .nullable(.time), "When it was last sent by itself.", isMoving: true) {
                .optional($0.lastSentAt)
            },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

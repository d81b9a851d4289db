/// A report of usage that goes to mailboxes by itself, each time about the calendar period before.
package struct ReportSchedule: Hashable, Sendable {
    package enum Period: String, Sendable, CaseIterable {
        case day, week, month
    }

    /// What it is split up by.
    package enum Grouping: String, Sendable, CaseIterable {
        case workspace, key, route, provider, model, user, group, tag
    }

    package static let maximumOfTenant = 50
    package static let maximumRecipients = 10
    package static let maximumLines = 100

    package let id: ReportScheduleID
    package let tenant: TenantID
    package var name: String
    package var period: Period
    /// Of the day it is sent at, by the clocks of `timeZone`.
    package var hour: Int
    package var timeZone: String
    package var groupBy: Grouping
    /// The dearest so many.
    package var lines: Int
    package var recipients: [String]
    package var language: Language
    package var isEnabled: Bool
    package var nextAt: Timestamp
    package var lastSentAt: Timestamp?
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: ReportScheduleID, tenant: TenantID, name: String, period: Period, hour: Int, timeZone: String,
        groupBy: Grouping, lines: Int, recipients: [String], language: Language, isEnabled: Bool,
        nextAt: Timestamp, lastSentAt: Timestamp? = nil, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.period = period
        self.hour = hour
        self.timeZone = timeZone
        self.groupBy = groupBy
        self.lines = lines
        self.recipients = recipients
        self.language = language
        self.isEnabled = isEnabled
        self.nextAt = nextAt
        self.lastSentAt = lastSentAt
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// What is wrong with it; empty: nothing.
    package func problems() -> [ValidationError] {
        var problems = [TextRule.displayName.check(name, at: "/name")].compactMap(\.self)
        if recipients.isEmpty {
            problems.append(ValidationError("/recipients", .required, "must name a mailbox"))
        }
        problems += recipients.enumerated().compactMap {
            TextRule.email.check($0.element, at: "/recipients/\($0.offset)")
        }
        return problems
    }
}

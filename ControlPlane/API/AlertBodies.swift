import Domain
import JSONText
import Operations

/// The body that makes an alert rule.
enum AlertRuleBody {
    static let thresholdSchema = "In the kind's unit: per cent, ms, s, events or days."
    static let name = Field<String>.required(
        "name", .text(.displayName, example: "Spending"), "Told in messages; unique.")
    static let kind = Field<AlertRule.Kind>.required("kind", .word(), "What is looked at.")
    static let threshold = Field<Int64>.required("threshold", .integer(1...1_000_000_000), thresholdSchema)
    static let severity = Field<AlertRule.Severity>.defaulted(
        "severity", .word(), to: .warning, "What is critical is sent in quiet hours too.")
    static let limit = Field<LimitID?>.optional("limit", .id(), "Of budgets: only this one.")
    static let workspace = Field<WorkspaceID?>.optional("workspace", .id(), "Of calls: only in this one.")
    static let route = Field<RouteID?>.optional("route", .id(), "Of calls: only to this one.")
    static let window = Field<Int>.defaulted(
        "window_minutes", .integer(AlertRule.windows), to: 5, "How far back error rates and latencies look.")
    static let percentile = Field<Int>.defaulted(
        "percentile", .integer(AlertRule.percentiles), to: 95, "Of latencies.")
    static let minimumCalls = Field<Int64>.defaulted(
        "minimum_calls", .integer(1...1_000_000_000), to: 20, "Fewer calls say nothing.")
    static let channels = Field<[AlertChannelID]>.defaulted(
        "channels", .list(of: .id(), 0...AlertRule.maximumChannels), to: [],
        "Who is told; empty: it is only listed.")
    static let enabled = Field<Bool>.defaulted("enabled", .flag, to: true, "Whether it is looked at.")
    static let shape = BodyShape(
        "NewAlertRule",
        [
            name, kind, threshold, severity, limit, workspace, route, window, percentile, minimumCalls,
            channels, enabled,
        ])

    static func value(_ body: BodyValues) throws(OperationError) -> NewAlertRule {
        var rule = NewAlertRule(
            name: try body[name], kind: try body[kind], threshold: try body[threshold])
        rule.severity = try body[severity]
        rule.match = AlertRule.Match(
            limit: try body[limit], workspace: try body[workspace], route: try body[route])
        rule.windowMinutes = try body[window]
        rule.percentile = try body[percentile]
        rule.minimumCalls = try body[minimumCalls]
        rule.channels = try body[channels]
        rule.isEnabled = try body[enabled]
        return rule
    }
}

/// The body that changes an alert rule; what is missing stays.
enum AlertRuleChangeBody {
    static let name = Field<String?>.change("name", .text(.displayName), "Told in messages; unique.")
    static let severity = Field<AlertRule.Severity?>.change(
        "severity", .word(), "What is critical is sent in quiet hours too.")
    static let threshold = Field<Int64?>.change(
        "threshold", .integer(1...1_000_000_000), AlertRuleBody.thresholdSchema)
    static let window = Field<Int?>.change(
        "window_minutes", .integer(AlertRule.windows), "How far back error rates and latencies look.")
    static let percentile = Field<Int?>.change(
        "percentile", .integer(AlertRule.percentiles), "Of latencies.")
    static let minimumCalls = Field<Int64?>.change(
        "minimum_calls", .integer(1...1_000_000_000), "Fewer calls say nothing.")
    static let channels = Field<[AlertChannelID]?>.change(
        "channels", .list(of: .id(), 0...AlertRule.maximumChannels), "All who are told.")
    static let enabled = Field<Bool?>.change("enabled", .flag, "Whether it is looked at.")
    static let shape = BodyShape(
        "AlertRuleChange",
        [name, severity, threshold, window, percentile, minimumCalls, channels, enabled])

    static func value(_ body: BodyValues) throws(OperationError) -> AlertRuleChange {
        var change = AlertRuleChange()
        change.name = try body[name]
        change.severity = try body[severity]
        change.threshold = try body[threshold]
        change.windowMinutes = try body[window]
        change.percentile = try body[percentile]
        change.minimumCalls = try body[minimumCalls]
        change.channels = try body[channels]
        change.isEnabled = try body[enabled]
        return change
    }
}

/// The body that makes an alert channel.
enum AlertChannelBody {
    private static let minute = Reader<Int>(
        .text(TextSchema(5...5, pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]$", example: "22:00"))
    ) { json throws(InvalidInput) in
        guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
        guard let minute = AlertChannel.QuietHours.minute(text) else {
            throw InvalidInput(.invalidFormat, "must be a time of day such as 22:00")
        }
        return minute
    }
    static let from = Field<Int>.required("from", minute, "When they begin.")
    static let to = Field<Int>.required("to", minute, "When they end; before from: on the next day.")
    static let timeZone = Field<String>.required(
        "time_zone", .anyText(1...64), "By whose clocks, such as Europe/Lisbon.")
    static let quietShape = BodyShape("QuietHours", [from, to, timeZone])
    static let quietReader = Reader<AlertChannel.QuietHours>.object(quietShape) {
        values throws(OperationError) in
        AlertChannel.QuietHours(
            from: try values[from], to: try values[to], timeZone: try values[timeZone])
    }

    static let recipientsReader = Reader<[String]>.list(
        of: .text(.email, format: "email", example: "oncall@example.com"),
        0...AlertChannel.maximumRecipients)
    static let name = Field<String>.required(
        "name", .text(.displayName, example: "On call"), "Name for people; unique.")
    static let kind = Field<AlertChannel.Kind>.required("kind", .word(), "How messages go.")
    static let recipients = Field<[String]>.defaulted(
        "recipients", recipientsReader, to: [], "Of e-mail: whose mailboxes.")
    static let url = Field<String?>.optional(
        "url", .anyText(8...BaseURL.maximumLength), "Of a webhook: where messages are posted.")
    static let language = Field<Language>.defaulted(
        "language", .word(), to: .english, "Of e-mail.")
    static let quietHours = Field<AlertChannel.QuietHours?>.optional(
        "quiet_hours", quietReader, "When only what is critical is sent; the rest waits for their end.")
    static let enabled = Field<Bool>.defaulted(
        "enabled", .flag, to: true, "Whether messages are sent; switched off, they wait for three days.")
    static let shape = BodyShape(
        "NewAlertChannel", [name, kind, recipients, url, language, quietHours, enabled])

    static func value(_ body: BodyValues) throws(OperationError) -> NewAlertChannel {
        var channel = NewAlertChannel(name: try body[name], kind: try body[kind])
        channel.recipients = try body[recipients]
        channel.url = try body[url]
        channel.language = try body[language]
        channel.quietHours = try body[quietHours]
        channel.isEnabled = try body[enabled]
        return channel
    }
}

/// The body that changes an alert channel; what is missing stays.
enum AlertChannelChangeBody {
    static let name = Field<String?>.change("name", .text(.displayName), "Name for people; unique.")
    static let recipients = Field<[String]?>.change(
        "recipients", AlertChannelBody.recipientsReader, "Of e-mail: all mailboxes.")
    static let url = Field<String?>.change(
        "url", .anyText(8...BaseURL.maximumLength), "Of a webhook: where messages are posted.")
    static let language = Field<Language?>.change("language", .word(), "Of e-mail.")
    static let quietHours = Field<Edit<AlertChannel.QuietHours>>.edit(
        "quiet_hours", AlertChannelBody.quietReader, "When only what is critical is sent; null: never.")
    static let enabled = Field<Bool?>.change("enabled", .flag, "Whether messages are sent.")
    static let shape = BodyShape(
        "AlertChannelChange", [name, recipients, url, language, quietHours, enabled])

    static func value(_ body: BodyValues) throws(OperationError) -> AlertChannelChange {
        var change = AlertChannelChange()
        change.name = try body[name]
        change.recipients = try body[recipients]
        change.url = try body[url]
        change.language = try body[language]
        change.quietHours = try body[quietHours]
        change.isEnabled = try body[enabled]
        return change
    }
}

/// Filters of the lists about alerts.
enum AlertQuery {
    static let kind = Field<AlertRule.Kind?>.optional("kind", .word(), "Only rules of this kind.")
    static let rule = Field<AlertRuleID?>.optional("rule", .id(), "Only alerts of this rule.")
    static let resolved = Field<Bool?>.optional(
        "resolved", .flag, "Only alerts that ended; false: only those that hold.")
    static let channel = Field<AlertChannelID?>.optional("channel", .id(), "Only to this channel.")
    static let alert = Field<AlertID?>.optional("alert", .id(), "Only about this alert.")
    static let status = Field<AlertDelivery.Status?>.optional("status", .word(), "Only of this status.")
    static let ofDeliveries: [any AnyField] = [channel, alert, status]

    static func deliveries(_ query: BodyValues) throws(OperationError) -> AlertDeliveryQuery {
        var asked = AlertDeliveryQuery()
        asked.channel = try query[channel]
        asked.alert = try query[alert]
        asked.status = try query[status]
        return asked
    }
}

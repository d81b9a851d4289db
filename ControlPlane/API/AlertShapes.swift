import Cryptography
import Domain
import JSONText
import Operations

extension Representation<AlertRule> {
    static let alertRule = Representation(
        "AlertRule",
        [
            .init("id", .id(AlertRule.self), "Never changes.") { .text($0.id) },
            .init("tenant", .nullable(.id(Tenant.self)), "Whose it is; null: the platform's.") {
                .optional($0.tenant)
            },
            .init("name", .text(1...200), "Told in messages; unique.") { .string($0.name) },
            .init("kind", .words(AlertRule.Kind.allCases.map(\.rawValue)), "What is looked at.") {
                .string($0.kind.rawValue)
            },
            .init(
                "severity", .words(AlertRule.Severity.allCases.map(\.rawValue)),
                "What is critical is sent in quiet hours too."
            ) { .string($0.severity.rawValue) },
            .init("threshold", .count, "From which value on somebody is told.") { .integer($0.threshold) },
            .init("unit", .words(AlertUnit.allCases.map(\.rawValue)), "Of threshold and values.") {
                .string($0.kind.unit.rawValue)
            },
            .init("limit", .nullable(.id(Limit.self)), "Of budgets: only this one.") {
                .optional($0.match.limit)
            },
            .init("workspace", .nullable(.id(Workspace.self)), "Of calls: only in this one.") {
                .optional($0.match.workspace)
            },
            .init("route", .nullable(.id(Domain.Route.self)), "Of calls: only to this one.") {
                .optional($0.match.route)
            },
            .init("window_minutes", .count, "How far back error rates and latencies look.") {
                .integer($0.windowMinutes)
            },
            .init("percentile", .count, "Of latencies.") { .integer($0.percentile) },
            .init("minimum_calls", .count, "Fewer calls say nothing.") { .integer($0.minimumCalls) },
            .init(
                "channels", .list(.id(AlertChannel.self), maximumCount: AlertRule.maximumChannels),
                "Who is told."
            ) { .array($0.channels.map { .text($0) }) },
            .init("enabled", .boolean, "Whether it is looked at.") { .boolean($0.isEnabled) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

extension Representation<AlertChannel> {
    static let alertChannel = Representation(
        "AlertChannel",
        [
            .init("id", .id(AlertChannel.self), "Never changes.") { .text($0.id) },
            .init("tenant", .nullable(.id(Tenant.self)), "Whose it is; null: the platform's.") {
                .optional($0.tenant)
            },
            .init("name", .text(1...200), "Name for people; unique.") { .string($0.name) },
            .init("kind", .words(AlertChannel.Kind.allCases.map(\.rawValue)), "How messages go.") {
                .string($0.kind.rawValue)
            },
            .init(
                "recipients", .list(.text(3...254), maximumCount: AlertChannel.maximumRecipients),
                "Of e-mail: whose mailboxes."
            ) { .array($0.recipients.map { .string($0) }) },
            .init("url", .nullable(.text(8...BaseURL.maximumLength)), "Of a webhook: where messages go.") {
                .optional($0.url)
            },
            .init("language", .words(Language.allCases.map(\.rawValue)), "Of e-mail.") {
                .string($0.language.rawValue)
            },
            .init(
                "quiet_hours", .nullable(.object(AlertChannelBody.quietShape.schema)),
                "When only what is critical is sent; null: never."
            ) { channel in
                channel.quietHours.map {
                    [
                        AlertChannelBody.from.name: .string(AlertChannel.QuietHours.text($0.from)),
                        AlertChannelBody.to.name: .string(AlertChannel.QuietHours.text($0.to)),
                        AlertChannelBody.timeZone.name: .string($0.timeZone),
                    ]
                } ?? .null
            },
            .init("enabled", .boolean, "Whether messages are sent.") { .boolean($0.isEnabled) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

extension Representation<IssuedAlertChannel> {
    /// The answers that show a webhook's secret.
    static let issuedAlertChannel = Representation(
        "IssuedAlertChannel",
        [
            .init("channel", Representation<AlertChannel>.alertChannel.schema, "The channel.") {
                Representation<AlertChannel>.alertChannel.json($0.channel)
            },
            .init(
                "secret", .nullable(.shownOnce(WebhookSecret.length...WebhookSecret.length)),
                "Signs the messages of a webhook. Shown this once; null: e-mail is not signed."
            ) { .optional($0.secret) },
        ])
}

extension Representation<Alert> {
    static let alert = Representation(
        "Alert",
        [
            .init("id", .id(Alert.self), "Never changes.") { .text($0.id) },
            .init("rule", .id(AlertRule.self), "Which rule found it.") { .text($0.rule) },
            .init("rule_name", .text(1...200), "The rule's name.") { .string($0.ruleName) },
            .init("kind", .words(AlertRule.Kind.allCases.map(\.rawValue)), "What it is.") {
                .string($0.kind.rawValue)
            },
            .init("severity", .words(AlertRule.Severity.allCases.map(\.rawValue)), "Of the rule.") {
                .string($0.severity.rawValue)
            },
            .init("about", .text(0...300), "The name of the budget, node or key; empty: the whole tenant.") {
                .string($0.about)
            },
            .init("value", .count, "The newest value that was seen.", isMoving: true) {
                .integer($0.value)
            },
            .init("threshold", .count, "From which value on somebody is told.") { .integer($0.threshold) },
            .init("unit", .words(AlertUnit.allCases.map(\.rawValue)), "Of threshold and value.") {
                .string($0.kind.unit.rawValue)
            },
            .init("started_at", .time, "When it began to hold.") { .text($0.startedAt) },
            .init("last_held_at", .time, "When it was last seen to hold.", isMoving: true) {
                .text($0.lastHeldAt)
            },
            .init("resolved_at", .nullable(.time), "When it ended; null: it holds.") {
                .optional($0.resolvedAt)
            },
        ])
}

extension Representation<AlertDelivery> {
    static let alertDelivery = Representation(
        "AlertDelivery",
        [
            .init("id", .id(AlertDelivery.self), "Never changes; also its webhook-id.") { .text($0.id) },
            .init("channel", .id(AlertChannel.self), "Where it goes.") { .text($0.channel) },
            .init("alert", .nullable(.id(Alert.self)), "What it is about; null: a test.") {
                .optional($0.alert)
            },
            .init("event", .words(AlertDelivery.Event.allCases.map(\.rawValue)), "What it says.") {
                .string($0.event.rawValue)
            },
            .init(
                "status", .words(AlertDelivery.Status.allCases.map(\.rawValue)),
                "Whether it waits, was handed over (mail: to the mail queue), or was given up."
            ) { .string($0.status.rawValue) },
            .init("attempts", .count, "How often it was tried.") { .integer($0.attempts) },
            .init("response_status", .nullable(.integer(0...999)), "What the endpoint answered last.") {
                .optional($0.responseStatus)
            },
            .init("reason", .text(0...500), "Why the last attempt failed; empty: none did, or it is over.") {
                .string($0.reason)
            },
            .init("next_attempt_at", .nullable(.time), "When it is tried next; null when it is over.") {
                $0.status == .waiting ? .text($0.nextAttemptAt) : .null
            },
            .init("give_up_at", .time, "When it is of no use any more.") { .text($0.giveUpAt) },
            .init("payload", .text(2...65_536), "The JSON text a webhook is sent.") { .string($0.payload) },
            .init("created_at", .time, "When it was queued.") { .text($0.createdAt) },
            .init("finished_at", .nullable(.time), "When it was handed over or given up.") {
                .optional($0.finishedAt)
            },
        ])
}

/// A condition that somebody is to be told of.
package struct AlertRule: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// A threshold of a budget was crossed in the window that is now.
        case budgetThreshold = "budget_threshold"
        /// At its pace so far a budget will be used to more than so much when its window ends.
        case budgetForecast = "budget_forecast"
        /// The last hour cost more than usual.
        case spendAnomaly = "spend_anomaly"
        case errorRate = "error_rate"
        case latency
        case nodeOffline = "node_offline"
        /// A node runs an older snapshot than it could have.
        case nodeLag = "node_lag"
        /// A node holds usage that it could not hand in.
        case nodeOutbox = "node_outbox"
        /// The installation's root certificate or a key it signs with ends.
        case certificateExpiry = "certificate_expiry"

        /// Whether it is about the installation rather than a tenant.
        package var isOfPlatform: Bool {
            switch self {
            case .nodeOffline, .nodeLag, .nodeOutbox, .certificateExpiry: true
            default: false
            }
        }

        /// What thresholds and values are counted in.
        package var unit: AlertUnit {
            switch self {
            case .budgetThreshold, .budgetForecast, .spendAnomaly, .errorRate: .percent
            case .latency: .milliseconds
            case .nodeOffline, .nodeLag: .seconds
            case .nodeOutbox: .events
            case .certificateExpiry: .days
            }
        }

        package var thresholds: ClosedRange<Int64> {
            switch self {
            case .budgetThreshold, .errorRate: 1...100
            case .budgetForecast: 1...1_000
            case .spendAnomaly: 101...100_000
            case .latency: 1...600_000
            case .nodeOffline, .nodeLag: Node.silenceLimitSeconds...86_400
            case .nodeOutbox: 1...1_000_000_000
            case .certificateExpiry: 1...3_650
            }
        }

        /// Which parts of a match mean something to it.
        package var takesLimit: Bool { self == .budgetThreshold || self == .budgetForecast }
        package var takesCalls: Bool { self == .spendAnomaly || self == .errorRate || self == .latency }
    }

    package enum Severity: String, Sendable, CaseIterable {
        case info, warning
        /// Is sent in quiet hours too.
        case critical
    }

    /// What the rule looks at; nil: at all of the tenant.
    package struct Match: Hashable, Sendable {
        package var limit: LimitID?
        package var workspace: WorkspaceID?
        package var route: RouteID?

        package init(limit: LimitID? = nil, workspace: WorkspaceID? = nil, route: RouteID? = nil) {
            self.limit = limit
            self.workspace = workspace
            self.route = route
        }
    }

    package static let maximumOfOwner = 200
    package static let maximumChannels = 20
    package static let windows: ClosedRange<Int> = 1...1_440
    package static let percentiles: ClosedRange<Int> = 50...99

    package let id: AlertRuleID
    /// nil: the platform's.
    package let tenant: TenantID?
    package let kind: Kind
    package let match: Match
    package var name: String
    package var severity: Severity
    /// In the kind's unit.
    package var threshold: Int64
    /// How far back calls are looked at; of error rates and latencies.
    package var windowMinutes: Int
    /// Of latencies.
    package var percentile: Int
    /// Fewer calls than these say nothing.
    package var minimumCalls: Int64
    package var channels: [AlertChannelID]
    package var isEnabled: Bool
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: AlertRuleID, tenant: TenantID?, kind: Kind, match: Match, name: String, severity: Severity,
        threshold: Int64, windowMinutes: Int, percentile: Int, minimumCalls: Int64,
        channels: [AlertChannelID], isEnabled: Bool, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.kind = kind
        self.match = match
        self.name = name
        self.severity = severity
        self.threshold = threshold
        self.windowMinutes = windowMinutes
        self.percentile = percentile
        self.minimumCalls = minimumCalls
        self.channels = channels
        self.isEnabled = isEnabled
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// What is wrong with it; empty: nothing.
    package func problems() -> [ValidationError] {
        var problems = [TextRule.displayName.check(name, at: "/name")].compactMap(\.self)
        if kind.isOfPlatform != (tenant == nil) {
            let whose = kind.isOfPlatform ? "the platform's" : "a tenant's"
            problems.append(ValidationError("/kind", .notAllowed, "is a kind of \(whose) rules"))
        }
        if !kind.thresholds.contains(threshold) {
            let range = "\(kind.thresholds.lowerBound) to \(kind.thresholds.upperBound)"
            problems.append(
                ValidationError("/threshold", .outOfRange, "must be \(range) \(kind.unit.rawValue)"))
        }
        if match.limit != nil, !kind.takesLimit {
            problems.append(ValidationError("/limit", .notAllowed, "is for rules about budgets"))
        }
        for (field, isThere) in [("workspace", match.workspace != nil), ("route", match.route != nil)]
        where isThere && !kind.takesCalls {
            problems.append(ValidationError("/\(field)", .notAllowed, "is for rules about calls"))
        }
        if Set(channels).count != channels.count {
            problems.append(ValidationError("/channels", .duplicate, "must name each channel once"))
        }
        return problems
    }
}

/// What values of alerts are counted in.
package enum AlertUnit: String, Sendable, CaseIterable {
    case percent, milliseconds, seconds, events, days
}

/// Where somebody is told: mailboxes, or an address that takes signed messages. Holds no secret.
package struct AlertChannel: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case email, webhook
    }

    /// Hours of each day in which only what is critical is sent.
    package struct QuietHours: Hashable, Sendable {
        /// Minutes after midnight; a `to` that is less than `from` is of the next day.
        package let from: Int
        package let to: Int
        package let timeZone: String

        package init(from: Int, to: Int, timeZone: String) {
            self.from = from
            self.to = to
            self.timeZone = timeZone
        }

        /// The minute of `22:30`; nil: it is no time of day.
        package static func minute(_ text: String) -> Int? {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }),
                parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
                let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
            else { return nil }
            return hour * 60 + minute
        }

        package static func text(_ minute: Int) -> String {
            func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
            return "\(two(minute / 60)):\(two(minute % 60))"
        }
    }

    package static let maximumOfOwner = 50
    package static let maximumRecipients = 10

    package let id: AlertChannelID
    /// nil: the platform's.
    package let tenant: TenantID?
    package let kind: Kind
    package var name: String
    /// Of an e-mail channel.
    package var recipients: [String]
    /// Of a webhook.
    package var url: BaseURL?
    /// Of messages to people.
    package var language: Language
    package var quietHours: QuietHours?
    package var isEnabled: Bool
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: AlertChannelID, tenant: TenantID?, kind: Kind, name: String, recipients: [String], url: BaseURL?,
        language: Language, quietHours: QuietHours?, isEnabled: Bool, createdAt: Timestamp,
        updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.kind = kind
        self.name = name
        self.recipients = recipients
        self.url = url
        self.language = language
        self.quietHours = quietHours
        self.isEnabled = isEnabled
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// What is wrong with it; empty: nothing.
    package func problems() -> [ValidationError] {
        var problems = [TextRule.displayName.check(name, at: "/name")].compactMap(\.self)
        switch kind {
        case .email:
            if recipients.isEmpty {
                problems.append(ValidationError("/recipients", .required, "must name a mailbox"))
            }
            if url != nil { problems.append(ValidationError("/url", .notAllowed, "is for webhooks")) }
        case .webhook:
            if url == nil { problems.append(ValidationError("/url", .required, "is required")) }
            if !recipients.isEmpty {
                problems.append(ValidationError("/recipients", .notAllowed, "is for e-mail"))
            }
        }
        problems += recipients.enumerated().compactMap {
            TextRule.email.check($0.element, at: "/recipients/\($0.offset)")
        }
        if let quietHours, quietHours.from == quietHours.to {
            problems.append(
                ValidationError("/quiet_hours/to", .outOfRange, "must be another time than from"))
        }
        return problems
    }
}

/// A condition that holds, or held until it was resolved.
package struct Alert: Hashable, Sendable {
    package let id: AlertID
    package let tenant: TenantID?
    package let rule: AlertRuleID
    package let ruleName: String
    package let kind: AlertRule.Kind
    package let severity: AlertRule.Severity
    /// What it is about, for people: the name of a budget, of a node; empty: of the whole tenant.
    package let about: String
    /// The newest value that was seen, and the one that counts as too much.
    package let value: Int64
    package let threshold: Int64
    package let startedAt: Timestamp
    package let lastHeldAt: Timestamp
    /// nil: it still holds.
    package let resolvedAt: Timestamp?

    package init(
        id: AlertID, tenant: TenantID?, rule: AlertRuleID, ruleName: String, kind: AlertRule.Kind,
        severity: AlertRule.Severity, about: String, value: Int64, threshold: Int64, startedAt: Timestamp,
        lastHeldAt: Timestamp, resolvedAt: Timestamp?
    ) {
        self.id = id
        self.tenant = tenant
        self.rule = rule
        self.ruleName = ruleName
        self.kind = kind
        self.severity = severity
        self.about = about
        self.value = value
        self.threshold = threshold
        self.startedAt = startedAt
        self.lastHeldAt = lastHeldAt
        self.resolvedAt = resolvedAt
    }
}

/// One message on its way to one channel, and what became of it.
package struct AlertDelivery: Hashable, Sendable {
    package enum Event: String, Sendable, CaseIterable {
        case fired, resolved, test
    }

    package enum Status: String, Sendable, CaseIterable {
        case waiting
        /// The endpoint said yes, or the mail is in the mail queue.
        case sent
        /// Given up; `reason` says why.
        case failed
    }

    package let id: AlertDeliveryID
    package let channel: AlertChannelID
    /// nil: a test.
    package let alert: AlertID?
    package let event: Event
    package let severity: AlertRule.Severity
    /// The JSON text that is sent.
    package let payload: String
    package let status: Status
    package let attempts: Int
    package let nextAttemptAt: Timestamp
    package let giveUpAt: Timestamp
    /// What the endpoint answered to the last attempt; nil: nothing.
    package let responseStatus: Int?
    /// Why the last attempt failed; empty when none did.
    package let reason: String
    package let createdAt: Timestamp
    package let finishedAt: Timestamp?

    package init(
        id: AlertDeliveryID, channel: AlertChannelID, alert: AlertID?, event: Event,
        severity: AlertRule.Severity, payload: String, status: Status = .waiting, attempts: Int = 0,
        nextAttemptAt: Timestamp, giveUpAt: Timestamp, responseStatus: Int? = nil, reason: String = "",
        createdAt: Timestamp, finishedAt: Timestamp? = nil
    ) {
        self.id = id
        self.channel = channel
        self.alert = alert
        self.event = event
        self.severity = severity
        self.payload = payload
        self.status = status
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.giveUpAt = giveUpAt
        self.responseStatus = responseStatus
        self.reason = reason
        self.createdAt = createdAt
        self.finishedAt = finishedAt
    }
}

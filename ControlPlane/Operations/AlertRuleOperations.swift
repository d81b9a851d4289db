package import Domain
import JSONText
import PostgresDriver
import Store

/// What a new alert rule is made of.
package struct NewAlertRule: Sendable {
    package var name: String
    package var kind: AlertRule.Kind
    package var threshold: Int64
    package var match = AlertRule.Match()
    package var severity = AlertRule.Severity.warning
    package var windowMinutes = 5
    package var percentile = 95
    package var minimumCalls: Int64 = 20
    package var channels: [AlertChannelID] = []
    package var isEnabled = true

    package init(name: String, kind: AlertRule.Kind, threshold: Int64) {
        self.name = name
        self.kind = kind
        self.threshold = threshold
    }
}

/// What changes about an alert rule; nil stays as it is.
package struct AlertRuleChange: Sendable {
    package var name: String?
    package var severity: AlertRule.Severity?
    package var threshold: Int64?
    package var windowMinutes: Int?
    package var percentile: Int?
    package var minimumCalls: Int64?
    package var channels: [AlertChannelID]?
    package var isEnabled: Bool?

    package init() {}
}

/// Conditions that somebody is to be told of. `owner` nil: the platform's.
package struct AlertRuleOperations {
    let environment: OperationEnvironment

    package func list(
        of owner: TenantID?, kind: AlertRule.Kind?, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<AlertRule> {
        try await environment.read(.alertsRead, in: .owner(owner), by: caller) { connection in
            ListPage(
                try await AlertRuleStore.list(of: owner, kind: kind, page.of(AlertRule.self), connection))
        }
    }

    package func get(
        _ id: AlertRuleID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> AlertRule {
        try await environment.read(.alertsRead, in: .owner(owner), by: caller) { connection in
            try found(try await AlertRuleStore.find(id, of: owner, connection))
        }
    }

    package func create(
        _ new: NewAlertRule, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<AlertRule> {
        let now = environment.clock.now()
        let rule = AlertRule(
            id: AlertRuleID(at: now), tenant: owner, kind: new.kind, match: new.match, name: new.name,
            severity: new.severity, threshold: new.threshold, windowMinutes: new.windowMinutes,
            percentile: new.percentile, minimumCalls: new.minimumCalls, channels: new.channels,
            isEnabled: new.isEnabled, createdAt: now, updatedAt: now)
        try check(rule.problems())
        return try await environment.write(
            "alert-rules.create", .alertsCreate, in: .owner(owner), by: caller
        ) { connection in
            // Two at once must not both find the last place free.
            try await NounLock.take("alert rules of \(owner?.description ?? "the platform")", connection)
            guard try await AlertRuleStore.count(of: owner, connection) < AlertRule.maximumOfOwner else {
                throw OperationError(
                    .conflict, detail: "There are at most \(AlertRule.maximumOfOwner) alert rules.")
            }
            try await demandChannels(of: rule, connection)
            try await AlertRuleStore.create(rule, connection)
            return Recorded(rule, AuditSubject("alert_rule", rule.id, Self.details(rule)))
        }
    }

    /// Changes what is not nil. Switched off, its alerts end.
    package func update(
        _ id: AlertRuleID, _ change: AlertRuleChange, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<AlertRule> {
        let now = environment.clock.now()
        return try await environment.write(
            "alert-rules.update", .alertsUpdate, in: .owner(owner), by: caller
        ) { connection in
            let before = try found(try await AlertRuleStore.find(id, of: owner, connection))
            var rule = before
            rule.apply(change)
            rule.updatedAt = now
            try check(rule.problems())
            if change.channels != nil { try await demandChannels(of: rule, connection) }
            guard try await AlertRuleStore.update(rule, expecting: before.updatedAt, connection) else {
                throw OperationError(.preconditionFailed)
            }
            if !rule.isEnabled { try await environment.endAlerts(of: rule, connection) }
            return Recorded(
                rule, AuditSubject("alert_rule", id, from: Self.details(before), to: Self.details(rule)))
        }
    }

    /// Ends its alerts, and deletes it with them.
    package func delete(
        _ id: AlertRuleID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<AlertRule> {
        try await environment.write(
            "alert-rules.delete", .alertsDelete, in: .owner(owner), by: caller
        ) { connection in
            let rule = try found(try await AlertRuleStore.find(id, of: owner, connection))
            try await environment.endAlerts(of: rule, connection)
            _ = try await AlertRuleStore.delete(id, of: owner, connection)
            return Recorded(rule, AuditSubject("alert_rule", id, Self.details(rule)))
        }
    }

    // MARK: Parts

    private func demandChannels(of rule: AlertRule, _ connection: PostgresConnection) async throws {
        let unknown = try await AlertChannelStore.unknown(rule.channels, of: rule.tenant, connection)
        try check(
            unknown.map {
                ValidationError("/channels/\($0)", .notFound, "must name an alert channel of this owner")
            })
    }

    private static func details(_ rule: AlertRule) -> JSONValue {
        var details = JSONObject()
        details["name"] = .string(rule.name)
        details["kind"] = .string(rule.kind.rawValue)
        details["severity"] = .string(rule.severity.rawValue)
        details["threshold"] = .number(JSONNumber(rule.threshold))
        details["window_minutes"] = .number(JSONNumber(Int64(rule.windowMinutes)))
        details["percentile"] = .number(JSONNumber(Int64(rule.percentile)))
        details["minimum_calls"] = .number(JSONNumber(rule.minimumCalls))
        details["channels"] = .array(rule.channels.map { .string($0.description) })
        details["enabled"] = .boolean(rule.isEnabled)
        return .object(details)
    }
}

extension AlertRule {
    fileprivate mutating func apply(_ change: AlertRuleChange) {
        name = change.name ?? name
        severity = change.severity ?? severity
        threshold = change.threshold ?? threshold
        windowMinutes = change.windowMinutes ?? windowMinutes
        percentile = change.percentile ?? percentile
        minimumCalls = change.minimumCalls ?? minimumCalls
        channels = change.channels ?? channels
        isEnabled = change.isEnabled ?? isEnabled
    }
}

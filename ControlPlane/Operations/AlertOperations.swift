package import Domain
import JSONText
import PostgresDriver
import Store

/// What is asked of the log of messages; what is nil does not matter.
package struct AlertDeliveryQuery: Sendable {
    package var channel: AlertChannelID?
    package var alert: AlertID?
    package var status: AlertDelivery.Status?

    package init() {}

    fileprivate var filter: AlertDeliveryStore.Filter {
        var filter = AlertDeliveryStore.Filter()
        filter.channel = channel
        filter.alert = alert
        filter.status = status
        return filter
    }
}

/// Alerts, and the messages about them. `owner` nil: the platform's.
package struct AlertOperations {
    let environment: OperationEnvironment

    /// The newest first; of one rule, and only those that hold or that do not any more, if asked.
    package func list(
        of owner: TenantID?, rule: AlertRuleID?, isResolved: Bool?, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Alert> {
        try await environment.read(.alertsRead, in: .owner(owner), by: caller) { connection in
            ListPage(
                try await AlertStore.list(
                    of: owner, rule: rule, isResolved: isResolved, page.of(Alert.self), connection))
        }
    }

    package func get(
        _ id: AlertID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Alert {
        try await environment.read(.alertsRead, in: .owner(owner), by: caller) { connection in
            try found(try await AlertStore.find(id, of: owner, connection))
        }
    }

    package func deliveries(
        of owner: TenantID?, _ query: AlertDeliveryQuery, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<AlertDelivery> {
        try await environment.read(.alertsRead, in: .owner(owner), by: caller) { connection in
            ListPage(
                try await AlertDeliveryStore.list(
                    of: owner, where: query.filter, page.of(AlertDelivery.self), connection))
        }
    }

    package func delivery(
        _ id: AlertDeliveryID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> AlertDelivery {
        try await environment.read(.alertsRead, in: .owner(owner), by: caller) { connection in
            try found(try await AlertDeliveryStore.find(id, of: owner, connection))
        }
    }

    /// Sends a message that is over once more, under the same ID, behind those that wait.
    package func replay(
        _ id: AlertDeliveryID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<AlertDelivery> {
        let now = environment.clock.now()
        return try await environment.write(
            "alert-deliveries.replay", .alertsUpdate, in: .owner(owner), by: caller
        ) { connection in
            _ = try found(try await AlertDeliveryStore.find(id, of: owner, connection))
            let replayed = try await AlertDeliveryStore.replay(
                id, of: owner, at: now, giveUpAt: now.advanced(bySeconds: AlertSending.lifeSeconds),
                connection)
            guard let replayed else {
                throw OperationError(.conflict, detail: "The message is still waiting to be sent.")
            }
            return Recorded(replayed, AuditSubject("alert_delivery", id))
        }
    }
}

extension OperationEnvironment {
    /// Queues one message in the caller's transaction.
    func queue(
        _ message: AlertMessage, _ event: AlertDelivery.Event, to channel: AlertChannelID, alert: AlertID?,
        severity: AlertRule.Severity, of owner: TenantID?, _ connection: PostgresConnection
    ) async throws -> AlertDelivery {
        let now = clock.now()
        let delivery = AlertDelivery(
            id: AlertDeliveryID(at: now), channel: channel, alert: alert, event: event, severity: severity,
            payload: message.json.text, nextAttemptAt: now,
            giveUpAt: now.advanced(bySeconds: AlertSending.lifeSeconds), createdAt: now)
        try await AlertDeliveryStore.enqueue(delivery, of: owner, connection)
        return delivery
    }

    /// Tells every channel of a rule about one of its alerts.
    func announce(
        _ alert: Alert, _ event: AlertDelivery.Event, of rule: AlertRule, _ connection: PostgresConnection
    ) async throws {
        let message = AlertMessage(alert, event, at: clock.now())
        for channel in rule.channels {
            _ = try await queue(
                message, event, to: channel, alert: alert.id, severity: rule.severity, of: rule.tenant,
                connection)
        }
    }

    /// Ends all alerts of a rule that is no longer looked at.
    func endAlerts(of rule: AlertRule, _ connection: PostgresConnection) async throws {
        let now = clock.now()
        let ended = try await AlertStore.resolve(
            of: rule.id, of: rule.tenant, lastHeldBefore: now, at: now, connection)
        for alert in ended { try await announce(alert, .resolved, of: rule, connection) }
    }
}

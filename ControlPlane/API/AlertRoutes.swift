import Domain
import HTTPWire
import Operations

/// Alert rules, channels, alerts and messages about them: of a tenant, and of the platform.
enum AlertRoutes {
    static let all: [AdminRoute] = [Ownership.tenant, .platform].flatMap {
        rules(of: $0) + channels(of: $0) + channelActions(of: $0) + alerts(of: $0) + deliveries(of: $0)
    }

    /// The first word of operation ids.
    private static func noun(_ owner: Ownership, _ noun: String) -> String {
        owner == .tenant ? noun : "platform-\(noun)"
    }

    private static func rules(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/alert-rules", one = "\(base)/{alert_rule}"
        let noun = noun(owner, "alert-rules")
        return [
            .list(
                base, .needs(.alertsRead, in: owner.place), "\(noun).list", "List alert rules",
                query: [AlertQuery.kind], of: .alertRule
            ) { call throws(OperationError) in
                try await call.operations.alertRules.list(
                    of: try owner.tenant(of: call), kind: try call.query[AlertQuery.kind], try call.page,
                    by: try call.caller)
            },
            .write(
                .post, base, .needs(.alertsCreate, in: owner.place), "\(noun).create",
                "Create an alert rule; it is looked at within a minute", body: AlertRuleBody.shape,
                status: 201, answers: .alertRule
            ) { call throws(OperationError) in
                try await call.operations.alertRules.create(
                    try AlertRuleBody.value(call.body), of: try owner.tenant(of: call), by: try call.caller)
            },
            .one(
                .get, one, .needs(.alertsRead, in: owner.place), "\(noun).get", "Get an alert rule",
                answers: .alertRule
            ) { call throws(OperationError) in
                try await call.operations.alertRules.get(
                    try call.alertRule, of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .patch, one, .needs(.alertsUpdate, in: owner.place), "\(noun).update",
                "Change an alert rule; switched off, its alerts end", body: AlertRuleChangeBody.shape,
                answers: .alertRule
            ) { call throws(OperationError) in
                try await call.operations.alertRules.update(
                    try call.alertRule, try AlertRuleChangeBody.value(call.body),
                    of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .delete, one, .needs(.alertsDelete, in: owner.place), "\(noun).delete",
                "Delete an alert rule with its alerts", answers: .alertRule
            ) { call throws(OperationError) in
                try await call.operations.alertRules.delete(
                    try call.alertRule, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }

    private static func channels(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/alert-channels", one = "\(base)/{alert_channel}"
        let noun = noun(owner, "alert-channels")
        return [
            .list(
                base, .needs(.alertsRead, in: owner.place), "\(noun).list", "List alert channels",
                of: .alertChannel
            ) { call throws(OperationError) in
                try await call.operations.alertChannels.list(
                    of: try owner.tenant(of: call), try call.page, by: try call.caller)
            },
            .write(
                .post, base, .needs(.alertsCreate, in: owner.place), "\(noun).create",
                "Create an alert channel; a webhook's secret is shown once", body: AlertChannelBody.shape,
                status: 201, answers: .issuedAlertChannel
            ) { call throws(OperationError) in
                try await call.operations.alertChannels.create(
                    try AlertChannelBody.value(call.body), of: try owner.tenant(of: call),
                    by: try call.caller)
            },
            .one(
                .get, one, .needs(.alertsRead, in: owner.place), "\(noun).get", "Get an alert channel",
                answers: .alertChannel
            ) { call throws(OperationError) in
                try await call.operations.alertChannels.get(
                    try call.alertChannel, of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .patch, one, .needs(.alertsUpdate, in: owner.place), "\(noun).update",
                "Change an alert channel; switched off, its messages wait",
                body: AlertChannelChangeBody.shape,
                answers: .alertChannel
            ) { call throws(OperationError) in
                try await call.operations.alertChannels.update(
                    try call.alertChannel, try AlertChannelChangeBody.value(call.body),
                    of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .delete, one, .needs(.alertsDelete, in: owner.place), "\(noun).delete",
                "Delete an alert channel with its messages", answers: .alertChannel
            ) { call throws(OperationError) in
                try await call.operations.alertChannels.delete(
                    try call.alertChannel, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }

    private static func channelActions(of owner: Ownership) -> [AdminRoute] {
        let one = "\(owner.basePath)/alert-channels/{alert_channel}"
        let noun = noun(owner, "alert-channels")
        return [
            .write(
                .post, "\(one)/rotate-secret", .needs(.alertsUpdate, in: owner.place),
                "\(noun).rotate-secret",
                "Give a webhook a new secret; for a day the one before signs too",
                answers: .issuedAlertChannel
            ) { call throws(OperationError) in
                try await call.operations.alertChannels.rotateSecret(
                    of: try call.alertChannel, of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .post, "\(one)/test", .needs(.alertsUpdate, in: owner.place), "\(noun).test",
                "Send a message that says it is a test", answers: .alertDelivery
            ) { call throws(OperationError) in
                try await call.operations.alertChannels.test(
                    try call.alertChannel, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }

    private static func alerts(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/alerts"
        let noun = noun(owner, "alerts")
        return [
            .list(
                base, .needs(.alertsRead, in: owner.place), "\(noun).list", "List alerts",
                query: [AlertQuery.rule, AlertQuery.resolved], of: .alert
            ) { call throws(OperationError) in
                try await call.operations.alerts.list(
                    of: try owner.tenant(of: call), rule: try call.query[AlertQuery.rule],
                    isResolved: try call.query[AlertQuery.resolved], try call.page, by: try call.caller)
            },
            .one(
                .get, "\(base)/{alert}", .needs(.alertsRead, in: owner.place), "\(noun).get", "Get an alert",
                answers: .alert
            ) { call throws(OperationError) in
                try await call.operations.alerts.get(
                    try call.alert, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }

    private static func deliveries(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/alert-deliveries"
        let noun = noun(owner, "alert-deliveries")
        return [
            .list(
                base, .needs(.alertsRead, in: owner.place), "\(noun).list",
                "List messages about alerts and what became of them", query: AlertQuery.ofDeliveries,
                of: .alertDelivery
            ) { call throws(OperationError) in
                try await call.operations.alerts.deliveries(
                    of: try owner.tenant(of: call), try AlertQuery.deliveries(call.query), try call.page,
                    by: try call.caller)
            },
            .one(
                .get, "\(base)/{alert_delivery}", .needs(.alertsRead, in: owner.place), "\(noun).get",
                "Get a message about an alert", answers: .alertDelivery
            ) { call throws(OperationError) in
                try await call.operations.alerts.delivery(
                    try call.alertDelivery, of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .post, "\(base)/{alert_delivery}/replay", .needs(.alertsUpdate, in: owner.place),
                "\(noun).replay", "Send a message that is over once more, under the same ID",
                answers: .alertDelivery
            ) { call throws(OperationError) in
                try await call.operations.alerts.replay(
                    try call.alertDelivery, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }
}

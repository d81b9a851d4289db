import Cryptography
package import Domain
import PostgresDriver
import Store
import Telemetry

/// Looks at all alert rules, again and again. Any number of control planes may: one of them does in each
/// period, and of two that look at one rule at once, one does.
package struct AlertWatch {
    /// How often rules are looked at.
    package static let periodSeconds: Int64 = 30
    /// A condition that comes back sooner than this is the same alert.
    package static let settlingSeconds: Int64 = 300
    /// Less of a window says nothing about the rest of it.
    static let leastElapsed = 0.05
    private static let baselineSeconds: Int64 = 7 * 86_400
    private static let leastBaselineSeconds: Int64 = 86_400
    private static let keptAlertsSeconds: Int64 = 90 * 86_400
    private static let keptDeliveriesSeconds: Int64 = 30 * 86_400
    private static let secondsPerDay: Int64 = 86_400

    let environment: OperationEnvironment

    /// One pass; how many alerts began and ended, nil when another control plane made one in this period.
    package func run() async throws(OperationError) -> (fired: Int, resolved: Int)? {
        let now = environment.clock.now()
        let isOurs: Bool
        do {
            isOurs = try await environment.database.withTransaction { connection in
                try await JobStore.begin("alerts", every: Self.periodSeconds, at: now, connection)
            }
        } catch { throw OperationError(error) }
        guard isOurs else { return nil }
        var sum = (fired: 0, resolved: 0)
        for (id, tenant) in try await environment.viewAcrossTenants({ try await AlertRuleStore.enabled($0) })
        {
            do {
                let changes = try await environment.database.withTenant(tenant) { connection in
                    try await look(at: id, of: tenant, now, connection)
                }
                sum.fired += changes.fired
                sum.resolved += changes.resolved
            } catch {
                // The others are looked at all the same.
                environment.log.warning(
                    "an alert rule was not looked at", ["rule": "\(id)", "error": LogValue(error)])
            }
        }
        try await purge(now)
        return sum
    }

    private func look(
        at id: AlertRuleID, of tenant: TenantID?, _ now: Timestamp, _ connection: PostgresConnection
    ) async throws -> (fired: Int, resolved: Int) {
        guard let rule = try await AlertRuleStore.lockEnabled(id, of: tenant, connection) else {
            return (0, 0)
        }
        var fired = 0
        for finding in try await findings(of: rule, now, connection) {
            guard let alert = try await AlertStore.hold(finding, of: rule, at: now, connection) else {
                continue
            }
            fired += 1
            try await environment.announce(alert, .fired, of: rule, connection)
        }
        let ended = try await AlertStore.resolve(
            of: id, of: tenant, lastHeldBefore: now.advanced(bySeconds: -Self.settlingSeconds), at: now,
            connection)
        for alert in ended { try await environment.announce(alert, .resolved, of: rule, connection) }
        return (fired, ended.count)
    }

    private func purge(_ now: Timestamp) async throws(OperationError) {
        let resolved = now.advanced(bySeconds: -Self.keptAlertsSeconds)
        let finished = now.advanced(bySeconds: -Self.keptDeliveriesSeconds)
        let owners = try await environment.viewAcrossTenants { connection in
            try await AlertStore.owners(
                ofAlertsResolvedBefore: resolved, deliveriesFinishedBefore: finished, connection)
        }
        do {
            for owner in owners {
                try await environment.database.withTenant(owner) { connection in
                    try await AlertStore.purge(
                        of: owner, resolvedBefore: resolved, finishedBefore: finished, connection)
                }
            }
        } catch { throw OperationError(error) }
    }

    // MARK: Conditions

    private func findings(
        of rule: AlertRule, _ now: Timestamp, _ connection: PostgresConnection
    ) async throws -> [AlertStore.Finding] {
        if rule.kind == .certificateExpiry { return expiries(rule, now) }
        guard let tenant = rule.tenant else { return try await nodeFindings(rule, now, connection) }
        switch rule.kind {
        case .budgetThreshold, .budgetForecast:
            return try await budgetFindings(rule, tenant, now, connection)
        case .spendAnomaly: return try await anomaly(rule, tenant, now, connection)
        case .errorRate:
            let since = now.advanced(bySeconds: -Int64(rule.windowMinutes) * 60).startOfMinute
            let counts = try await AlertConditionStore.counts(
                in: tenant, rule.match, since: since, connection)
            guard counts.calls >= max(rule.minimumCalls, 1) else { return [] }
            return Self.one(rule, counts.failed * 100 / counts.calls)
        case .latency:
            let since = now.advanced(bySeconds: -Int64(rule.windowMinutes) * 60)
            let found = try await AlertConditionStore.latency(
                in: tenant, rule.match, percentile: rule.percentile, since: since, connection)
            guard found.calls >= max(rule.minimumCalls, 1) else { return [] }
            return Self.one(rule, found.milliseconds)
        default: return []
        }
    }

    /// What is found when there is only one thing to look at.
    private static func one(_ rule: AlertRule, _ value: Int64) -> [AlertStore.Finding] {
        guard value >= rule.threshold else { return [] }
        return [AlertStore.Finding(subject: "", about: "", value: value, threshold: rule.threshold)]
    }

    private func budgetFindings(
        _ rule: AlertRule, _ tenant: TenantID, _ now: Timestamp, _ connection: PostgresConnection
    ) async throws -> [AlertStore.Finding] {
        let uses =
            rule.kind == .budgetThreshold
            ? try await AlertConditionStore.crossings(
                in: tenant, limit: rule.match.limit, from: rule.threshold, at: now, connection)
            : try await AlertConditionStore.uses(
                in: tenant, limit: rule.match.limit, at: now, connection)
        var limits: [LimitID: Limit] = [:]
        for id in Set(uses.map(\.limit)) {
            limits[id] = try await LimitStore.find(id, of: tenant, connection)
        }
        return uses.compactMap { use in
            guard let limit = limits[use.limit] else { return nil }
            let amount = Double(limit.amount(at: now))
            var (used, threshold) = (Double(use.used), use.threshold)
            if rule.kind == .budgetForecast {
                guard let forecast = BudgetForecast(use, at: now) else { return nil }
                (used, threshold) = (forecast.used, rule.threshold)
            }
            let value = Int64(min(used * 100 / max(amount, 1), 1e12))
            if rule.kind == .budgetForecast, value < threshold { return nil }
            let part = use.part.name(in: limit)
            return AlertStore.Finding(
                subject: "\(use.limit)/\(part ?? "")/\(use.windowStart)/\(threshold)",
                about: part.map { "\(limit.name) (\($0))" } ?? limit.name, value: value, threshold: threshold)
        }
    }

    /// Measured by the mean hour of the week before, once there is a day of it.
    private func anomaly(
        _ rule: AlertRule, _ tenant: TenantID, _ now: Timestamp, _ connection: PostgresConnection
    ) async throws -> [AlertStore.Finding] {
        let hourAgo = now.advanced(bySeconds: -3_600)
        let recent = try await AlertConditionStore.counts(
            in: tenant, rule.match, since: hourAgo.startOfMinute, connection)
        let end = hourAgo.startOfHour
        let before = try await AlertConditionStore.spending(
            in: tenant, rule.match, from: end.advanced(bySeconds: -Self.baselineSeconds), to: end, connection)
        guard recent.calls >= max(rule.minimumCalls, 1), let before else { return [] }
        let seconds = end.microseconds(since: before.since) / 1_000_000
        guard seconds >= Self.leastBaselineSeconds, before.cost.nanos > 0 else { return [] }
        let usual = Double(before.cost.nanos) * 3_600 / Double(seconds)
        return Self.one(rule, Int64(min(Double(recent.cost.nanos) * 100 / usual, 1e12)))
    }

    private func nodeFindings(
        _ rule: AlertRule, _ now: Timestamp, _ connection: PostgresConnection
    ) async throws -> [AlertStore.Finding] {
        let figures =
            switch rule.kind {
            case .nodeOffline:
                try await AlertConditionStore.silent(for: rule.threshold, at: now, connection)
            case .nodeLag:
                try await AlertConditionStore.lagging(for: rule.threshold, at: now, connection)
            default: try await AlertConditionStore.undelivered(atLeast: rule.threshold, connection)
            }
        return figures.map {
            AlertStore.Finding(
                subject: $0.node.description, about: $0.name, value: $0.value, threshold: rule.threshold)
        }
    }

    /// The root certificate, and the keys that sign what nodes get.
    private func expiries(_ rule: AlertRule, _ now: Timestamp) -> [AlertStore.Finding] {
        let keys = environment.keys
        let root = keys.certificateAuthority.certificate.validity.notAfter
        var ends = [("root certificate", Timestamp(microseconds: root * 1_000_000))]
        if let snapshot = keys.snapshotKeyExpires { ends.append(("snapshot key", snapshot)) }
        return ends.compactMap { name, end in
            let days = end.microseconds(since: now) / 1_000_000 / Self.secondsPerDay
            guard days <= rule.threshold else { return nil }
            return AlertStore.Finding(
                subject: name, about: name, value: max(days, 0), threshold: rule.threshold)
        }
    }
}

/// What a budget will be used to when its window ends, at its mean pace so far.
package struct BudgetForecast: Sendable {
    package let used: Double

    /// nil: its window has no end, or has only begun.
    init?(_ use: AlertConditionStore.BudgetUse, at now: Timestamp) {
        self.init(used: use.used, from: use.windowStart, to: use.windowEnd, at: now)
    }

    package init?(used: Int64, from start: Timestamp, to end: Timestamp?, at now: Timestamp) {
        guard let end else { return nil }
        let length = Double(end.microseconds(since: start))
        let elapsed = Double(now.microseconds(since: start))
        guard length > 0, elapsed / length >= AlertWatch.leastElapsed else { return nil }
        self.used = Double(used) * max(1, length / elapsed)
    }
}

package import Domain
package import PostgresDriver

/// Conditions that hold or held; of a tenant, or (nil) the platform.
package enum AlertStore {
    private static let columns: SQL =
        """
        alerts.tenant_id, alerts.id, rule_id, alert_rules.name, kind, severity, about, value,
        alerts.threshold, started_at, last_held_at, resolved_at
        """
    private static let tables: SQL =
        """
        alerts join alert_rules on alert_rules.tenant_id = alerts.tenant_id and alert_rules.id = rule_id
        """

    /// Something a rule found at one moment.
    package struct Finding: Hashable, Sendable {
        /// Tells it apart from what else the rule finds.
        package let subject: String
        /// The same for people.
        package let about: String
        package let value: Int64
        package let threshold: Int64

        package init(subject: String, about: String, value: Int64, threshold: Int64) {
            self.subject = subject
            self.about = about
            self.value = value
            self.threshold = threshold
        }
    }

    /// Notes that a condition holds. The alert when it is new; nil when it was known.
    package static func hold(
        _ finding: Finding, of rule: AlertRule, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Alert? {
        let id = AlertID(at: now)
        let rows = try await connection.query(
            """
            insert into alerts (tenant_id, id, rule_id, subject, about, value, threshold, started_at,
                                last_held_at)
            values (\(TenantID.owner(rule.tenant)), \(id), \(rule.id), \(finding.subject), \(finding.about),
                    \(finding.value), \(finding.threshold), \(now), \(now))
            on conflict (tenant_id, rule_id, subject) where resolved_at is null
            do update set last_held_at = excluded.last_held_at, value = excluded.value
            returning id
            """)
        let kept: AlertID? = try rows.first.map { row throws(PostgresError) in try row.id(0) }
        guard kept == id else { return nil }
        return Alert(
            id: id, tenant: rule.tenant, rule: rule.id, ruleName: rule.name, kind: rule.kind,
            severity: rule.severity, about: finding.about, value: finding.value,
            threshold: finding.threshold, startedAt: now, lastHeldAt: now, resolvedAt: nil)
    }

    /// Ends the alerts of a rule that were last seen to hold before a moment; gives them.
    package static func resolve(
        of rule: AlertRuleID, of tenant: TenantID?, lastHeldBefore moment: Timestamp, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Alert] {
        let rows = try await connection.query(
            """
            update alerts
               set resolved_at = \(now)
              from alert_rules
             where alerts.tenant_id = \(TenantID.owner(tenant)) and rule_id = \(rule)
               and alert_rules.tenant_id = alerts.tenant_id and alert_rules.id = rule_id
               and resolved_at is null and last_held_at <= \(moment)
            returning \(fragment: columns)
            """)
        return try rows.read(read)
    }

    package static func find(
        _ id: AlertID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Alert? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from \(fragment: tables)
             where alerts.tenant_id = \(TenantID.owner(tenant)) and alerts.id = \(id)
            """)
        return try rows.first.map(read)
    }

    /// The newest first; of one rule, and only open or only resolved ones, if asked.
    package static func list(
        of tenant: TenantID?, rule: AlertRuleID?, isResolved: Bool?, _ page: Page<Alert>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Alert, Alert> {
        var filter: SQL = ""
        if let rule { filter = filter + " and rule_id = \(rule)" }
        if let isResolved { filter = filter + " and (resolved_at is not null) = \(isResolved)" }
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from \(fragment: tables)
             where alerts.tenant_id = \(TenantID.owner(tenant)) and alerts.id < \(page.bound)
                   \(fragment: filter)
             order by alerts.id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Whose alerts and messages ended before these moments. Reads over all tenants.
    package static func owners(
        ofAlertsResolvedBefore resolved: Timestamp, deliveriesFinishedBefore finished: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [TenantID?] {
        let rows = try await connection.query(
            """
            select tenant_id from alerts where resolved_at < \(resolved)
             union
            select tenant_id from alert_deliveries where finished_at < \(finished)
            """)
        return try rows.read { row throws(PostgresError) in try row.owner(0) }
    }

    /// Removes what ended before these moments.
    package static func purge(
        of tenant: TenantID?, resolvedBefore resolved: Timestamp, finishedBefore finished: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let owner = TenantID.owner(tenant)
        try await connection.execute(
            "delete from alerts where tenant_id = \(owner) and resolved_at < \(resolved)")
        try await connection.execute(
            "delete from alert_deliveries where tenant_id = \(owner) and finished_at < \(finished)")
    }

    private static func read(_ row: Row) throws(PostgresError) -> Alert {
        Alert(
            id: try row.id(1), tenant: try row.owner(0), rule: try row.id(2), ruleName: try row.text(3),
            kind: try row.value(4, AlertRule.Kind.init(rawValue:)),
            severity: try row.value(5, AlertRule.Severity.init(rawValue:)), about: try row.text(6),
            value: try row.int64(7), threshold: try row.int64(8), startedAt: try row.timestamp(9),
            lastHeldAt: try row.timestamp(10), resolvedAt: try row.optionalTimestamp(11))
    }
}

package import Domain
package import PostgresDriver

/// Conditions that somebody is to be told of; a tenant's, or (nil) the platform's.
package enum AlertRuleStore {
    private static let columns: SQL =
        """
        tenant_id, id, name, kind, severity, limit_id, workspace_id, route_id, threshold, window_minutes,
        percentile, minimum_calls, channels, enabled, created_at, updated_at
        """

    /// Fails on `alertRuleNameIsUnique`, `alertRuleLimitExists`, `alertRuleWorkspaceExists` and
    /// `alertRuleRouteExists` of `Constraint`.
    package static func create(
        _ rule: AlertRule, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into alert_rules (\(fragment: columns))
            values (\(TenantID.owner(rule.tenant)), \(rule.id), \(rule.name), \(rule.kind.rawValue),
                    \(rule.severity.rawValue), \(rule.match.limit), \(rule.match.workspace),
                    \(rule.match.route), \(rule.threshold), \(rule.windowMinutes), \(rule.percentile),
                    \(rule.minimumCalls), \(rule.channels), \(rule.isEnabled), \(rule.createdAt),
                    \(rule.updatedAt))
            """)
    }

    package static func find(
        _ id: AlertRuleID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> AlertRule? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from alert_rules
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID?, kind: AlertRule.Kind?, _ page: Page<AlertRule>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<AlertRule, AlertRule> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from alert_rules
             where tenant_id = \(TenantID.owner(tenant)) and id < \(page.bound)
               and kind = coalesce(\(kind?.rawValue), kind)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    package static func count(
        of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let rows = try await connection.query(
            "select count(*) from alert_rules where tenant_id = \(TenantID.owner(tenant))")
        return Int(try rows.first?.int64(0) ?? 0)
    }

    /// Writes what can change. False: no such rule, or changed since `expecting`.
    package static func update(
        _ rule: AlertRule, expecting: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update alert_rules
               set name = \(rule.name), severity = \(rule.severity.rawValue), threshold = \(rule.threshold),
                   window_minutes = \(rule.windowMinutes), percentile = \(rule.percentile),
                   minimum_calls = \(rule.minimumCalls), channels = \(rule.channels),
                   enabled = \(rule.isEnabled), updated_at = \(rule.updatedAt)
             where tenant_id = \(TenantID.owner(rule.tenant)) and id = \(rule.id)
               and updated_at = \(expecting)
            """) == 1
    }

    /// With its alerts. False: no such rule.
    package static func delete(
        _ id: AlertRuleID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "delete from alert_rules where tenant_id = \(TenantID.owner(tenant)) and id = \(id)") == 1
    }

    /// The rules to be looked at, of all active tenants and of the platform. Reads over all tenants.
    package static func enabled(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [(id: AlertRuleID, tenant: TenantID?)] {
        let rows = try await connection.query(
            """
            select alert_rules.id, tenant_id
              from alert_rules
              join tenants on tenants.id = tenant_id
             where enabled and status = 'active'
             order by tenant_id, alert_rules.id
            """)
        return try rows.read { row throws(PostgresError) in (id: try row.id(0), tenant: try row.owner(1)) }
    }

    /// Locks a rule while it is looked at. nil: there is none, it is switched off, or somebody looks already.
    package static func lockEnabled(
        _ id: AlertRuleID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> AlertRule? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from alert_rules
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id) and enabled
               for no key update skip locked
            """)
        return try rows.first.map(read)
    }

    private static func read(_ row: Row) throws(PostgresError) -> AlertRule {
        AlertRule(
            id: try row.id(1), tenant: try row.owner(0),
            kind: try row.value(3, AlertRule.Kind.init(rawValue:)),
            match: AlertRule.Match(
                limit: try row.optionalID(5), workspace: try row.optionalID(6), route: try row.optionalID(7)),
            name: try row.text(2), severity: try row.value(4, AlertRule.Severity.init(rawValue:)),
            threshold: try row.int64(8), windowMinutes: try row.int(9), percentile: try row.int(10),
            minimumCalls: try row.int64(11), channels: try row.uuidArray(12).map { ID($0) },
            isEnabled: try row.bool(13), createdAt: try row.timestamp(14), updatedAt: try row.timestamp(15))
    }
}

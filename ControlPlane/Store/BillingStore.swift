package import Domain
package import PostgresDriver

/// How a tenant pays and what stands on its invoices; the platform's own: who issues them.
package struct BillingSettings: Hashable, Sendable {
    package var mode = BillingMode.postpaid
    /// Of a prepaid tenant: the budget that follows its balance.
    package var limit: LimitID?
    package var name = ""
    package var address = ""
    package var email: String?
    package var taxNumber = ""
    /// Of the platform: from which day of the month on invoices are issued by themselves; nil: by hand.
    package var issueDay: Int32?
    /// nil: never written.
    package var updatedAt: Timestamp?

    package init() {}
}

package enum BillingStore {
    /// What was settled, or else the defaults. nil owner: the platform.
    package static func settings(
        of owner: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> BillingSettings {
        let rows = try await connection.query(
            """
            select mode, limit_id, name, address, email, tax_number, updated_at, issue_day
              from billing_settings
             where tenant_id = \(TenantID.owner(owner))
            """)
        return try rows.first.map { row throws(PostgresError) in
            var settings = BillingSettings()
            settings.mode = try row.value(0) { BillingMode(rawValue: $0) }
            settings.limit = try row.optionalID(1)
            settings.name = try row.text(2)
            settings.address = try row.text(3)
            settings.email = try row.optionalText(4)
            settings.taxNumber = try row.text(5)
            settings.updatedAt = try row.timestamp(6)
            settings.issueDay = try row.optionalInt64(7).map { Int32(clamping: $0) }
            return settings
        } ?? BillingSettings()
    }

    package static func save(
        _ settings: BillingSettings, of owner: TenantID?, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into billing_settings (tenant_id, mode, limit_id, name, address, email, tax_number,
                                          updated_at, issue_day)
            values (\(TenantID.owner(owner)), \(settings.mode.rawValue), \(settings.limit),
                    \(settings.name), \(settings.address), \(settings.email), \(settings.taxNumber), \(now),
                    \(settings.issueDay))
            on conflict (tenant_id)
            do update set mode = excluded.mode, limit_id = excluded.limit_id, name = excluded.name,
                          address = excluded.address, email = excluded.email,
                          tax_number = excluded.tax_number, updated_at = excluded.updated_at,
                          issue_day = excluded.issue_day
            """)
    }

    /// The budget that follows a prepaid tenant's balance; nil: it pays by invoice.
    package static func prepaidLimit(
        of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> LimitID? {
        let rows = try await connection.query(
            "select limit_id from billing_settings where tenant_id = \(tenant) and mode = 'prepaid'")
        return try rows.first.flatMap { row throws(PostgresError) in try row.optionalID(0) }
    }

    /// Makes a limit that was just created the one that follows the balance.
    package static func follow(
        _ limit: LimitID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            "update limits set follows_balance = true where tenant_id = \(tenant) and id = \(limit)")
        try await refreshAmount(of: tenant, connection)
    }

    /// Tells the budget that follows the balance, if there is one, how much that is now. Lenders work it out
    /// by themselves: this is what people and nodes are shown.
    package static func refreshAmount(
        of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update limits
               set amount = greatest(1, prepaid_amount(tenant_id, id))
             where tenant_id = \(tenant) and follows_balance
            """)
    }
}

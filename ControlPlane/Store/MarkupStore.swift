package import Domain
package import PostgresDriver

/// What tenants pay on top of the platform's prices.
package enum MarkupStore {
    /// nil: no such tenant.
    package static func find(
        _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Markup? {
        let rows = try await connection.query("select markup from tenants where id = \(tenant)")
        return try rows.first.flatMap { row throws(PostgresError) in Markup(hundredths: try row.int32(0)) }
    }

    /// False: no such tenant.
    package static func set(
        _ markup: Markup, of tenant: TenantID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "update tenants set markup = \(markup.hundredths), updated_at = \(now) where id = \(tenant)") == 1
    }
}

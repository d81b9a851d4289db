package import Domain
package import PostgresDriver

/// Locks one thing until the end of the transaction, so that what was read of it stays true while it is
/// written.
package enum NounLock {
    private struct Table {
        let name: SQL
        /// Its key begins with `tenant_id`.
        let isOfTenant: Bool
    }

    /// The tables of nouns, by what their IDs begin with. A noun that can be changed belongs here.
    private static let tables: [String: Table] = [
        "tenant": Table(name: "tenants", isOfTenant: false),
        "ws": Table(name: "workspaces", isOfTenant: true),
        "user": Table(name: "users", isOfTenant: false),
        "group": Table(name: "groups", isOfTenant: true),
        "role": Table(name: "roles", isOfTenant: true),
        "bind": Table(name: "bindings", isOfTenant: true),
        "sa": Table(name: "service_accounts", isOfTenant: true),
        "mtok": Table(name: "management_tokens", isOfTenant: true),
        "idp": Table(name: "identity_providers", isOfTenant: true),
        "prov": Table(name: "providers", isOfTenant: true),
        "cred": Table(name: "provider_credentials", isOfTenant: true),
        "model": Table(name: "models", isOfTenant: true),
        "price": Table(name: "prices", isOfTenant: true),
        "route": Table(name: "routes", isOfTenant: true),
        "key": Table(name: "keys", isOfTenant: true),
        "limit": Table(name: "limits", isOfTenant: true),
        "rule": Table(name: "alert_rules", isOfTenant: true),
        "channel": Table(name: "alert_channels", isOfTenant: true),
        "report": Table(name: "report_schedules", isOfTenant: true),
        "delivery": Table(name: "alert_deliveries", isOfTenant: true),
        "guard": Table(name: "guardrails", isOfTenant: true),
        "invoice": Table(name: "invoices", isOfTenant: true),
        "use": Table(name: "call_contents", isOfTenant: true),
        "node": Table(name: "nodes", isOfTenant: false),
    ]

    /// Whether things whose IDs begin so have a row to lock.
    package static func knows(_ prefix: String) -> Bool { tables[prefix] != nil }

    /// Locks a row; nothing happens when it is not there. Others may go on referring to it. nil: things whose
    /// IDs begin so have no row to lock.
    package static func statement(_ prefix: String, _ id: PostgresUUID, of owner: TenantID?) -> SQL? {
        guard let table = tables[prefix] else { return nil }
        let tenant: SQL = table.isOfTenant ? "and tenant_id = \(TenantID.owner(owner))" : ""
        return "select from \(fragment: table.name) where id = \(id) \(fragment: tenant) for no key update"
    }

    /// Locks a name for things without a row of their own.
    package static func take(_ name: String, _ connection: PostgresConnection) async throws(PostgresError) {
        _ = try await connection.query(statement(name))
    }

    package static func statement(_ name: String) -> SQL {
        "select pg_advisory_xact_lock(hashtextextended(\(name), 0))"
    }
}

package import Domain
package import PostgresDriver

// Row-level security: Postgres shows and takes a tenant's rows only inside `withTenant` of that tenant, to
// roles that do not bypass it. It is the second belt: every statement names its tenant all the same.

extension PostgresPool {
    /// A transaction in which rows of this tenant are there, and of no other; nil: what the platform owns.
    @discardableResult
    package func withTenant<T>(
        _ tenant: TenantID?, _ mode: TransactionMode = .readWrite,
        _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        try await withTransaction(mode, [TenantIsolation.setting(tenant)], body)
    }

    /// Reads over all tenants: for the platform's lists and sums, and to find out what somebody may do.
    ///
    /// Runs as `eclusa_reports`, which sees every tenant, no secret, and can write nothing.
    package func acrossTenants<T>(_ body: (PostgresConnection) async throws -> T) async throws -> T {
        try await withTransaction(.readOnlySnapshot, [.role(DatabaseRole.reports.name)], body)
    }
}

package enum TenantIsolation {
    fileprivate static func setting(_ tenant: TenantID?) -> TransactionSetting {
        let tenant = TenantID.owner(tenant)
        return .uuid("eclusa.tenant", PostgresUUID(high: tenant.high, low: tenant.low))
    }

    /// Works in another tenant for a while, inside the transaction of `home`: to make a tenant, or to write
    /// into several. After an error the transaction is only good for being rolled back.
    package static func visit<T>(
        _ tenant: TenantID?, from home: TenantID?, _ connection: PostgresConnection,
        _ body: () async throws -> T
    ) async throws -> T {
        try await enter(tenant, connection)
        let value = try await body()
        try await enter(home, connection)
        return value
    }

    /// Reads over all tenants for a while, inside another transaction. After an error the transaction is only
    /// good for being rolled back.
    package static func lookAcross<T>(
        _ connection: PostgresConnection, _ body: () async throws -> T
    ) async throws -> T {
        try await connection.executeScript("set local role \(DatabaseRole.reports.name)")
        let value = try await body()
        try await connection.executeScript("reset role")
        return value
    }

    /// From here on this tenant's rows are there, and of no other; to the end of the transaction.
    package static func enter(
        _ tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            "select set_config('eclusa.tenant', \(TenantID.owner(tenant).uuidText), true)")
    }
}

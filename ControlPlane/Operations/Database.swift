import Domain
import PostgresDriver
import Store

/// Where operations run their transactions: each in its own, or all in the one of a request.
struct Database {
    let pool: PostgresPool
    /// The transaction of the request that everything is part of; nil: there is none.
    var current: PostgresConnection?

    init(_ pool: PostgresPool) { self.pool = pool }

    /// As the pool's. Inside a request's transaction `body` becomes a part of it: what fails there fails the
    /// whole request, and nothing stays. It leaves this tenant's rows in sight.
    @discardableResult
    func withTenant<T>(
        _ tenant: TenantID?, _ mode: TransactionMode = .readWrite,
        _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        guard let current else { return try await pool.withTenant(tenant, mode, body) }
        try await TenantIsolation.enter(tenant, current)
        return try await body(current)
    }

    /// As the pool's.
    func acrossTenants<T>(_ body: (PostgresConnection) async throws -> T) async throws -> T {
        guard let current else { return try await pool.acrossTenants(body) }
        return try await TenantIsolation.lookAcross(current) { try await body(current) }
    }

    /// As the pool's: for tables without tenants.
    @discardableResult
    func withTransaction<T>(
        _ mode: TransactionMode = .readWrite, _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        if let current { return try await body(current) }
        return try await pool.withTransaction(mode, [], body)
    }

    @discardableResult
    func withConnection<T>(_ body: (PostgresConnection) async throws -> T) async throws -> T {
        if let current { return try await body(current) }
        return try await pool.withConnection(body)
    }

    /// A transaction of its own always, on tables without tenants, for counters that a crash of the server
    /// may set back: nobody waits for the disk.
    func withCountersApart<T>(_ body: (PostgresConnection) async throws -> T) async throws -> T {
        try await pool.withTransaction(.readWrite, [.commitsEarly], body)
    }

    /// A transaction of its own always: for what must stay although the request fails (counters of failed
    /// tries, revocations of what was stolen). Touches no row the request's transaction has locked.
    @discardableResult
    func withTenantApart<T>(
        _ tenant: TenantID?, _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        try await pool.withTenant(tenant, .readWrite, body)
    }
}

package import Domain
import JSONText
import PostgresDriver
import Store

/// Removes what deleted tenants leave behind: a part at a time, so that it can be stopped anywhere and goes
/// on where it was; any number of control planes may do it at once.
package struct TenantPurge {
    /// Rows of one transaction.
    private static let rowsPerPart: Int64 = 5_000
    /// Parts of one pass over one tenant, so that a large one does not keep the others waiting.
    private static let partsPerPass = 200

    let environment: OperationEnvironment

    /// One pass. Gives the tenants that are gone for good.
    package func run() async throws(OperationError) -> [TenantID] {
        let going = try await environment.viewAcrossTenants { try await TenantStore.beingDeleted($0) }
        var gone: [TenantID] = []
        for tenant in going where try await isEmptied(tenant) {
            let removed = try await environment.write("tenants.purge", in: .platform, by: .system) {
                connection in
                let removed = try await TenantIsolation.visit(tenant, from: nil, connection) {
                    try await TenantStore.remove(tenant, connection)
                }
                guard removed else { throw OperationError.notFound }
                return Recorded(tenant, AuditSubject("tenant", tenant))
            }
            gone.append(removed.value)
        }
        return gone
    }

    /// Whether nothing is left, after as many parts as one pass has.
    private func isEmptied(_ tenant: TenantID) async throws(OperationError) -> Bool {
        for _ in 0..<Self.partsPerPass {
            let deleted: Int64?
            do {
                deleted = try await environment.database.withTenant(tenant) { connection in
                    try await TenantStore.purge(tenant, atMost: Self.rowsPerPart, connection)
                }
            } catch {
                throw OperationError(error)
            }
            guard let deleted else { return false }
            if deleted == 0 { return true }
        }
        return false
    }
}

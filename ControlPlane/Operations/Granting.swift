import Domain
import PostgresDriver
import Store

// The two rules about giving and taking roles: nobody gives or takes away what they lack, and whoever has an
// owner keeps one.

extension Caller {
    /// Passes when the caller could give every one of these roles themselves. Taking away needs as much.
    func demandGrantable(_ bindings: [Authority.Binding], at pointer: String) throws(OperationError) {
        for binding in bindings where !mayGrant(authority, binding.role, in: binding.scope) {
            throw OperationError(
                .forbidden,
                detail:
                    "The role \(binding.role.name) needs another place, or permissions you lack (\(pointer))."
            )
        }
    }
}

extension OperationEnvironment {
    /// Does what may take roles away in a tenant, or (nil) on the platform; refuses when that would take its
    /// last owner. The body must not have run before in the same transaction.
    func keepingAnOwner<Value>(
        of tenant: TenantID?, _ connection: PostgresConnection, _ body: () async throws -> Value
    ) async throws -> Value {
        let hadOne = try await BindingStore.hasOwner(tenant, connection)
        let value = try await body()
        guard hadOne, try await !BindingStore.hasOwner(tenant, connection) else { return value }
        throw OperationError(
            .conflict,
            detail: tenant == nil
                ? "The platform's last administrator stays." : "The tenant's last owner stays.")
    }

    /// As `keepingAnOwner`, for the platform and every tenant that a user owns: of a user who goes. In a
    /// transaction of the platform.
    func keepingOwners(
        without user: UserID, _ connection: PostgresConnection, _ body: () async throws -> Void
    ) async throws {
        let held = try await TenantIsolation.lookAcross(connection) {
            try await BindingStore.effective(of: user, connection)
        }
        let owned = Set(
            held.filter { binding in
                [Role.tenantOwner.name, Role.platformAdmin.name].contains(binding.counted.role.name)
            }.map { $0.scope.tenant ?? .platform })
        // Each look locks the tenant: everybody in the same order.
        let tenants = owned.sorted().map { id -> TenantID? in id == .platform ? nil : id }
        func ownerless() async throws -> [TenantID?] {
            var found: [TenantID?] = []
            for tenant in tenants {
                try await TenantIsolation.visit(tenant, from: nil, connection) {
                    if try await !BindingStore.hasOwner(tenant, connection) { found.append(tenant) }
                }
            }
            return found
        }
        let before = try await ownerless()
        try await body()
        guard let left = try await ownerless().first(where: { !before.contains($0) }) else { return }
        throw OperationError(
            .conflict,
            detail: left.map { "They are the last owner of \($0): give it another one first." }
                ?? "The platform's last administrator stays.")
    }

    /// Whether a tenant, or (nil) the platform, may speak for an account that is there already: it is a
    /// member's, or of the domain that the platform gave the tenant.
    func maySpeak(
        _ tenant: TenantID?, for user: User, _ connection: PostgresConnection
    ) async throws -> Bool {
        guard let tenant else { return true }
        if try await MemberStore.find(user.id, of: tenant, connection) != nil { return true }
        let domain = try found(try await TenantStore.find(tenant, connection)).settings.signUpDomain
        return domain != nil && domain == User.domain(of: user.email)
    }

    /// The role a reference names: built in, or the tenant's own.
    func role(
        _ reference: RoleReference, of tenant: TenantID?, at pointer: String,
        _ connection: PostgresConnection
    ) async throws -> Role {
        switch reference {
        case .builtIn(let name):
            if let role = Role.builtIn(named: name) { return role }
        case .custom(let id):
            if let tenant, let role = try await RoleStore.find(id, of: tenant, connection) {
                return role.role
            }
        }
        throw OperationError.missing(pointer, "a built-in role or one of this tenant")
    }
}

extension Scope {
    /// One workspace of a tenant, the whole tenant, or (no tenant) the platform.
    static func of(_ tenant: TenantID?, _ workspace: WorkspaceID?) -> Scope {
        guard let tenant else { return .platform }
        return workspace.map { .workspace(tenant, $0) } ?? .tenant(tenant)
    }
}

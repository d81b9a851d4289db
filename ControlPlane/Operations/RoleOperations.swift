package import Domain
import JSONText
import PostgresDriver
import Store

/// What changes about a role; nil stays as it is.
package struct RoleChange: Sendable {
    package var name: String?
    package var description: String?
    package var permissions: Set<Permission>?

    package init(name: String? = nil, description: String? = nil, permissions: Set<Permission>? = nil) {
        self.name = name
        self.description = description
        self.permissions = permissions
    }
}

/// Roles that a tenant makes for itself.
package struct RoleOperations {
    let environment: OperationEnvironment

    package func list(
        of tenant: TenantID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<CustomRole> {
        try await environment.read(.rolesRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(try await RoleStore.list(of: tenant, page.of(RoleNoun.self), connection))
        }
    }

    package func get(
        _ id: RoleID, of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> CustomRole {
        try await environment.read(.rolesRead, in: .tenant(tenant), by: caller) { connection in
            try found(try await RoleStore.find(id, of: tenant, connection))
        }
    }

    /// Makes a role of permissions the caller has in the tenant themselves.
    package func create(
        name: String, description: String, permissions: Set<Permission>, in tenant: TenantID,
        by caller: Caller
    ) async throws(OperationError) -> Changed<CustomRole> {
        try caller.demand(.rolesCreate, in: .tenant(tenant))
        try check(CustomRole.problems(name: name, description: description, permissions: permissions))
        try Self.demand(permissions, of: caller, in: tenant)
        let now = environment.clock.now()
        let role = CustomRole(
            id: RoleID(at: now), tenant: tenant, name: name, description: description,
            permissions: permissions, createdAt: now, updatedAt: now)
        return try await environment.write("roles.create", .rolesCreate, in: .tenant(tenant), by: caller) {
            connection in
            try await RoleStore.create(role, connection)
            return Recorded(role, AuditSubject("role", role.id, Self.details(role)))
        }
    }

    /// Changes a role for all who hold it, at once. What it had and what it gets must both be the caller's.
    package func update(
        _ id: RoleID, _ change: RoleChange, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<CustomRole> {
        try await environment.write("roles.update", .rolesUpdate, in: .tenant(tenant), by: caller) {
            connection in
            let before = try found(try await RoleStore.find(id, of: tenant, connection))
            var role = before
            role.name = change.name ?? role.name
            role.description = change.description ?? role.description
            role.permissions = change.permissions ?? role.permissions
            role.updatedAt = environment.clock.now()
            try check(
                CustomRole.problems(
                    name: role.name, description: role.description, permissions: role.permissions))
            try Self.demand(before.permissions.union(role.permissions), of: caller, in: tenant)
            guard let changed = try await RoleStore.update(role, expecting: before.updatedAt, connection)
            else { throw OperationError(.preconditionFailed) }
            return Recorded(
                changed, AuditSubject("role", id, from: Self.details(before), to: Self.details(changed)))
        }
    }

    /// `in_use` while somebody holds it.
    package func delete(
        _ id: RoleID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<CustomRole> {
        try await environment.write("roles.delete", .rolesDelete, in: .tenant(tenant), by: caller) {
            connection in
            let role = try found(try await RoleStore.find(id, of: tenant, connection))
            try Self.demand(role.permissions, of: caller, in: tenant)
            try await inUse("Somebody still holds this role.") {
                _ = try await RoleStore.delete(id, of: tenant, connection)
            }
            return Recorded(role, AuditSubject("role", id, Self.details(role)))
        }
    }

    private static func demand(
        _ permissions: Set<Permission>, of caller: Caller, in tenant: TenantID
    ) throws(OperationError) {
        let lacking = permissions.filter { !caller.may($0, in: .tenant(tenant)) }.map(\.rawValue).sorted()
        guard lacking.isEmpty else {
            throw .invalid([
                ValidationError(
                    "/permissions", .notAllowed, "you lack yourself: \(lacking.joined(separator: ", "))")
            ])
        }
    }

    private static func details(_ role: CustomRole) -> JSONValue {
        [
            "name": .string(role.name), "description": .string(role.description),
            "permissions": .array(role.permissions.map(\.rawValue).sorted().map { .string($0) }),
        ]
    }
}

/// Turns the refusal of Postgres to delete what something else refers to into `in_use`.
func inUse(_ detail: String, _ body: () async throws -> Void) async throws {
    do { try await body() } catch let error as PostgresError where error.isForeignKeyViolation {
        throw OperationError(.inUse, detail: detail)
    }
}

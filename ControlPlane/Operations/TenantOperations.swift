package import Domain
import JSONText
import Store

/// Tenants: the isolation boundary.
package struct TenantOperations {
    let environment: OperationEnvironment

    /// All tenants for those who may read all; for others those they belong to.
    package func list(_ page: PageRequest, by caller: Caller) async throws(OperationError) -> ListPage<Tenant>
    {
        let seesAll = caller.may(.tenantsRead, in: .platform)
        return try await environment.viewAcrossTenants { connection in
            let page = page.of(Tenant.self)
            return seesAll
                ? ListPage(try await TenantStore.list(page, connection))
                : ListPage(try await TenantStore.list(of: caller.user, page, connection))
        }
    }

    package func get(_ id: TenantID, by caller: Caller) async throws(OperationError) -> Tenant {
        try await environment.read(.tenantsRead, in: .tenant(id), by: caller) { connection in
            try found(try await TenantStore.find(id, connection))
        }
    }

    /// Makes a tenant and the data key that seals its secrets.
    package func create(
        slug: String, name: String, by caller: Caller
    ) async throws(OperationError) -> Changed<Tenant> {
        try check(Tenant.problems(slug: slug, name: name))
        let now = environment.clock.now()
        let tenant = Tenant(id: TenantID(at: now), slug: slug, name: name, createdAt: now, updatedAt: now)
        return try await environment.write("tenants.create", .tenantsCreate, in: .platform, by: caller) {
            connection in
            try await TenantIsolation.visit(tenant.id, from: nil, connection) {
                try await TenantStore.create(tenant, connection)
            }
            try await environment.keys.vault.createDataKey(of: tenant.id, now: now, connection)
            return Recorded(
                tenant, AuditSubject("tenant", tenant.id, ["slug": .string(slug), "name": .string(name)]))
        }
    }

    package func update(
        _ id: TenantID, name: String?, by caller: Caller
    ) async throws(OperationError) -> Changed<Tenant> {
        try await change(id, "tenants.update", .tenantsUpdate, by: caller) { $0.name = name ?? $0.name }
    }

    package func suspend(_ id: TenantID, by caller: Caller) async throws(OperationError) -> Changed<Tenant> {
        try await change(id, "tenants.suspend", .tenantsSuspend, by: caller) { $0.status = .suspended }
    }

    package func resume(_ id: TenantID, by caller: Caller) async throws(OperationError) -> Changed<Tenant> {
        try await change(id, "tenants.resume", .tenantsSuspend, by: caller) { $0.status = .active }
    }

    private func change(
        _ id: TenantID, _ action: String, _ permission: Permission, by caller: Caller,
        _ edit: (inout Tenant) -> Void
    ) async throws(OperationError) -> Changed<Tenant> {
        try await environment.write(action, permission, in: .tenant(id), by: caller) { connection in
            var tenant = try found(try await TenantStore.find(id, connection))
            let before = Self.details(tenant)
            edit(&tenant)
            try check(Tenant.problems(slug: tenant.slug, name: tenant.name))
            let seen = tenant.updatedAt
            tenant.updatedAt = environment.clock.now()
            guard let changed = try await TenantStore.update(tenant, expecting: seen, connection) else {
                throw OperationError(.preconditionFailed)
            }
            return Recorded(
                changed, AuditSubject("tenant", id, from: before, to: Self.details(changed)))
        }
    }

    private static func details(_ tenant: Tenant) -> JSONValue {
        ["name": .string(tenant.name), "status": .string(tenant.status.rawValue)]
    }
}

/// Projects inside a tenant.
package struct WorkspaceOperations {
    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Workspace> {
        try await environment.read(.workspacesRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(try await WorkspaceStore.list(of: tenant, page.of(Workspace.self), connection))
        }
    }

    package func get(
        _ id: WorkspaceID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Workspace {
        try caller.demandSomewhere(.workspacesRead, in: tenant)
        let isVisible = caller.may(.workspacesRead, in: .workspace(tenant, id))
        return try await environment.view(of: tenant) { connection in
            guard isVisible else { throw OperationError.notFound }
            return try found(try await WorkspaceStore.find(id, of: tenant, connection))
        }
    }

    package func create(
        in tenant: TenantID, slug: String, name: String, by caller: Caller
    ) async throws(OperationError) -> Changed<Workspace> {
        try check(Workspace.problems(slug: slug, name: name))
        let now = environment.clock.now()
        let workspace = Workspace(
            id: WorkspaceID(at: now), tenant: tenant, slug: slug, name: name, createdAt: now, updatedAt: now)
        return try await environment.write(
            "workspaces.create", .workspacesCreate, in: .tenant(tenant), by: caller
        ) { connection in
            try await WorkspaceStore.create(workspace, connection)
            return Recorded(
                workspace,
                AuditSubject("workspace", workspace.id, ["slug": .string(slug), "name": .string(name)]))
        }
    }
}

/// The value, or `not_found`.
func found<Value>(_ value: Value?) throws(OperationError) -> Value {
    guard let value else { throw .notFound }
    return value
}

/// Passes when nothing is wrong.
func check(_ problems: [ValidationError]) throws(OperationError) {
    guard problems.isEmpty else { throw .invalid(problems) }
}

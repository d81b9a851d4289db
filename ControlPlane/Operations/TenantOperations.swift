package import Domain
import JSONText
import PostgresDriver
import Store

/// What changes about a tenant; nil stays as it is.
package struct TenantChange: Sendable {
    package var slug: String?
    package var name: String?
    package var timeZone: String?
    package var currency: String?
    package var retentionDays: Edit<Int32> = .keep
    package var contentDays: Edit<Int32> = .keep
    package var contentPercent: Int32?
    package var region: Edit<String> = .keep
    package var signUpDomain: Edit<String> = .keep

    package init() {}

    /// Whether it touches what only those may change who run the platform.
    var isOfPlatform: Bool {
        if case .keep = region, case .keep = signUpDomain { false } else { true }
    }

    func apply(to tenant: inout Tenant) {
        tenant.slug = slug ?? tenant.slug
        tenant.name = name ?? tenant.name
        tenant.settings.timeZone = timeZone ?? tenant.settings.timeZone
        tenant.settings.currency = currency ?? tenant.settings.currency
        tenant.settings.retentionDays = retentionDays.applied(to: tenant.settings.retentionDays)
        tenant.settings.contentDays = contentDays.applied(to: tenant.settings.contentDays)
        tenant.settings.contentPercent = contentPercent ?? tenant.settings.contentPercent
        tenant.settings.region = region.applied(to: tenant.settings.region)
        tenant.settings.signUpDomain = signUpDomain.applied(to: tenant.settings.signUpDomain)
    }
}

/// Tenants: the isolation boundary.
package struct TenantOperations {
    let environment: OperationEnvironment

    /// All tenants for those who may read all; for others those they belong to.
    package func list(
        status: Tenant.Status? = nil, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Tenant> {
        let seesAll = caller.may(.tenantsRead, in: .platform)
        return try await environment.viewAcrossTenants { connection in
            let page = page.of(Tenant.self)
            return seesAll
                ? ListPage(try await TenantStore.list(status: status, page, connection))
                : ListPage(try await Self.own(caller, status, page, connection))
        }
    }

    private static func own(
        _ caller: Caller, _ status: Tenant.Status?, _ page: Page<Tenant>, _ connection: PostgresConnection
    ) async throws -> Listing<Tenant, Tenant> {
        switch caller.identity {
        case .user where caller.onlyTenant != nil:
            try await TenantStore.list(
                among: [caller.onlyTenant].compactMap(\.self), status: status, page, connection)
        case .user(let user, _): try await TenantStore.list(of: user, status: status, page, connection)
        case .serviceAccount:
            try await TenantStore.list(
                among: caller.authority.bindings.compactMap(\.scope.tenant), status: status, page,
                connection)
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

    /// Changes what is not nil. Where its calls are served and who may sign up is the platform's to decide.
    package func update(
        _ id: TenantID, _ change: TenantChange, by caller: Caller
    ) async throws(OperationError) -> Changed<Tenant> {
        if change.isOfPlatform { try caller.demand(.tenantsUpdate, in: .platform) }
        return try await self.change(id, "tenants.update", .tenantsUpdate, by: caller) {
            change.apply(to: &$0)
        }
    }

    package func suspend(_ id: TenantID, by caller: Caller) async throws(OperationError) -> Changed<Tenant> {
        try await change(id, "tenants.suspend", .tenantsSuspend, by: caller) { $0.status = .suspended }
    }

    package func resume(_ id: TenantID, by caller: Caller) async throws(OperationError) -> Changed<Tenant> {
        try await change(id, "tenants.resume", .tenantsSuspend, by: caller) { $0.status = .active }
    }

    /// Deletes a tenant: at once its keys stop, and its provider credentials can never be opened again, here
    /// or in a backup without them; what else it has is removed by and by. Its audit log stays.
    package func delete(_ id: TenantID, by caller: Caller) async throws(OperationError) -> Changed<Tenant> {
        try await environment.write("tenants.delete", .tenantsDelete, in: .tenant(id), by: caller) {
            connection in
            var tenant = try found(try await TenantStore.find(id, connection))
            let before = tenant
            tenant.status = .deleting
            tenant.updatedAt = environment.clock.now()
            guard
                let deleted = try await TenantStore.update(tenant, expecting: before.updatedAt, connection)
            else { throw OperationError(.preconditionFailed) }
            try await environment.keys.vault.shred(id, connection)
            return Recorded(
                deleted, AuditSubject("tenant", id, from: Self.details(before), to: Self.details(deleted)))
        }
    }

    private func change(
        _ id: TenantID, _ action: String, _ permission: Permission, by caller: Caller,
        _ edit: (inout Tenant) -> Void
    ) async throws(OperationError) -> Changed<Tenant> {
        try await environment.write(action, permission, in: .tenant(id), by: caller) { connection in
            var tenant = try found(try await TenantStore.find(id, connection))
            let before = Self.details(tenant)
            let zone = tenant.settings.timeZone
            edit(&tenant)
            try check(Tenant.problems(slug: tenant.slug, name: tenant.name) + tenant.settings.problems)
            if tenant.settings.timeZone != zone,
                try await !TenantStore.knowsTimeZone(tenant.settings.timeZone, connection)
            {
                throw OperationError.missing("/time_zone", "a time zone of the IANA database")
            }
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
        [
            "slug": .string(tenant.slug), "name": .string(tenant.name),
            "status": .string(tenant.status.rawValue), "time_zone": .string(tenant.settings.timeZone),
            "currency": .string(tenant.settings.currency),
            "retention_days": tenant.settings.retentionDays.map { .number(JSONNumber(Int64($0))) } ?? .null,
            "content_days": tenant.settings.contentDays.map { .number(JSONNumber(Int64($0))) } ?? .null,
            "content_percent": .number(JSONNumber(Int64(tenant.settings.contentPercent))),
            "region": tenant.settings.region.map { .string($0) } ?? .null,
            "sign_up_domain": tenant.settings.signUpDomain.map { .string($0) } ?? .null,
        ]
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

    /// Changes what is not nil.
    package func update(
        _ id: WorkspaceID, in tenant: TenantID, slug: String?, name: String?, by caller: Caller
    ) async throws(OperationError) -> Changed<Workspace> {
        try caller.demandSomewhere(.workspacesUpdate, in: tenant)
        let isAllowed = caller.may(.workspacesUpdate, in: .workspace(tenant, id))
        return try await environment.write(
            "workspaces.update", in: .tenant(tenant), by: AuditActor(caller)
        ) { connection in
            guard isAllowed else { throw OperationError.notFound }
            let before = try found(try await WorkspaceStore.find(id, of: tenant, connection))
            var workspace = before
            workspace.slug = slug ?? workspace.slug
            workspace.name = name ?? workspace.name
            workspace.updatedAt = environment.clock.now()
            try check(Workspace.problems(slug: workspace.slug, name: workspace.name))
            guard
                let changed = try await WorkspaceStore.update(
                    workspace, expecting: before.updatedAt, connection)
            else { throw OperationError(.preconditionFailed) }
            return Recorded(
                changed, AuditSubject("workspace", id, from: Self.details(before), to: Self.details(changed)))
        }
    }

    /// `in_use` while it has keys, revoked ones too, for usage is counted under them.
    package func delete(
        _ id: WorkspaceID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Workspace> {
        try await environment.write("workspaces.delete", .workspacesDelete, in: .tenant(tenant), by: caller) {
            connection in
            let workspace = try found(try await WorkspaceStore.find(id, of: tenant, connection))
            try await inUse("The workspace still has keys.") {
                _ = try await WorkspaceStore.delete(id, of: tenant, connection)
            }
            return Recorded(workspace, AuditSubject("workspace", id, Self.details(workspace)))
        }
    }

    private static func details(_ workspace: Workspace) -> JSONValue {
        ["slug": .string(workspace.slug), "name": .string(workspace.name)]
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

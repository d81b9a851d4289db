/// Where a permission holds or is asked for.
package enum Scope: Hashable, Sendable {
    case platform
    case tenant(TenantID)
    case workspace(TenantID, WorkspaceID)

    /// Whether what holds here also holds there: the platform contains its tenants, a tenant its workspaces.
    package func contains(_ other: Scope) -> Bool {
        switch (self, other) {
        case (.platform, _): true
        case (.tenant(let mine), .tenant(let theirs)), (.tenant(let mine), .workspace(let theirs, _)):
            mine == theirs
        case (.workspace, .workspace): self == other
        default: false
        }
    }

    package var tenant: TenantID? {
        switch self {
        case .platform: nil
        case .tenant(let tenant), .workspace(let tenant, _): tenant
        }
    }

    package var workspace: WorkspaceID? {
        if case .workspace(_, let workspace) = self { workspace } else { nil }
    }
}

/// A named set of permissions.
package struct Role: Hashable, Sendable {
    package let name: String
    /// The ID of a role that a tenant made; nil: a built-in one.
    package let custom: RoleID?
    package let permissions: Set<Permission>

    package init(name: String, custom: RoleID? = nil, permissions: Set<Permission>) {
        self.name = name
        self.custom = custom
        self.permissions = permissions
    }

    /// How bindings name it.
    package var reference: RoleReference { custom.map { .custom($0) } ?? .builtIn(name) }

    package static let platformAdmin = Role(name: "platform-admin", permissions: Set(Permission.allCases))
    package static let platformAuditor = Role(
        name: "platform-auditor",
        // What people say is nobody's business who looks after the platform.
        permissions: Set(Permission.allCases.filter { $0.verb == "read" && $0 != .contentsRead }))
    /// For machines that start gateway nodes.
    package static let nodeEnroller = Role(name: "node-enroller", permissions: [.joinTokensCreate])
    package static let tenantOwner = Role(
        name: "tenant-owner", permissions: Set(Permission.allCases.filter { !$0.isPlatformOnly }))
    package static let tenantAdmin = Role(
        name: "tenant-admin",
        permissions: tenantOwner.permissions.subtracting([
            .tenantsDelete, .identityProvidersCreate, .identityProvidersUpdate, .identityProvidersDelete,
            .scimProvision, .contentsRead,
        ]))
    package static let billingManager = Role(
        name: "billing-manager",
        permissions: [
            .tenantsRead, .workspacesRead, .modelsRead, .pricesRead, .keysRead, .usageRead, .limitsRead,
            .limitsCreate, .limitsUpdate, .limitsDelete, .alertsRead, .alertsCreate, .alertsUpdate,
            .alertsDelete, .reportSchedulesRead, .reportSchedulesCreate, .reportSchedulesUpdate,
            .reportSchedulesDelete, .ledgerRead, .billingRead, .billingUpdate, .invoicesRead,
        ])
    package static let developer = Role(
        name: "developer",
        permissions: viewer.permissions.union([
            .keysCreate, .keysUpdate, .keysRotate, .keysRevoke, .providersTest,
        ]))
    package static let viewer = Role(
        name: "viewer",
        permissions: [
            .tenantsRead, .workspacesRead, .providersRead, .modelsRead, .pricesRead, .routesRead, .keysRead,
            .usageRead, .limitsRead, .guardrailsRead, .alertsRead, .reportSchedulesRead,
        ])

    /// Every role that exists without being made.
    package static let builtIn = [
        platformAdmin, platformAuditor, nodeEnroller, tenantOwner, tenantAdmin, billingManager, developer,
        viewer,
    ]

    package static func builtIn(named name: String) -> Role? { builtIn.first { $0.name == name } }

    /// Whether the role can only be bound to the whole platform.
    package var isPlatformRole: Bool { permissions.contains(where: \.isPlatformOnly) }
}

/// What somebody may do: roles, each in its scope. Part of a caller; empty means nothing at all.
package struct Authority: Hashable, Sendable {
    package struct Binding: Hashable, Sendable {
        package let role: Role
        package let scope: Scope
        package init(role: Role, scope: Scope) {
            self.role = role
            self.scope = scope
        }
    }

    package let bindings: [Binding]

    package init(_ bindings: [Binding]) { self.bindings = bindings }

    package static let none = Authority([])
}

package enum AuthorisationDecision: Hashable, Sendable {
    case allowed
    /// The caller belongs to the scope but lacks the permission: 403.
    case forbidden
    /// The caller has nothing to do with the tenant: answer as if it did not exist, 404.
    case hidden
}

/// The one decision about every admin action: deny by default, allowed when some binding's scope contains the
/// asked scope and its role has the permission. Platform-only permissions count only from platform bindings.
/// Pure.
package func authorise(
    _ authority: Authority, _ permission: Permission, in scope: Scope
) -> AuthorisationDecision {
    for binding in authority.bindings where binding.scope.contains(scope) {
        guard binding.role.permissions.contains(permission) else { continue }
        if permission.isPlatformOnly && binding.scope != .platform { continue }
        return .allowed
    }
    guard let tenant = scope.tenant else { return .forbidden }
    let belongs = authority.bindings.contains { $0.scope == .platform || $0.scope.tenant == tenant }
    return belongs ? .forbidden : .hidden
}

/// Whether the authority may hand out a role in a scope: nobody grants what they lack themselves.
package func mayGrant(_ authority: Authority, _ role: Role, in scope: Scope) -> Bool {
    if role.isPlatformRole && scope != .platform { return false }
    return role.permissions.allSatisfy { authorise(authority, $0, in: scope) == .allowed }
}

/// Something an admin may do: `noun:verb`. Every route of the admin API names one.
package enum Permission: String, Sendable, CaseIterable, Hashable {
    case tenantsRead = "tenants:read"
    case tenantsCreate = "tenants:create"
    case tenantsUpdate = "tenants:update"
    case tenantsSuspend = "tenants:suspend"
    case tenantsDelete = "tenants:delete"
    case workspacesRead = "workspaces:read"
    case workspacesCreate = "workspaces:create"
    case workspacesUpdate = "workspaces:update"
    case workspacesDelete = "workspaces:delete"
    case usersRead = "users:read"
    case usersCreate = "users:create"
    case usersUpdate = "users:update"
    case usersDelete = "users:delete"
    case identityProvidersRead = "identity-providers:read"
    /// Who runs a tenant's identity provider can be anybody there: these go with owning the tenant.
    case identityProvidersCreate = "identity-providers:create"
    case identityProvidersUpdate = "identity-providers:update"
    case identityProvidersDelete = "identity-providers:delete"
    case invitationsRead = "invitations:read"
    case invitationsCreate = "invitations:create"
    case invitationsDelete = "invitations:delete"
    case membersRead = "members:read"
    case membersAdd = "members:add"
    case membersRemove = "members:remove"
    case groupsRead = "groups:read"
    case groupsCreate = "groups:create"
    case groupsUpdate = "groups:update"
    case groupsDelete = "groups:delete"
    case serviceAccountsRead = "service-accounts:read"
    case serviceAccountsCreate = "service-accounts:create"
    case serviceAccountsUpdate = "service-accounts:update"
    case serviceAccountsDelete = "service-accounts:delete"
    /// Managing users and groups as an identity provider does: whatever roles its groups have come with it.
    case scimProvision = "scim:provision"
    case rolesRead = "roles:read"
    case rolesCreate = "roles:create"
    case rolesUpdate = "roles:update"
    case rolesDelete = "roles:delete"
    case bindingsRead = "bindings:read"
    case bindingsCreate = "bindings:create"
    case bindingsDelete = "bindings:delete"
    case providersRead = "providers:read"
    case providersCreate = "providers:create"
    case providersUpdate = "providers:update"
    case providersDelete = "providers:delete"
    case providersTest = "providers:test"
    case masterKeyRead = "master-key:read"
    case modelsRead = "models:read"
    case modelsCreate = "models:create"
    case modelsUpdate = "models:update"
    case modelsDelete = "models:delete"
    case pricesRead = "prices:read"
    case pricesCreate = "prices:create"
    case pricesUpdate = "prices:update"
    case pricesDelete = "prices:delete"
    case markupsUpdate = "markups:update"
    case routesRead = "routes:read"
    case routesCreate = "routes:create"
    case routesUpdate = "routes:update"
    case routesDelete = "routes:delete"
    case limitsRead = "limits:read"
    case limitsCreate = "limits:create"
    case limitsUpdate = "limits:update"
    case limitsDelete = "limits:delete"
    case keysRead = "keys:read"
    case keysCreate = "keys:create"
    case keysUpdate = "keys:update"
    case keysRotate = "keys:rotate"
    case keysRevoke = "keys:revoke"
    case usageRead = "usage:read"
    case auditRead = "audit:read"
    case nodesRead = "nodes:read"
    case nodesDrain = "nodes:drain"
    case nodesRevoke = "nodes:revoke"
    case joinTokensRead = "join-tokens:read"
    case joinTokensCreate = "join-tokens:create"
    case joinTokensDelete = "join-tokens:delete"
    case snapshotsRead = "snapshots:read"
    case snapshotsPublish = "snapshots:publish"
    case backupsRead = "backups:read"
    case backupsCreate = "backups:create"
    case settingsRead = "settings:read"
    case settingsUpdate = "settings:update"

    /// What stands before the colon: the noun in the plural.
    package var noun: String { String(rawValue.prefix { $0 != ":" }) }
    package var verb: String { String(rawValue.drop { $0 != ":" }.dropFirst()) }

    /// Whether it only makes sense for the whole platform: a binding in a tenant never gives it.
    package var isPlatformOnly: Bool {
        switch self {
        case .tenantsCreate, .tenantsSuspend, .nodesRead, .nodesDrain, .nodesRevoke, .joinTokensRead,
            .joinTokensCreate, .joinTokensDelete, .snapshotsRead, .snapshotsPublish, .backupsRead,
            .backupsCreate, .settingsRead, .settingsUpdate, .masterKeyRead, .markupsUpdate:
            true
        default: false
        }
    }
}

/// Where people may sign in instead of here (OpenID Connect). Holds no secret.
package struct IdentityProvider: Hashable, Sendable {
    /// A group at the provider, and the role its members have here.
    package struct RoleMapping: Hashable, Sendable {
        /// The group of everybody who comes by the provider.
        package static let everybody = "*"

        package let group: String
        package let role: String

        package init(group: String, role: String) {
            self.group = group
            self.role = role
        }
    }

    package static let maximumMappings = 200
    package static let maximumDomains = 100

    package let id: IdentityProviderID
    /// nil: the platform's own, for all.
    package let tenant: TenantID?
    package var name: String
    package var issuer: String
    package var clientID: String
    package var hasClientSecret: Bool
    package var scopes: [String]
    /// The claim that lists somebody's groups.
    package var groupClaim: String
    package var mappings: [RoleMapping]
    /// Of e-mail addresses; empty: every one.
    package var allowedDomains: [String]
    /// Whether somebody unknown becomes a user when they come by it.
    package var createsUsers: Bool
    package var isEnabled: Bool
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: IdentityProviderID, tenant: TenantID?, name: String, issuer: String, clientID: String,
        hasClientSecret: Bool, scopes: [String], groupClaim: String, mappings: [RoleMapping],
        allowedDomains: [String], createsUsers: Bool, isEnabled: Bool, createdAt: Timestamp,
        updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.issuer = issuer
        self.clientID = clientID
        self.hasClientSecret = hasClientSecret
        self.scopes = scopes
        self.groupClaim = groupClaim
        self.mappings = mappings
        self.allowedDomains = allowedDomains
        self.createsUsers = createsUsers
        self.isEnabled = isEnabled
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package func allows(email: String) -> Bool {
        let domain = User.domain(of: email)
        return allowedDomains.isEmpty || allowedDomains.contains(domain)
    }

    /// The roles of somebody who is in these groups.
    package func roles(of groups: [String]) -> Set<String> {
        Set(mappings.filter { $0.group == RoleMapping.everybody || groups.contains($0.group) }.map(\.role))
    }
}

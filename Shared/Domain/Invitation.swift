/// Asks somebody by e-mail into a tenant. Its token is in the message alone.
package struct Invitation: Hashable, Sendable {
    package enum Standing: String, Sendable, CaseIterable { case open, accepted, expired }

    package static let lifetimeSeconds: Int64 = 7 * 86_400
    package static let roleCounts = 1...20

    package let id: InvitationID
    package let tenant: TenantID
    package let email: String
    /// The roles it gives, in the tenant or in `workspace`.
    package let roles: [RoleReference]
    package let workspace: WorkspaceID?
    package let createdBy: UserID
    package let createdAt: Timestamp
    package var sentAt: Timestamp
    package var expires: Timestamp
    package var acceptedAt: Timestamp?
    package var acceptedBy: UserID?

    package init(
        id: InvitationID, tenant: TenantID, email: String, roles: [RoleReference], workspace: WorkspaceID?,
        createdBy: UserID, createdAt: Timestamp, sentAt: Timestamp, expires: Timestamp,
        acceptedAt: Timestamp? = nil, acceptedBy: UserID? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.email = email
        self.roles = roles
        self.workspace = workspace
        self.createdBy = createdBy
        self.createdAt = createdAt
        self.sentAt = sentAt
        self.expires = expires
        self.acceptedAt = acceptedAt
        self.acceptedBy = acceptedBy
    }

    package func standing(at now: Timestamp) -> Standing {
        if acceptedAt != nil { return .accepted }
        return now >= expires ? .expired : .open
    }

    /// Where its roles hold.
    package var scope: Scope { workspace.map { .workspace(tenant, $0) } ?? .tenant(tenant) }
}

/// Who may sign up without being invited.
package struct SignUpSettings: Hashable, Sendable {
    package static let maximumDomains = 100

    package var isOpen: Bool
    /// Domains of e-mail addresses; empty: every domain.
    package var allowedDomains: [String]
    /// nil: never.
    package var updatedAt: Timestamp?

    package init(isOpen: Bool, allowedDomains: [String], updatedAt: Timestamp?) {
        self.isOpen = isOpen
        self.allowedDomains = allowedDomains
        self.updatedAt = updatedAt
    }

    /// Whether somebody with this address may sign up: exactly one of the domains, not below one.
    package func allows(email: String) -> Bool {
        guard isOpen else { return false }
        let domain = User.domain(of: email)
        return allowedDomains.isEmpty || allowedDomains.contains(domain)
    }
}

extension TextRule {
    /// A domain of e-mail addresses: `example.com`.
    package static let domain = TextRule(3...253, "a domain in lowercase such as example.com") { text in
        text == text.lowercased() && text.contains(".") && BaseURL.isHostName(text)
    }
}

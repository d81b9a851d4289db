/// Which users of the platform, a tenant or a group; what is nil does not matter.
package struct UserFilter: Hashable, Sendable {
    /// What the address begins with, in any case of its letters.
    package var emailPrefix: String?
    package var status: User.Status?

    package init(emailPrefix: String? = nil, status: User.Status? = nil) {
        self.emailPrefix = emailPrefix
        self.status = status
    }
}

/// Which roles that were given; what is nil does not matter.
package struct BindingFilter: Hashable, Sendable {
    package var principal: Principal?
    package var role: RoleReference?
    /// Given in this workspace alone.
    package var workspace: WorkspaceID?

    package init(
        principal: Principal? = nil, role: RoleReference? = nil, workspace: WorkspaceID? = nil
    ) {
        self.principal = principal
        self.role = role
        self.workspace = workspace
    }
}

/// Which gateway nodes; what is nil does not matter.
package struct NodeFilter: Hashable, Sendable {
    package var status: Node.Status?
    package var region: String?

    package init(status: Node.Status? = nil, region: String? = nil) {
        self.status = status
        self.region = region
    }
}

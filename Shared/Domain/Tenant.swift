/// A customer: the isolation boundary. Nothing of one tenant is visible to another.
package struct Tenant: Hashable, Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case active
        case suspended
    }

    package let id: TenantID
    /// Unique on the platform.
    package var slug: String
    package var name: String
    package var status: Status
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: TenantID, slug: String, name: String, status: Status = .active, createdAt: Timestamp,
        updatedAt: Timestamp
    ) {
        self.id = id
        self.slug = slug
        self.name = name
        self.status = status
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// What is wrong with a slug and a name, at `/slug` and `/name`.
    package static func problems(slug: String, name: String) -> [ValidationError] {
        [TextRule.slug.check(slug, at: "/slug"), TextRule.displayName.check(name, at: "/name")].compactMap(
            \.self)
    }
}

/// A project inside a tenant; keys and reports hang here.
package struct Workspace: Hashable, Sendable {
    package let id: WorkspaceID
    package let tenant: TenantID
    /// Unique in its tenant.
    package var slug: String
    package var name: String
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: WorkspaceID, tenant: TenantID, slug: String, name: String, createdAt: Timestamp,
        updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.slug = slug
        self.name = name
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package static func problems(slug: String, name: String) -> [ValidationError] {
        Tenant.problems(slug: slug, name: name)
    }
}

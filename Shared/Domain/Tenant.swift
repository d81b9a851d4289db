/// A customer: the isolation boundary. Nothing of one tenant is visible to another.
package struct Tenant: Hashable, Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case active
        case suspended
        /// It is gone for good; what is left of it is being removed.
        case deleting
    }

    package let id: TenantID
    /// Unique on the platform.
    package var slug: String
    package var name: String
    package var status: Status
    package var settings: TenantSettings
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: TenantID, slug: String, name: String, status: Status = .active,
        settings: TenantSettings = TenantSettings(), createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.slug = slug
        self.name = name
        self.status = status
        self.settings = settings
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// What is wrong with a slug and a name, at `/slug` and `/name`.
    package static func problems(slug: String, name: String) -> [ValidationError] {
        [TextRule.slug.check(slug, at: "/slug"), TextRule.displayName.check(name, at: "/name")].compactMap(
            \.self)
    }
}

/// What a tenant settles for itself.
package struct TenantSettings: Hashable, Sendable {
    /// A name of the IANA database; calendar windows and reports go by it.
    package var timeZone = "UTC"
    /// An ISO 4217 code.
    package var currency = "USD"
    /// How long usage is kept; nil: for ever.
    package var retentionDays: Int32?
    /// For how many days what is said in calls is kept; nil: it is not.
    package var contentDays: Int32?
    /// Of how many calls in a hundred.
    package var contentPercent: Int32 = 100
    /// Where its calls may be served; nil: anywhere.
    package var region: String?
    /// Who has an address there may sign up and becomes a member; nil: by invitation only. In lowercase,
    /// unique on the platform.
    package var signUpDomain: String?

    package init() {}

    package static let retentionDays: ClosedRange<Int32> = 1...36_500
    package static let contentDays: ClosedRange<Int32> = 1...365
    package static let contentPercent: ClosedRange<Int32> = 1...100

    /// What is wrong, at the pointers of the fields. Whether the time zone exists only the database can
    /// tell.
    package var problems: [ValidationError] {
        var found: [ValidationError] = []
        if !Self.isZoneName(timeZone) {
            found.append(
                ValidationError(
                    "/time_zone", .invalidFormat, "must be a zone such as America/Sao_Paulo or UTC"))
        }
        if currency.utf8.count != 3 || !currency.utf8.allSatisfy({ (65...90).contains($0) }) {
            found.append(ValidationError("/currency", .invalidFormat, "must be a code such as USD"))
        }
        if let days = retentionDays, !Self.retentionDays.contains(days) {
            found.append(ValidationError("/retention_days", .outOfRange, "must lie between 1 and 36500"))
        }
        if let days = contentDays, !Self.contentDays.contains(days) {
            found.append(ValidationError("/content_days", .outOfRange, "must lie between 1 and 365"))
        }
        if !Self.contentPercent.contains(contentPercent) {
            found.append(ValidationError("/content_percent", .outOfRange, "must lie between 1 and 100"))
        }
        found += [region.flatMap { TextRule.slug.check($0, at: "/region") }].compactMap(\.self)
        if let domain = signUpDomain,
            !BaseURL.isHostName(domain) || !domain.contains(".") || domain != domain.lowercased()
        {
            found.append(
                ValidationError("/sign_up_domain", .invalidFormat, "must be a domain such as example.com"))
        }
        return found
    }

    private static func isZoneName(_ name: String) -> Bool {
        name == "UTC"
            || name.contains("/") && name.utf8.count <= 64
                && name.utf8.allSatisfy {
                    (65...90).contains($0) || (97...122).contains($0) || (48...57).contains($0)
                        || Array("/_-+".utf8).contains($0)
                }
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

import Domain
import JSONText
import Operations

extension Representation<Tenant> {
    static let tenant = Representation(
        "Tenant",
        [
            .init("id", .id(Tenant.self), "Never changes.") { .text($0.id) },
            .init("slug", .text(1...63), "Short name, unique on the platform.") { .string($0.slug) },
            .init("name", .text(1...200), "Name for people.") { .string($0.name) },
            .init(
                "status", .words(Tenant.Status.allCases.map(\.rawValue)),
                "Keys work while it is active; deleting is for good."
            ) {
                .string($0.status.rawValue)
            },
            .init("time_zone", .text(1...64), "Calendar windows and reports go by it.") {
                .string($0.settings.timeZone)
            },
            .init("currency", .text(3...3), "An ISO 4217 code.") { .string($0.settings.currency) },
            .init(
                "retention_days", .nullable(.integer(1...36_500)), "How long usage is kept; null: for ever."
            ) { .optional($0.settings.retentionDays) },
            .init(
                "content_days", .nullable(.integer(1...365)),
                "How long what is said in calls is kept, redacted and sealed; null: it is not."
            ) { .optional($0.settings.contentDays) },
            .init("content_percent", .integer(1...100), "Of how many calls in a hundred, at random.") {
                .integer($0.settings.contentPercent)
            },
            .init(
                "region", .nullable(.text(1...63)),
                "The only region whose nodes serve its calls; null: all do."
            ) { .optional($0.settings.region) },
            .init(
                "sign_up_domain", .nullable(.text(3...253)),
                "Who has an address there may sign up, becomes a member, and may be spoken for by the "
                    + "tenant's identity provider; null: nobody."
            ) { .optional($0.settings.signUpDomain) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

extension Representation<Workspace> {
    static let workspace = Representation(
        "Workspace",
        [
            .init("id", .id(Workspace.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Whose it is.") { .text($0.tenant) },
            .init("slug", .text(1...63), "Short name, unique in the tenant.") { .string($0.slug) },
            .init("name", .text(1...200), "Name for people.") { .string($0.name) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

/// The body that makes a tenant or a workspace.
enum NamedBody {
    static let slug = Field<String>.required(
        "slug", .text(.slug, example: "acme"), "Short name: lowercase letters, digits and inner hyphens.")
    static let name = Field<String>.required(
        "name", .text(.displayName, example: "Acme Ltd"), "Name for people.")
    static let tenant = BodyShape("NewTenant", [slug, name])
    static let workspace = BodyShape("NewWorkspace", [slug, name])

    static let newSlug = Field<String?>.change(
        "slug", .text(.slug), "Short name: lowercase letters, digits and inner hyphens.")
    static let newName = Field<String?>.change("name", .text(.displayName), "Name for people.")
    static let workspaceChange = BodyShape("WorkspaceChange", [newSlug, newName])
}

/// The body that changes a tenant.
enum TenantChangeBody {
    static let timeZone = Field<String?>.change(
        "time_zone", .anyText(1...64), "A name of the IANA database, such as America/Sao_Paulo.")
    static let currency = Field<String?>.change("currency", .anyText(3...3), "An ISO 4217 code.")
    static let retention = Field<Edit<Int32>>.edit(
        "retention_days", .integer(TenantSettings.retentionDays), "How long usage is kept; null: for ever.")
    static let contentDays = Field<Edit<Int32>>.edit(
        "content_days", .integer(TenantSettings.contentDays),
        "How long what is said in calls is kept, redacted and sealed, and never longer than the call; "
            + "null: it is not, and what there is goes.")
    static let contentPercent = Field<Int32?>.change(
        "content_percent", .integer(TenantSettings.contentPercent),
        "Of how many calls in a hundred, at random.")
    static let region = Field<Edit<String>>.edit(
        "region", .text(.slug),
        "The only region whose nodes serve its calls; null: all do. For those who run the platform.")
    static let domain = Field<Edit<String>>.edit(
        "sign_up_domain", .anyText(3...253),
        "Who has an address there may sign up, becomes a member without roles, and may be spoken for by the "
            + "tenant's identity provider; null: nobody. For those who run the platform.")
    static let shape = BodyShape(
        "TenantChange",
        [
            NamedBody.newSlug, NamedBody.newName, timeZone, currency, retention, contentDays, contentPercent,
            region, domain,
        ])

    static func value(_ body: BodyValues) throws(OperationError) -> TenantChange {
        var change = TenantChange()
        change.slug = try body[NamedBody.newSlug]
        change.name = try body[NamedBody.newName]
        change.timeZone = try body[timeZone]
        change.currency = try body[currency]
        change.retentionDays = try body[retention]
        change.contentDays = try body[contentDays]
        change.contentPercent = try body[contentPercent]
        change.region = try body[region]
        change.signUpDomain = try body[domain]
        return change
    }
}

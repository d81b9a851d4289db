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
                "A suspended tenant's keys do not work."
            ) {
                .string($0.status.rawValue)
            },
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
}

/// The body that changes a tenant.
enum TenantChangeBody {
    static let name = Field<String?>.change("name", .text(.displayName), "Name for people.")
    static let shape = BodyShape("TenantChange", [name])
}

import Cryptography
import Domain
import JSONText
import Operations

extension Representation<User> {
    static let user = Representation("User", members)

    fileprivate static let members: [Member] = [
        .init("id", .id(User.self), "Never changes.") { .text($0.id) },
        .init("email", .text(3...254), "Unique on the platform.") { .string($0.email) },
        .init("name", .text(1...200), "Name for people.") { .string($0.name) },
        .init("status", .words(User.Status.allCases.map(\.rawValue)), "A disabled user cannot sign in.") {
            .string($0.status.rawValue)
        },
        .init("locale", .words(Language.allCases.map(\.rawValue)), "The language of messages to them.") {
            .string($0.locale.rawValue)
        },
        .init("email_verified_at", .nullable(.time), "When the mailbox was proven to be theirs.") {
            .optional($0.emailVerifiedAt)
        },
        .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
        .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
    ]
}

extension Representation<Authority.Binding> {
    /// A role and where it holds.
    static let binding = Representation(
        "Binding",
        [
            .init("role", .text(1...63), "The role.") { .string($0.role.name) },
            .init("tenant", .nullable(.id(Tenant.self)), "Where it holds; null: everywhere.") {
                .optional($0.scope.tenant)
            },
            .init("workspace", .nullable(.id(Workspace.self)), "The only workspace it holds in; null: all.") {
                if case .workspace(_, let workspace) = $0.scope { .text(workspace) } else { .null }
            },
        ])
}

extension Representation<Profile> {
    /// A user and what they may do.
    static let profile = Representation(
        "Profile",
        [
            .init("user", Representation<User>.user.schema, "The user.") {
                Representation<User>.user.json($0.user)
            },
            .init(
                "bindings", .list(Representation<Authority.Binding>.binding.schema, maximumCount: 1000),
                "Their roles."
            ) { .array($0.authority.bindings.map(Representation<Authority.Binding>.binding.json)) },
        ])
}

/// The body that changes a user, or oneself.
enum UserChangeBody {
    static let name = Field<String?>.change("name", .text(.displayName), "Name for people.")
    static let locale = Field<Language?>.change("locale", .word(), "The language of messages.")
    static let shape = BodyShape("UserChange", [name, locale])

    static func value(_ body: BodyValues) throws(OperationError) -> UserChange {
        UserChange(name: try body[name], locale: try body[locale])
    }
}

/// The body that makes a user.
enum UserBody {
    static let email = Field<String>.required(
        "email", .text(.email, format: "email", example: "ana@example.com"), "Unique on the platform.")
    static let name = Field<String>.required("name", .text(.displayName, example: "Ana"), "Name for people.")
    static let password = Field<String>.required(
        "password", .secretText(User.passwordLengths, format: "password"), "The first password.")
    static let role = Field<Role>.required(
        "role", .word(Role.builtIn.map { ($0.name, $0) }), "A built-in role.")
    static let tenant = Field<TenantID?>.optional(
        "tenant", .id(), "Where the role holds; missing: everywhere, for the roles of the platform.")
    static let workspace = Field<WorkspaceID?>.optional(
        "workspace", .id(), "The only workspace of the tenant where the role holds.")
    static let bindingShape = BodyShape("NewBinding", [role, tenant, workspace])
    static let bindings = Field<[NewBinding]>.defaulted(
        "bindings",
        .list(
            of: .object(bindingShape) { values throws(OperationError) in
                NewBinding(
                    role: try values[role], tenant: try values[tenant], workspace: try values[workspace])
            }, 0...20),
        to: [], "The user's roles. Nobody gives a role with permissions they lack.")
    static let shape = BodyShape("NewUser", [email, name, password, bindings])

    static func value(_ body: BodyValues) throws(OperationError) -> NewUser {
        NewUser(
            email: try body[email], name: try body[name], password: Secret(utf8: try body[password]),
            bindings: try body[bindings])
    }
}

/// The filters of lists of users: of the platform, a tenant, a group.
enum UserQuery {
    private static let email = Field<String?>.optional(
        "email", .anyText(1...254), "Only users whose address begins so.")
    private static let status = Field<User.Status?>.optional(
        "status", .word(), "Only users of this status.")
    static let fields: [any AnyField] = [email, status, Paging.namePrefix]

    static func value(_ query: BodyValues) throws(OperationError) -> UserFilter {
        UserFilter(emailPrefix: try query[email], status: try query[status])
    }
}

import Domain
import HTTPWire
import JSONText
import Operations
import Store

enum MemberRoutes {
    private static let base = "/api/v1/tenants/{tenant}/members"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.membersRead, in: .tenant), "members.list", "List the tenant's users",
            isByCreation: false, query: UserQuery.fields, of: .member
        ) { call throws(OperationError) in
            try await call.operations.members.list(
                of: try call.tenant, where: try UserQuery.value(call.query), try call.page,
                by: try call.caller)
        },
        .write(
            .post, base, .needs(.membersAdd, in: .tenant), "members.add", "Make a user a member, with roles",
            body: MemberBody.shape, status: 201, answers: .member
        ) { call throws(OperationError) in
            try await call.operations.members.add(
                try call.body[MemberBody.user], roles: try call.body[MemberBody.roles],
                to: try call.tenant, by: try call.caller)
        },
        .one(
            .get, "\(base)/{user}", .needs(.membersRead, in: .tenant), "members.get",
            "Get a member, and what they may do here and why", answers: .memberAccess
        ) { call throws(OperationError) in
            try await call.operations.members.get(try call.user, of: try call.tenant, by: try call.caller)
        },
        .write(
            .delete, "\(base)/{user}", .needs(.membersRemove, in: .tenant), "members.remove",
            "Take a member out of the tenant, with every role and group", answers: .member
        ) { call throws(OperationError) in
            try await call.operations.members.remove(
                try call.user, from: try call.tenant, by: try call.caller)
        },
    ]
}

enum GroupRoutes {
    private static let base = "/api/v1/tenants/{tenant}/groups"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.groupsRead, in: .tenant), "groups.list", "List groups", query: [Paging.namePrefix],
            of: .group
        ) {
            call throws(OperationError) in
            try await call.operations.groups.list(of: try call.tenant, try call.page, by: try call.caller)
        },
        .write(
            .post, base, .needs(.groupsCreate, in: .tenant), "groups.create", "Create a group",
            body: GroupBody.shape, status: 201, answers: .group
        ) { call throws(OperationError) in
            try await call.operations.groups.create(
                name: try call.body[GroupBody.name], description: try call.body[GroupBody.description],
                in: try call.tenant, by: try call.caller)
        },
        .one(
            .get, "\(base)/{group}", .needs(.groupsRead, in: .tenant), "groups.get", "Get a group",
            answers: .group
        ) { call throws(OperationError) in
            try await call.operations.groups.get(try call.group, of: try call.tenant, by: try call.caller)
        },
        .write(
            .patch, "\(base)/{group}", .needs(.groupsUpdate, in: .tenant), "groups.update", "Change a group",
            body: GroupBody.changeShape, answers: .group
        ) { call throws(OperationError) in
            try await call.operations.groups.update(
                try call.group, name: try call.body[GroupBody.newName],
                description: try call.body[GroupBody.newDescription], in: try call.tenant,
                by: try call.caller)
        },
        .write(
            .delete, "\(base)/{group}", .needs(.groupsDelete, in: .tenant), "groups.delete",
            "Delete a group: its members lose its roles", answers: .group
        ) { call throws(OperationError) in
            try await call.operations.groups.delete(try call.group, in: try call.tenant, by: try call.caller)
        },
        .list(
            "\(base)/{group}/members", .needs(.groupsRead, in: .tenant), "groups.list-members",
            "List a group's members", isByCreation: false, query: UserQuery.fields, of: .user
        ) { call throws(OperationError) in
            try await call.operations.groups.members(
                of: try call.group, in: try call.tenant, where: try UserQuery.value(call.query),
                try call.page, by: try call.caller)
        },
        .write(
            .put, "\(base)/{group}/members/{user}", .needs(.groupsUpdate, in: .tenant), "groups.add-member",
            "Add a member of the tenant to a group", answers: .group
        ) { call throws(OperationError) in
            try await call.operations.groups.add(
                try call.user, to: try call.group, in: try call.tenant, by: try call.caller)
        },
        .write(
            .delete, "\(base)/{group}/members/{user}", .needs(.groupsUpdate, in: .tenant),
            "groups.remove-member", "Take a member out of a group", answers: .group
        ) { call throws(OperationError) in
            try await call.operations.groups.remove(
                try call.user, from: try call.group, in: try call.tenant, by: try call.caller)
        },
    ]
}

// MARK: - Shapes

extension Representation<Store.Member> {
    static let member = Representation(
        "Member",
        [
            .init("user", Representation<User>.user.schema, "The user.") {
                Representation<User>.user.json($0.user)
            },
            .init("tenant", .id(Tenant.self), "Where they are a member.") { .text($0.tenant) },
            .init("joined_at", .time, "Since when.") { .text($0.joinedAt) },
        ])
}

extension Representation<EffectiveBinding> {
    static let effectiveBinding = Representation(
        "EffectiveBinding",
        [
            .init("id", .id(BindingNoun.self), "The binding.") { .text($0.id) },
            .init("role", .text(1...63), "A built-in role's name, or the ID of one of the tenant's.") {
                .string($0.role.reference.description)
            },
            .init("role_name", .text(1...200), "The role's name.") { .string($0.role.name) },
            .init("tenant", .nullable(.id(Tenant.self)), "Where it holds; null: everywhere.") {
                .optional($0.scope.tenant)
            },
            .init("workspace", .nullable(.id(Workspace.self)), "The only workspace it holds in; null: all.") {
                .optional($0.scope.workspace)
            },
            .init("group", .nullable(.id(Group.self)), "The group it comes through; null: given directly.") {
                .optional($0.group)
            },
        ])
}

extension Representation<MemberAccess> {
    private static let permissions = Schema.list(
        .words(Permission.allCases.map(\.rawValue)), maximumCount: Permission.allCases.count)
    private static let inWorkspace = ObjectSchema(
        name: "WorkspaceAccess",
        members: [
            MemberSchema(
                name: "workspace", schema: .id(Workspace.self), isRequired: true, summary: "The workspace."),
            MemberSchema(
                name: "permissions", schema: permissions, isRequired: true,
                summary: "What they may do there and not in the whole tenant."),
        ])

    private static func json(_ permissions: [Permission]) -> JSONValue {
        .array(permissions.map { .string($0.rawValue) })
    }

    static let memberAccess = Representation(
        "MemberAccess",
        [
            .init("member", Representation<Store.Member>.member.schema, "The member.") {
                Representation<Store.Member>.member.json($0.member)
            },
            .init(
                "bindings",
                .list(Representation<EffectiveBinding>.effectiveBinding.schema, maximumCount: 1000),
                "Every role that counts here."
            ) { .array($0.bindings.map(Representation<EffectiveBinding>.effectiveBinding.json)) },
            .init("permissions", permissions, "What they may do in the whole tenant.") {
                json($0.permissions)
            },
            .init(
                "workspaces", .list(.object(inWorkspace), maximumCount: 1000),
                "What they may do besides, in single workspaces."
            ) { access in
                .array(
                    access.workspaces.map { entry in
                        ["workspace": .text(entry.workspace), "permissions": json(entry.permissions)]
                    })
            },
        ])
}

extension Representation<Group> {
    static let group = Representation(
        "Group",
        [
            .init("id", .id(Group.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Whose it is.") { .text($0.tenant) },
            .init("name", .text(1...200), "Unique in the tenant.") { .string($0.name) },
            .init("description", .text(0...Group.maximumDescription), "What it is for.") {
                .string($0.description)
            },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

/// The body that adds a member.
enum MemberBody {
    static let user = Field<UserID>.required("user", .id(), "The user; invite those who have no account.")
    static let role = Field<RoleReference>.required("role", .role, "A built-in role's name, or a role's ID.")
    static let workspace = Field<WorkspaceID?>.optional(
        "workspace", .id(), "The only workspace where the role holds.")
    static let roleShape = BodyShape("NewMemberRole", [role, workspace])
    static let roles = Field<[MemberRole]>.defaulted(
        "roles",
        .list(
            of: .object(roleShape) { values throws(OperationError) in
                MemberRole(role: try values[role], workspace: try values[workspace])
            }, 0...20),
        to: [], "Their first roles. Nobody gives a role with permissions they lack.")
    static let shape = BodyShape("NewMember", [user, roles])
}

/// The bodies that make and change a group.
enum GroupBody {
    static let name = Field<String>.required(
        "name", .text(.displayName, example: "Data science"), "Unique in the tenant.")
    static let description = Field<String>.defaulted(
        "description", .anyText(0...Group.maximumDescription), to: "", "What it is for.")
    static let shape = BodyShape("NewGroup", [name, description])
    static let newName = Field<String?>.change("name", .text(.displayName), "Unique in the tenant.")
    static let newDescription = Field<String?>.change(
        "description", .anyText(0...Group.maximumDescription), "What it is for.")
    static let changeShape = BodyShape("GroupChange", [newName, newDescription])
}

extension Reader where Value == RoleReference {
    /// A built-in role's name, or the ID of a tenant's own.
    static var role: Reader {
        Reader(.text(TextSchema(1...63, example: "developer"))) { json throws(InvalidInput) in
            guard let reference = RoleReference(json.string ?? "") else {
                throw InvalidInput(
                    .notAllowed,
                    "must be a role's ID or one of \(Role.builtIn.map(\.name).joined(separator: ", "))")
            }
            return reference
        }
    }
}

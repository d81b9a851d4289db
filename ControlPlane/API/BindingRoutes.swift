import Domain
import HTTPWire
import JSONText
import Operations
import Store

/// Roles given in a tenant, and on the platform: the same routes in two places.
enum BindingRoutes {
    static let all: [AdminRoute] = routes(of: .tenant) + routes(of: .platform)

    private static func routes(of owner: Ownership) -> [AdminRoute] {
        let base = "\(owner.basePath)/bindings"
        let noun = owner == .tenant ? "bindings" : "platform-bindings"
        return [
            .list(
                base, .needs(.bindingsRead, in: owner.place), "\(noun).list", "List who has which role",
                query: BindingQuery.fields(of: owner), of: .grant
            ) { call throws(OperationError) in
                try await call.operations.bindings.list(
                    of: try owner.tenant(of: call), where: try BindingQuery.value(call.query, of: owner),
                    try call.page, by: try call.caller)
            },
            .write(
                .post, base, .needs(.bindingsCreate, in: owner.place), "\(noun).create",
                "Give a role to a user, a group or a service account", body: BindingBody.shape, status: 201,
                answers: .grant
            ) { call throws(OperationError) in
                try await call.operations.bindings.create(
                    try BindingBody.value(call.body), of: try owner.tenant(of: call), by: try call.caller)
            },
            .one(
                .get, "\(base)/{binding}", .needs(.bindingsRead, in: owner.place), "\(noun).get",
                "Get a binding", answers: .grant
            ) { call throws(OperationError) in
                try await call.operations.bindings.get(
                    try call.binding, of: try owner.tenant(of: call), by: try call.caller)
            },
            .write(
                .delete, "\(base)/{binding}", .needs(.bindingsDelete, in: owner.place), "\(noun).delete",
                "Take a role away", answers: .grant
            ) { call throws(OperationError) in
                try await call.operations.bindings.delete(
                    try call.binding, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }
}

enum RoleRoutes {
    private static let base = "/api/v1/tenants/{tenant}/roles"

    static let all: [AdminRoute] = [
        .one(
            .get, "/api/v1/roles", .signedIn(reason: "it lists what is the same for everybody."),
            "built-in-roles.list", "List the built-in roles and their permissions", answers: .builtInRoles
        ) { _ throws(OperationError) in BuiltInRoles() },
        .list(
            base, .needs(.rolesRead, in: .tenant), "roles.list", "List the tenant's own roles",
            query: [Paging.namePrefix], of: .role
        ) { call throws(OperationError) in
            try await call.operations.roles.list(of: try call.tenant, try call.page, by: try call.caller)
        },
        .write(
            .post, base, .needs(.rolesCreate, in: .tenant), "roles.create",
            "Create a role of permissions you have", body: RoleBody.shape, status: 201, answers: .role
        ) { call throws(OperationError) in
            try await call.operations.roles.create(
                name: try call.body[GroupBody.name], description: try call.body[GroupBody.description],
                permissions: Set(try call.body[RoleBody.permissions]), in: try call.tenant,
                by: try call.caller)
        },
        .one(
            .get, "\(base)/{role}", .needs(.rolesRead, in: .tenant), "roles.get", "Get a role", answers: .role
        ) { call throws(OperationError) in
            try await call.operations.roles.get(try call.role, of: try call.tenant, by: try call.caller)
        },
        .write(
            .patch, "\(base)/{role}", .needs(.rolesUpdate, in: .tenant), "roles.update",
            "Change a role for all who hold it", body: RoleBody.changeShape, answers: .role
        ) { call throws(OperationError) in
            try await call.operations.roles.update(
                try call.role,
                RoleChange(
                    name: try call.body[GroupBody.newName],
                    description: try call.body[GroupBody.newDescription],
                    permissions: try call.body[RoleBody.newPermissions].map { Set($0) }),
                in: try call.tenant, by: try call.caller)
        },
        .write(
            .delete, "\(base)/{role}", .needs(.rolesDelete, in: .tenant), "roles.delete",
            "Delete a role nobody holds", answers: .role
        ) { call throws(OperationError) in
            try await call.operations.roles.delete(try call.role, in: try call.tenant, by: try call.caller)
        },
    ]
}

// MARK: - Shapes

extension Representation<Binding> {
    static let grant = Representation(
        "RoleBinding",
        [
            .init("id", .id(BindingNoun.self), "Never changes.") { .text($0.id) },
            .init("user", .nullable(.id(User.self)), "Who has the role, if it is a user.") {
                if case .user(let id) = $0.principal { .text(id) } else { .null }
            },
            .init("group", .nullable(.id(Group.self)), "Who has the role, if it is a group.") {
                if case .group(let id) = $0.principal { .text(id) } else { .null }
            },
            .init(
                "service_account", .nullable(.id(ServiceAccount.self)),
                "Who has the role, if it is a service account."
            ) { if case .serviceAccount(let id) = $0.principal { .text(id) } else { .null } },
            .init("role", .text(1...63), "A built-in role's name, or the ID of one of the tenant's.") {
                .text($0.role)
            },
            .init("tenant", .nullable(.id(Tenant.self)), "Where it holds; null: everywhere.") {
                .optional($0.scope.tenant)
            },
            .init("workspace", .nullable(.id(Workspace.self)), "The only workspace it holds in; null: all.") {
                .optional($0.scope.workspace)
            },
            .init("created_by", .nullable(.id(User.self)), "Who gave it; null: the system or a machine.") {
                .optional($0.createdBy)
            },
            .init("created_at", .time, "When it was given.") { .text($0.createdAt) },
        ])
}

private let permissionList = Schema.list(
    .words(Permission.allCases.map(\.rawValue)), maximumCount: Permission.allCases.count)

private func sorted(_ permissions: Set<Permission>) -> JSONValue {
    .array(permissions.map(\.rawValue).sorted().map { .string($0) })
}

extension Representation<CustomRole> {
    static let role = Representation(
        "Role",
        [
            .init("id", .id(RoleNoun.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Whose it is.") { .text($0.tenant) },
            .init("name", .text(1...200), "Unique in the tenant.") { .string($0.name) },
            .init("description", .text(0...Group.maximumDescription), "What it is for.") {
                .string($0.description)
            },
            .init("permissions", permissionList, "What its holders may do.") { sorted($0.permissions) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

/// The roles that are there without being made.
struct BuiltInRoles: Sendable {}

extension Representation<BuiltInRoles> {
    static let builtInRoles = Representation(
        "BuiltInRoles",
        [
            .init(
                "data",
                .list(
                    .object(
                        ObjectSchema(
                            name: "BuiltInRole",
                            members: [
                                MemberSchema(
                                    name: "name", schema: .text(1...63), isRequired: true,
                                    summary: "How bindings name it."),
                                MemberSchema(
                                    name: "permissions", schema: permissionList, isRequired: true,
                                    summary: "What its holders may do."),
                            ])), maximumCount: 100),
                "All of them."
            ) { _ in
                .array(
                    Role.builtIn.map { ["name": .string($0.name), "permissions": sorted($0.permissions)] })
            }
        ])
}

/// The body that gives a role.
enum BindingBody {
    static let user = Field<UserID?>.optional("user", .id(), "Who gets it, if a user.")
    static let group = Field<GroupID?>.optional("group", .id(), "Who gets it, if a group.")
    static let serviceAccount = Field<ServiceAccountID?>.optional(
        "service_account", .id(), "Who gets it, if a service account.")
    static let workspace = Field<WorkspaceID?>.optional(
        "workspace", .id(), "The only workspace of the tenant where the role holds.")
    static let shape = BodyShape(
        "NewRoleBinding", [user, group, serviceAccount, MemberBody.role, workspace])

    static func value(_ body: BodyValues) throws(OperationError) -> BindingDraft {
        let named = try principals(body[user], body[group], body[serviceAccount])
        guard named.count == 1, let principal = named.first else {
            throw .invalid([
                ValidationError("/user", .required, "name one of user, group and service_account")
            ])
        }
        return BindingDraft(
            principal: principal, role: try body[MemberBody.role], workspace: try body[workspace])
    }

    fileprivate static func principals(
        _ user: UserID?, _ group: GroupID?, _ account: ServiceAccountID?
    ) -> [Principal] {
        [user.map { .user($0) }, group.map { .group($0) }, account.map { .serviceAccount($0) }]
            .compactMap(\.self)
    }
}

/// The filters of lists of bindings.
enum BindingQuery {
    private static let user = Field<UserID?>.optional(
        "user", .id(), "Only what this user was given directly.")
    private static let group = Field<GroupID?>.optional("group", .id(), "Only what this group was given.")
    private static let serviceAccount = Field<ServiceAccountID?>.optional(
        "service_account", .id(), "Only what this service account was given.")
    private static let role = Field<RoleReference?>.optional("role", .role, "Only bindings of this role.")
    private static let workspace = Field<WorkspaceID?>.optional(
        "workspace", .id(), "Only what holds in this workspace alone.")

    /// The platform has no workspaces.
    static func fields(of owner: Ownership) -> [any AnyField] {
        [user, group, serviceAccount, role] + (owner == .tenant ? [workspace] : [])
    }

    static func value(
        _ query: BodyValues, of owner: Ownership
    ) throws(OperationError) -> BindingFilter {
        let named = BindingBody.principals(try query[user], try query[group], try query[serviceAccount])
        guard named.count < 2 else {
            throw .invalid([ValidationError("user", .notAllowed, "name at most one holder")])
        }
        return BindingFilter(
            principal: named.first, role: try query[role],
            workspace: owner == .tenant ? try query[workspace] : nil)
    }
}

/// The bodies that make and change a role.
enum RoleBody {
    static let permissions = Field<[Permission]>.required(
        "permissions", .list(of: .word(), 1...Permission.allCases.count), "What its holders may do.")
    static let shape = BodyShape("NewRole", [GroupBody.name, GroupBody.description, permissions])
    static let newPermissions = Field<[Permission]?>.change(
        "permissions", .list(of: .word(), 1...Permission.allCases.count), "What its holders may do.")
    static let changeShape = BodyShape(
        "RoleChange", [GroupBody.newName, GroupBody.newDescription, newPermissions])
}

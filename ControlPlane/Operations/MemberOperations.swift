package import Domain
import JSONText
import PostgresDriver
package import Store

/// A role that a new member is given.
package struct MemberRole: Sendable, Hashable {
    package var role: RoleReference
    package var workspace: WorkspaceID?

    package init(role: RoleReference, workspace: WorkspaceID? = nil) {
        self.role = role
        self.workspace = workspace
    }
}

/// What a member may do at this moment, and where from.
package struct MemberAccess: Sendable {
    package let member: Member
    package let bindings: [EffectiveBinding]
    /// What they may do in the whole tenant; roles of the platform included.
    package let permissions: [Permission]
    /// What they may do besides, in single workspaces.
    package let workspaces: [(workspace: WorkspaceID, permissions: [Permission])]
}

/// Users in a tenant.
package struct MemberOperations {
    let environment: OperationEnvironment

    package func list(
        of tenant: TenantID, where filter: UserFilter = UserFilter(), _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Member> {
        try await environment.read(.membersRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(
                try await MemberStore.list(of: tenant, where: filter, page.of(User.self), connection))
        }
    }

    /// A member with all that counts for them here, by the same function that decides every request.
    package func get(
        _ user: UserID, of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> MemberAccess {
        let member = try await environment.read(.membersRead, in: .tenant(tenant), by: caller) { connection in
            try found(try await MemberStore.find(user, of: tenant, connection))
        }
        // Roles of the platform count here too.
        return try await environment.viewAcrossTenants { connection in
            let all = try await BindingStore.effective(of: user, connection)
            return Self.access(member, all.filter { [nil, tenant].contains($0.scope.tenant) }, tenant)
        }
    }

    /// Makes an existing user a member, with roles. Nobody gives permissions they lack.
    package func add(
        _ user: UserID, roles: [MemberRole], to tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Member> {
        let now = environment.clock.now()
        return try await environment.write("members.add", .membersAdd, in: .tenant(tenant), by: caller) {
            connection in
            guard try await UserStore.find(user, connection) != nil else {
                throw OperationError.missing("/user", "a user")
            }
            guard try await MemberStore.add(user, to: tenant, at: now, connection) else {
                throw OperationError.taken("/user")
            }
            for (index, role) in roles.enumerated() {
                let draft = BindingDraft(principal: .user(user), role: role.role, workspace: role.workspace)
                _ = try await BindingOperations.give(
                    draft, of: tenant, at: now, by: caller, pointer: "/roles/\(index)/role", environment,
                    connection)
            }
            let member = try found(try await MemberStore.find(user, of: tenant, connection))
            let names = roles.map { JSONValue.string($0.role.description) }
            return Recorded(
                member,
                AuditSubject(
                    "user", user, ["email": .string(member.user.email), "roles": .array(names)]))
        }
    }

    /// Takes a member out of the tenant with every role and group there; what they may do ends at once.
    package func remove(
        _ user: UserID, from tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Member> {
        try await environment.write("members.remove", .membersRemove, in: .tenant(tenant), by: caller) {
            connection in
            let member = try found(try await MemberStore.find(user, of: tenant, connection))
            if user != caller.user {
                let held = try await BindingStore.effective(of: user, connection)
                try caller.demandGrantable(held.map(\.counted), at: "user")
            }
            try await environment.keepingAnOwner(of: tenant, connection) {
                _ = try await UserStore.removeMember(user, of: tenant, connection)
            }
            return Recorded(member, AuditSubject("user", user, ["email": .string(member.user.email)]))
        }
    }

    private static func access(
        _ member: Member, _ bindings: [EffectiveBinding], _ tenant: TenantID
    ) -> MemberAccess {
        let authority = Authority(bindings.map(\.counted))
        func allowed(_ scope: Scope) -> [Permission] {
            Permission.allCases.filter { authorise(authority, $0, in: scope) == .allowed }
        }
        let everywhere = allowed(.tenant(tenant))
        var workspaces: [WorkspaceID] = []
        for binding in bindings {
            if case .workspace(_, let workspace) = binding.scope, !workspaces.contains(workspace) {
                workspaces.append(workspace)
            }
        }
        return MemberAccess(
            member: member, bindings: bindings, permissions: everywhere,
            workspaces: workspaces.map { workspace in
                (workspace, allowed(.workspace(tenant, workspace)).filter { !everywhere.contains($0) })
            })
    }
}

package import Domain
import JSONText
import PostgresDriver
package import Store

/// What a new binding is made of; where it hangs is the path's.
package struct BindingDraft: Sendable, Hashable {
    package var principal: Principal
    package var role: RoleReference
    package var workspace: WorkspaceID?

    package init(principal: Principal, role: RoleReference, workspace: WorkspaceID? = nil) {
        self.principal = principal
        self.role = role
        self.workspace = workspace
    }
}

/// Roles given to users, groups and service accounts: in a tenant and its workspaces, or (no tenant) on the
/// platform.
package struct BindingOperations {
    let environment: OperationEnvironment

    package func list(
        of owner: TenantID?, where filter: BindingFilter, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Binding> {
        try await environment.read(.bindingsRead, in: .owner(owner), by: caller) { connection in
            ListPage(
                try await BindingStore.list(
                    of: owner, where: filter, page.of(BindingNoun.self), connection))
        }
    }

    package func get(
        _ id: BindingID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Binding {
        try await environment.read(.bindingsRead, in: .owner(owner), by: caller) { connection in
            try found(try await BindingStore.find(id, of: owner, connection))
        }
    }

    /// Gives a role. Nobody gives permissions they lack there, and a user must be a member already.
    package func create(
        _ draft: BindingDraft, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Binding> {
        let now = environment.clock.now()
        return try await environment.write(
            "bindings.create", .bindingsCreate, in: .owner(owner), by: caller
        ) { connection in
            try await requireMember(draft.principal, of: owner, connection)
            let binding = try await Self.give(
                draft, of: owner, at: now, by: caller, pointer: "/role", environment, connection)
            return Recorded(binding, AuditSubject("binding", binding.id, Self.details(binding)))
        }
    }

    /// Takes a role away; what its holder may do ends at once.
    package func delete(
        _ id: BindingID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Binding> {
        try await environment.write("bindings.delete", .bindingsDelete, in: .owner(owner), by: caller) {
            connection in
            let binding = try found(try await BindingStore.find(id, of: owner, connection))
            let role = try await environment.role(binding.role, of: owner, at: "/role", connection)
            try caller.demandGrantable([.init(role: role, scope: binding.scope)], at: "role")
            try await environment.keepingAnOwner(of: owner, connection) {
                _ = try await BindingStore.delete(id, of: owner, connection)
            }
            return Recorded(binding, AuditSubject("binding", id, Self.details(binding)))
        }
    }

    // MARK: Parts

    static func give(
        _ draft: BindingDraft, of owner: TenantID?, at now: Timestamp, by caller: Caller, pointer: String,
        _ environment: OperationEnvironment, _ connection: PostgresConnection
    ) async throws -> Binding {
        let role = try await environment.role(draft.role, of: owner, at: pointer, connection)
        if let owner, let workspace = draft.workspace,
            try await WorkspaceStore.find(workspace, of: owner, connection) == nil
        {
            let place = pointer.hasSuffix("role") ? "\(pointer.dropLast(4))workspace" : "/workspace"
            throw OperationError.missing(place, "a workspace of this tenant")
        }
        let scope = Scope.of(owner, draft.workspace)
        try caller.demandGrantable([.init(role: role, scope: scope)], at: pointer)
        let binding = Binding(
            id: BindingID(at: now), principal: draft.principal, role: draft.role, scope: scope,
            createdBy: caller.user, createdAt: now)
        try await BindingStore.create(binding, connection)
        return binding
    }

    private func requireMember(
        _ principal: Principal, of owner: TenantID?, _ connection: PostgresConnection
    ) async throws {
        guard case .user(let user) = principal else { return }
        let isThere =
            owner == nil
            ? try await UserStore.find(user, connection) != nil
            : try await MemberStore.find(user, of: owner, connection) != nil
        guard isThere else { throw OperationError.missing("/user", "a member; add them first") }
    }

    private static func details(_ binding: Binding) -> JSONValue {
        let (kind, id) =
            switch binding.principal {
            case .user(let id): ("user", id.description)
            case .group(let id): ("group", id.description)
            case .serviceAccount(let id): ("service_account", id.description)
            }
        var details = JSONObject()
        details[kind] = .string(id)
        details["role"] = .string(binding.role.description)
        if case .workspace(_, let workspace) = binding.scope {
            details["workspace"] = .string(workspace.description)
        }
        return .object(details)
    }
}

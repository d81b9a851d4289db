package import Domain
import JSONText
import PostgresDriver
import Store

/// Members who are given roles together.
package struct GroupOperations {
    let environment: OperationEnvironment

    package func list(
        of tenant: TenantID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Group> {
        try await environment.read(.groupsRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(try await GroupStore.list(of: tenant, page.of(Group.self), connection))
        }
    }

    package func get(
        _ id: GroupID, of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Group {
        try await environment.read(.groupsRead, in: .tenant(tenant), by: caller) { connection in
            try found(try await GroupStore.find(id, of: tenant, connection))
        }
    }

    package func create(
        name: String, description: String, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Group> {
        try check(Group.problems(name: name, description: description))
        let now = environment.clock.now()
        let group = Group(
            id: GroupID(at: now), tenant: tenant, name: name, description: description, createdAt: now,
            updatedAt: now)
        return try await environment.write("groups.create", .groupsCreate, in: .tenant(tenant), by: caller) {
            connection in
            try await GroupStore.create(group, connection)
            return Recorded(group, AuditSubject("group", group.id, Self.details(group)))
        }
    }

    /// Changes what is not nil.
    package func update(
        _ id: GroupID, name: String?, description: String?, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Group> {
        try await environment.write("groups.update", .groupsUpdate, in: .tenant(tenant), by: caller) {
            connection in
            let before = try found(try await GroupStore.find(id, of: tenant, connection))
            var group = before
            group.name = name ?? group.name
            group.description = description ?? group.description
            group.updatedAt = environment.clock.now()
            try check(Group.problems(name: group.name, description: group.description))
            guard
                let changed = try await GroupStore.update(group, expecting: before.updatedAt, connection)
            else { throw OperationError(.preconditionFailed) }
            return Recorded(
                changed, AuditSubject("group", id, from: Self.details(before), to: Self.details(changed)))
        }
    }

    /// With all its roles, which its members lose at once. Nobody takes away what they could not give.
    package func delete(
        _ id: GroupID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Group> {
        try await environment.write("groups.delete", .groupsDelete, in: .tenant(tenant), by: caller) {
            connection in
            let group = try found(try await GroupStore.find(id, of: tenant, connection))
            try await demandRoles(of: id, tenant, caller, connection)
            try await environment.keepingAnOwner(of: tenant, connection) {
                _ = try await GroupStore.delete(id, of: tenant, connection)
            }
            return Recorded(group, AuditSubject("group", id, Self.details(group)))
        }
    }

    // MARK: Members

    package func members(
        of id: GroupID, in tenant: TenantID, where filter: UserFilter = UserFilter(), _ page: PageRequest,
        by caller: Caller
    ) async throws(OperationError) -> ListPage<User> {
        try await environment.read(.groupsRead, in: .tenant(tenant), by: caller) { connection in
            _ = try found(try await GroupStore.find(id, of: tenant, connection))
            return ListPage(
                try await GroupStore.members(
                    of: id, of: tenant, where: filter, page.of(User.self), connection))
        }
    }

    /// Adds a member of the tenant; once more changes nothing. It gives the group's roles, so it needs what
    /// giving them needs.
    package func add(
        _ user: UserID, to id: GroupID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Group> {
        let now = environment.clock.now()
        return try await environment.write(
            "groups.add-member", .groupsUpdate, in: .tenant(tenant), by: caller
        ) { connection in
            let group = try found(try await GroupStore.find(id, of: tenant, connection))
            guard try await MemberStore.find(user, of: tenant, connection) != nil else {
                throw OperationError.notFound
            }
            try await demandRoles(of: id, tenant, caller, connection)
            _ = try await GroupStore.add(user, to: id, of: tenant, at: now, connection)
            return Recorded(group, Self.subject(group, user))
        }
    }

    package func remove(
        _ user: UserID, from id: GroupID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Group> {
        try await environment.write(
            "groups.remove-member", .groupsUpdate, in: .tenant(tenant), by: caller
        ) { connection in
            let group = try found(try await GroupStore.find(id, of: tenant, connection))
            try await demandRoles(of: id, tenant, caller, connection)
            try await environment.keepingAnOwner(of: tenant, connection) {
                guard try await GroupStore.remove(user, from: id, of: tenant, connection) else {
                    throw OperationError.notFound
                }
            }
            return Recorded(group, Self.subject(group, user))
        }
    }

    private func demandRoles(
        of id: GroupID, _ tenant: TenantID, _ caller: Caller, _ connection: PostgresConnection
    ) async throws {
        let roles = try await BindingStore.effective(of: id, in: tenant, connection)
        try caller.demandGrantable(roles.map(\.counted), at: "group")
    }

    private static func subject(_ group: Group, _ user: UserID) -> AuditSubject {
        AuditSubject("group", group.id, ["name": .string(group.name), "user": .string(user.description)])
    }

    private static func details(_ group: Group) -> JSONValue {
        ["name": .string(group.name), "description": .string(group.description)]
    }
}

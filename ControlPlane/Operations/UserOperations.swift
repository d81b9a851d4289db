package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// What a new user is made of.
package struct NewUser: Sendable {
    package var email: String
    package var name: String
    package var password: Secret
    package var bindings: [NewBinding]

    package init(email: String, name: String, password: Secret, bindings: [NewBinding] = []) {
        self.email = email
        self.name = name
        self.password = password
        self.bindings = bindings
    }
}

/// A role to be given to a user: in a workspace, in a tenant, or (no tenant) everywhere.
package struct NewBinding: Sendable, Hashable {
    package var role: Role
    package var tenant: TenantID?
    package var workspace: WorkspaceID?

    package init(role: Role, tenant: TenantID? = nil, workspace: WorkspaceID? = nil) {
        self.role = role
        self.tenant = tenant
        self.workspace = workspace
    }
}

/// A user and what they may do.
package struct Profile: Sendable {
    package let user: User
    package let authority: Authority
}

/// People who sign in; platform-wide.
package struct UserOperations {
    let environment: OperationEnvironment

    package func get(_ id: UserID, by caller: Caller) async throws(OperationError) -> Profile {
        try caller.demand(.usersRead, in: .platform)
        return try await environment.viewAcrossTenants { connection in
            try await Self.profile(id, connection)
        }
    }

    /// The caller themselves.
    package func profile(of caller: Caller) async throws(OperationError) -> Profile {
        let me = try caller.person.user
        let profile = try await environment.viewAcrossTenants { connection in
            try await Self.profile(me, connection)
        }
        guard let only = caller.onlyTenant else { return profile }
        let here = profile.authority.bindings.filter { $0.scope.tenant == only }
        return Profile(user: profile.user, authority: Authority(here))
    }

    /// Makes a user with a first password and roles. Nobody gives a role with permissions they lack.
    package func create(_ new: NewUser, by caller: Caller) async throws(OperationError) -> Profile {
        try caller.demand(.usersCreate, in: .platform)
        try check(problems(new))
        let bindings = try scopes(of: new.bindings, by: caller)
        let hash = try await environment.hash(new.password)
        let now = environment.clock.now()
        let user = User(id: UserID(at: now), email: new.email, name: new.name, createdAt: now, updatedAt: now)
        let changed = try await environment.write("users.create", .usersCreate, in: .platform, by: caller) {
            connection in
            try await UserStore.create(user, passwordHash: hash.text, connection)
            try await Self.give(bindings, to: user.id, by: caller.user, at: now, connection)
            return Recorded(user, AuditSubject("user", user.id, Self.details(user, bindings)))
        }
        return Profile(user: changed.value, authority: Authority(bindings))
    }

    /// Makes the first administrator of the platform when there is no user yet; nil when there is one. The
    /// system's own doing: nobody can sign in before it.
    package func createFirstAdministrator(
        email: String, password: Secret
    ) async throws(OperationError) -> User? {
        let role = NewBinding(role: .platformAdmin)
        let new = NewUser(email: email, name: "Administrator", password: password, bindings: [role])
        try check(problems(new))
        guard try await hasNoUser() else { return nil }
        let hash = try await environment.hash(password)
        let now = environment.clock.now()
        let user = User(id: UserID(at: now), email: email, name: new.name, createdAt: now, updatedAt: now)
        let bindings = [Authority.Binding(role: .platformAdmin, scope: .platform)]
        do throws(OperationError) {
            return try await environment.write("users.create", in: .platform, by: .system) { connection in
                // Of several control planes that start at once, one makes it and the others find it made.
                try await NounLock.take("first administrator", connection)
                guard try await Self.hasNoUser(connection) else { throw OperationError(.conflict) }
                try await UserStore.create(user, passwordHash: hash.text, connection)
                try await Self.give(bindings, to: user.id, by: nil, at: now, connection)
                return Recorded(user, AuditSubject("user", user.id, Self.details(user, bindings)))
            }.value
        } catch {
            if error.code == .conflict, try await !hasNoUser() { return nil }
            throw error
        }
    }

    private func hasNoUser() async throws(OperationError) -> Bool {
        try await environment.view { connection in try await Self.hasNoUser(connection) }
    }

    private static func hasNoUser(_ connection: PostgresConnection) async throws -> Bool {
        try await UserStore.search(UserFilter(), Page(limit: 1), connection).items.isEmpty
    }

    // MARK: Parts

    static func profile(_ id: UserID, _ connection: PostgresConnection) async throws -> Profile {
        let user = try found(try await UserStore.find(id, connection))
        return Profile(user: user, authority: try await BindingStore.authority(of: id, connection))
    }

    private func problems(_ new: NewUser) -> [ValidationError] {
        User.problems(email: new.email, name: new.name)
            + [environment.passwords.problem(new.password, email: new.email, at: "/password")].compactMap(
                \.self)
    }

    private func scopes(
        of bindings: [NewBinding], by caller: Caller
    ) throws(OperationError) -> [Authority.Binding] {
        var scopes: [Authority.Binding] = []
        for (index, binding) in bindings.enumerated() {
            let scope: Scope
            switch (binding.tenant, binding.workspace) {
            case (nil, nil): scope = .platform
            case (let tenant?, nil): scope = .tenant(tenant)
            case (let tenant?, let workspace?): scope = .workspace(tenant, workspace)
            case (nil, _?):
                throw .invalid([
                    ValidationError("/bindings/\(index)/tenant", .required, "is required with a workspace")
                ])
            }
            guard mayGrant(caller.authority, binding.role, in: scope) else {
                throw .invalid([
                    ValidationError(
                        "/bindings/\(index)/role", .notAllowed,
                        "cannot be given there: it needs another place, or permissions the caller lacks")
                ])
            }
            scopes.append(Authority.Binding(role: binding.role, scope: scope))
        }
        return scopes
    }

    private static func give(
        _ bindings: [Authority.Binding], to user: UserID, by giver: UserID?, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws {
        for (index, binding) in bindings.enumerated() {
            let tenant = binding.scope.tenant
            try await TenantIsolation.visit(tenant, from: nil, connection) {
                if let tenant, try await TenantStore.find(tenant, connection) == nil {
                    throw OperationError.missing("/bindings/\(index)/tenant", "a tenant")
                }
                try await BindingStore.create(
                    Binding(
                        id: BindingID(at: now), user: user, role: binding.role.name, scope: binding.scope,
                        createdBy: giver, createdAt: now), connection)
            }
        }
    }

    private static func details(_ user: User, _ bindings: [Authority.Binding]) -> JSONValue {
        [
            "email": .string(user.email),
            "roles": .array(bindings.map { .string($0.role.name) }),
        ]
    }
}

package import Domain
import JSONText
import PostgresDriver
import Store

/// What may change about a user; nil leaves it.
package struct UserChange: Sendable {
    package var name: String?
    package var locale: Language?

    package init(name: String?, locale: Language?) {
        self.name = name
        self.locale = locale
    }
}

extension UserOperations {
    /// The platform's users that pass a filter.
    package func list(
        where filter: UserFilter = UserFilter(), _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<User> {
        try await environment.read(.usersRead, in: .platform, by: caller) { connection in
            ListPage(try await UserStore.search(filter, page.of(User.self), connection))
        }
    }

    /// The caller's own name and language.
    package func updateOwn(_ change: UserChange, by caller: Caller) async throws(OperationError) -> User {
        try await environment.write("users.update", in: .platform, by: AuditActor(caller)) { connection in
            try await self.change(caller.ownAccount.user, connection) { $0.apply(change) }
        }.value
    }

    package func update(
        _ id: UserID, _ change: UserChange, by caller: Caller
    ) async throws(OperationError) -> User {
        try await environment.write("users.update", .usersUpdate, in: .platform, by: caller) { connection in
            try await self.change(id, connection) { $0.apply(change) }
        }.value
    }

    /// Disables a user: sessions end at once and no new one begins. Nobody disables themselves, or
    /// a last owner.
    package func disable(_ id: UserID, by caller: Caller) async throws(OperationError) -> User {
        try caller.demand(.usersUpdate, in: .platform)
        if id == caller.user { throw OperationError(.conflict, detail: "Nobody can disable themselves.") }
        return try await environment.write("users.disable", .usersUpdate, in: .platform, by: caller) {
            connection in
            var recorded: Recorded<User>?
            try await environment.keepingOwners(without: id, connection) {
                recorded = try await change(id, connection) { $0.status = .disabled }
            }
            _ = try await SessionStore.revokeAll(of: id, at: environment.clock.now(), connection)
            return try found(recorded)
        }.value
    }

    /// Lets a disabled user sign in again.
    package func enable(_ id: UserID, by caller: Caller) async throws(OperationError) -> User {
        try await environment.write("users.enable", .usersUpdate, in: .platform, by: caller) { connection in
            try await change(id, connection) { $0.status = .active }
        }.value
    }

    /// Deletes a user with memberships, roles and sessions; the audit log keeps what they did. Nobody deletes
    /// themselves, or a last owner.
    package func delete(_ id: UserID, by caller: Caller) async throws(OperationError) {
        try caller.demand(.usersDelete, in: .platform)
        if id == caller.user { throw OperationError(.conflict, detail: "Nobody can delete themselves.") }
        _ = try await environment.write("users.delete", .usersDelete, in: .platform, by: caller) {
            connection in
            let user = try found(try await UserStore.find(id, connection))
            try await environment.keepingOwners(without: id, connection) {
                guard try await UserStore.delete(id, connection) else { throw OperationError.notFound }
            }
            return Recorded(id, AuditSubject("user", id, ["email": .string(user.email)]))
        }
    }

    private func change(
        _ id: UserID, _ connection: PostgresConnection, _ edit: (inout User) -> Void
    ) async throws -> Recorded<User> {
        var user = try found(try await UserStore.find(id, connection))
        let (before, seen) = (Self.details(user), user.updatedAt)
        edit(&user)
        try check(User.problems(email: user.email, name: user.name))
        user.updatedAt = environment.clock.now()
        guard let changed = try await UserStore.update(user, expecting: seen, connection) else {
            throw OperationError(.preconditionFailed)
        }
        return Recorded(changed, AuditSubject("user", id, from: before, to: Self.details(changed)))
    }

    private static func details(_ user: User) -> JSONValue {
        [
            "email": .string(user.email), "name": .string(user.name),
            "status": .string(user.status.rawValue), "locale": .string(user.locale.rawValue),
        ]
    }
}

extension User {
    fileprivate mutating func apply(_ change: UserChange) {
        name = change.name ?? name
        locale = change.locale ?? locale
    }
}

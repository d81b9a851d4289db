package import Domain
import JSONText
import PostgresDriver
package import Store

/// What an identity provider says of a person.
package struct SCIMUserDraft: Sendable, Hashable {
    package var userName: String
    package var externalID: String?
    package var displayName: String?
    package var givenName: String?
    package var familyName: String?
    /// The primary address; nil: the user name is one.
    package var email: String?
    package var isActive: Bool

    package init(
        userName: String, externalID: String? = nil, displayName: String? = nil, givenName: String? = nil,
        familyName: String? = nil, email: String? = nil, isActive: Bool = true
    ) {
        self.userName = userName
        self.externalID = externalID
        self.displayName = displayName
        self.givenName = givenName
        self.familyName = familyName
        self.email = email
        self.isActive = isActive
    }
}

/// What an identity provider says of a group.
package struct SCIMGroupDraft: Sendable, Hashable {
    package var name: String
    package var externalID: String?
    package var members: [UserID]

    package init(name: String, externalID: String? = nil, members: [UserID] = []) {
        self.name = name
        self.externalID = externalID
        self.members = members
    }
}

/// A user with the groups they are in.
package struct SCIMPerson: Sendable {
    package let user: SCIMUser
    package let groups: [Group]
}

/// Users and groups of a tenant as its identity provider manages them. Every operation needs the permission
/// `scim:provision` there, which gives whatever roles the provider's groups have been given.
package struct SCIMOperations {
    package static let maximumGroupMembers = 10_000

    let environment: OperationEnvironment

    /// Passes for those who may manage the tenant's users and groups so.
    package func allow(in tenant: TenantID, by caller: Caller) async throws(OperationError) {
        try await environment.read(.scimProvision, in: .tenant(tenant), by: caller) { _ in }
    }

    // MARK: Users

    package func users(
        in tenant: TenantID, _ filter: SCIMFilter?, from position: Int64, limit: Int64, by caller: Caller
    ) async throws(OperationError) -> SCIMPage<SCIMPerson>? {
        try await environment.read(.scimProvision, in: .tenant(tenant), by: caller) { connection in
            let page = try await SCIMUserStore.list(
                in: tenant, filter, from: position, limit: limit, connection)
            guard let page else { return nil }
            let groups = try await SCIMUserStore.groups(of: page.items.map(\.user), in: tenant, connection)
            return SCIMPage(
                total: page.total,
                items: page.items.map { SCIMPerson(user: $0, groups: groups[$0.user] ?? []) })
        }
    }

    package func user(
        _ id: UserID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> SCIMPerson {
        try await environment.read(.scimProvision, in: .tenant(tenant), by: caller) { connection in
            let user = try found(try await SCIMUserStore.find(id, in: tenant, connection))
            return try await Self.person(user, tenant, connection)
        }
    }

    /// Makes the user a member, with an account if there is none of that address yet. An account that is
    /// there already is not changed, for other tenants may use it too; `conflict` when the tenant may not
    /// speak for it.
    package func createUser(
        _ draft: SCIMUserDraft, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> SCIMPerson {
        let email = try Self.email(of: draft)
        let now = environment.clock.now()
        return try await environment.write(
            "scim-users.create", .scimProvision, in: .tenant(tenant), by: caller
        ) {
            connection in
            let (account, isNew) = try await account(email, draft, in: tenant, at: now, connection)
            guard try await SCIMUserStore.find(account, in: tenant, connection) == nil else {
                throw OperationError.taken("/userName")
            }
            let user = Self.user(
                account, draft, email: email, madeAccount: isNew, createdAt: now, updatedAt: now)
            try await SCIMUserStore.put(user, in: tenant, connection)
            try await settle(user, in: tenant, at: now, connection)
            return Recorded(
                try await Self.person(user, tenant, connection),
                AuditSubject("user", account, Self.details(user)))
        }.value
    }

    /// Replaces all that is said of a user. An inactive one is no member: what they may do ends at once.
    package func replaceUser(
        _ id: UserID, in tenant: TenantID, as action: String, by caller: Caller,
        _ change: (SCIMPerson) throws(OperationError) -> SCIMUserDraft
    ) async throws(OperationError) -> SCIMPerson {
        let now = environment.clock.now()
        return try await environment.write(
            action, .scimProvision, in: .tenant(tenant), by: caller
        ) {
            connection in
            try await Self.lock("user", id, in: tenant, connection)
            let before = try found(try await SCIMUserStore.find(id, in: tenant, connection))
            let draft = try change(try await Self.person(before, tenant, connection))
            let user = Self.user(
                id, draft, email: try Self.email(of: draft), madeAccount: before.madeAccount,
                createdAt: before.createdAt, updatedAt: now)
            try await environment.keepingAnOwner(of: tenant, connection) {
                try await SCIMUserStore.put(user, in: tenant, connection)
                try await settle(user, in: tenant, at: now, connection)
            }
            return Recorded(
                try await Self.person(user, tenant, connection),
                AuditSubject("user", id, from: Self.details(before), to: Self.details(user)))
        }.value
    }

    /// Takes the user out of the tenant; their account stays.
    package func deleteUser(
        _ id: UserID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) {
        _ = try await environment.write("scim-users.delete", .scimProvision, in: .tenant(tenant), by: caller)
        {
            connection in
            let user = try found(try await SCIMUserStore.find(id, in: tenant, connection))
            try await environment.keepingAnOwner(of: tenant, connection) {
                _ = try await SCIMUserStore.delete(id, in: tenant, connection)
                try await leave(user, tenant, connection)
            }
            return Recorded(id, AuditSubject("user", id, Self.details(user)))
        }
    }

    // MARK: Groups

    package func groups(
        in tenant: TenantID, _ filter: SCIMFilter?, from position: Int64, limit: Int64, by caller: Caller
    ) async throws(OperationError) -> SCIMPage<SCIMGroup>? {
        try await environment.read(.scimProvision, in: .tenant(tenant), by: caller) { connection in
            try await SCIMGroupStore.list(of: tenant, filter, from: position, limit: limit, connection)
        }
    }

    package func group(
        _ id: GroupID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> SCIMGroup {
        try await environment.read(.scimProvision, in: .tenant(tenant), by: caller) { connection in
            try found(try await SCIMGroupStore.find(id, of: tenant, connection))
        }
    }

    package func createGroup(
        _ draft: SCIMGroupDraft, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> SCIMGroup {
        try Self.check(draft)
        let now = environment.clock.now()
        let group = SCIMGroup(
            group: Group(
                id: GroupID(at: now), tenant: tenant, name: draft.name, createdAt: now, updatedAt: now),
            externalID: draft.externalID, members: draft.members)
        return try await environment.write(
            "scim-groups.create", .scimProvision, in: .tenant(tenant), by: caller
        ) { connection in
            try await GroupStore.create(group.group, connection)
            try await SCIMGroupStore.put(group, at: now, connection)
            return Recorded(
                try found(try await SCIMGroupStore.find(group.group.id, of: tenant, connection)),
                AuditSubject("group", group.group.id, Self.details(group)))
        }.value
    }

    package func replaceGroup(
        _ id: GroupID, in tenant: TenantID, as action: String, by caller: Caller,
        _ change: (SCIMGroup) throws(OperationError) -> SCIMGroupDraft
    ) async throws(OperationError) -> SCIMGroup {
        let now = environment.clock.now()
        return try await environment.write(
            action, .scimProvision, in: .tenant(tenant), by: caller
        ) { connection in
            try await Self.lock("group", id, in: tenant, connection)
            let before = try found(try await SCIMGroupStore.find(id, of: tenant, connection))
            let draft = try change(before)
            try Self.check(draft)
            var group = before
            group.group.name = draft.name
            group.group.updatedAt = now
            group.externalID = draft.externalID
            group.members = draft.members
            try await environment.keepingAnOwner(of: tenant, connection) {
                _ = try await GroupStore.update(group.group, connection)
                try await SCIMGroupStore.put(group, at: now, connection)
            }
            return Recorded(
                try found(try await SCIMGroupStore.find(id, of: tenant, connection)),
                AuditSubject("group", id, from: Self.details(before), to: Self.details(group)))
        }.value
    }

    package func deleteGroup(
        _ id: GroupID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) {
        _ = try await environment.write("scim-groups.delete", .scimProvision, in: .tenant(tenant), by: caller)
        {
            connection in
            let group = try found(try await SCIMGroupStore.find(id, of: tenant, connection))
            try await environment.keepingAnOwner(of: tenant, connection) {
                _ = try await GroupStore.delete(id, of: tenant, connection)
            }
            return Recorded(id, AuditSubject("group", id, Self.details(group)))
        }
    }

    // MARK: Parts

    private static func person(
        _ user: SCIMUser, _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws -> SCIMPerson {
        let groups = try await SCIMUserStore.groups(of: [user.user], in: tenant, connection)
        return SCIMPerson(user: user, groups: groups[user.user] ?? [])
    }

    /// Of changes at once the second sees what the first made: they begin with what is there.
    private static func lock<Noun>(
        _ kind: String, _ id: ID<Noun>, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws {
        try await NounLock.take("scim \(kind) \(tenant) \(id)", connection)
    }

    /// Ends a membership, and the sessions that there are for it alone.
    private func leave(
        _ user: SCIMUser, _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws {
        _ = try await UserStore.removeMember(user.user, of: tenant, connection)
        let now = environment.clock.now()
        if user.madeAccount {
            _ = try await SessionStore.revokeAll(of: user.user, at: now, connection)
        } else {
            _ = try await SessionStore.revokeAll(of: user.user, begunFor: tenant, at: now, connection)
        }
    }

    /// The account with an address, made when there is none; it has no password then.
    private func account(
        _ email: String, _ draft: SCIMUserDraft, in tenant: TenantID, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws -> (id: UserID, isNew: Bool) {
        if let known = try await UserStore.find(email: email, connection) {
            guard try await environment.maySpeak(tenant, for: known, connection) else {
                throw OperationError(
                    .conflict, detail: "The account of this address is not the tenant's: invite it first.",
                    reason: "uniqueness")
            }
            return (known.id, false)
        }
        let full = [draft.givenName, draft.familyName].compactMap(\.self).joined(separator: " ")
        let name = [draft.displayName ?? "", full, email].first {
            TextRule.displayName.check($0, at: "") == nil
        }
        let user = User(
            id: UserID(at: now), email: email, name: name ?? email, createdAt: now, updatedAt: now)
        try await UserStore.create(user, passwordHash: nil, connection)
        return (user.id, true)
    }

    /// Makes membership what the provider says: an active user is a member, and in the groups named for them.
    private func settle(
        _ user: SCIMUser, in tenant: TenantID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws {
        guard user.isActive else {
            return try await leave(user, tenant, connection)
        }
        _ = try await MemberStore.add(user.user, to: tenant, at: now, connection)
        let groups = try await SCIMUserStore.groups(of: [user.user], in: tenant, connection)
        for group in groups[user.user] ?? [] {
            try await SCIMGroupStore.settle(group.id, of: tenant, at: now, connection)
        }
    }

    private static func email(of draft: SCIMUserDraft) throws(OperationError) -> String {
        let email = draft.email ?? draft.userName
        guard (1...254).contains(draft.userName.utf8.count) else {
            throw .invalid([ValidationError("/userName", .tooLong, "must have 1 to 254 bytes")])
        }
        for (name, text) in [
            ("externalId", draft.externalID), ("displayName", draft.displayName),
            ("name/givenName", draft.givenName), ("name/familyName", draft.familyName),
        ] where (text?.utf8.count ?? 0) > 255 {
            throw .invalid([ValidationError("/\(name)", .tooLong, "must have at most 255 bytes")])
        }
        if let problem = TextRule.email.check(email, at: "/emails") {
            throw .invalid([
                ValidationError("/emails", problem.code, "or userName must be an e-mail address")
            ])
        }
        return email
    }

    private static func check(_ draft: SCIMGroupDraft) throws(OperationError) {
        if let problem = TextRule.displayName.check(draft.name, at: "/displayName") {
            throw .invalid([problem])
        }
        if (draft.externalID?.utf8.count ?? 0) > 255 {
            throw .invalid([ValidationError("/externalId", .tooLong, "must have at most 255 bytes")])
        }
        if draft.members.count > maximumGroupMembers {
            throw .invalid([
                ValidationError("/members", .tooLong, "must have at most \(maximumGroupMembers) entries")
            ])
        }
    }

    private static func user(
        _ id: UserID, _ draft: SCIMUserDraft, email: String, madeAccount: Bool, createdAt: Timestamp,
        updatedAt: Timestamp
    ) -> SCIMUser {
        SCIMUser(
            user: id, userName: draft.userName, externalID: draft.externalID, displayName: draft.displayName,
            givenName: draft.givenName, familyName: draft.familyName, email: email,
            isActive: draft.isActive, madeAccount: madeAccount, createdAt: createdAt, updatedAt: updatedAt)
    }

    private static func details(_ user: SCIMUser) -> JSONValue {
        [
            "email": .string(user.email), "user_name": .string(user.userName),
            "active": .boolean(user.isActive),
        ]
    }

    private static func details(_ group: SCIMGroup) -> JSONValue {
        [
            "name": .string(group.group.name),
            "members": .array(group.members.prefix(100).map { .string($0.description) }),
        ]
    }
}

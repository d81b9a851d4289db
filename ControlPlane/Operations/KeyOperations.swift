import Contract
import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// A key and what can only be said at a moment.
package struct KeyState: Sendable {
    package let key: Key
    package let standing: KeyStanding
    /// As far as usage has come in.
    package let lastUsedAt: Timestamp?

    init(_ key: Key, lastUsedAt: Timestamp? = nil, at now: Timestamp) {
        self.key = key
        self.standing = key.standing(at: now)
        self.lastUsedAt = lastUsedAt
    }
}

/// A key with its text, which nobody sees again.
package struct IssuedKey: Sendable {
    package let state: KeyState
    package let text: KeyText
}

/// A revoked key and the token by which its way to the nodes can be followed.
package struct RevokedKey: Sendable {
    package let state: KeyState
    package let token: ChangeToken
}

/// What a new key is made of.
package struct NewKey: Sendable {
    package var workspace: WorkspaceID
    package var name: String
    package var permitted: KeyPermissions
    package var notBefore: Timestamp?
    package var expires: Timestamp?

    package init(
        workspace: WorkspaceID, name: String, permitted: KeyPermissions = .everything,
        notBefore: Timestamp? = nil, expires: Timestamp? = nil
    ) {
        self.workspace = workspace
        self.name = name
        self.permitted = permitted
        self.notBefore = notBefore
        self.expires = expires
    }
}

/// Applications' credentials.
package struct KeyOperations {
    let environment: OperationEnvironment

    /// Keys of a tenant, or of one workspace for those who may only read there.
    package func list(
        in tenant: TenantID, workspace: WorkspaceID?, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<KeyState> {
        let scope = workspace.map { Scope.workspace(tenant, $0) } ?? .tenant(tenant)
        let now = environment.clock.now()
        return try await environment.read(.keysRead, in: scope, by: caller) { connection in
            let listing = try await KeyStore.list(
                of: tenant, workspace: workspace, page.of(Key.self), connection)
            return ListPage(listing) { KeyState($0.key, lastUsedAt: $0.lastUsedAt, at: now) }
        }
    }

    package func get(
        _ id: KeyID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> KeyState {
        try caller.demandSomewhere(.keysRead, in: tenant)
        let now = environment.clock.now()
        return try await environment.view(of: tenant) { connection in
            let key = try found(try await KeyStore.find(id, of: tenant, connection))
            guard caller.may(.keysRead, in: .workspace(tenant, key.workspace)) else {
                throw OperationError.notFound
            }
            return KeyState(key, lastUsedAt: try await KeyStore.lastUse(of: id, tenant, connection), at: now)
        }
    }

    /// Issues a key. Only the SHA-256 of its secret is kept; the text is in the answer and nowhere else.
    package func create(
        _ new: NewKey, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<IssuedKey> {
        let now = environment.clock.now()
        try check(Self.problems(new, at: now))
        var generator = SecureRandomNumberGenerator()
        let text = KeyText(using: &generator)
        let key = Key(
            id: KeyID(at: now), tenant: tenant, workspace: new.workspace, name: new.name,
            publicID: text.publicID, permitted: new.permitted, notBefore: new.notBefore, expires: new.expires,
            createdAt: now)
        let scope = Scope.workspace(tenant, new.workspace)
        return try await environment.write("keys.create", .keysCreate, in: scope, by: caller) { connection in
            try await requireRoutes(new.permitted.routes, tenant, connection)
            try await KeyStore.create(
                key, secretHash: SecretHash(of: text), createdBy: caller.user, connection)
            return Recorded(
                IssuedKey(state: KeyState(key, at: now), text: text),
                AuditSubject("key", key.id, Self.details(key)))
        }
    }

    /// Revokes a key for good. A revoked one is `already_revoked`, so that whoever asks knows it was not
    /// them.
    package func revoke(
        _ id: KeyID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<RevokedKey> {
        try caller.demandSomewhere(.keysRevoke, in: tenant)
        let now = environment.clock.now()
        let changed = try await environment.write("keys.revoke", in: .tenant(tenant), by: AuditActor(caller))
        {
            connection in
            let standing = try found(try await KeyStore.find(id, of: tenant, connection))
            guard caller.may(.keysRevoke, in: .workspace(tenant, standing.workspace)) else {
                throw OperationError.notFound
            }
            if standing.revoked != nil { throw OperationError(.alreadyRevoked) }
            let key = try found(try await KeyStore.revoke(id, of: tenant, at: now, connection))
            let lastUse = try await KeyStore.lastUse(of: id, tenant, connection)
            return Recorded(
                KeyState(key, lastUsedAt: lastUse, at: now), AuditSubject("key", id, Self.details(key)))
        }
        return Changed(RevokedKey(state: changed.value, token: changed.token), token: changed.token)
    }

    // MARK: Parts

    private static func problems(_ new: NewKey, at now: Timestamp) -> [ValidationError] {
        var found = [TextRule.displayName.check(new.name, at: "/name")].compactMap(\.self)
        if let expires = new.expires, expires <= now {
            found.append(ValidationError("/expires_at", .outOfRange, "must lie in the future"))
        }
        if let start = new.notBefore, let end = new.expires, end <= start {
            found.append(ValidationError("/expires_at", .outOfRange, "must lie after not_before"))
        }
        if new.permitted.routes.count > KeyPermissions.maximumRoutes {
            found.append(
                ValidationError(
                    "/routes", .tooLong, "must have at most \(KeyPermissions.maximumRoutes) entries"))
        }
        return found
    }

    private func requireRoutes(
        _ routes: [RouteID], _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws {
        for (index, route) in routes.enumerated()
        where try await RouteStore.find(route, of: tenant, connection) == nil {
            throw OperationError.missing("/routes/\(index)", "a route of this tenant")
        }
    }

    private static func details(_ key: Key) -> JSONValue {
        [
            "name": .string(key.name), "prefix": .string("ek_\(key.publicID)"),
            "workspace": .string(key.workspace.description),
        ]
    }
}

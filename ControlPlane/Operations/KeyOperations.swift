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

/// Many keys revoked in one transaction.
package struct RevokedKeys: Sendable {
    package let ids: [KeyID]
    /// Keys that pass the filter and are not revoked yet: ask again.
    package let remaining: Int
    package let token: ChangeToken
}

/// What a new key is made of.
package struct NewKey: Sendable {
    package var workspace: WorkspaceID
    package var name: String
    package var kind: KeyKind
    package var owner: UserID?
    package var permitted: KeyPermissions
    package var notBefore: Timestamp?
    package var expires: Timestamp?
    package var isStrict: Bool
    package var tags: [String]
    package var metadata: [String: String]

    package init(
        workspace: WorkspaceID, name: String, kind: KeyKind = .application, owner: UserID? = nil,
        permitted: KeyPermissions = .everything, notBefore: Timestamp? = nil, expires: Timestamp? = nil,
        isStrict: Bool = false, tags: [String] = [], metadata: [String: String] = [:]
    ) {
        self.workspace = workspace
        self.name = name
        self.kind = kind
        self.owner = owner
        self.permitted = permitted
        self.notBefore = notBefore
        self.expires = expires
        self.isStrict = isStrict
        self.tags = tags
        self.metadata = metadata
    }
}

/// What becomes of a field that may be empty.
package enum Edit<Value: Sendable>: Sendable {
    case keep
    case clear
    case set(Value)

    package func applied(to value: Value?) -> Value? {
        switch self {
        case .keep: value
        case .clear: nil
        case .set(let new): new
        }
    }
}

/// What changes about a key; nil stays as it is.
package struct KeyChange: Sendable {
    package var name: String?
    package var owner: Edit<UserID> = .keep
    package var endpoints: EndpointSet?
    package var routes: [RouteID]?
    package var models: [ModelID]?
    package var addresses: [AddressRange]?
    package var notBefore: Edit<Timestamp> = .keep
    package var expires: Edit<Timestamp> = .keep
    package var isStrict: Bool?
    package var tags: [String]?
    package var metadata: [String: String]?

    package init() {}

    func apply(to key: inout Key) {
        key.name = name ?? key.name
        key.owner = owner.applied(to: key.owner)
        key.permitted = KeyPermissions(
            endpoints: endpoints ?? key.permitted.endpoints, routes: routes ?? key.permitted.routes,
            models: models ?? key.permitted.models, addresses: addresses ?? key.permitted.addresses)
        key.notBefore = notBefore.applied(to: key.notBefore)
        key.expires = expires.applied(to: key.expires)
        key.isStrict = isStrict ?? key.isStrict
        key.tags = tags ?? key.tags
        key.metadata = metadata ?? key.metadata
    }
}

/// Applications' credentials.
package struct KeyOperations {
    let environment: OperationEnvironment

    /// Keys revoked in one transaction, at most.
    package static let maximumRevokedAtOnce = 500
    /// How long an old secret works when nobody says.
    package static let usualOverlapSeconds: Int64 = 86_400

    /// Keys of a tenant, or of one workspace for those who may only read there.
    package func list(
        in tenant: TenantID, where filter: KeyFilter, standing: KeyStanding? = nil, _ page: PageRequest,
        by caller: Caller
    ) async throws(OperationError) -> ListPage<KeyState> {
        let now = environment.clock.now()
        return try await environment.read(.keysRead, in: Self.scope(of: filter, tenant), by: caller) {
            connection in
            let listing = try await KeyStore.list(
                of: tenant, where: filter, standing: standing.map { ($0, at: now) }, page.of(Key.self),
                connection)
            return ListPage(listing) { KeyState($0.key, lastUsedAt: $0.lastUsedAt, at: now) }
        }
    }

    package func get(
        _ id: KeyID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> KeyState {
        try caller.demandSomewhere(.keysRead, in: tenant)
        let now = environment.clock.now()
        return try await environment.view(of: tenant) { connection in
            let listed = try found(try await KeyStore.findListed(id, of: tenant, connection))
            try demand(.keysRead, of: listed.key, by: caller)
            return KeyState(listed.key, lastUsedAt: listed.lastUsedAt, at: now)
        }
    }

    /// Issues a key. Only the SHA-256 of its secret is kept; the text is in the answer and nowhere else.
    package func create(
        _ new: NewKey, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<IssuedKey> {
        let now = environment.clock.now()
        var generator = SecureRandomNumberGenerator()
        let text = KeyText(using: &generator)
        let latest = now.advanced(bySeconds: Key.playgroundSeconds)
        let key = Key(
            id: KeyID(at: now), tenant: tenant, workspace: new.workspace, name: new.name, kind: new.kind,
            owner: new.owner, publicID: text.publicID, permitted: new.permitted, notBefore: new.notBefore,
            expires: new.expires ?? (new.kind == .playground ? latest : nil), isStrict: new.isStrict,
            tags: new.tags, metadata: new.metadata, createdAt: now)
        try check(key.problems + Self.endsInThePast(key.expires, at: now))
        let scope = Scope.workspace(tenant, new.workspace)
        return try await environment.write("keys.create", .keysCreate, in: scope, by: caller) { connection in
            try await requireRoutes(new.permitted.routes, tenant, connection)
            try await requireModels(new.permitted.models, tenant, connection)
            try await KeyStore.create(
                key, secretHash: SecretHash(of: text), createdBy: caller.user, connection)
            return Recorded(
                IssuedKey(state: KeyState(key, at: now), text: text),
                AuditSubject("key", key.id, Self.details(key)))
        }
    }

    /// Changes a key that is not revoked; a revoked one is `already_revoked`.
    package func update(
        _ id: KeyID, _ change: KeyChange, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<KeyState> {
        try caller.demandSomewhere(.keysUpdate, in: tenant)
        let now = environment.clock.now()
        return try await environment.write("keys.update", in: .tenant(tenant), by: AuditActor(caller)) {
            connection in
            var key = try await standing(id, tenant, .keysUpdate, to: caller, connection)
            let seen = key.updatedAt
            change.apply(to: &key)
            key.updatedAt = now
            var problems = key.problems
            if case .set(let expires) = change.expires { problems += Self.endsInThePast(expires, at: now) }
            try check(problems)
            try await requireRoutes(change.routes ?? [], tenant, connection)
            try await requireModels(change.models ?? [], tenant, connection)
            guard let written = try await KeyStore.update(key, expecting: seen, connection) else {
                throw OperationError(.preconditionFailed)
            }
            return Recorded(
                try await state(of: written, at: now, connection),
                AuditSubject("key", id, Self.details(written)))
        }
    }

    /// Gives a key a new secret. The one it had works until a moment (nil: a day from now), so that programs
    /// can be moved over; the one before that ends at once.
    package func rotate(
        _ id: KeyID, previousUntil: Timestamp?, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<IssuedKey> {
        try caller.demandSomewhere(.keysRotate, in: tenant)
        let now = environment.clock.now()
        let until = previousUntil ?? now.advanced(bySeconds: Self.usualOverlapSeconds)
        if until > now.advanced(bySeconds: Key.maximumOverlapSeconds) {
            let message = "must be at most \(Key.maximumOverlapSeconds / 86_400) days from now"
            throw .invalid([ValidationError("/previous_valid_until", .outOfRange, message)])
        }
        return try await environment.write("keys.rotate", in: .tenant(tenant), by: AuditActor(caller)) {
            connection in
            let old = try await standing(id, tenant, .keysRotate, to: caller, connection)
            var generator = SecureRandomNumberGenerator()
            let text = KeyText(rotating: old.publicID, using: &generator)
            let rotated = try await KeyStore.rotate(
                id, of: tenant, to: SecretHash(of: text), previousUntil: max(until, now), at: now, connection)
            let key = try found(rotated)
            var details = Self.details(key).object ?? JSONObject()
            details["previous_valid_until"] = .string(max(until, now).description)
            return Recorded(
                IssuedKey(state: try await state(of: key, at: now, connection), text: text),
                AuditSubject("key", id, .object(details)))
        }
    }

    /// Ends the secret before the last rotation now.
    package func endOverlap(
        _ id: KeyID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<KeyState> {
        try caller.demandSomewhere(.keysRotate, in: tenant)
        let now = environment.clock.now()
        return try await environment.write("keys.end-overlap", in: .tenant(tenant), by: AuditActor(caller)) {
            connection in
            _ = try await standing(id, tenant, .keysRotate, to: caller, connection)
            let key = try found(try await KeyStore.endOverlap(id, of: tenant, at: now, connection))
            return Recorded(
                try await state(of: key, at: now, connection), AuditSubject("key", id, Self.details(key)))
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
            _ = try await standing(id, tenant, .keysRevoke, to: caller, connection)
            guard let key = try await KeyStore.revoke(id, of: tenant, at: now, connection) else {
                throw OperationError(.alreadyRevoked)
            }
            return Recorded(
                try await state(of: key, at: now, connection), AuditSubject("key", id, Self.details(key)))
        }
        return Changed(RevokedKey(state: changed.value, token: changed.token), token: changed.token)
    }

    /// Revokes the keys that pass a filter, the newest first, at most `maximumRevokedAtOnce` in one
    /// transaction; `remaining` says whether to ask again. A filter that lets every key pass is refused.
    package func revokeMatching(
        _ filter: KeyFilter, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<RevokedKeys> {
        if filter.isEmpty {
            throw .invalid([ValidationError("", .required, "must name at least one filter")])
        }
        let now = environment.clock.now()
        let scope = Self.scope(of: filter, tenant)
        let changed = try await environment.write(
            "keys.revoke-matching", .keysRevoke, in: scope, by: caller
        ) { connection in
            let ids = try await KeyStore.revokeMatching(
                filter, of: tenant, limit: Self.maximumRevokedAtOnce, at: now, connection)
            let remaining = try await KeyStore.countMatching(filter, of: tenant, connection)
            let details: JSONValue = [
                "revoked": .array(ids.map { .string($0.description) }),
                "remaining": .number(JSONNumber(Int64(remaining))),
            ]
            return Recorded((ids, remaining), AuditSubject(many: "key", details))
        }
        let (ids, remaining) = changed.value
        return Changed(
            RevokedKeys(ids: ids, remaining: remaining, token: changed.token), token: changed.token)
    }

    // MARK: Parts

    private static func scope(of filter: KeyFilter, _ tenant: TenantID) -> Scope {
        filter.workspace.map { .workspace(tenant, $0) } ?? .tenant(tenant)
    }

    /// The key, for a caller who has the permission in its workspace; to others it is not there.
    private func visible(
        _ id: KeyID, _ tenant: TenantID, _ permission: Permission, to caller: Caller,
        _ connection: PostgresConnection
    ) async throws -> Key {
        let key = try found(try await KeyStore.find(id, of: tenant, connection))
        try demand(permission, of: key, by: caller)
        return key
    }

    /// To callers without the permission in its workspace a key is not there.
    private func demand(
        _ permission: Permission, of key: Key, by caller: Caller
    ) throws(OperationError) {
        guard caller.may(permission, in: .workspace(key.tenant, key.workspace)) else { throw .notFound }
    }

    /// As `visible`, of a key that is not revoked.
    private func standing(
        _ id: KeyID, _ tenant: TenantID, _ permission: Permission, to caller: Caller,
        _ connection: PostgresConnection
    ) async throws -> Key {
        let key = try await visible(id, tenant, permission, to: caller, connection)
        if key.revoked != nil { throw OperationError(.alreadyRevoked) }
        return key
    }

    private func state(
        of key: Key, at now: Timestamp, _ connection: PostgresConnection
    ) async throws -> KeyState {
        KeyState(
            key, lastUsedAt: try await KeyStore.lastUse(of: key.id, key.tenant, connection), at: now)
    }

    private static func endsInThePast(_ expires: Timestamp?, at now: Timestamp) -> [ValidationError] {
        guard let expires, expires <= now else { return [] }
        return [ValidationError("/expires_at", .outOfRange, "must lie in the future")]
    }

    private func requireRoutes(
        _ routes: [RouteID], _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws {
        for (index, route) in routes.enumerated()
        where try await RouteStore.find(route, of: tenant, connection) == nil {
            throw OperationError.missing("/routes/\(index)", "a route of this tenant")
        }
    }

    private func requireModels(
        _ models: [ModelID], _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws {
        for (index, model) in models.enumerated() {
            if try await ModelStore.find(model, of: tenant, connection) != nil { continue }
            if try await ModelStore.find(model, of: nil, connection) != nil { continue }
            throw OperationError.missing("/models/\(index)", "a model of this tenant or a shared one")
        }
    }

    private static func details(_ key: Key) -> JSONValue {
        [
            "name": .string(key.name), "kind": .string(key.kind.rawValue),
            "prefix": .string("ek_\(key.publicID)"), "workspace": .string(key.workspace.description),
            "owner": key.owner.map { .string($0.description) } ?? .null,
            "routes": .array(key.permitted.routes.map { .string($0.description) }),
            "models": .array(key.permitted.models.map { .string($0.description) }),
            "ip_ranges": .array(key.permitted.addresses.map { .string($0.description) }),
            "expires_at": key.expires.map { .string($0.description) } ?? .null,
            "tags": .array(key.tags.map { .string($0) }),
        ]
    }
}

package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// What an identity provider is made of, or (nil) what stays as it is.
package struct IdentityProviderChange: Sendable {
    package var name: String?
    package var issuer: String?
    package var clientID: String?
    package var clientSecret: Secret?
    package var scopes: [String]?
    package var groupClaim: String?
    package var mappings: [IdentityProvider.RoleMapping]?
    package var allowedDomains: [String]?
    package var createsUsers: Bool?
    package var isEnabled: Bool?

    package init() {}
}

/// Where people may sign in instead of here. `owner` nil: the platform's.
package struct IdentityProviderOperations {
    let environment: OperationEnvironment

    package func list(
        of owner: TenantID?, isEnabled: Bool? = nil, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<IdentityProvider> {
        try await environment.read(.identityProvidersRead, in: .owner(owner), by: caller) { connection in
            ListPage(
                try await IdentityProviderStore.list(
                    of: owner, isEnabled: isEnabled, page.of(IdentityProvider.self), connection))
        }
    }

    package func get(
        _ id: IdentityProviderID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> IdentityProvider {
        try await environment.read(.identityProvidersRead, in: .owner(owner), by: caller) { connection in
            try found(try await IdentityProviderStore.find(id, of: owner, connection))
        }
    }

    /// Nobody maps a group to a role with permissions they lack.
    package func create(
        name: String, issuer: String, clientID: String, _ rest: IdentityProviderChange, of owner: TenantID?,
        by caller: Caller
    ) async throws(OperationError) -> IdentityProvider {
        try caller.demand(.identityProvidersCreate, in: .owner(owner))
        let now = environment.clock.now()
        let provider = IdentityProvider(
            id: IdentityProviderID(at: now), tenant: owner, name: name, issuer: issuer, clientID: clientID,
            hasClientSecret: rest.clientSecret != nil, scopes: rest.scopes ?? ["openid", "email", "profile"],
            groupClaim: rest.groupClaim ?? "groups", mappings: rest.mappings ?? [],
            allowedDomains: rest.allowedDomains ?? [], createsUsers: rest.createsUsers ?? false,
            isEnabled: rest.isEnabled ?? true, createdAt: now, updatedAt: now)
        try check(problems(provider, by: caller))
        let sealed = rest.clientSecret.map { seal($0, provider.id) }
        return try await environment.write(
            "identity-providers.create", .identityProvidersCreate, in: .owner(owner), by: caller
        ) { connection in
            try await IdentityProviderStore.create(provider, sealedSecret: sealed, connection)
            return Recorded(
                provider, AuditSubject("identity-provider", provider.id, Self.details(provider)))
        }.value
    }

    package func update(
        _ id: IdentityProviderID, _ change: IdentityProviderChange, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> IdentityProvider {
        let sealed = change.clientSecret.map { seal($0, id) }
        return try await environment.write(
            "identity-providers.update", .identityProvidersUpdate, in: .owner(owner), by: caller
        ) { connection in
            var provider = try found(try await IdentityProviderStore.find(id, of: owner, connection))
            let (before, seen) = (Self.details(provider), provider.updatedAt)
            provider.apply(change)
            try check(problems(provider, by: caller))
            provider.updatedAt = environment.clock.now()
            guard
                try await IdentityProviderStore.update(
                    provider, sealedSecret: sealed, expecting: seen, connection)
            else { throw OperationError(.preconditionFailed) }
            return Recorded(
                provider,
                AuditSubject("identity-provider", id, from: before, to: Self.details(provider)))
        }.value
    }

    /// Deletes it with the links to users; the users stay.
    package func delete(
        _ id: IdentityProviderID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) {
        _ = try await environment.write(
            "identity-providers.delete", .identityProvidersDelete, in: .owner(owner), by: caller
        ) { connection in
            let provider = try found(try await IdentityProviderStore.find(id, of: owner, connection))
            _ = try await IdentityProviderStore.delete(id, of: owner, connection)
            return Recorded(id, AuditSubject("identity-provider", id, Self.details(provider)))
        }
    }

    // MARK: Parts

    private func problems(_ provider: IdentityProvider, by caller: Caller) -> [ValidationError] {
        var problems = [TextRule.displayName.check(provider.name, at: "/name")].compactMap(\.self)
        if let url = BaseURL(provider.issuer) {
            if let reason = environment.egressRefusal(url) {
                problems.append(ValidationError("/issuer", .notAllowed, "cannot be reached: \(reason)"))
            }
        } else {
            problems.append(
                ValidationError("/issuer", .invalidFormat, "must be an https URL without query or fragment"))
        }
        if !provider.scopes.contains("openid") {
            problems.append(ValidationError("/scopes", .required, "must contain openid"))
        }
        for (index, mapping) in provider.mappings.enumerated() {
            let role = Role.builtIn(named: mapping.role)
            if role.map({ mayGrant(caller.authority, $0, in: .owner(provider.tenant)) }) != true {
                problems.append(
                    ValidationError(
                        "/role_mappings/\(index)/role", .notAllowed,
                        "cannot be given there: it needs another place, or permissions the caller lacks"))
            }
        }
        return problems
    }

    private func seal(_ secret: Secret, _ id: IdentityProviderID) -> [UInt8] {
        environment.keys.identity.seal(secret, for: Self.place(id))
    }

    static func place(_ id: IdentityProviderID) -> String { "identity-provider/\(id)" }

    private static func details(_ provider: IdentityProvider) -> JSONValue {
        [
            "name": .string(provider.name), "issuer": .string(provider.issuer),
            "client_id": .string(provider.clientID), "enabled": .boolean(provider.isEnabled),
            "creates_users": .boolean(provider.createsUsers),
            "allowed_domains": .array(provider.allowedDomains.map { .string($0) }),
            "role_mappings": .array(
                provider.mappings.map { ["group": .string($0.group), "role": .string($0.role)] }),
        ]
    }
}

extension IdentityProvider {
    fileprivate mutating func apply(_ change: IdentityProviderChange) {
        name = change.name ?? name
        issuer = change.issuer ?? issuer
        clientID = change.clientID ?? clientID
        hasClientSecret = hasClientSecret || change.clientSecret != nil
        scopes = change.scopes ?? scopes
        groupClaim = change.groupClaim ?? groupClaim
        mappings = change.mappings ?? mappings
        allowedDomains = change.allowedDomains ?? allowedDomains
        createsUsers = change.createsUsers ?? createsUsers
        isEnabled = change.isEnabled ?? isEnabled
    }
}

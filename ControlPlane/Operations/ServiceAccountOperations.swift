import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// A management token and what can only be said at a moment.
package struct ManagementTokenState: Sendable {
    package let token: ManagementToken
    package let standing: ManagementToken.Standing

    init(_ token: ManagementToken, at now: Timestamp) {
        self.token = token
        standing = token.standing(at: now)
    }
}

/// A token with its text, which nobody sees again.
package struct IssuedManagementToken: Sendable {
    package let token: ManagementTokenState
    package let text: ManagementTokenText
}

/// Machines that use the admin API with tokens of their own: a tenant's, or (no owner) the platform's.
package struct ServiceAccountOperations {
    /// How long a token lives at most. Unit: days.
    package static let maximumTokenDays: Int64 = 366

    let environment: OperationEnvironment

    package func list(
        of owner: TenantID?, status: ServiceAccount.Status? = nil, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<ServiceAccount> {
        try await environment.read(.serviceAccountsRead, in: .owner(owner), by: caller) { connection in
            ListPage(
                try await ServiceAccountStore.list(
                    of: Self.home(owner), status: status, page.of(ServiceAccount.self), connection))
        }
    }

    package func get(
        _ id: ServiceAccountID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> ServiceAccount {
        try await environment.read(.serviceAccountsRead, in: .owner(owner), by: caller) { connection in
            try found(try await ServiceAccountStore.find(id, of: Self.home(owner), connection))
        }
    }

    /// Makes an account that may do nothing yet: give it roles by bindings.
    package func create(
        name: String, description: String, in owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<ServiceAccount> {
        try check(Group.problems(name: name, description: description))
        let now = environment.clock.now()
        let account = ServiceAccount(
            id: ServiceAccountID(at: now), tenant: Self.home(owner), name: name, description: description,
            createdAt: now, updatedAt: now)
        return try await environment.write(
            "service-accounts.create", .serviceAccountsCreate, in: .owner(owner), by: caller
        ) { connection in
            try await ServiceAccountStore.create(account, connection)
            return Recorded(account, AuditSubject("service_account", account.id, Self.details(account)))
        }
    }

    /// Changes what is not nil. A disabled account's tokens stop working at once.
    package func update(
        _ id: ServiceAccountID, name: String?, description: String?, status: ServiceAccount.Status?,
        in owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<ServiceAccount> {
        try await environment.write(
            "service-accounts.update", .serviceAccountsUpdate, in: .owner(owner), by: caller
        ) { connection in
            let before = try found(try await ServiceAccountStore.find(id, of: Self.home(owner), connection))
            try await demandRoles(of: id, caller, connection)
            var account = before
            account.name = name ?? account.name
            account.description = description ?? account.description
            account.status = status ?? account.status
            account.updatedAt = environment.clock.now()
            try check(Group.problems(name: account.name, description: account.description))
            guard
                let changed = try await ServiceAccountStore.update(
                    account, expecting: before.updatedAt, connection)
            else { throw OperationError(.preconditionFailed) }
            return Recorded(
                changed,
                AuditSubject(
                    "service_account", id, from: Self.details(before), to: Self.details(changed)))
        }
    }

    /// With its tokens and roles.
    package func delete(
        _ id: ServiceAccountID, in owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<ServiceAccount> {
        try await environment.write(
            "service-accounts.delete", .serviceAccountsDelete, in: .owner(owner), by: caller
        ) { connection in
            let account = try found(try await ServiceAccountStore.find(id, of: Self.home(owner), connection))
            try await demandRoles(of: id, caller, connection)
            _ = try await ServiceAccountStore.delete(id, of: Self.home(owner), connection)
            return Recorded(account, AuditSubject("service_account", id, Self.details(account)))
        }
    }

    // MARK: Tokens

    package func tokens(
        of id: ServiceAccountID, standing: ManagementToken.Standing? = nil, in owner: TenantID?,
        _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<ManagementTokenState> {
        let now = environment.clock.now()
        return try await environment.read(.serviceAccountsRead, in: .owner(owner), by: caller) { connection in
            _ = try found(try await ServiceAccountStore.find(id, of: Self.home(owner), connection))
            return ListPage(
                try await ManagementTokenStore.list(
                    of: id, of: Self.home(owner), standing: standing.map { ($0, at: now) },
                    page.of(ManagementTokenNoun.self), connection)
            ) { ManagementTokenState($0, at: now) }
        }
    }

    /// Issues a token. Only its SHA-256 is kept; the text is in the answer and nowhere else. Whoever holds it
    /// may do what the account may, so the caller must be able to give all of that.
    package func createToken(
        of id: ServiceAccountID, name: String, expires: Timestamp?, in owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<IssuedManagementToken> {
        let now = environment.clock.now()
        let latest = now.advanced(bySeconds: Self.maximumTokenDays * 86_400)
        try check([TextRule.displayName.check(name, at: "/name")].compactMap(\.self))
        if let expires, expires <= now || expires > latest {
            throw .invalid([
                ValidationError(
                    "/expires_at", .outOfRange,
                    "must lie in the future, within \(Self.maximumTokenDays) days")
            ])
        }
        var generator = SecureRandomNumberGenerator()
        let text = ManagementTokenText(using: &generator)
        let token = ManagementToken(
            id: ManagementTokenID(at: now), tenant: Self.home(owner), serviceAccount: id, name: name,
            publicID: text.publicID, expires: expires ?? latest, createdAt: now)
        return try await environment.write(
            "service-accounts.create-token", .serviceAccountsUpdate, in: .owner(owner), by: caller
        ) { connection in
            _ = try found(try await ServiceAccountStore.find(id, of: Self.home(owner), connection))
            try await demandRoles(of: id, caller, connection)
            try await ManagementTokenStore.create(
                token, hash: sha256(text.reveal()), createdBy: caller.user, connection)
            return Recorded(
                IssuedManagementToken(token: ManagementTokenState(token, at: now), text: text),
                AuditSubject("management_token", token.id, Self.details(token)))
        }
    }

    /// Revokes a token for good, from the next request on.
    package func revokeToken(
        _ token: ManagementTokenID, of id: ServiceAccountID, in owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<ManagementTokenState> {
        let now = environment.clock.now()
        return try await environment.write(
            "service-accounts.revoke-token", .serviceAccountsUpdate, in: .owner(owner), by: caller
        ) { connection in
            let known = try found(
                try await ManagementTokenStore.find(token, of: Self.home(owner), connection))
            guard known.serviceAccount == id else { throw OperationError.notFound }
            guard
                let revoked = try await ManagementTokenStore.revoke(
                    token, of: Self.home(owner), at: now, connection)
            else { throw OperationError(.alreadyRevoked) }
            return Recorded(
                ManagementTokenState(revoked, at: now),
                AuditSubject("management_token", token, Self.details(revoked)))
        }
    }

    // MARK: Using

    /// Whatever was wrong with it: who only tries tokens learns nothing.
    private static let tokenRefused = OperationError.unauthenticated(
        "The management token is unknown, revoked or expired, or its service account is disabled.")

    /// Who a management token speaks for, with what they may do at this moment.
    package func authenticate(
        _ text: String, from origin: RequestOrigin
    ) async throws(OperationError) -> Caller {
        guard let token = ManagementTokenText(text) else { throw Self.tokenRefused }
        let now = environment.clock.now()
        let holder = try await environment.viewAcrossTenants { connection in
            try await ManagementTokenStore.holder(token.publicID, connection)
        }
        guard let (tenant, account) = holder else { throw Self.tokenRefused }
        do {
            return try await environment.database.withTenant(tenant) { connection in
                let used = try await ManagementTokenStore.use(
                    token.publicID, hash: sha256(text), of: tenant, at: now, connection)
                guard let used else { throw Self.tokenRefused }
                let bindings = try await BindingStore.effective(of: account, connection)
                return Caller(
                    serviceAccount: account, token: used.id, authority: Authority(bindings.map(\.counted)),
                    origin: origin)
            }
        } catch {
            throw OperationError(error)
        }
    }

    // MARK: Parts

    /// Where the rows are.
    private static func home(_ owner: TenantID?) -> TenantID { owner ?? .platform }

    private func demandRoles(
        of id: ServiceAccountID, _ caller: Caller, _ connection: PostgresConnection
    ) async throws {
        let roles = try await BindingStore.effective(of: id, connection)
        try caller.demandGrantable(roles.map(\.counted), at: "service account")
    }

    private static func details(_ account: ServiceAccount) -> JSONValue {
        [
            "name": .string(account.name), "description": .string(account.description),
            "status": .string(account.status.rawValue),
        ]
    }

    private static func details(_ token: ManagementToken) -> JSONValue {
        [
            "name": .string(token.name), "service_account": .string(token.serviceAccount.description),
            "public_id": .string(token.publicID.description),
        ]
    }
}

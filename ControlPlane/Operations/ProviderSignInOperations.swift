import Cryptography
package import Domain
import JSONText
import OpenID
import PostgresDriver
import Store
import Telemetry

/// A sign-in that is away at a provider.
package struct ProviderSignIn: Sendable {
    /// Where the browser goes.
    package let authorizationURL: String
    /// What the browser keeps and shows when it comes back: without it the answer is worth nothing.
    package let flow: String
    package let expires: Timestamp
}

/// Signing in at an identity provider: authorisation code with PKCE; state, nonce and browser are bound
/// together in one flow, which counts once.
///
/// A tenant's provider speaks for that tenant alone: sessions that begin by it hold no rights elsewhere, and
/// it can only claim people who are members already, or new ones.
package struct ProviderSignInOperations {
    static let flowSeconds: Int64 = 600
    static let maximumGroups = 1_000
    /// The same whether there is an account of the address elsewhere or not.
    private static let stranger = "Nobody of this address belongs here; ask to be invited."

    let environment: OperationEnvironment

    /// Where one may sign in: at the providers of the tenant with this slug, or (nil) of the platform. An
    /// unknown slug has none.
    package func options(slug: String?) async throws(OperationError) -> [IdentityProvider] {
        var tenant: TenantID?
        if let slug {
            let found = try await environment.viewAcrossTenants { connection in
                try await TenantStore.find(slug: slug, connection)
            }
            guard let found else { return [] }
            tenant = found.id
        }
        return try await environment.view(of: tenant) { connection in
            try await IdentityProviderStore.listUsable(of: tenant, connection)
        }
    }

    package func begin(_ id: IdentityProviderID) async throws(OperationError) -> ProviderSignIn {
        guard let provider = try await usable(id) else {
            throw .missing("/provider", "an identity provider where people may sign in")
        }
        let client = try openID()
        let metadata = try await failing(provider) { () async throws(OpenIDFailure) -> ProviderMetadata in
            try await client.metadata(of: provider.issuer)
        }
        let (flow, state) = (OneTimeToken(.signInFlow), Base64.encodeURL(randomBytes(32)))
        let (nonce, verifier) = (Base64.encodeURL(randomBytes(32)), Base64.encodeURL(randomBytes(32)))
        let sealed = environment.keys.identity.seal(
            Secret(utf8: "\(nonce) \(verifier)"), for: Self.place(flow.digest))
        let expires = environment.clock.now().advanced(bySeconds: Self.flowSeconds)
        do {
            try await environment.database.withConnection { connection in
                try await SignInFlowStore.create(
                    token: flow.digest, state: sha256(state), to: id, sealed: sealed, expires: expires,
                    connection)
            }
        } catch { throw OperationError(error) }
        let url = client.authorizationURL(
            metadata, clientID: provider.clientID, redirectURI: environment.redirectURI(of: id),
            scopes: provider.scopes, state: state, nonce: nonce, verifier: verifier)
        return ProviderSignIn(authorizationURL: url, flow: flow.reveal(), expires: expires)
    }

    /// Ends a sign-in with what the provider sent the browser back with; answers as a password does.
    ///
    /// `id` is the provider whose own address the browser came back to. It must be the one the flow went to:
    /// else a provider that sends browsers on to another one would get its code (RFC 9700 §4.4).
    package func complete(
        flow: String, state: String, code: String, at id: IdentityProviderID, from origin: RequestOrigin
    ) async throws(OperationError) -> SignInStep {
        let now = environment.clock.now()
        let token = sha256(flow)
        let used: SignInFlowStore.Flow?
        do {
            used = try await environment.database.withConnection { connection in
                try await SignInFlowStore.use(token: token, state: sha256(state), at: now, connection)
            }
        } catch { throw OperationError(error) }
        guard let used, used.provider == id,
            let opened = try? environment.keys.identity.open(used.sealed, for: Self.place(token))
        else { throw OperationError(.linkInvalid, detail: "Sign in again.") }
        let parts = opened.withBytes { String(decoding: $0, as: UTF8.self) }.split(separator: " ")
        guard parts.count == 2 else { throw .fault("a sign-in flow without nonce and verifier") }
        guard let provider = try await usable(id) else {
            throw OperationError(.linkInvalid, detail: "Sign in again.")
        }
        let person = try await identify(
            code, at: provider, nonce: String(parts[0]), verifier: String(parts[1]))
        let user = try await admit(person, by: provider, from: origin)
        let sessions = SessionOperations(environment: environment)
        return try await sessions.enter(user, only: provider.tenant, from: origin) { _ in }
    }

    // MARK: Who it is

    /// Somebody, as a provider describes them.
    private struct Person {
        let subject: String
        let email: String
        let name: String
        let groups: [String]
    }

    private func identify(
        _ code: String, at provider: IdentityProvider, nonce: String, verifier: String
    ) async throws(OperationError) -> Person {
        let sealed = try await environment.view(of: provider.tenant) { connection in
            try await IdentityProviderStore.sealedSecret(of: provider, connection)
        }
        var secret: Secret?
        if let sealed {
            secret = try? environment.keys.identity.open(
                sealed, for: IdentityProviderOperations.place(provider.id))
            if secret == nil { throw .fault("the client secret of \(provider.id) does not open") }
        }
        let client = try openID()
        let exchange = OpenIDClient.Exchange(
            clientID: provider.clientID, clientSecret: secret,
            redirectURI: environment.redirectURI(of: provider.id), verifier: verifier)
        let now = environment.clock.now().microseconds / 1_000_000
        let token = try await failing(provider) { () async throws(OpenIDFailure) -> IDToken in
            let metadata = try await client.metadata(of: provider.issuer)
            let text = try await client.idToken(for: code, metadata, exchange)
            return try await client.verify(
                text, metadata,
                IDToken.Expectations(
                    issuer: provider.issuer, clientID: provider.clientID, nonce: nonce, nowSeconds: now))
        }
        return try person(token, provider)
    }

    private func person(_ token: IDToken, _ provider: IdentityProvider) throws(OperationError) -> Person {
        guard let email = token.claims["email"]?.string, TextRule.email.check(email, at: "") == nil,
            token.claims["email_verified"]?.boolean == true
                || token.claims["email_verified"]?.string == "true"
        else { throw refusal("The identity provider names no verified e-mail address.", provider) }
        guard provider.allows(email: email) else {
            throw refusal("Addresses of this domain may not sign in here.", provider)
        }
        let claim = token.claims[provider.groupClaim]
        let groups = claim?.array?.compactMap(\.string) ?? [claim?.string].compactMap(\.self)
        let name = token.claims["name"]?.string ?? email
        return Person(
            subject: token.subject, email: email,
            name: TextRule.displayName.check(name, at: "") == nil ? name : email,
            groups: Array(groups.prefix(Self.maximumGroups)))
    }

    /// The user of a person: known, claimed by their address, or new; with the roles their groups give.
    private func admit(
        _ person: Person, by provider: IdentityProvider, from origin: RequestOrigin
    ) async throws(OperationError) -> User {
        let now = environment.clock.now()
        let actor = AuditActor(user: nil, origin: origin)
        return try await environment.write(
            "identity-providers.sign-in", in: .owner(provider.tenant), by: actor
        ) { connection in
            let user = try await self.user(of: person, by: provider, at: now, connection)
            guard user.status == .active else {
                throw OperationError(.invalidCredentials, detail: "The user is disabled.")
            }
            try await UserIdentityStore.note(
                person.subject, at: provider, is: user.id, at: now, connection)
            try await giveRoles(to: user.id, person, by: provider, at: now, connection)
            return Recorded(
                user, AuditSubject("user", user.id, ["identity_provider": .string(provider.name)]))
        }.value
    }

    private func user(
        of person: Person, by provider: IdentityProvider, at now: Timestamp, _ connection: PostgresConnection
    ) async throws -> User {
        if let id = try await UserIdentityStore.user(person.subject, at: provider, connection) {
            return try found(try await UserStore.find(id, connection))
        }
        if let known = try await UserStore.find(email: person.email, connection) {
            guard try await environment.maySpeak(provider.tenant, for: known, connection) else {
                throw refusal(Self.stranger, provider)
            }
            return known
        }
        guard provider.createsUsers else {
            throw refusal(Self.stranger, provider)
        }
        // Only the platform's own providers are believed about a mailbox beyond their tenant.
        let user = User(
            id: UserID(at: now), email: person.email, name: person.name,
            emailVerifiedAt: provider.tenant == nil ? now : nil, createdAt: now, updatedAt: now)
        try await UserStore.create(user, passwordHash: nil, connection)
        return user
    }

    /// Makes the mapped roles what the groups say: adds those that are missing, takes those away that are not
    /// given any more, but for the last owner's. Roles that no group is mapped to are left alone. What older
    /// sessions may do changes with it, at their next request.
    private func giveRoles(
        to user: UserID, _ person: Person, by provider: IdentityProvider, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws {
        let scope = Scope.owner(provider.tenant)
        let wanted = provider.roles(of: person.groups).map { RoleReference.builtIn($0) }
        let had = try await BindingStore.list(of: user, connection).filter { $0.scope == scope }
        for role in wanted where !had.contains(where: { $0.role == role }) {
            try await BindingStore.create(
                Binding(
                    id: BindingID(at: now), principal: .user(user), role: role, scope: scope,
                    createdBy: nil, createdAt: now), connection)
        }
        let mapped = Set(provider.mappings.map { RoleReference.builtIn($0.role) })
        for binding in had where mapped.contains(binding.role) && !wanted.contains(binding.role) {
            let hadOwner = try await BindingStore.hasOwner(provider.tenant, connection)
            _ = try await BindingStore.delete(binding.id, of: provider.tenant, connection)
            guard hadOwner, try await !BindingStore.hasOwner(provider.tenant, connection) else { continue }
            try await BindingStore.create(binding, connection)
        }
    }

    // MARK: Parts

    private static func place(_ flow: SHA256Digest) -> String { "sign-in-flow/\(flow)" }

    /// nil: no such provider, or not for signing in now.
    private func usable(_ id: IdentityProviderID) async throws(OperationError) -> IdentityProvider? {
        let owner = try await environment.viewAcrossTenants { connection in
            try await IdentityProviderStore.owner(of: id, connection)
        }
        guard let owner else { return nil }
        return try await environment.view(of: owner.tenant) { connection in
            let usable = try await IdentityProviderStore.listUsable(of: owner.tenant, connection)
            return usable.first { $0.id == id }
        }
    }

    private func openID() throws(OperationError) -> OpenIDClient {
        guard let client = environment.openID else { throw .fault("there is no way out to providers") }
        return client
    }

    private func refusal(_ detail: String, _ provider: IdentityProvider) -> OperationError {
        environment.log.warning(
            "a sign-in by an identity provider was refused",
            ["provider": "\(provider.id)", "reason": "\(detail)"])
        return OperationError(.invalidCredentials, detail: detail)
    }

    /// What the provider did wrong goes to the log; who signs in learns whether to try again.
    private func failing<Value>(
        _ provider: IdentityProvider, _ body: () async throws(OpenIDFailure) -> Value
    ) async throws(OperationError) -> Value {
        do throws(OpenIDFailure) { return try await body() } catch {
            environment.log.warning(
                "an identity provider could not be used",
                ["provider": "\(provider.id)", "reason": "\(error)"])
            if error.isRefusal {
                throw OperationError(
                    .invalidCredentials, detail: "The identity provider's answer was not accepted.")
            }
            throw OperationError(
                .unavailable, detail: "The identity provider cannot be used now.", retryAfterSeconds: 5)
        }
    }
}

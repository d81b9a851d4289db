import Contract
package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// What a new provider is made of.
package struct NewProvider: Sendable {
    package var name: String
    package var kind: ProviderKind
    /// nil: the vendor's public address.
    package var baseURL: String?
    package var credential: Secret?
    package var options: [String: String]
    package var headers: [ExtraHeader]
    package var timeouts: ProviderTimeouts
    /// nil: straight.
    package var proxy: EgressProxy?
    package var isEnabled: Bool

    package init(
        name: String, kind: ProviderKind, baseURL: String? = nil, credential: Secret? = nil,
        options: [String: String] = [:], headers: [ExtraHeader] = [], timeouts: ProviderTimeouts = .standard,
        proxy: EgressProxy? = nil, isEnabled: Bool = true
    ) {
        self.name = name
        self.kind = kind
        self.baseURL = baseURL
        self.credential = credential
        self.options = options
        self.headers = headers
        self.timeouts = timeouts
        self.proxy = proxy
        self.isEnabled = isEnabled
    }
}

/// What changes about a provider; nil stays as it is.
package struct ProviderChange: Sendable {
    package var name: String?
    package var baseURL: String?
    package var credential: Secret?
    package var options: [String: String]?
    package var headers: [ExtraHeader]?
    package var timeouts: ProviderTimeouts?
    package var proxy: Edit<EgressProxy>
    package var isEnabled: Bool?

    package init(
        name: String? = nil, baseURL: String? = nil, credential: Secret? = nil,
        options: [String: String]? = nil, headers: [ExtraHeader]? = nil, timeouts: ProviderTimeouts? = nil,
        proxy: Edit<EgressProxy> = .keep, isEnabled: Bool? = nil
    ) {
        self.name = name
        self.baseURL = baseURL
        self.credential = credential
        self.options = options
        self.headers = headers
        self.timeouts = timeouts
        self.proxy = proxy
        self.isEnabled = isEnabled
    }
}

/// Upstream accounts: of a tenant, or (owner nil) the platform's own, shared by all tenants.
package struct ProviderOperations {
    let environment: OperationEnvironment

    package func list(
        of owner: TenantID?, where filter: ProviderFilter = ProviderFilter(), _ page: PageRequest,
        by caller: Caller
    ) async throws(OperationError) -> ListPage<Provider> {
        try await environment.read(.providersRead, in: .owner(owner), by: caller) { connection in
            ListPage(
                try await ProviderStore.list(of: owner, where: filter, page.of(Provider.self), connection))
        }
    }

    package func get(
        _ id: ProviderID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Provider {
        try await environment.read(.providersRead, in: .owner(owner), by: caller) { connection in
            try found(try await ProviderStore.find(id, of: owner, connection))
        }
    }

    /// Makes a provider; its credential is sealed before it reaches the database.
    package func create(
        _ new: NewProvider, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Provider> {
        let now = environment.clock.now()
        let baseURL = try address(new)
        let hint = try new.credential.map { credential throws(OperationError) in
            try Self.hint(credential, new.kind)
        }
        let provider = Provider(
            id: ProviderID(at: now), tenant: owner, name: new.name, kind: new.kind, baseURL: baseURL,
            options: new.options, headers: new.headers, timeouts: new.timeouts, proxy: new.proxy,
            isEnabled: new.isEnabled, credentialHint: hint,
            createdAt: now, updatedAt: now)
        return try await environment.write(
            "providers.create", .providersCreate, in: .owner(owner), by: caller
        ) { connection in
            try await ProviderStore.create(provider, connection)
            if let credential = new.credential {
                let stored = try await seal(credential, hint ?? "", of: provider, connection)
                _ = try await ProviderStore.setCredential(
                    stored, of: provider.id, ownedBy: owner, at: now, connection)
            }
            return Recorded(provider, AuditSubject("provider", provider.id, Self.details(provider)))
        }
    }

    /// Changes it; a credential takes the place of its first one.
    package func update(
        _ id: ProviderID, _ change: ProviderChange, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Provider> {
        try await environment.write(
            "providers.update", .providersUpdate, in: .owner(owner), by: caller
        ) { connection in
            var provider = try found(try await ProviderStore.find(id, of: owner, connection))
            let seen = provider.updatedAt
            let before = Self.details(provider)
            try apply(change, to: &provider)
            provider.updatedAt = environment.clock.now()
            guard try await ProviderStore.update(provider, expecting: seen, connection) != nil else {
                throw OperationError(.preconditionFailed)
            }
            if let credential = change.credential {
                provider.credentialHint = try await replaceFirst(credential, of: provider, connection)
            }
            var after = Self.details(provider)
            if change.credential != nil { after = after.adding("credential_replaced", true) }
            return Recorded(provider, AuditSubject("provider", id, from: before, to: after))
        }
    }

    /// Deletes it with its credentials, models and prices; `in_use` while a route names one of its models.
    package func delete(
        _ id: ProviderID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<Provider> {
        try await environment.write(
            "providers.delete", .providersDelete, in: .owner(owner), by: caller
        ) { connection in
            let provider = try found(try await ProviderStore.find(id, of: owner, connection))
            do throws(PostgresError) {
                _ = try await ProviderStore.delete(id, of: owner, at: environment.clock.now(), connection)
            } catch  where error.constraint == Constraint.targetModelExists {
                throw OperationError(.inUse, detail: "A route has one of its models as a target.")
            }
            return Recorded(provider, AuditSubject("provider", id, Self.details(provider)))
        }
    }

    private func replaceFirst(
        _ credential: Secret, of provider: Provider, _ connection: PostgresConnection
    ) async throws -> String {
        let hint = try Self.hint(credential, provider.kind)
        let stored = try await seal(credential, hint, of: provider, connection)
        _ = try await ProviderStore.setCredential(
            stored, of: provider.id, ownedBy: provider.tenant, at: provider.updatedAt, connection)
        return hint
    }

    // MARK: Parts

    private func address(_ new: NewProvider) throws(OperationError) -> BaseURL {
        let options = new.kind.problems(new.options)
        // An address made of options lacks nothing but them.
        if new.baseURL == nil, new.kind.defaultBaseURL != nil { try check(options) }
        guard let text = new.baseURL ?? new.kind.baseURL(new.options) else {
            let message = "is required for the kind \(new.kind.rawValue)"
            throw .invalid([ValidationError("/base_url", .required, message)] + options)
        }
        try check(
            Provider.problems(name: new.name, baseURL: text, headers: new.headers, timeouts: new.timeouts)
                + options)
        return try allowed(text)
    }

    /// The address, unless no node could ever dial it: said now instead of at every call.
    private func allowed(_ text: String) throws(OperationError) -> BaseURL {
        let url = try found(BaseURL(text))
        guard let refusal = environment.egressRefusal(url) else { return url }
        throw .invalid([
            ValidationError(
                "/base_url", .notAllowed, "is no allowed destination: \(refusal); the operator can allow it")
        ])
    }

    private func apply(_ change: ProviderChange, to provider: inout Provider) throws(OperationError) {
        provider.name = change.name ?? provider.name
        provider.headers = change.headers ?? provider.headers
        provider.timeouts = change.timeouts ?? provider.timeouts
        provider.proxy = change.proxy.applied(to: provider.proxy)
        provider.isEnabled = change.isEnabled ?? provider.isEnabled
        provider.options = change.options ?? provider.options
        let baseURL = change.baseURL ?? provider.baseURL.description
        try check(
            Provider.problems(
                name: provider.name, baseURL: baseURL, headers: provider.headers, timeouts: provider.timeouts)
                + provider.kind.problems(provider.options))
        if change.baseURL != nil { provider.baseURL = try allowed(baseURL) }
    }

    /// The credential as it is kept: for us, and for nodes.
    func seal(
        _ credential: Secret, _ hint: String, of provider: Provider, _ connection: PostgresConnection
    ) async throws -> StoredCredential {
        try await environment.keys.vault.stored(
            credential, hint: hint, of: .provider(provider.id), owner: provider.tenant,
            under: environment.keys.fleetKey, connection)
    }

    /// The last four characters, when enough others stay unknown; those of the key's ID where it has one.
    /// Checks the credential on the way: most become a header's value, which is visible ASCII.
    static func hint(_ credential: Secret, _ kind: ProviderKind) throws(OperationError) -> String {
        if kind.authentication == .serviceAccount {
            do throws(ServiceAccountKey.Problem) {
                return String(try ServiceAccountKey(credential).keyID.suffix(4))
            } catch {
                throw .invalid([ValidationError("/credential", .invalidFormat, error.message)])
            }
        }
        let hint: String? = credential.withBytes { bytes in
            guard Provider.credentialLengths.contains(bytes.count),
                bytes.allSatisfy({ (33...126).contains($0) })
            else { return nil }
            if kind.authentication == .signature, bytes.contains(UInt8(ascii: ":")) {
                return AWSAccessKey(credential).map { String($0.id.suffix(4)) }
            }
            return bytes.count < 12 ? "" : String(decoding: bytes.suffix(4), as: UTF8.self)
        }
        guard let hint else {
            let limit = Provider.credentialLengths.upperBound
            throw .invalid([
                ValidationError(
                    "/credential", .invalidFormat, "must be \(kind.credentialForm), at most \(limit) bytes")
            ])
        }
        return hint
    }

    static func details(_ provider: Provider) -> JSONValue {
        [
            "name": .string(provider.name), "kind": .string(provider.kind.rawValue),
            "base_url": .string(provider.baseURL.description),
            "egress_proxy": provider.proxy.map { .string($0.description) } ?? .null,
            "enabled": .boolean(provider.isEnabled),
            "has_credential": .boolean(provider.credentialHint != nil),
            // Names alone: a header's value may be a credential too.
            "headers": .array(provider.headers.map { .string($0.name) }),
            "timeouts_ms": .array(
                [
                    provider.timeouts.connect, provider.timeouts.firstByte, provider.timeouts.betweenChunks,
                    provider.timeouts.total,
                ].map { .number(JSONNumber(Int64($0))) }),
        ]
    }
}

extension Scope {
    /// Where a permission over something is asked for: its tenant, or the platform.
    static func owner(_ tenant: TenantID?) -> Scope { tenant.map { .tenant($0) } ?? .platform }
}

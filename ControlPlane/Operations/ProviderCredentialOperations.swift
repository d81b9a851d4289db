package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// What changes about a credential; nil stays as it is.
package struct CredentialChange: Sendable {
    package var name: String?
    package var weight: Int32?
    package var isEnabled: Bool?
    /// Takes the place of the secret there was.
    package var credential: Secret?

    package init(
        name: String? = nil, weight: Int32? = nil, isEnabled: Bool? = nil, credential: Secret? = nil
    ) {
        self.name = name
        self.weight = weight
        self.isEnabled = isEnabled
        self.credential = credential
    }
}

/// The credentials of a provider: each is added, changed, replaced and removed by itself; none is ever shown.
package struct ProviderCredentialOperations {
    let environment: OperationEnvironment
    private var providers: ProviderOperations { ProviderOperations(environment: environment) }

    package func list(
        of provider: ProviderID, owner: TenantID?, isEnabled: Bool? = nil, by caller: Caller
    ) async throws(OperationError) -> ListPage<ProviderCredential> {
        try await environment.read(.providersRead, in: .owner(owner), by: caller) { connection in
            _ = try found(try await ProviderStore.find(provider, of: owner, connection))
            let all = try await ProviderStore.credentials(of: provider, ownedBy: owner, connection)
            return ListPage(
                items: all.filter { isEnabled == nil || $0.isEnabled == isEnabled }, next: nil)
        }
    }

    package func get(
        _ id: CredentialID, of provider: ProviderID, owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> ProviderCredential {
        try await environment.read(.providersRead, in: .owner(owner), by: caller) { connection in
            let provider = try found(try await ProviderStore.find(provider, of: owner, connection))
            return try await credential(id, provider, connection)
        }
    }

    package func add(
        _ secret: Secret, name: String, weight: Int32, to provider: ProviderID, owner: TenantID?,
        by caller: Caller
    ) async throws(OperationError) -> Changed<ProviderCredential> {
        let now = environment.clock.now()
        return try await environment.write(
            "provider-credentials.create", .providersUpdate, in: .owner(owner), by: caller
        ) { connection in
            let provider = try found(try await ProviderStore.find(provider, of: owner, connection))
            let hint = try ProviderOperations.hint(secret, provider.kind)
            let credential = ProviderCredential(
                id: CredentialID(at: now), provider: provider.id, name: name, hint: hint, weight: weight,
                createdAt: now, updatedAt: now)
            try check(Self.problems(credential))
            let stored = try await providers.seal(secret, hint, of: provider, connection)
            guard try await ProviderStore.addCredential(credential, stored, ownedBy: owner, connection) else {
                let message = "cannot be added: a provider has at most \(ProviderCredential.maximumCount)"
                throw OperationError.invalid([ValidationError("/credential", .tooLong, message)])
            }
            return Recorded(
                credential, AuditSubject("provider-credential", credential.id, Self.details(credential)))
        }
    }

    package func update(
        _ id: CredentialID, _ change: CredentialChange, of provider: ProviderID, owner: TenantID?,
        by caller: Caller
    ) async throws(OperationError) -> Changed<ProviderCredential> {
        let now = environment.clock.now()
        return try await environment.write(
            "provider-credentials.update", .providersUpdate, in: .owner(owner), by: caller
        ) { connection in
            let provider = try found(try await ProviderStore.find(provider, of: owner, connection))
            var credential = try await self.credential(id, provider, connection)
            let before = Self.details(credential)
            credential.name = change.name ?? credential.name
            credential.weight = change.weight ?? credential.weight
            credential.isEnabled = change.isEnabled ?? credential.isEnabled
            credential.updatedAt = now
            try check(Self.problems(credential))
            var stored: StoredCredential?
            if let secret = change.credential {
                credential.hint = try ProviderOperations.hint(secret, provider.kind)
                stored = try await providers.seal(secret, credential.hint, of: provider, connection)
            }
            guard
                try await ProviderStore.updateCredential(credential, stored, ownedBy: owner, connection)
            else { throw OperationError.notFound }
            var after = Self.details(credential).object ?? JSONObject()
            if stored != nil { after["replaced"] = true }
            return Recorded(
                credential, AuditSubject("provider-credential", id, from: before, to: .object(after)))
        }
    }

    package func remove(
        _ id: CredentialID, from provider: ProviderID, owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> Changed<ProviderCredential> {
        try await environment.write(
            "provider-credentials.delete", .providersUpdate, in: .owner(owner), by: caller
        ) { connection in
            let provider = try found(try await ProviderStore.find(provider, of: owner, connection))
            let credential = try await self.credential(id, provider, connection)
            guard
                try await ProviderStore.removeCredential(id, of: provider.id, ownedBy: owner, connection)
            else { throw OperationError.notFound }
            return Recorded(credential, AuditSubject("provider-credential", id, Self.details(credential)))
        }
    }

    private func credential(
        _ id: CredentialID, _ provider: Provider, _ connection: PostgresConnection
    ) async throws -> ProviderCredential {
        let all = try await ProviderStore.credentials(
            of: provider.id, ownedBy: provider.tenant, connection)
        return try found(all.first { $0.id == id })
    }

    private static func problems(_ credential: ProviderCredential) -> [ValidationError] {
        var found: [ValidationError] = []
        if !credential.name.isEmpty, let problem = TextRule.displayName.check(credential.name, at: "/name") {
            found.append(problem)
        }
        if !ProviderCredential.weights.contains(credential.weight) {
            found.append(ValidationError("/weight", .outOfRange, "must be 1 to 1000"))
        }
        return found
    }

    private static func details(_ credential: ProviderCredential) -> JSONValue {
        [
            "name": .string(credential.name), "provider": .string(credential.provider.description),
            "hint": .string(credential.hint), "weight": .number(JSONNumber(Int64(credential.weight))),
            "enabled": .boolean(credential.isEnabled),
        ]
    }
}

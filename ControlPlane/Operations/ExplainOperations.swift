import Contract
package import Domain
package import Policy
import PostgresDriver
import Store

/// A call to explain.
package struct ExplainRequest: Sendable {
    package enum KeyName: Sendable {
        case id(KeyID)
        /// The public half of a key's text.
        case publicID(KeyPublicID)
    }

    package var key: KeyName
    package var model: String
    package var endpoint: Endpoint
    package var address: NetworkAddress?
    /// Where the node stands; nil: where the tenant's calls may be served.
    package var region: String?
    package var inputTokens: Int64
    package var outputTokens: Int64
    package var needs: [ModelCapability]

    package init(
        key: KeyName, model: String, endpoint: Endpoint, address: NetworkAddress?, region: String? = nil,
        inputTokens: Int64, outputTokens: Int64, needs: [ModelCapability] = []
    ) {
        self.key = key
        self.model = model
        self.endpoint = endpoint
        self.address = address
        self.region = region
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.needs = needs
    }
}

/// What a node would do with a call, as the database stands now.
package struct ExplainedRequest: Sendable {
    package let key: Key
    package let explanation: Explanation
    package let names: [ProviderID: String]
}

/// Says what nodes would do with a call: the tenant's part of a snapshot is built from one moment's view of
/// the database and asked by the very code nodes run. Limits and budgets join here, as further findings of
/// it.
package struct ExplainOperations {
    let environment: OperationEnvironment

    package func explain(
        _ request: ExplainRequest, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> ExplainedRequest {
        let now = environment.clock.now()
        return try await environment.read(.routesRead, in: .tenant(tenant), by: caller) { connection in
            let key = try await key(request.key, tenant, connection)
            guard caller.may(.keysRead, in: .workspace(tenant, key.workspace)) else {
                throw OperationError.forbidden(.keysRead)
            }
            let (content, names) = try await Self.content(of: tenant, key, at: now, connection)
            let snapshot: CompiledSnapshot
            do {
                snapshot = try CompiledSnapshot(
                    BuiltSnapshot(
                        content, version: SnapshotVersion(epoch: 0, counter: 0), issuedAt: now,
                        fleetKey: nil))
            } catch let invalid as InvalidSnapshot {
                throw OperationError.fault("the tenant's part of a snapshot is not valid: \(invalid)")
            }
            let call = ExplainedCall(
                key: key.publicID, route: request.model, endpoint: request.endpoint,
                origin: CallOrigin(address: request.address, region: request.region),
                facts: CallFacts(
                    now: now, inputTokens: request.inputTokens, outputTokens: request.outputTokens,
                    needs: CapabilitySet(request.needs)))
            return ExplainedRequest(
                key: key, explanation: Policy.explain(call, in: snapshot), names: names)
        }
    }

    private func key(
        _ name: ExplainRequest.KeyName, _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws -> Key {
        let key =
            switch name {
            case .id(let id): try await KeyStore.find(id, of: tenant, connection)
            case .publicID(let id): try await KeyStore.find(id, of: tenant, connection)
            }
        guard let key else { throw OperationError.missing("/key", "a key of this tenant") }
        return key
    }

    /// What a snapshot says about the tenant, with this one key and without credentials.
    private static func content(
        of tenant: TenantID, _ key: Key, at now: Timestamp, _ connection: PostgresConnection
    ) async throws -> (SnapshotContent, names: [ProviderID: String]) {
        let own = SnapshotExport.Owners([tenant] as [TenantID])
        let usable = SnapshotExport.Owners([nil, tenant] as [TenantID?])
        var content = SnapshotContent()
        content.tenants = try await SnapshotExport.tenants(of: own, connection)
        content.workspaces = try await SnapshotExport.workspaces(of: own, connection)
        content.routes = try await SnapshotExport.routes(of: own, connection)
        content.limits = try await SnapshotExport.limits(of: own, connection)
        content.groups = try await SnapshotExport.groups(of: own, connection)
        content.guardrails = try await SnapshotExport.guardrails(of: own, connection)
            .map { GuardrailEntry($0.guardrail) }
        content.prices = try await SnapshotExport.prices(of: usable, at: now, connection)
        content.keys = try await SnapshotExport.keys(named: [key.publicID], at: now, connection)
        var names: [ProviderID: String] = [:]
        for exported in try await SnapshotExport.providers(of: usable, connection) {
            names[exported.provider.id] = exported.provider.name
            content.providers.append(ProviderEntry(exported.provider, credentials: []))
        }
        return (content, names)
    }
}

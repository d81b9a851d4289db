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
    /// Of the whole request; nil: four for each token it reads.
    package var bodyBytes: Int64?
    package var needs: [ModelCapability]

    package init(
        key: KeyName, model: String, endpoint: Endpoint, address: NetworkAddress?, region: String? = nil,
        inputTokens: Int64, outputTokens: Int64, bodyBytes: Int64? = nil, needs: [ModelCapability] = []
    ) {
        self.key = key
        self.model = model
        self.endpoint = endpoint
        self.address = address
        self.region = region
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.bodyBytes = bodyBytes
        self.needs = needs
    }
}

/// What a node would do with a call, as the database stands now.
package struct ExplainedRequest: Sendable {
    package let key: Key
    package let explanation: Explanation
    /// By what it is refused, its limits included; nil: by nothing.
    package let code: ErrorCode?
    /// The targets it goes to, unless it is refused.
    package let use: TargetUse
    package let limits: [ExplainedLimit]
    package let names: [ProviderID: String]
}

/// A limit that a call counts in, in the part and the window the call falls in.
package struct ExplainedLimit: Sendable {
    package let state: LimitState
    /// What the call asks of it.
    package let asks: Int64
    /// Whether it stays inside a budget; nil for rates and concurrency: how much of them is free just now,
    /// only nodes know.
    package let fits: Bool?
    /// Whether the caller may see what is used of it.
    package let isShown: Bool

    package var limit: Limit { state.limit }
}

/// Says what nodes would do with a call: the tenant's part of a snapshot is built from one moment's view of
/// the database and asked by the very code nodes run. Budgets are held against what is used of them by usage
/// that came in and by the word of nodes; what calls under way hold, and how much of a rate is free just now,
/// only nodes know: a call that would have to wait for either counts as admitted.
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
                    needs: CapabilitySet(request.needs)),
                extent: CallExtent(
                    bodyBytes: Int(request.bodyBytes ?? 4 * request.inputTokens),
                    promptBytes: Int(4 * request.inputTokens), maximumOutput: request.outputTokens))
            let explanation = Policy.explain(call, in: snapshot)
            let states = try await Self.states(of: explanation, at: now, connection)
            let standings = Dictionary(
                zip(explanation.claims.map(\.account), states), uniquingKeysWith: { first, _ in first })
            let verdict = explanation.verdict { account in
                standings[account].map { ($0.used, $0.amount) } ?? (0, 0)
            }
            let isShown = caller.may(.limitsRead, in: .tenant(tenant))
            return ExplainedRequest(
                key: key, explanation: explanation, code: verdict.code, use: verdict.use,
                limits: zip(explanation.claims, states).map { claim, state in
                    ExplainedLimit(
                        state: state, asks: claim.asks(verdict.use),
                        fits: claim.fits(verdict.use, used: state.used, of: state.amount), isShown: isShown)
                }, names: names)
        }
    }

    /// The states of the accounts a call counts in, in the order of its claims.
    private static func states(
        of explanation: Explanation, at now: Timestamp, _ connection: PostgresConnection
    ) async throws -> [LimitState] {
        var states: [LimitState] = []
        for claim in explanation.claims {
            let account = claim.account
            guard let limit = try await LimitStore.find(claim.limit.id, of: account.tenant, connection) else {
                throw OperationError.fault("a limit of the tenant's snapshot is not in the database")
            }
            let part = LimitPart(high: account.partHigh, low: account.partLow)
            states.append(try await LimitOperations.state(of: limit, part, at: now, connection))
        }
        return states
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

package import Contract
package import Domain
package import PostgresDriver
package import Store

/// Seals a stored secret under the current fleet key and keeps the seal. The server knows how; this
/// module has no key that opens credentials.
package typealias FleetSealing = (
    _ stored: StoredCredential, _ place: SecretPlace, _ owner: TenantID?, PostgresConnection
) async throws -> Void

/// What one look at the database said.
enum SnapshotReading {
    /// Somebody else published, or this process has just started: take over what is there.
    case behind(SnapshotStore.State, SnapshotStore.Published?)
    /// Nothing that nodes see has changed.
    case unchanged(SnapshotStore.State)
    /// What is not sealed under the current fleet key.
    case unsealed([(StoredCredential, SecretPlace, TenantID?)])
    case content(Content)

    struct Content {
        let state: SnapshotStore.State
        let visibility: SnapshotStore.Visibility
        /// What it is the content of; nil: everything.
        let scope: SnapshotScope?
        /// Whether a change brought it here; else it is a sweep.
        let isChange: Bool
        let content: SnapshotContent
    }

    enum Mode: Equatable {
        /// What changed since the version at hand.
        case following(SnapshotVersion)
        /// A part that did not change as far as is known (nil: everything), to be compared with the version
        /// at hand.
        case sweeping(SnapshotVersion, SnapshotScope?)
        /// Everything, because there is nothing at hand and this version cannot be taken over.
        case everything(insteadOf: SnapshotVersion)

        /// The newest version as far as the publisher knows.
        var known: SnapshotVersion {
            switch self {
            case .following(let version), .sweeping(let version, _), .everything(let version): version
            }
        }
    }

    /// Reads in one transaction what changed since the last build, or everything.
    static func take(
        _ mode: Mode, fleetKey: FleetKeyID, at now: Timestamp, _ pool: PostgresPool
    ) async throws -> SnapshotReading {
        try await pool.withTransaction(.readOnlySnapshot) { connection in
            let state = try await SnapshotStore.state(connection)
            if mode.known != state.version {
                return .behind(state, try await SnapshotStore.latest(connection))
            }
            return try await read(mode, state, fleetKey: fleetKey, at: now, connection)
        }
    }

    private static func read(
        _ mode: Mode, _ state: SnapshotStore.State, fleetKey: FleetKeyID, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws -> SnapshotReading {
        var scope: SnapshotScope?
        var isChange = true
        // With nothing at hand, what changed since is of no use.
        let builtFrom = if case .everything = mode { SnapshotStore.Visibility?.none } else { state.builtFrom }
        if let builtFrom {
            var dirty = try await SnapshotStore.changes(since: builtFrom, connection)
            isChange = !dirty.isEmpty
            switch mode {
            case .following where dirty.isEmpty: return .unchanged(state)
            case .sweeping(_, let part?):
                dirty.formUnion(part)
                scope = dirty
            case .sweeping(_, nil): scope = nil
            default: scope = dirty
            }
        }
        let visibility = try await SnapshotStore.visibility(connection)
        let (content, unsealed) = try await export(scope, fleetKey: fleetKey, at: now, connection)
        if !unsealed.isEmpty { return .unsealed(unsealed) }
        return .content(
            Content(state: state, visibility: visibility, scope: scope, isChange: isChange, content: content))
    }

    private static func export(
        _ scope: SnapshotScope?, fleetKey: FleetKeyID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws -> (SnapshotContent, unsealed: [(StoredCredential, SecretPlace, TenantID?)]) {
        var content = SnapshotContent()
        var unsealed: [(StoredCredential, SecretPlace, TenantID?)] = []
        if scope?.owners.isEmpty != true {
            unsealed = try await exportSettings(
                of: scope.map { SnapshotExport.Owners($0.owners) }, into: &content, fleetKey, now, connection)
        }
        if let names = scope?.keys, !names.isEmpty {
            content.keys = try await SnapshotExport.keys(named: names, at: now, connection)
            // Those that come with all of their tenant's come below.
            content.keys.removeAll { scope?.keyOwners.contains($0.tenant) == true }
        }
        if scope?.keyOwners.isEmpty != true {
            let owners = scope.map { SnapshotExport.Owners($0.keyOwners) }
            var position: SnapshotExport.KeyPosition?
            repeat {
                let page = try await SnapshotExport.keys(of: owners, after: position, at: now, connection)
                content.keys += page.keys
                position = page.next
            } while position != nil
        }
        return (content, unsealed)
    }

    private static func exportSettings(
        of owners: SnapshotExport.Owners?, into content: inout SnapshotContent, _ fleetKey: FleetKeyID,
        _ now: Timestamp, _ connection: PostgresConnection
    ) async throws -> [(StoredCredential, SecretPlace, TenantID?)] {
        content.tenants = try await SnapshotExport.tenants(of: owners, connection)
        content.workspaces = try await SnapshotExport.workspaces(of: owners, connection)
        content.routes = try await SnapshotExport.routes(of: owners, connection)
        content.prices = try await SnapshotExport.prices(of: owners, at: now, connection)
        content.limits = try await SnapshotExport.limits(of: owners, connection)
        content.groups = try await SnapshotExport.groups(of: owners, connection)
        var unsealed: [(StoredCredential, SecretPlace, TenantID?)] = []
        for exported in try await SnapshotExport.providers(of: owners, connection) {
            let provider = exported.provider
            var credentials: [CredentialEntry] = []
            for credential in exported.credentials {
                if let sealed = credential.stored.sealed(under: fleetKey) {
                    credentials.append(
                        CredentialEntry(id: credential.id, weight: credential.weight, sealed: sealed))
                } else {
                    unsealed.append((credential.stored, .provider(provider.id), provider.tenant))
                }
            }
            content.providers.append(ProviderEntry(provider, credentials: credentials))
        }
        for exported in try await SnapshotExport.guardrails(of: owners, connection) {
            let guardrail = exported.guardrail
            let sealed = exported.secret?.sealed(under: fleetKey)
            if let secret = exported.secret, sealed == nil {
                unsealed.append((secret, .guardrail(guardrail.id), guardrail.tenant))
            }
            content.guardrails.append(GuardrailEntry(guardrail, secret: sealed))
        }
        return unsealed
    }
}

extension StoredCredential {
    /// As it travels; nil when it is not sealed under this key.
    fileprivate func sealed(under fleetKey: FleetKeyID) -> SealedCredential? {
        guard let forFleet, forFleet.fleetKey == fleetKey else { return nil }
        return SealedCredential(fleetKey: forFleet.fleetKey, sealed: forFleet.sealed)
    }
}

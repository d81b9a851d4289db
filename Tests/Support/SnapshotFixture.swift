package import Contract
package import Cryptography
package import Domain

/// A small cluster's worth of keys and configuration, for tests that need a valid signed snapshot.
///
/// Add what the test is about, then ask for `built()`, `envelope()`, `frame()` or `assembly()`. Every value
/// is real: signatures verify, credentials open, key texts are accepted.
package struct SnapshotFixture: Sendable {
    package let rootKey = Ed25519PrivateKey()
    package let snapshotKey = Ed25519PrivateKey()
    package let grantKey = Ed25519PrivateKey()
    package var fleetKey: FleetKey
    package let now: Timestamp
    package var epoch: UInt32 = 1
    package var content = SnapshotContent()
    package var kills: [KillEntry] = []

    package init(now: Timestamp = Timestamp(microseconds: 1_800_000_000_000_000)) {
        self.now = now
        fleetKey = FleetKey(id: FleetKeyID(at: now), key: SymmetricKey())
    }

    /// What a tenant of `small` is made of.
    package struct Parts: Sendable {
        package let tenant: TenantID
        package let workspace: WorkspaceID
        package let provider: ProviderID
        package let model: ModelID
        package let price: PriceID
        package let route: RouteID
        package let key: KeyText
        package let keyID: KeyID
    }

    /// One tenant with a workspace, a platform provider at `baseURL` with the credential `sk-test`, a priced
    /// model, the route `gpt-test` to it, and one key.
    package static func small(
        baseURL: String = "http://127.0.0.1:9100/v1",
        now: Timestamp = Timestamp(microseconds: 1_800_000_000_000_000)
    ) -> (fixture: SnapshotFixture, parts: Parts) {
        var fixture = SnapshotFixture(now: now)
        let (tenant, workspace) = fixture.addTenant()
        let provider = fixture.addProvider(baseURL: baseURL)
        let (model, price) = fixture.addModel()
        let route = fixture.addRoute("gpt-test", of: tenant, to: [(provider, model)])
        let (key, keyID) = fixture.addKey(tenant, workspace)
        let parts = Parts(
            tenant: tenant, workspace: workspace, provider: provider, model: model, price: price,
            route: route,
            key: key, keyID: keyID)
        return (fixture, parts)
    }

    // MARK: Configuration

    package mutating func addTenant(isSuspended: Bool = false) -> (tenant: TenantID, workspace: WorkspaceID) {
        let tenant = TenantID(at: now)
        let workspace = WorkspaceID(at: now)
        content.tenants.append(TenantEntry(id: tenant, isSuspended: isSuspended))
        content.workspaces.append(WorkspaceEntry(id: workspace, tenant: tenant))
        return (tenant, workspace)
    }

    package mutating func addKey(
        _ tenant: TenantID, _ workspace: WorkspaceID, permitted: KeyPermissions = .everything,
        notBefore: Timestamp? = nil, expires: Timestamp? = nil, revoked: Timestamp? = nil
    ) -> (text: KeyText, id: KeyID) {
        var generator = SystemRandomNumberGenerator()
        let text = KeyText(using: &generator)
        let id = KeyID(at: now)
        content.keys.append(
            KeyEntry(
                id: id, tenant: tenant, workspace: workspace, publicID: text.publicID,
                secretHash: SecretHash(of: text),
                permitted: permitted, notBefore: notBefore, expires: expires, revoked: revoked))
        return (text, id)
    }

    package mutating func addProvider(
        of tenant: TenantID? = nil, name: String = "", kind: ProviderKind = .openAI,
        baseURL: String = "http://127.0.0.1:9100/v1",
        credential: String? = "sk-test", isEnabled: Bool = true
    ) -> ProviderID {
        let id = ProviderID(at: now)
        guard let url = BaseURL(baseURL) else { preconditionFailure("not a base URL: \(baseURL)") }
        let sealed = credential.map { SealedCredential(Secret(utf8: $0), of: id, under: fleetKey) }
        content.providers.append(
            ProviderEntry(
                id: id, tenant: tenant, name: name, kind: kind, baseURL: url,
                credentials: sealed.map {
                    [CredentialEntry(id: CredentialID(high: id.high, low: id.low), sealed: $0)]
                } ?? [], isEnabled: isEnabled))
        return id
    }

    /// A model with a price from the beginning of time: 1 dollar in, 2 dollars out, per million tokens.
    package mutating func addModel(of tenant: TenantID? = nil) -> (model: ModelID, price: PriceID) {
        let model = ModelID(at: now)
        let price = PriceID(at: now)
        guard let rates = PriceRates(input: 1_000_000_000, output: 2_000_000_000) else {
            preconditionFailure("rates in range")
        }
        content.prices.append(
            PriceEntry(id: price, model: model, tenant: tenant, effectiveFrom: .epoch, rates: rates))
        return (model, price)
    }

    package mutating func addRoute(
        _ name: String, of tenant: TenantID, to targets: [(provider: ProviderID, model: ModelID)],
        upstreamModel: String = "stand-in"
    ) -> RouteID {
        let id = RouteID(at: now)
        let entries = targets.map {
            TargetEntry(provider: $0.provider, model: $0.model, upstreamModel: upstreamModel)
        }
        content.routes.append(RouteEntry(id: id, tenant: tenant, name: name, targets: entries))
        return id
    }

    // MARK: What crosses between the planes

    package func built(
        counter: UInt64 = 1, issuedAt: Timestamp? = nil, layout: ShardLayout? = nil
    ) throws(CodecError) -> BuiltSnapshot {
        try BuiltSnapshot(
            content, version: SnapshotVersion(epoch: epoch, counter: counter), issuedAt: issuedAt ?? now,
            kills: kills,
            fleetKey: fleetKey.id, layout: layout)
    }

    /// Version 1 of the key set: `snapshotKey` may sign snapshots of this epoch, `grantKey` grants.
    package var keySet: KeySet {
        KeySet(
            version: 1, epoch: epoch, issuedAt: now, rootKeys: [rootKey.publicKey],
            entries: [(KeySet.Role.snapshot, snapshotKey), (.grant, grantKey)].map { role, key in
                KeySet.Entry(role: role, key: key.publicKey, expires: now.advanced(bySeconds: 7_776_000))
            })
    }

    package var keySetEnvelope: SignedEnvelope { keySet.signed(by: [rootKey]) }

    package func trustedKeys() throws(TrustedKeys.Failure) -> TrustedKeys {
        try TrustedKeys(pinned: [rootKey.publicKey], chain: [keySetEnvelope])
    }

    package func envelope(of built: BuiltSnapshot) -> SignedEnvelope {
        built.manifest.signed(by: snapshotKey)
    }

    package func frame(of built: BuiltSnapshot) -> StreamFrame {
        StreamFrame(manifest: envelope(of: built), keySets: [keySetEnvelope])
    }

    /// A complete assembly of a built snapshot, verified the way a node does it.
    package func assembly(
        of built: BuiltSnapshot, previous: SnapshotAssembly.ShardAddresses = []
    ) throws -> SnapshotAssembly {
        let verified = try VerifiedManifest.verify(
            received: envelope(of: built), trusting: try trustedKeys(), running: nil, at: now)
        var assembly = SnapshotAssembly(verified, previous: previous)
        while let address = assembly.missing.first {
            guard let object = built.objects[address] else {
                preconditionFailure("an object that was not built")
            }
            try assembly.add(object)
        }
        return assembly
    }
}

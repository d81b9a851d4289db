import API
import Contract
import Cryptography
import Domain
import EventLoops
import HTTPServing
import Ingest
import Policy
import PostgresDriver
import Store
import Telemetry
import TestSupport
import Transport

@testable import Publishing

extension WallClock {
    /// TLS looks at the real time, so what it looks at must too.
    static let real = WallClock { Timestamp(microseconds: wallClockMicroseconds()) }
}

/// The platform's keys, without the module that keeps them.
struct RigKeys: Sendable {
    let root = Ed25519PrivateKey()
    var snapshot = Ed25519PrivateKey()
    let grant = Ed25519PrivateKey()
    var fleet: FleetKey
    let authority: CertificateAuthority
    var keySets: [SignedEnvelope]

    init(now: Timestamp, epoch: UInt32 = 1) throws {
        fleet = FleetKey(id: FleetKeyID(at: now), key: SymmetricKey())
        let seconds = now.microseconds / 1_000_000
        authority = try CertificateAuthority.make(
            commonName: "Test authority",
            validity: CertificateValidity(notBefore: seconds - 3_600, notAfter: seconds + 86_400))
        let set = KeySet(
            version: 1, epoch: epoch, issuedAt: now, rootKeys: [root.publicKey],
            entries: [
                .init(role: .snapshot, key: snapshot.publicKey, expires: now.advanced(bySeconds: 86_400)),
                .init(role: .grant, key: grant.publicKey, expires: now.advanced(bySeconds: 86_400)),
            ])
        keySets = [set.signed(by: [root])]
    }

    /// Another fleet key and another snapshot key, named by the next key set.
    mutating func rotate(at now: Timestamp) {
        fleet = FleetKey(id: FleetKeyID(at: now), key: SymmetricKey())
        snapshot = Ed25519PrivateKey()
        let set = KeySet(
            version: UInt32(keySets.count) + 1, epoch: 1, issuedAt: now, rootKeys: [root.publicKey],
            entries: [
                .init(role: .snapshot, key: snapshot.publicKey, expires: now.advanced(bySeconds: 86_400)),
                .init(role: .grant, key: grant.publicKey, expires: now.advanced(bySeconds: 86_400)),
            ])
        keySets.append(set.signed(by: [root]))
    }

    func signing() throws -> SnapshotSigning {
        try SnapshotSigning(rootKey: root.publicKey, key: snapshot, keySets: keySets, fleetKey: fleet.id)
    }
}

/// The rig's keys, which a test may rotate while it runs. Loop thread.
final class LiveRigKeys {
    var keys: RigKeys { didSet { isRotated = true } }
    private var isRotated = false

    init(_ keys: RigKeys) { self.keys = keys }

    func refreshed() throws -> SnapshotSigning? {
        defer { isRotated = false }
        return isRotated ? try keys.signing() : nil
    }
}

/// A tenant with everything a call needs, as rows.
struct Tenancy {
    let tenant: TenantID
    let workspace: WorkspaceID
    let provider: ProviderID
    let model: ModelID
    let route: RouteID

    /// - Parameter fleet: nil: the credential is not sealed for nodes yet.
    static func create(
        _ slug: String, fleet: FleetKey?, at now: Timestamp, _ pool: PostgresPool
    ) async throws -> Tenancy {
        let tenancy = Tenancy(
            tenant: TenantID(at: now), workspace: WorkspaceID(at: now), provider: ProviderID(at: now),
            model: ModelID(at: now), route: RouteID(at: now))
        try await pool.withTransaction { connection in
            try await TenantStore.create(
                Tenant(id: tenancy.tenant, slug: slug, name: slug, createdAt: now, updatedAt: now), connection
            )
            try await WorkspaceStore.create(
                Workspace(
                    id: tenancy.workspace, tenant: tenancy.tenant, slug: "main", name: "Main", createdAt: now,
                    updatedAt: now), connection)
            try await ProviderStore.create(
                Provider(
                    id: tenancy.provider, tenant: tenancy.tenant, name: "stand-in", kind: .openAI,
                    baseURL: BaseURL("https://provider.example/v1")!, createdAt: now, updatedAt: now),
                connection)
            let seal = fleet.map {
                SealedCredential(Secret(utf8: "sk-\(slug)"), of: tenancy.provider, under: $0)
            }
            _ = try await ProviderStore.setCredential(
                StoredCredential(
                    sealed: Array("sk-\(slug)".utf8), hint: "test",
                    forFleet: seal.map { .init(fleetKey: $0.fleetKey, sealed: $0.sealed) }),
                of: tenancy.provider, ownedBy: tenancy.tenant, at: now, connection)
            try await ModelStore.create(
                Model(
                    id: tenancy.model, provider: tenancy.provider, tenant: tenancy.tenant, name: "stand-in",
                    displayName: "Stand-in", createdAt: now, updatedAt: now), connection)
            _ = try await PriceStore.create(
                Price(
                    id: PriceID(at: now), model: tenancy.model, tenant: tenancy.tenant,
                    rates: PriceRates(input: 1_000_000_000, output: 2_000_000_000)!,
                    effectiveFrom: .epoch, createdAt: now), connection)
            try await RouteStore.create(
                Route(
                    id: tenancy.route, tenant: tenancy.tenant, name: "gpt-test",
                    targets: [Target(model: tenancy.model)], createdAt: now, updatedAt: now), connection)
        }
        return tenancy
    }

    func addKey(at now: Timestamp, _ pool: PostgresPool) async throws -> (text: KeyText, id: KeyID) {
        var generator = SystemRandomNumberGenerator()
        let text = KeyText(using: &generator)
        let key = Key(
            id: KeyID(at: now), tenant: tenant, workspace: workspace, name: "key", publicID: text.publicID,
            createdAt: now)
        try await pool.withConnection { connection in
            try await KeyStore.create(key, secretHash: SecretHash(of: text), createdBy: nil, connection)
        }
        return (text, key.id)
    }

    static let webhookSecret = WebhookSecret().text

    /// A guardrail that asks a webhook.
    func addWebhook(fleet: FleetKey, at now: Timestamp, _ pool: PostgresPool) async throws -> GuardrailID {
        let id = GuardrailID(at: now), secret = Secret(utf8: Self.webhookSecret)
        let guardrail = Guardrail(
            id: id, tenant: tenant, name: "judge",
            rule: GuardrailRule(
                kind: .webhook, webhook: GuardrailWebhook(url: BaseURL("https://judge.example")!)),
            createdAt: now, updatedAt: now)
        let seal = SealedCredential(secret, of: .guardrail(id), under: fleet)
        let stored = StoredCredential(
            sealed: Array(Self.webhookSecret.utf8), hint: "",
            forFleet: .init(fleetKey: seal.fleetKey, sealed: seal.sealed))
        try await pool.withConnection { try await GuardrailStore.create(guardrail, secret: stored, $0) }
        return id
    }

    func revoke(_ key: KeyID, at now: Timestamp, _ pool: PostgresPool) async throws {
        try await pool.withConnection { connection in
            _ = try await KeyStore.revoke(key, of: tenant, at: now, connection)
        }
    }
}

/// A control plane of the test's own: publisher and node listener on the database's loop. Loop thread.
final class ControlPlaneRig {
    let database: TestDatabase
    let live: LiveRigKeys
    var keys: RigKeys { live.keys }
    let clock: WallClock
    let registry: NodeRegistry
    let streams = SnapshotStreams()
    let metrics = MetricsRegistry()
    let workers = BlockingPool(threads: 1, queueLimit: 16, name: "publish")
    let publisher: SnapshotPublisher
    private(set) var server: HTTPServer?
    private(set) var address: SocketAddress?
    private var listener, nodeListener: PostgresListener?
    private let pool: PostgresPool
    private let ingestPool: PostgresPool
    let lender: GrantLender
    let ingest: UsageIngest
    private var isClosed = false

    init(
        _ database: TestDatabase, keys: RigKeys, clock: WallClock = .real, mirror: SnapshotMirror? = nil
    ) throws {
        self.database = database
        let live = LiveRigKeys(keys)
        self.live = live
        self.clock = clock
        pool = database.makePool(size: 4, role: .publisher, purpose: "rig")
        ingestPool = database.makePool(size: 2, role: .ingest, purpose: "rig-ingest")
        ingest = UsageIngest(database: ingestPool, clock: clock, log: .silent, metrics: metrics)
        lender = GrantLender(
            database: pool, workers: workers, clock: clock, log: .silent, metrics: metrics
        ) { GrantLender.Keys(signing: live.keys.grant, accepted: [live.keys.grant.publicKey]) }
        registry = NodeRegistry(loop: database.loop, database: pool)
        var options = SnapshotPublisher.Options()
        options.periodNanoseconds = 3_600_000_000_000
        options.mirror = mirror
        publisher = SnapshotPublisher(
            loop: database.loop, database: pool, signing: try keys.signing(), streams: streams,
            workers: workers,
            clock: clock, log: .silent, metrics: metrics, options: options,
            refresh: { _ in try live.refreshed() }
        ) { stored, place, owner, connection in
            // The rig's secrets lie open in the database.
            let sealed = SealedCredential(Secret(stored.sealed), of: place, under: live.keys.fleet)
            let seal = StoredCredential.FleetSeal(fleetKey: sealed.fleetKey, sealed: sealed.sealed)
            switch place {
            case .provider(let provider):
                try await ProviderStore.setFleetSeal(
                    seal, for: stored, of: provider, ownedBy: owner, connection)
            case .guardrail(let guardrail):
                try await GuardrailStore.setFleetSeal(
                    seal, for: stored, of: guardrail, in: owner, connection)
            }
        }
    }

    /// Follows the database's own notifications, like the real program.
    func start() {
        publisher.start()
        let publisher = publisher
        listener = PostgresListener(
            loop: database.loop, url: database.url, role: DatabaseRole.publisher.name,
            channel: "eclusa_changed"
        ) { publisher.wake() }
        listener?.start()
        let registry = registry, streams = streams
        nodeListener = PostgresListener(
            loop: database.loop, url: database.url, role: DatabaseRole.publisher.name,
            channel: "eclusa_nodes_changed"
        ) {
            registry.forget()
            streams.nudge()
        }
        nodeListener?.start()
    }

    /// Opens the node listener on a port of the system's choice, or on this one.
    func listen(port: UInt16 = 0) throws {
        let loop = database.loop, live = live
        let api = try NodeAPI(
            NodeAPI.Parts(
                loop: loop, registry: registry,
                enroller: NodeEnroller(
                    database: pool, authority: keys.authority, clock: clock, log: .silent
                ) { _ in live.keys.fleet },
                reports: NodeReports(database: pool, clock: clock, log: .silent, metrics: metrics),
                objects: SnapshotObjects(streams: streams, database: pool),
                ingest: ingest,
                contents: ContentIngest(
                    database: pool, log: .silent, metrics: metrics,
                    // The rig's contents lie open in the database.
                    sealer: { _, _ in { content, _ in content } }),
                lender: lender,
                streams: streams, log: .silent, metrics: metrics))
        let server = HTTPServer(loop: loop) { await api.handle($0) }
        let key = Ed25519PrivateKey()
        let seconds = WallClock.real.now().microseconds / 1_000_000
        let certificate = try keys.authority.issueServerCertificate(
            commonName: "control", names: ["localhost"], ipAddresses: ["127.0.0.1"], publicKey: key.publicKey,
            validity: CertificateValidity(notBefore: seconds - 60, notAfter: seconds + 3_600))
        let tls = try TLSContext.server(
            certificateChainPEM: certificate.pem, privateKeyPEM: key.pem,
            clientCAPEM: keys.authority.certificatePEM, requireClientCertificate: false)
        address = try server.listen(on: SocketAddress("127.0.0.1:\(port)")!, tls: tls)
        self.server = server
    }

    var url: String { "https://127.0.0.1:\(address?.port ?? 0)" }

    /// A fresh join token's bundle.
    func bundle(_ name: String = "node-1", lifetimeSeconds: Int64 = 900) async throws -> JoinBundle {
        let secret = JoinSecret(), now = clock.now()
        let token = JoinToken(
            id: JoinTokenID(at: now), nodeName: name, region: "local", createdBy: nil, createdAt: now,
            expires: now.advanced(bySeconds: lifetimeSeconds))
        try await database.pool.withConnection { connection in
            try await JoinTokenStore.create(token, hash: secret.digest, connection)
        }
        return JoinBundle(
            controlURL: url, token: secret, authorityPEM: keys.authority.certificatePEM,
            rootKey: keys.root.publicKey)
    }

    /// A node as a row, without a process, that says it runs a version.
    func node(_ name: String, running counter: UInt64? = nil) async throws -> NodeID {
        let now = clock.now()
        let secret = JoinSecret()
        let token = JoinToken(
            id: JoinTokenID(at: now), nodeName: name, region: "local", createdBy: nil, createdAt: now,
            expires: now.advanced(bySeconds: 900))
        let joining = NodeStore.Joining(
            id: NodeID(at: now), identityKey: randomBytes(32), sealingKey: randomBytes(32),
            softwareVersion: "test")
        try await database.pool.withTransaction { connection in
            try await JoinTokenStore.create(token, hash: secret.digest, connection)
            _ = try await NodeStore.join(joining, token: secret.digest, at: now, connection)
        }
        try await report(joining.id, running: counter)
        return joining.id
    }

    /// What such a node says of itself.
    func report(_ node: NodeID, running counter: UInt64?, rejected: UInt64? = nil) async throws {
        let now = clock.now()
        var status = NodeStatus(
            softwareVersion: "test", processNonce: "n", startedAt: now,
            running: counter.map { SnapshotVersion(epoch: 1, counter: $0) }, runningIssuedAt: now)
        status.rejected = rejected.map {
            NodeStatus.Rejection(
                version: SnapshotVersion(epoch: 1, counter: $0), stage: .checked, text: "poison")
        }
        let report = status
        try await pool.withConnection { _ = try await NodeStore.report(report, of: node, at: now, $0) }
    }

    /// The version a node is told now.
    func told(_ node: NodeID) -> UInt64? { streams.statement(for: node)?.version.counter }

    /// Ends the listener and its streams as a crash would: nobody is told.
    func stopListening() async {
        streams.close()
        await server?.drain(withinNanoseconds: 1)
        server = nil
    }

    func close() async {
        if isClosed { return }
        isClosed = true
        await listener?.close()
        await nodeListener?.close()
        await stopListening()
        await publisher.stop()
        await pool.close()
        await ingestPool.close()
        workers.shutdown()
    }

    /// What a node would run after the newest statement.
    func published() throws -> (manifest: Manifest, compiled: CompiledSnapshot)? {
        guard let statement = streams.current else { return nil }
        var reader = FrameReader()
        statement.first.withUnsafeBytes { reader.append($0) }
        guard let frame = try reader.next() else { return nil }
        let trust = try TrustedKeys(pinned: [keys.root.publicKey], chain: frame.keySets)
        let verified = try VerifiedManifest.verify(
            received: frame.manifest, trusting: trust, running: nil, at: clock.now())
        var assembly = SnapshotAssembly(verified)
        while let address = assembly.missing.first {
            guard let object = streams.object(address) else { return nil }
            try assembly.add(object)
        }
        return (verified.manifest, try CompiledSnapshot(assembly))
    }
}

/// Whether a key may chat under a snapshot; the refusal if not.
func refusal(_ key: KeyText, in snapshot: CompiledSnapshot?, at now: Timestamp) -> Refusal? {
    guard let snapshot else { return .invalidKey }
    var text = key.reveal()
    return text.withUTF8 { bytes in
        do throws(Refusal) {
            _ = try authenticate(UnsafeRawBufferPointer(bytes), for: .chat, at: now, in: snapshot)
            return nil
        } catch {
            return error
        }
    }
}

/// Runs the body with a database and a control plane of its own.
func withControlPlane<T: Sendable>(
    clock: WallClock = .real, mirror: SnapshotMirror? = nil, timeLimitSeconds: Int = 60,
    _ body: @escaping @Sendable (ControlPlaneRig) async throws -> T
) async throws -> T {
    try await withTestDatabase(timeLimitSeconds: timeLimitSeconds) { database in
        let rig = try ControlPlaneRig(
            database, keys: try RigKeys(now: clock.now()), clock: clock, mirror: mirror)
        do {
            let result = try await body(rig)
            await rig.close()
            return result
        } catch {
            await rig.close()
            throw error
        }
    }
}

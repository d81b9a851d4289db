import API
import Contract
import Cryptography
import Domain
import EventLoops
import HTTPServing
import HTTPWire
import Ingest
import Operations
import PostgresDriver
import Publishing
import Settings
import Store
import Telemetry
import Transport

/// The nodes' side of the control plane: the publisher and the listener they connect to, on one loop.
final class NodeService: LoopService {
    /// Connections of usage batches; each is one transaction.
    private static let ingestConnections = 2
    private static let publisherConnections = 2
    /// Each message of a node about limits is one transaction.
    private static let lendingConnections = 4
    /// Contents of calls must not keep anything else waiting.
    private static let contentConnections = 1
    /// The listener's own certificate is made anew at each start; a process that runs for a year is
    /// restarted.
    private static let certificateSeconds: Int64 = 400 * 86_400
    private static let sweepNanoseconds: Int64 = 3_600 * 1_000_000_000
    private static let clockSlackSeconds: Int64 = 3_600

    let publisher: SnapshotPublisher
    private let shared: SharedParts
    private let loop: EventLoop
    private let streams = SnapshotStreams()
    private let workers = BlockingPool(threads: 1, queueLimit: 64, name: "snapshots")
    private let database: PostgresPool
    private let signers = BlockingPool(threads: 1, queueLimit: 256, name: "grants")
    private let ingestDatabase, lendingDatabase, contentDatabase: PostgresPool
    private let registry: NodeRegistry
    private let changes, nodeChanges: PostgresListener
    private let census: NodeCensus
    private var server: HTTPServer?
    private var sweeping: Timer?

    init(_ shared: SharedParts, url: PostgresURL, resolver: BlockingPool, loop: EventLoop) throws {
        self.shared = shared
        self.loop = loop
        func pool(_ role: DatabaseRole, _ size: Int, _ purpose: String, milliseconds: Int) -> PostgresPool {
            PostgresPool(
                loop: loop, url: url, role: role.name, size: size, purpose: purpose,
                statementTimeoutMilliseconds: milliseconds, resolver: resolver, log: shared.log,
                metrics: shared.metrics)
        }
        database = pool(.publisher, Self.publisherConnections, "publisher", milliseconds: 60_000)
        ingestDatabase = pool(.ingest, Self.ingestConnections, "ingest", milliseconds: 30_000)
        lendingDatabase = pool(.publisher, Self.lendingConnections, "lending", milliseconds: 5_000)
        contentDatabase = pool(.publisher, Self.contentConnections, "contents", milliseconds: 10_000)
        let keys = shared.keys
        let signing = try SnapshotSigning(
            rootKey: keys.pinnedRoot, key: keys.snapshotKey, keySets: keys.keySets,
            fleetKey: keys.fleetKey.id)
        let clock = shared.clock
        var stamp = keys.stamp
        var options = SnapshotPublisher.Options()
        options.bakeSeconds =
            Double(shared.values[ControlSettings.rolloutBake].wholeNanoseconds) / 1_000_000_000
        options.mirror = shared.values[ControlSettings.mirrorDirectory].map { SnapshotMirror(folder: $0) }
        let publisher = SnapshotPublisher(
            loop: loop, database: database, signing: signing, streams: streams, workers: workers,
            clock: shared.clock, log: shared.log, metrics: shared.metrics,
            options: options,
            refresh: { connection in
                try await keys.refresh(at: clock.now(), connection)
                if stamp == keys.stamp { return nil }
                stamp = keys.stamp
                return try SnapshotSigning(
                    rootKey: keys.pinnedRoot, key: keys.snapshotKey, keySets: keys.keySets,
                    fleetKey: keys.fleetKey.id)
            }
        ) { stored, place, owner, connection in
            // Only after the fleet key has changed: a new secret is sealed for the fleet when it is written.
            let secret = try await keys.vault.open(stored.sealed, of: place, owner: owner, connection)
            let sealed = SealedCredential(secret, of: place, under: keys.fleetKey)
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
        self.publisher = publisher
        Self.showKeys(shared)
        census = NodeCensus(
            loop: loop, database: database, clock: shared.clock, metrics: shared.metrics
        ) { publisher.version }
        changes = PostgresListener(
            loop: loop, url: url, role: DatabaseRole.publisher.name, channel: "eclusa_changed"
        ) { publisher.wake() }
        let registry = NodeRegistry(loop: loop, database: database), streams = streams
        self.registry = registry
        nodeChanges = PostgresListener(
            loop: loop, url: url, role: DatabaseRole.publisher.name, channel: "eclusa_nodes_changed"
        ) {
            registry.forget()
            streams.nudge()
        }
    }

    /// When the keys and certificates that nothing else shows end.
    private static func showKeys(_ shared: SharedParts) {
        let keys = shared.keys, clock = shared.clock
        shared.metrics.computedGauge(
            "eclusa_snapshot_key_expires_seconds",
            help: "Until the key that signs snapshots should be replaced, which happens thirty days before."
        ) {
            keys.snapshotKeyExpires.map { Double($0.microseconds(since: clock.now())) / 1_000_000 } ?? .nan
        }
        let authorityEnd = keys.certificateAuthority.certificate.validity.notAfter
        shared.metrics.computedGauge(
            "eclusa_authority_end_seconds",
            help: "When the authority of nodes' certificates ends, in seconds since 1970; nothing renews it."
        ) { Double(authorityEnd) }
    }

    /// Begins to publish and opens the listener.
    func start() throws {
        let (keys, log, metrics, clock) = (shared.keys, shared.log, shared.metrics, shared.clock)
        let lender = GrantLender(
            database: lendingDatabase, workers: signers, clock: clock, log: log, metrics: metrics
        ) { GrantLender.Keys(signing: keys.grantKey, accepted: keys.grantKeys) }
        let nodes = try NodeAPI(
            NodeAPI.Parts(
                loop: loop, registry: registry,
                enroller: NodeEnroller(
                    database: database, authority: keys.certificateAuthority, clock: shared.clock, log: log
                ) { connection in
                    try await keys.refresh(at: clock.now(), connection)
                    return keys.fleetKey
                },
                reports: NodeReports(database: database, clock: shared.clock, log: log, metrics: metrics),
                objects: SnapshotObjects(streams: streams, database: database),
                ingest: UsageIngest(
                    database: ingestDatabase, clock: shared.clock, log: log, metrics: metrics),
                contents: ContentIngest(
                    database: contentDatabase, log: log, metrics: metrics,
                    sealer: { try await keys.vault.contentSealer(of: $0, $1) }),
                lender: lender,
                streams: streams, log: log, metrics: metrics))
        let server = HTTPServer(loop: loop, refusal: ErrorEdge.refusal) { await nodes.handle($0) }
        let address = shared.values[ControlSettings.nodeListenAddress]
        let identity = try listenerIdentity()
        do throws(SystemError) {
            try server.listen(on: address, tls: identity)
        } catch {
            throw StartUp.failure(error, listening: address, setting: "--node-listen-address")
        }
        self.server = server
        sweepLater(lender)
        publisher.start()
        changes.start()
        nodeChanges.start()
        census.start()
    }

    private func sweepLater(_ lender: GrantLender) {
        sweeping = loop.schedule(afterNanoseconds: Self.sweepNanoseconds) { [weak self] in
            guard let self else { return }
            loop.spawn {
                await lender.sweep()
                if self.sweeping != nil { self.sweepLater(lender) }
            }
        }
    }

    func end(withinNanoseconds nanoseconds: Int64) async {
        sweeping?.cancel()
        sweeping = nil
        census.stop()
        await changes.close()
        await nodeChanges.close()
        await publisher.stop()
        streams.close()
        await server?.drain(withinNanoseconds: nanoseconds)
        await database.close()
        await ingestDatabase.close()
        await lendingDatabase.close()
        await contentDatabase.close()
        workers.shutdown()
        signers.shutdown()
    }

    /// The listener's certificate and key, in memory alone, issued by this installation's authority.
    private func listenerIdentity() throws -> TLSContext {
        let authority = shared.keys.certificateAuthority
        let key = Ed25519PrivateKey()
        var names: [String] = []
        var addresses: [String] = []
        let values = shared.values
        let publicHost = WebAddress(values[ControlSettings.nodePublicURL]).map { [$0.host] } ?? []
        for name in publicHost + values[ControlSettings.nodeServerNames] {
            if IPAddress(name) != nil { addresses.append(name) } else { names.append(name) }
        }
        let now = shared.clock.now().microseconds / 1_000_000
        let certificate = try authority.issueServerCertificate(
            commonName: "eclusa-control", names: names, ipAddresses: addresses, publicKey: key.publicKey,
            validity: CertificateValidity(
                notBefore: now - Self.clockSlackSeconds, notAfter: now + Self.certificateSeconds))
        return try TLSContext.server(
            certificateChainPEM: certificate.pem + authority.certificatePEM, privateKeyPEM: key.pem,
            clientCAPEM: authority.certificatePEM, requireClientCertificate: false)
    }
}

import Contract
import Cryptography
import Domain
import EventLoops
import Feed
import LocalStore
import PostgresDriver
import Publishing
import Store
import Telemetry
import TestSupport

/// A publisher over a database full of keys, and a node's data directory filled from what it published.
struct PublisherBench: Sendable {
    let keys: Int
    let tenants: Int

    func run() async throws {
        output("\(keys) keys in \(tenants) tenants\n")
        let bench = self
        try await withTestDatabase(timeLimitSeconds: 900) { database in
            try await bench.fill(database)
            let rig = try BenchPublisher(database)
            defer { rig.close() }
            try await bench.publish(rig)
            let folder = TemporaryDirectory()
            try rig.writeNode(to: folder.path)
            try NodeBoot.runApart(in: folder.path)
        }
    }

    private func fill(_ database: TestDatabase) async throws {
        let start = monotonicNanoseconds()
        let (keys, tenants) = (keys, tenants)
        let pool = database.makePool(size: 1, purpose: "fill", timeoutMilliseconds: 600_000)
        try await pool.withTransaction { connection in
            // Stamps and foreign keys are for writers; this is a state that is there already.
            try await connection.executeScript("set local session_replication_role = replica")
            try await connection.execute(
                """
                insert into tenants (id, slug, name, status, created_at, updated_at)
                select md5('t' || n)::uuid, 'tenant-' || n, 'Tenant ' || n, 'active', now(), now()
                  from generate_series(1, \(tenants)) as n
                """)
            try await connection.execute(
                """
                insert into workspaces (tenant_id, id, slug, name, created_at, updated_at)
                select md5('t' || n)::uuid, md5('w' || n)::uuid, 'main', 'Main', now(), now()
                  from generate_series(1, \(tenants)) as n
                """)
            try await connection.execute(
                """
                insert into keys (tenant_id, id, workspace_id, name, public_id, secret_hash, endpoints,
                                  routes, created_at, updated_at)
                select md5('t' || n % \(tenants) + 1)::uuid, md5('k' || n)::uuid,
                       md5('w' || n % \(tenants) + 1)::uuid, 'key', substr(md5('p' || n), 1, 16),
                       sha256(n::text::bytea), 4294967295, '{}', now(), now()
                  from generate_series(1, \(keys)) as n
                """)
        }
        try await pool.withConnection { try await $0.executeScript("analyze") }
        await pool.close()
        output("filled the database in \(milliseconds(since: start)) ms")
    }

    private func publish(_ rig: BenchPublisher) async throws {
        var start = monotonicNanoseconds()
        _ = try await rig.publisher.reconcile()
        output("full publish", milliseconds(since: start), "ms", goal: 20_000)
        var times: [Int64] = []
        var sizes: [Int64] = []
        for number in 1...21 {
            let before = rig.addresses
            try await rig.revoke(number)
            start = monotonicNanoseconds()
            _ = try await rig.publisher.reconcile()
            times.append(milliseconds(since: start))
            sizes.append(rig.bytes(besides: before))
        }
        times.sort()
        output("one key published (median of 21)", times[10], "ms", goal: 300)
        output("one key published (slowest of 21)", times[20], "ms", goal: 300)
        output("one key, bytes to a node (most)", sizes.max() ?? 0, "bytes", goal: 200_000)
        start = monotonicNanoseconds()
        _ = try await rig.publisher.sweepSlice()
        output("one slice of the sweep", milliseconds(since: start), "ms", goal: 1_000)
    }
}

/// The publisher with keys of its own, and what it last stated. Loop thread.
final class BenchPublisher {
    let publisher: SnapshotPublisher
    private let streams = SnapshotStreams()
    private let workers = BlockingPool(threads: 1, queueLimit: 16, name: "publish")
    private let database: TestDatabase
    private let root = Ed25519PrivateKey()
    private let fleet: FleetKey
    private let keySets: [SignedEnvelope]
    private let now = Timestamp(microseconds: wallClockMicroseconds())

    init(_ database: TestDatabase) throws {
        self.database = database
        let key = Ed25519PrivateKey()
        fleet = FleetKey(id: FleetKeyID(at: now), key: SymmetricKey())
        let set = KeySet(
            version: 1, epoch: 1, issuedAt: now, rootKeys: [root.publicKey],
            entries: [.init(role: .snapshot, key: key.publicKey, expires: now.advanced(bySeconds: 86_400))])
        keySets = [set.signed(by: [root])]
        publisher = SnapshotPublisher(
            loop: database.loop, database: database.pool,
            signing: try SnapshotSigning(
                rootKey: root.publicKey, key: key, keySets: keySets, fleetKey: fleet.id),
            streams: streams, workers: workers,
            clock: WallClock { Timestamp(microseconds: wallClockMicroseconds()) }, log: .silent,
            metrics: MetricsRegistry()
        ) { _, _, _, _ in }
    }

    func close() { workers.shutdown() }

    func revoke(_ number: Int) async throws {
        try await database.pool.withConnection { connection in
            try await connection.execute(
                "update keys set revoked_at = now() where public_id = substr(md5('p' || \(number)), 1, 16)")
        }
    }

    private var frame: StreamFrame? {
        var reader = FrameReader()
        streams.current?.first.withUnsafeBytes { reader.append($0) }
        return try? reader.next()
    }

    private var manifest: Manifest? { frame.flatMap { try? Manifest(encoded: $0.manifest.payload) } }

    /// Pages and shards of what is stated.
    var addresses: Set<SHA256Digest> {
        guard let manifest else { return [] }
        var all = Set(manifest.pages)
        for page in manifest.pages {
            guard let bytes = streams.object(page)?.bytes, let page = try? ManifestPage(encoded: bytes) else {
                continue
            }
            all.formUnion(page.references.compactMap { $0?.address })
        }
        return all
    }

    /// What a node with some objects fetches for what is stated, manifest included.
    func bytes(besides known: Set<SHA256Digest>) -> Int64 {
        let objects = addresses.subtracting(known).compactMap { streams.object($0)?.bytes.count }
        return Int64(objects.reduce(streams.current?.next.count ?? 0, +))
    }

    /// A data directory as a node leaves it that runs what is stated.
    func writeNode(to path: String) throws {
        guard let frame, let manifest else { return }
        let directory = try DataDirectory(path: path)
        let seconds = now.microseconds / 1_000_000
        let validity = CertificateValidity(notBefore: seconds - 60, notAfter: seconds + 86_400)
        let authority = try CertificateAuthority.make(commonName: "bench", validity: validity)
        var identity = NodeIdentity(
            joining: JoinBundle(
                controlURL: "https://127.0.0.1:1", token: JoinSecret(),
                authorityPEM: authority.certificatePEM, rootKey: root.publicKey))
        let node = NodeID(at: now)
        let certificate = try authority.issueClientCertificate(
            publicKey: identity.identityKey.publicKey, commonName: node.description, validity: validity)
        try identity.adopt(
            NodeCredentials(
                node: node, name: "bench", region: "local", certificatePEM: certificate.pem,
                certificateExpires: now.advanced(bySeconds: 86_400), authorityPEM: authority.certificatePEM,
                fleetKey: try fleet.sealed(to: identity.sealingKey.publicKey)), at: now)
        try identity.save(to: directory)
        let cache = try NodeCache(directory: directory)
        defer { cache.close() }
        var writer = FieldWriter()
        writer.values(1, keySets)
        try cache.setValue("key-sets", writer.bytes)
        try cache.activate(
            NodeCache.StoredManifest(
                epoch: UInt64(manifest.version.epoch), counter: manifest.version.counter,
                envelope: frame.manifest.encoded),
            adding: addresses.compactMap { streams.object($0) }.map { ($0.address, $0.bytes) })
    }
}

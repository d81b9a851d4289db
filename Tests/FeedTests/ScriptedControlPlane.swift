import Contract
import Cryptography
import Domain
import EventLoops
import HTTPServing
import HTTPWire
import LocalStore
import Telemetry
import TestSupport
import Transport

@testable import Feed

extension WallClock {
    /// TLS looks at the real time, so what it looks at must too.
    static let real = WallClock { Timestamp(microseconds: wallClockMicroseconds()) }
}

extension TemporaryDirectory {
    var directory: DataDirectory { get throws { try DataDirectory(path: path) } }
}

extension EventLoop {
    /// Lets the loop go on until the condition holds. The test's time limit ends a wait that is in vain.
    func until(_ condition: () async throws -> Bool) async rethrows {
        while try await !condition() { await yieldTurn() }
    }
}

/// A control plane that says what the test tells it to, over real TLS. Loop thread.
final class ScriptedControlPlane {
    let loop: EventLoop
    var fixture: SnapshotFixture
    let parts: SnapshotFixture.Parts
    let authority: CertificateAuthority
    private(set) var address: SocketAddress?
    private var server: HTTPServer?

    /// What is served.
    var objects: [SHA256Digest: [UInt8]] = [:]
    var frame: [UInt8] = []
    private var listeners: [Wakeup] = []
    private var statements = 0
    private var ended = 0
    /// Answers instead of the usual ones, by path.
    var refusals: [String: (status: Int, fields: HeaderFields, body: String)] = [:]
    var certificateSeconds: Int64 = 86_400
    var credentialsFor: X25519PublicKey?

    // What came.
    private(set) var streams = 0
    private(set) var reports: [NodeStatus] = []
    private(set) var joins = 0
    private(set) var renewals = 0
    private(set) var fetched: [String] = []

    init(on loop: EventLoop) throws {
        self.loop = loop
        let now = WallClock.real.now()
        (fixture, parts) = SnapshotFixture.small(now: now)
        let seconds = now.microseconds / 1_000_000
        authority = try CertificateAuthority.make(
            commonName: "Test authority",
            validity: CertificateValidity(notBefore: seconds - 3_600, notAfter: seconds + 86_400))
    }

    func listen(port: UInt16 = 0) throws {
        let server = HTTPServer(loop: loop) { [unowned self] in await handle($0) }
        let key = Ed25519PrivateKey()
        let seconds = WallClock.real.now().microseconds / 1_000_000
        let certificate = try authority.issueServerCertificate(
            commonName: "control", names: ["localhost"], ipAddresses: ["127.0.0.1"], publicKey: key.publicKey,
            validity: CertificateValidity(notBefore: seconds - 60, notAfter: seconds + 3_600))
        address = try server.listen(
            on: SocketAddress("127.0.0.1:\(port)")!,
            tls: try TLSContext.server(
                certificateChainPEM: certificate.pem, privateKeyPEM: key.pem,
                clientCAPEM: authority.certificatePEM))
        self.server = server
    }

    func close() async {
        endStreams()
        await server?.drain(withinNanoseconds: 1)
        server = nil
    }

    var bundle: JoinBundle {
        JoinBundle(
            controlURL: "https://127.0.0.1:\(address?.port ?? 1)", token: JoinSecret(),
            authorityPEM: authority.certificatePEM, rootKey: fixture.rootKey.publicKey)
    }

    /// States the fixture as a version, its objects in reach.
    func publish(_ counter: UInt64, withObjects: Bool = true) throws {
        let built = try fixture.built(counter: counter, issuedAt: WallClock.real.now())
        if withObjects { for (address, object) in built.objects { objects[address] = object.bytes } }
        send(fixture.frame(of: built).framed)
    }

    func send(_ bytes: [UInt8]) {
        frame = bytes
        statements += 1
        for listener in listeners { listener.signal() }
    }

    /// Ends the streams that are open, cleanly.
    func endStreams() {
        ended += 1
        for listener in listeners { listener.signal() }
    }

    private func handle(_ exchange: Exchange) async {
        let path = exchange.path
        if let (status, fields, body) = refusals[path] {
            try? await exchange.respond(status: status, fields: fields, text: body)
            return
        }
        switch path {
        case NodeProtocol.joinPath: await join(exchange)
        case NodeProtocol.renewPath: await renew(exchange)
        case NodeProtocol.streamPath: await stream(exchange)
        case NodeProtocol.statusPath:
            if let body = try? await exchange.readBody(limit: 1 << 16),
                let status = try? NodeStatus(json: [UInt8](body))
            {
                reports.append(status)
            }
            try? await exchange.respond(status: 204)
        case NodeProtocol.usagePath:
            let answer = BatchAnswer.acknowledged(sequence: 1)
            try? await exchange.respond(status: 200, body: answer.encoded)
        default:
            let name = String(path.dropFirst(NodeProtocol.objectsPath.count))
            fetched.append(name)
            let bytes = SHA256Digest(hexadecimal: name).flatMap { objects[$0] }
            try? await exchange.respond(status: bytes == nil ? 404 : 200, body: bytes ?? [])
        }
    }

    private func join(_ exchange: Exchange) async {
        joins += 1
        guard let body = try? await exchange.readBody(limit: 1 << 16),
            let request = try? JoinRequest(json: [UInt8](body))
        else { return }
        await give(exchange, request.identityKey, request.sealingKey)
    }

    private func renew(_ exchange: Exchange) async {
        renewals += 1
        guard let body = try? await exchange.readBody(limit: 1 << 16),
            let request = try? RenewRequest(json: [UInt8](body)), let key = lastIdentity,
            let sealingKey = lastSealing, request.isProven(by: key, at: WallClock.real.now())
        else { return }
        await give(exchange, key, sealingKey)
    }

    private var lastIdentity: Ed25519PublicKey?
    private var lastSealing: X25519PublicKey?
    let node = NodeID(high: 11, low: 12)

    private func give(_ exchange: Exchange, _ key: Ed25519PublicKey, _ sealingKey: X25519PublicKey) async {
        lastIdentity = key
        lastSealing = sealingKey
        let now = WallClock.real.now(), seconds = now.microseconds / 1_000_000
        guard
            let certificate = try? authority.issueClientCertificate(
                publicKey: key, commonName: node.description,
                validity: CertificateValidity(
                    notBefore: seconds - 7_200, notAfter: seconds + certificateSeconds)),
            let fleetKey = try? fixture.fleetKey.sealed(to: credentialsFor ?? sealingKey)
        else { return }
        let credentials = NodeCredentials(
            node: node, name: "node-1", region: "local", certificatePEM: certificate.pem,
            certificateExpires: now.advanced(bySeconds: certificateSeconds),
            authorityPEM: authority.certificatePEM,
            fleetKey: fleetKey)
        try? await exchange.respond(status: 200, body: credentials.json)
    }

    private func stream(_ exchange: Exchange) async {
        streams += 1
        try? await exchange.startStreaming(status: 200)
        let news = Wakeup(), generation = ended
        listeners.append(news)
        defer { listeners.removeAll { $0 === news } }
        var told = 0
        while ended == generation {
            if told < statements {
                told = statements
                let bytes = GrowableBytesBox(frame)
                guard (try? await exchange.write(bytes.view)) != nil else { return }
            } else {
                await news.wait()
            }
        }
        try? await exchange.finish()
    }
}

/// Bytes that do not move while they are written.
private final class GrowableBytesBox {
    private var bytes = GrowableBytes()
    var view: UnsafeRawBufferPointer { bytes.view }
    init(_ content: [UInt8]) { content.withUnsafeBytes { bytes.append($0) } }
}

/// A node on the loop of the test.
final class FeedRig {
    let folder: TemporaryDirectory
    let feed: NodeFeed
    let cache: NodeCache
    let snapshots = LiveSnapshots()
    let live: LiveSnapshot
    let metrics = MetricsRegistry()
    private let disk = BlockingPool(threads: 1, queueLimit: 1_024, name: "disk")
    private let resolver: BlockingPool

    init(
        _ bundle: JoinBundle?, in folder: TemporaryDirectory = TemporaryDirectory(), on loop: EventLoop,
        confirmNanoseconds: Int64 = 3_600_000_000_000, reportNanoseconds: Int64 = 3_600_000_000_000
    ) async throws {
        self.folder = folder
        let resolver = BlockingPool(threads: 1, queueLimit: 8, name: "resolve")
        self.resolver = resolver
        let directory = try folder.directory
        let identity: NodeIdentity
        do {
            identity = try await NodeEnrollment.enroll(
                in: directory, bundle: bundle, softwareVersion: "test", loop: loop, resolver: resolver,
                clock: .real, log: .silent)
        } catch {
            resolver.shutdown()
            throw error
        }
        live = LiveSnapshot(following: snapshots, on: loop)
        cache = try NodeCache(directory: directory)
        var options = NodeFeed.Options(softwareVersion: "test")
        options.reportNanoseconds = reportNanoseconds
        options.confirmNanoseconds = confirmNanoseconds
        feed = try NodeFeed(
            identity: identity, directory: directory, cache: cache, snapshots: snapshots, loop: loop,
            disk: disk,
            resolver: resolver, clock: .real, log: .silent, metrics: metrics, options: options)
    }

    var counter: UInt64? { live.current?.version.counter }

    func close() {
        feed.stop()
        disk.shutdown()
        resolver.shutdown()
        cache.close()
    }
}

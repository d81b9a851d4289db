import Contract
import Cryptography
import Domain
import EventLoops
import HTTPCalling
import Policy
import PostgresDriver
import Store
import Synchronization
import TestSupport

@testable import Feed

/// A node that is nothing but the real client and the real machine: no disk, no program around it. Loop
/// thread.
final class StreamingNode {
    private let loop: EventLoop
    private let client: ControlPlaneClient
    private let identity: NodeIdentity
    private let crowd: ManyNodes
    private var machine: SnapshotMachine
    private var stream = StreamMachine()
    private var call: ClientConnection?
    private var current: CompiledSnapshot?

    init(_ identity: NodeIdentity, _ crowd: ManyNodes, loop: EventLoop, resolver: BlockingPool) throws {
        self.loop = loop
        self.identity = identity
        self.crowd = crowd
        client = try ControlPlaneClient(loop: loop, resolver: resolver, identity: identity)
        machine = SnapshotMachine(pinnedRoots: [identity.rootKey])
    }

    func start() { take(stream.handle(.start)) }
    func stop() { take(stream.handle(.stop)) }

    private func take(_ actions: [StreamMachine.Action]) {
        for action in actions {
            switch action {
            case .connect: loop.spawn { await self.follow() }
            case .wait(let nanoseconds):
                loop.schedule(afterNanoseconds: nanoseconds) { self.take(self.stream.handle(.waited)) }
            case .close: call?.close()
            }
        }
    }

    private func follow() async {
        var retryAfter: Int64?
        do {
            let call = try await client.openStream()
            defer { call.close() }
            self.call = call
            take(stream.handle(.opened))
            crowd.note(.opened)
            var frames = FrameReader()
            while let bytes = try await call.nextBody() {
                frames.append(bytes)
                while let frame = try frames.next() {
                    take(machine.handle(.received(frame, at: WallClock.real.now())))
                }
            }
        } catch {
            if case .refused(503, _, let seconds)? = error as? ControlPlaneError {
                retryAfter = seconds
                crowd.note(.putOff)
            }
        }
        call = nil
        take(stream.handle(.ended(retryAfterNanoseconds: retryAfter)))
    }

    private func take(_ actions: [SnapshotMachine.Action]) {
        for action in actions {
            switch action {
            case .obtain(let addresses): loop.spawn { await self.obtain(addresses) }
            case .compile(let assembly): compile(assembly)
            case .persist: take(machine.handle(.persisted(failure: nil)))
            case .activate(let serving):
                current = serving.compiled
                crowd.note(.runs(identity.node, serving.version))
            case .freshen(let manifest): crowd.note(.runs(identity.node, manifest.version))
            case .report: if machine.rejection != nil { crowd.note(.refused) }
            case .storeTrust, .takeAway: break
            }
        }
    }

    private func obtain(_ addresses: [SHA256Digest]) async {
        for address in addresses {
            guard let limit = machine.byteLimit(of: address) else { continue }
            do {
                take(
                    machine.handle(.obtained(try await client.object(address, limit: limit), isFetched: true))
                )
            } catch { return take(machine.handle(.unobtainable(address, "\(error)"))) }
        }
    }

    private func compile(_ assembly: SnapshotAssembly) {
        do {
            let compiled = try CompiledSnapshot(assembly, previous: current)
            guard let fleetKey = identity.enrolled?.fleetKey else { return }
            take(machine.handle(.compiled(try ServingSnapshot(compiled, openingWith: fleetKey))))
        } catch { take(machine.handle(.refused(.checked, "\(error)"))) }
    }
}

/// Any number of such nodes on a loop of their own. Any thread.
final class ManyNodes: Sendable {
    enum Note {
        case opened, putOff, refused
        case runs(NodeID?, SnapshotVersion)
    }

    struct Counts {
        var opened = 0
        /// Streams the control plane put off.
        var putOff = 0
        var refused = 0
        var running: [NodeID: SnapshotVersion] = [:]
        /// Streams opened in each second.
        var bySecond: [Int64: Int] = [:]
    }

    private let counts = Mutex(Counts())
    private let loop: EventLoop
    private let thread: ThreadHandle
    private let resolver = BlockingPool(threads: 1, queueLimit: 64, name: "resolve")
    private nonisolated(unsafe) var nodes: [StreamingNode] = []

    /// Registers so many nodes, as if they had joined.
    init(_ count: Int, at rig: ControlPlaneRig) async throws {
        let loop = try EventLoop()
        self.loop = loop
        thread = spawnThread(name: "many-nodes") { loop.run() }
        let now = WallClock.real.now(), seconds = now.microseconds / 1_000_000
        let validity = CertificateValidity(notBefore: seconds - 60, notAfter: seconds + 86_400)
        let bundle = JoinBundle(
            controlURL: rig.url, token: JoinSecret(), authorityPEM: rig.keys.authority.certificatePEM,
            rootKey: rig.keys.root.publicKey)
        var identities: [NodeIdentity] = []
        for number in 0..<count {
            var identity = NodeIdentity(joining: bundle)
            let node = try await rig.node("fake-\(number)", identity: identity)
            let certificate = try rig.keys.authority.issueClientCertificate(
                publicKey: identity.identityKey.publicKey, commonName: node.description, validity: validity)
            try identity.adopt(
                NodeCredentials(
                    node: node, name: "fake-\(number)", region: "local", certificatePEM: certificate.pem,
                    certificateExpires: now.advanced(bySeconds: 86_400),
                    authorityPEM: rig.keys.authority.certificatePEM,
                    fleetKey: try rig.keys.fleet.sealed(to: identity.sealingKey.publicKey)), at: now)
            identities.append(identity)
        }
        let made = identities
        try await loop.run {
            for identity in made {
                self.nodes.append(
                    try StreamingNode(identity, self, loop: self.loop, resolver: self.resolver))
            }
        }
    }

    var count: Int { counts.withLock { $0.running.count } }
    var snapshot: Counts { counts.withLock { $0 } }

    /// Begins to count streams anew.
    func forget() { counts.withLock { ($0.opened, $0.putOff, $0.bySecond) = (0, 0, [:]) } }

    func running(_ version: SnapshotVersion) -> Int {
        counts.withLock { counts in counts.running.values.count { $0 >= version } }
    }

    func start() async throws { try await loop.run { for node in self.nodes { node.start() } } }

    func close() async throws {
        try await loop.run {
            for node in self.nodes { node.stop() }
            self.nodes = []
        }
        loop.stop()
        thread.join()
        resolver.shutdown()
    }

    func note(_ note: Note) {
        counts.withLock { counts in
            switch note {
            case .opened:
                counts.opened += 1
                counts.bySecond[monotonicNanoseconds() / 1_000_000_000, default: 0] += 1
            case .putOff: counts.putOff += 1
            case .refused: counts.refused += 1
            case .runs(let node, let version): if let node { counts.running[node] = version }
            }
        }
    }
}

extension ControlPlaneRig {
    /// The row of a node with these keys.
    func node(_ name: String, identity: NodeIdentity) async throws -> NodeID {
        let now = clock.now()
        let secret = JoinSecret()
        let token = JoinToken(
            id: JoinTokenID(at: now), nodeName: name, region: "local", createdBy: nil, createdAt: now,
            expires: now.advanced(bySeconds: 900))
        let joining = NodeStore.Joining(
            id: NodeID(at: now), identityKey: identity.identityKey.publicKey.rawBytes,
            sealingKey: identity.sealingKey.publicKey.rawBytes, softwareVersion: "test")
        try await database.pool.withTransaction { connection in
            try await JoinTokenStore.create(token, hash: secret.digest, connection)
            _ = try await NodeStore.join(joining, token: secret.digest, at: now, connection)
        }
        return joining.id
    }
}

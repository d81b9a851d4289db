package import Contract
import Cryptography
package import Domain
package import EventLoops
import HTTPCalling
package import LocalStore
import Policy
package import Telemetry

/// Keeps the node current: follows the control plane's stream, renews the certificate, reports. Lives on one
/// loop.
///
/// `boot()`, then `start()`. Everything it learns becomes visible through `LiveSnapshots`.
package final class NodeFeed {
    package struct Options: Sendable {
        package var softwareVersion: String
        /// How often the node reports when nothing changes.
        package var reportNanoseconds: Int64 = 5_000_000_000
        /// How long a snapshot runs before it is the last-known-good one.
        package var confirmNanoseconds: Int64 = 30_000_000_000
        /// Reads new shards in a process of its own before this one does; nil: nobody does.
        package var checker: SnapshotChecker?
        /// Where else snapshots can be had.
        package var mirror: SnapshotMirrorSource?

        package init(softwareVersion: String) { self.softwareVersion = softwareVersion }
    }

    /// What only the rest of the node knows of its state.
    package struct Load: Sendable {
        package var callsInFlight: Int64 = 0
        package var outboxEvents: Int64 = 0
        package var outboxBytes: Int64 = 0
        package var isDraining = false

        package init() {}
    }

    /// Asked before every report.
    package var load: () -> Load = { Load() }
    /// Called when a stream was opened: the control plane is there.
    package var connected: () -> Void = {}
    /// Called when the control plane says that another live process has this node's identity: both must end,
    /// since each spends what was lent to one.
    package var duplicated: () -> Void = {}
    package private(set) var identity: NodeIdentity

    let loop: EventLoop
    let options: Options
    let snapshots: LiveSnapshots
    let cache: NodeCache
    let clock: WallClock
    let log: Log
    let metrics: FeedMetrics
    let control: ControlPlaneClient
    /// One thread, so that what is written stays in order; also compiles, off the loop.
    let disk: BlockingPool
    var snapshotMachine: SnapshotMachine
    var fetchPermits = LoopSemaphore(permits: 8)
    var confirmTimer: Timer?
    var letGoTimer: Timer?
    var isMaintaining = false
    private let directory: DataDirectory
    private var streamMachine = StreamMachine()
    private var stream: ClientConnection?
    private var streamTimer: Timer?
    private let reportPause, renewalPause: Pause
    private let renewalMutex = LoopMutex()
    private let processNonce: String
    private let startedAt: Timestamp
    private(set) var isStopped = false

    /// - Parameters:
    ///   - identity: enrolled.
    ///   - disk: a pool of one thread for this feed alone.
    ///   - resolver: looks up the control plane's name.
    package init(
        identity: NodeIdentity, directory: DataDirectory, cache: NodeCache, snapshots: LiveSnapshots,
        loop: EventLoop, disk: BlockingPool, resolver: BlockingPool, clock: WallClock, log: Log,
        metrics: MetricsRegistry, options: Options
    ) throws(NodeEnrollment.Failure) {
        self.identity = identity
        self.directory = directory
        self.cache = cache
        self.snapshots = snapshots
        self.loop = loop
        self.disk = disk
        self.clock = clock
        self.log = log
        self.options = options
        self.metrics = FeedMetrics(metrics, snapshots: snapshots, clock: clock)
        do throws(ControlPlaneError) {
            control = try ControlPlaneClient(loop: loop, resolver: resolver, identity: identity)
        } catch { throw .unusable(error.description) }
        snapshotMachine = SnapshotMachine(pinnedRoots: [identity.rootKey])
        reportPause = Pause(loop)
        renewalPause = Pause(loop)
        processNonce = Hexadecimal.encode(randomBytes(16))
        startedAt = clock.now()
        noteCertificate()
    }

    private func noteCertificate() {
        guard let end = identity.enrolled?.credentials.certificateExpires else { return }
        metrics.certificateEnd.set(end.microseconds / 1_000_000)
    }

    /// Runs what the cache holds, if it still stands. Needs no control plane; well under a second.
    package func boot() async {
        guard let fleetKey = identity.enrolled?.fleetKey else { return }
        let cache = cache, log = log, roots = [identity.rootKey]
        let loaded = try? await disk.run {
            var quarantined: SnapshotVersion?
            let (trust, snapshot) = CachedSnapshot.load(from: cache, pinned: roots, fleetKey: fleetKey) {
                slot, reason in
                log.error(
                    "a cached snapshot was passed over",
                    ["slot": LogValue(slot.rawValue), "reason": LogValue(reason)])
            } quarantined: {
                quarantined = $0
            }
            return (trust: trust, snapshot: snapshot, quarantined: quarantined)
        }
        guard let loaded else { return }
        let cached = loaded.snapshot
        snapshotMachine = SnapshotMachine(
            pinnedRoots: roots, trust: loaded.trust, running: cached?.verified,
            addresses: cached?.serving.compiled.addresses ?? [], quarantined: loaded.quarantined)
        guard let cached else { return }
        snapshots.activate(cached.serving)
        let manifest = cached.verified.manifest
        snapshots.freshen(issuedAt: manifest.issuedAt, freshUntil: manifest.freshUntil)
        log.info("running the cached snapshot", ["version": LogValue("\(manifest.version)")])
        maintainLater()
    }

    /// Begins to follow the control plane. Once.
    package func start() {
        run(streamMachine.handle(.start))
        loop.spawn { await self.keepReporting() }
        loop.spawn { await self.keepRenewing() }
        loop.spawn { await self.keepLookingIntoMirror() }
    }

    /// Ends in good order: what runs did not bring the node down. Then as `stop`.
    package func finish() async {
        let cache = cache
        _ = try? await disk.run { try? cache.setAttempt(nil) }
        stop()
    }

    /// Ends the stream and all tasks of the feed; the snapshot stays.
    package func stop() {
        isStopped = true
        run(streamMachine.handle(.stop))
        reportPause.end()
        renewalPause.end()
        confirmTimer?.cancel()
        letGoTimer?.cancel()
        streamTimer?.cancel()
    }

    /// Sends a sealed usage batch; nil when there was no answer.
    package func postUsage(_ batch: [UInt8]) async -> (status: Int, body: [UInt8])? {
        do throws(ControlPlaneError) { return try await control.upload(batch) } catch {
            log.debug("usage was not delivered", ["reason": LogValue(error)])
            return nil
        }
    }

    /// Sends a `CallContentBatch`; the status of the answer, nil when there was none.
    package func postContents(_ batch: [UInt8]) async -> Int? {
        do throws(ControlPlaneError) { return try await control.uploadContents(batch) } catch {
            log.debug("contents of calls were not delivered", ["reason": LogValue(error)])
            return nil
        }
    }

    /// Sends a `GrantRequest`; nil when there was no answer.
    package func postGrants(_ request: [UInt8]) async -> (status: Int, body: [UInt8])? {
        do throws(ControlPlaneError) { return try await control.exchangeGrants(request) } catch {
            log.debug("what is held was not told", ["reason": LogValue(error)])
            return nil
        }
    }

    /// What a signed statement lends to this node; nil when its signature is not good, or it is another's.
    package func verifiedGrant(_ statement: SignedEnvelope) -> Grant? {
        guard let trust = snapshotMachine.trust else { return nil }
        // A grant outlives the key that signed it.
        let keys = trust.current.keys(for: .grant) + (trust.previous?.keys(for: .grant) ?? [])
        guard statement.isSigned(as: Grant.payloadType, by: keys),
            let grant = try? Grant(encoded: statement.payload), grant.node == identity.node
        else { return nil }
        return grant
    }

    // MARK: The stream

    /// Whether a stream is open.
    package var isFollowing: Bool { streamMachine.isOpen }

    private func run(_ actions: [StreamMachine.Action]) {
        for action in actions {
            switch action {
            case .connect: loop.spawn { await self.follow() }
            case .wait(let nanoseconds):
                streamTimer = loop.schedule(afterNanoseconds: nanoseconds) {
                    self.run(self.streamMachine.handle(.waited))
                }
            case .close: stream?.close()
            }
        }
    }

    private func follow() async {
        var retryAfter: Int64?
        do {
            let call = try await control.openStream()
            defer { call.close() }
            if isStopped { return }
            stream = call
            run(streamMachine.handle(.opened))
            metrics.connected.set(1)
            log.info("following the control plane", ["url": LogValue(identity.controlURL)])
            connected()
            report()
            try await read(call)
            log.info("the control plane ended the stream")
        } catch {
            if case .refused(_, _, let seconds)? = error as? ControlPlaneError { retryAfter = seconds }
            if !isStopped { await explain(error) }
        }
        stream = nil
        metrics.connected.set(0)
        if isStopped { return }
        metrics.breaks.add()
        run(streamMachine.handle(.ended(retryAfterNanoseconds: retryAfter)))
    }

    private func read(_ call: ClientConnection) async throws {
        var frames = FrameReader()
        while let bytes = try await call.nextBody() {
            frames.append(bytes)
            while let frame = try frames.next() {
                handle(.received(frame, at: clock.now()))
            }
        }
    }

    private func explain(_ error: any Error) async {
        log.warning("not connected to the control plane", ["reason": LogValue(error)])
        guard let expires = identity.enrolled?.credentials.certificateExpires, expires <= clock.now() else {
            return
        }
        // A node that was away: its registered key is still its identity.
        await renew()
    }

    // MARK: Reports

    /// Reports soon.
    func report() { reportPause.end() }

    private func keepReporting() async {
        while !isStopped {
            await reportPause.wait(nanoseconds: options.reportNanoseconds)
            if isStopped { return }
            do throws(ControlPlaneError) { try await control.report(status) } catch {
                log.debug("the report was not delivered", ["reason": LogValue(error)])
                if case .refused(_, let code, _) = error, code == ErrorCode.nodeDuplicate.code {
                    log.error("another live process uses this node's identity")
                    duplicated()
                }
            }
        }
    }

    package var status: NodeStatus {
        let load = load()
        return NodeStatus(
            softwareVersion: options.softwareVersion, processNonce: processNonce, startedAt: startedAt,
            running: snapshots.current?.version, runningIssuedAt: snapshots.issuedAt,
            rejected: snapshotMachine.rejection, callsInFlight: load.callsInFlight,
            outboxEvents: load.outboxEvents, outboxBytes: load.outboxBytes, isDraining: load.isDraining)
    }

    // MARK: The certificate

    private func keepRenewing() async {
        var ceiling: Int64 = 30_000_000_000
        while !isStopped, let enrolled = identity.enrolled {
            let due = enrolled.renewal(spread: Double.random(in: 0..<1))
            let left = due.microseconds(since: clock.now())
            await renewalPause.wait(nanoseconds: max(1, min(left, 86_400_000_000)) * 1_000)
            if isStopped { return }
            if due > clock.now() { continue }
            if await renew() {
                ceiling = 30_000_000_000
            } else {
                await renewalPause.wait(nanoseconds: Int64.random(in: 0...ceiling))
                ceiling = min(ceiling * 2, 300_000_000_000)
            }
        }
    }

    /// Gets a new certificate and the current fleet key; false when that has to wait.
    @discardableResult
    func renew() async -> Bool {
        let before = identity.enrolled?.receivedAt
        return await renewalMutex.withLock {
            // Somebody else's renewal, which this one waited for, serves as well.
            if identity.enrolled?.receivedAt != before { return true }
            guard let node = identity.node else { return false }
            do {
                let request = RenewRequest(
                    node: node, identity: identity.identityKey, softwareVersion: options.softwareVersion,
                    issuedAt: clock.now())
                let credentials = try await control.renew(request)
                try identity.adopt(credentials, at: clock.now())
                let renewed = identity
                try control.use(renewed)
                let directory = directory
                try await disk.run { Result { try renewed.save(to: directory) } }.get()
                noteCertificate()
                log.info("renewed the node's certificate")
                return true
            } catch {
                log.warning("could not renew the node's certificate", ["reason": LogValue(error)])
                return false
            }
        }
    }
}

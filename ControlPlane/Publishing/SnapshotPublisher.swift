package import Contract
import Cryptography
package import Domain
package import EventLoops
import Policy
package import PostgresDriver
package import Store
package import Telemetry

/// Keeps the published snapshot equal to the database, and states it to the nodes. A reconciler: it takes no
/// input, runs when woken and every ten seconds, reads what is there, and converges. Any number of replicas
/// may run. Lives on one loop.
package final class SnapshotPublisher {
    package struct Options: Sendable {
        /// How often it looks without being woken, and restates the snapshot: the nodes' heartbeat.
        package var periodNanoseconds: Int64 = NodeProtocol.heartbeatSeconds * 1_000_000_000
        /// Changes within this time after a publication go together.
        package var debounceNanoseconds: Int64 = 20_000_000
        /// The time in which everything is read anew, slice by slice, and compared with what is
        /// published; then what nobody needs is deleted.
        package var sweepNanoseconds: Int64 = 3_600_000_000_000
        /// Versions kept in the database.
        package var keptVersions = 50
        /// How long the nodes that go first run a change of settings before the next ones get it.
        package var bakeSeconds = 1.0
        /// Where a static copy is kept.
        package var mirror: SnapshotMirror?

        package init() {}

        /// How many tenants a slice of the sweep has, and how long it is from one to the next: a round takes
        /// the time of a sweep, however few tenants there are and however many keys one has.
        func slices(of tenants: Int) -> (size: Int, nanoseconds: Int64) {
            let looks = max(1, sweepNanoseconds / max(1, periodNanoseconds))
            let size = tenants / Int(looks) + 1
            return (size, max(periodNanoseconds, sweepNanoseconds / Int64(tenants / size + 1)))
        }
    }

    private static let attempts = 5
    /// Between two looks at the nodes while a change of settings travels.
    private static let travelNanoseconds: Int64 = 200_000_000

    let loop: EventLoop
    let database: PostgresPool
    var signing: SnapshotSigning
    private let refresh: SigningRefresh
    private let streams: SnapshotStreams
    let workers: BlockingPool
    private let seal: FleetSealing
    let clock: WallClock
    let log: Log
    let metrics: PublishingMetrics
    let options: Options
    private let wakeup = Wakeup()
    private let ended = Wakeup()
    private let mutex = LoopMutex()
    var told: ToldSnapshots?
    /// Who goes first while a change of settings travels; only ever grows until it has arrived.
    var advanced: Set<NodeID> = []
    private var published: PublishedSnapshot? { told?.live }
    private var lastRefusal = ""
    private(set) var isMirroring = false
    private var mirrored: Set<SHA256Digest> = []
    private var sliceDue, garbageDue: Int64
    /// How far the sweep is: the last tenant that was compared.
    private var swept: TenantID?
    private var timer: Timer?
    private var heartbeat: Timer?
    private var isStarted = false
    private var isStopped = false

    /// - Parameters:
    ///   - database: role publisher; two connections do.
    ///   - workers: builds and checks run there.
    ///   - refresh: asked before every look: the keys, when they were rotated.
    ///   - seal: seals a credential under the current fleet key and stores the seal.
    package init(
        loop: EventLoop, database: PostgresPool, signing: SnapshotSigning, streams: SnapshotStreams,
        workers: BlockingPool, clock: WallClock, log: Log, metrics: MetricsRegistry,
        options: Options = Options(), refresh: @escaping SigningRefresh = { _ in nil },
        seal: @escaping FleetSealing
    ) {
        self.loop = loop
        self.database = database
        self.signing = signing
        self.refresh = refresh
        self.streams = streams
        self.workers = workers
        self.clock = clock
        self.log = log
        self.metrics = PublishingMetrics(metrics, streams: streams)
        self.options = options
        self.seal = seal
        sliceDue = loop.now + options.periodNanoseconds
        garbageDue = loop.now + options.sweepNanoseconds
    }

    /// The newest published version; nil before the first look at the database.
    package var version: SnapshotVersion? { published?.version }

    /// Looks soon: something may have changed. A hint, which may be lost. Loop thread.
    package func wake() { wakeup.signal() }

    /// `wake` for other threads.
    package var waker: @Sendable () -> Void {
        let reference = PublisherReference(publisher: self, loop: loop)
        return { reference.wake() }
    }

    /// Begins to look, woken or not. Once.
    package func start() {
        isStarted = true
        loop.spawn { await self.keepReconciling() }
        restateLater()
    }

    /// Finishes what is under way. The last statement stays with the streams.
    package func stop() async {
        isStopped = true
        timer?.cancel()
        heartbeat?.cancel()
        wakeup.signal()
        if isStarted { await ended.wait() }
    }

    private func keepReconciling() async {
        while !isStopped {
            let started = loop.now
            var wait = options.periodNanoseconds
            do {
                if try await reconcile() {
                    await loop.sleep(nanoseconds: options.debounceNanoseconds)
                } else if loop.now >= sliceDue {
                    let tenants = published?.compiled.tenants.count ?? 0
                    sliceDue = loop.now + options.slices(of: tenants).nanoseconds
                    if try await sweepSlice() { try await collectGarbage() }
                }
            } catch {
                metrics.failures.add()
                // Contention ends by itself, and is told apart from what does not.
                log.log(
                    error is PublishingContention ? .warning : .error, "could not publish",
                    ["reason": LogValue(error)])
                // The pool fails at once while the database is away; a spread keeps replicas apart.
                wait = Int64.random(in: 500_000_000...1_500_000_000)
            }
            if isStopped { break }
            if isTravelling { wait = min(wait, Self.travelNanoseconds) }
            timer = loop.schedule(afterNanoseconds: max(1, wait - (loop.now - started))) { [wakeup] in
                wakeup.signal()
            }
            await wakeup.wait()
            timer?.cancel()
        }
        ended.signal()
    }

    /// Compares the next tenants, and the platform after the last one; true when it is through with all.
    @discardableResult
    package func sweepSlice() async throws -> Bool {
        guard let published else { return false }
        let tenants = published.compiled.tenants.map(\.id), first = swept
        let limit = options.slices(of: tenants.count).size
        let slice = try await database.withConnection {
            try await SnapshotExport.tenantIDs(after: first, limit: limit, $0)
        }
        let last = slice.count < limit ? nil : slice.last
        // Also those the database does not know any more.
        var scope = SnapshotScope(of: slice)
        let gone = tenants.filter { id in
            first.map { $0 < id } ?? true && last.map { id <= $0 } ?? true
        }
        scope.formUnion(SnapshotScope(of: gone + published.sharded.keyOwners(after: first, through: last)))
        if last == nil { scope.owners.insert(nil) }
        try await reconcile(sweeping: .part(scope))
        swept = last
        return last == nil
    }

    private func collectGarbage() async throws {
        if loop.now < garbageDue { return }
        garbageDue = loop.now + options.sweepNanoseconds
        let kept = options.keptVersions
        let deleted = try await database.withTransaction { connection in
            try await SnapshotStore.collectGarbage(keeping: kept, connection)
        }
        log.info("swept the snapshots", ["deleted_objects": LogValue(deleted)])
    }

    // MARK: Reconcile

    /// What to compare although no change was noted for it.
    package enum Sweep: Equatable {
        case nothing, everything
        case part(SnapshotScope)
    }

    /// Looks once and publishes what differs; true when a new version was published.
    @discardableResult
    package func reconcile(sweeping sweep: Sweep = .nothing) async throws -> Bool {
        try await mutex.withLock {
            // A version that cannot be taken over, while it is the newest.
            var unusable: SnapshotVersion?
            for _ in 0..<Self.attempts {
                try await takeOverKeys()
                let mode: SnapshotReading.Mode
                if let unusable {
                    mode = .everything(insteadOf: unusable)
                } else if let published {
                    mode =
                        switch sweep {
                        case .nothing where published.manifest.fleetKey != signing.fleetKey:
                            .sweeping(published.version, published.secretOwners)
                        case .nothing: .following(published.version)
                        case .everything: .sweeping(published.version, nil)
                        case .part(let scope): .sweeping(published.version, scope)
                        }
                } else {
                    mode = .following(SnapshotVersion(epoch: 0, counter: 0))
                }
                switch try await SnapshotReading.take(
                    mode, fleetKey: signing.fleetKey, at: clock.now(), database)
                {
                case .unchanged(let state): return try await proceed(state)
                case .behind(let state, let latest):
                    unusable = try await adopt(state, latest) ? nil : state.version
                case .unsealed(let credentials): try await sealAll(credentials)
                // The epoch was raised after the keys were looked at, which say so too.
                case .content(let content) where content.state.version.epoch > signing.trust.current.epoch:
                    continue
                case .content(let content):
                    if let isPublished = try await publish(content) { return isPublished }
                    // Somebody was faster: what they published may be all there is to say.
                    unusable = nil
                }
            }
            throw PublishingContention()
        }
    }

    /// Signs with the keys in force; streams hear of new key sets at once, not with the next version.
    private func takeOverKeys() async throws {
        guard let fresh = try await database.withConnection(refresh) else { return }
        signing = fresh
        log.info("took over rotated keys", ["key_sets": LogValue(fresh.keySets.count)])
        restate()
    }

    /// Takes over the newest version; false when it cannot be used and everything has to be built.
    private func adopt(_ state: SnapshotStore.State, _ latest: SnapshotStore.Published?) async throws -> Bool
    {
        guard let latest, latest.version == state.version, state.builtFrom != nil else { return false }
        do {
            let verified = try VerifiedManifest.verify(
                cached: try SignedEnvelope(encoded: latest.manifest), trusting: signing.trust)
            let live = try await load(verified)
            var held: PublishedSnapshot?
            if let version = state.rollout.held { held = try await load(version) }
            announce(ToldSnapshots(live: live, held: held, rollout: state.rollout))
            log.info("took over the published snapshot", ["version": LogValue("\(live.version)")])
            return true
        } catch let error as PostgresError {
            throw error
        } catch {
            log.warning(
                "the published snapshot cannot be taken over; building anew", ["reason": LogValue(error)])
            return false
        }
    }

    /// A stored snapshot, opened and checked.
    func load(_ verified: VerifiedManifest) async throws -> PublishedSnapshot {
        let atHand = told?.objects ?? [:], now = clock.now()
        let objects = try await SnapshotBuild.collect(verified.manifest, atHand: atHand) { addresses in
            if addresses.isEmpty { return [:] }
            return try await database.withConnection { try await SnapshotStore.objects(addresses, $0) }
        }
        return try await workers.run {
            Result { try SnapshotBuild.adopt(verified, objects: objects, at: now) }
        }.get()
    }

    private func sealAll(_ secrets: [(StoredCredential, SecretPlace, TenantID?)]) async throws {
        try await database.withTransaction { connection in
            for (stored, place, owner) in secrets { try await seal(stored, place, owner, connection) }
        }
        log.info("sealed secrets for the fleet", ["count": LogValue(secrets.count)])
    }

    /// Builds, checks and stores the next version; nil when somebody else was faster.
    private func publish(_ reading: SnapshotReading.Content) async throws -> Bool? {
        let started = loop.now
        let previous = told, signing = signing, now = clock.now()
        let state = reading.state, scope = reading.scope, content = reading.content
        let travels = scope?.owners.isEmpty == true ? false : try await nodes().count > 1
        let outcome = try await workers.run {
            Result {
                guard let previous else { return try NextSnapshots.first(content, state, at: now, signing) }
                return try NextSnapshots(
                    state: state, previous: previous, now: now, signing: signing, travels: travels
                ).replacing(scope, with: content)
            }
        }
        switch outcome {
        case .success(let next):
            lastRefusal = ""
            if !reading.isChange, let previous, next.saysTheSame(as: previous) { return false }
            guard try await store(next, reading.state, reading.visibility) else { return nil }
            if !reading.isChange, previous?.live.manifest.fleetKey == next.live.manifest.fleetKey {
                metrics.repairs.add()
                log.error(
                    "a sweep found what no change was noted for", ["version": LogValue("\(next.version)")])
            }
            metrics.published.add()
            metrics.duration.observe((loop.now - started) / 1_000)
            log.info(
                "published a snapshot",
                ["version": LogValue("\(next.version)"), "keys": LogValue(next.live.compiled.keyCount)])
            return true
        case .failure(let error):
            refuse(error)
            return try await publishTightening(reading)
        }
    }

    /// What does not stand is not published, and what was published stays. Said once for one reason.
    private func refuse(_ error: any Error) {
        metrics.refusals.add()
        let reason = "\(error)"
        if reason != lastRefusal { log.error("the snapshot does not stand", ["reason": LogValue(reason)]) }
        lastRefusal = reason
    }

    /// A revocation must not wait for somebody to repair a route.
    private func publishTightening(_ reading: SnapshotReading.Content) async throws -> Bool? {
        guard let previous = told, let builtFrom = reading.state.builtFrom else { return false }
        let signing = signing, now = clock.now(), state = reading.state
        let scope = reading.scope, content = reading.content
        let next = try await workers.run {
            Result {
                try NextSnapshots(
                    state: state, previous: previous, now: now, signing: signing, travels: false
                ).tightened(scope, by: content)
            }
        }.get()
        guard let next else { return false }
        // Built from what the version before was built from: the change itself is still to be published.
        guard try await store(next, reading.state, builtFrom) else { return nil }
        metrics.published.add()
        return true
    }

    /// Compare-and-set: false when the version is not the expected one any more.
    func store(
        _ next: ToldSnapshots, _ state: SnapshotStore.State, _ builtFrom: SnapshotStore.Visibility
    ) async throws -> Bool {
        let known = told?.objects ?? [:]
        func publication(_ snapshot: PublishedSnapshot) -> SnapshotStore.Publication {
            let objects = snapshot.sharded.objects
            return SnapshotStore.Publication(
                version: snapshot.version, manifest: snapshot.verified.envelope.encoded,
                objects: Array(objects.keys),
                newObjects: objects.values.filter { known[$0.address] == nil }.map { ($0.address, $0.bytes) },
                builtFrom: builtFrom)
        }
        let live = publication(next.live), held = next.held.map(publication)
        let now = clock.now(), rollout = next.rollout
        let isFirst = try await database.withTransaction { connection in
            try await SnapshotStore.publish(
                live, held: held, rollout: rollout, expected: state.version, at: now, connection)
        }
        if isFirst { announce(next) }
        return isFirst
    }

    func announce(_ next: ToldSnapshots) {
        if next.held == nil || next.rollout.candidate != told?.rollout.candidate { advanced = [] }
        if next.rollout.stage == .stopped || next.rollout.stage == .frozen { advanced = [] }
        told = next
        metrics.counter.set(Int64(clamping: next.version.counter))
        restate(objects: next.objects)
    }

    // MARK: Heartbeat

    private func restateLater() {
        heartbeat = loop.schedule(afterNanoseconds: options.periodNanoseconds) { [unowned self] in
            if isStopped { return }
            restate()
            restateLater()
        }
    }

    /// States what is published again, as of now: nodes take nothing that is older than what they heard last.
    /// Needs no database.
    package func restate() { restate(objects: nil) }

    private func restate(objects: [SHA256Digest: SnapshotObject]?) {
        // Of an epoch that is over there is nothing to state: the next look publishes.
        let epochs = [signing.trust.current.epoch, signing.trust.previous?.epoch]
        guard let told, epochs.contains(told.version.epoch) else { return }
        do throws(VerifiedManifest.Refusal) {
            let live = try restated(told.live)
            let held = try told.held.map { held throws(VerifiedManifest.Refusal) in try restated(held) }
            streams.state(
                live, held: held, advanced: advanced, keySets: signing.keySets, objects: objects)
            mirror(held ?? live, told.held ?? told.live)
        } catch {
            log.error("cannot restate the snapshot", ["reason": LogValue(error)])
        }
    }

    /// Keeps the static copy: of what everybody may run, which is not what only the first nodes do.
    private func mirror(_ manifest: VerifiedManifest, _ snapshot: PublishedSnapshot) {
        guard let mirror = options.mirror, !isMirroring else { return }
        isMirroring = true
        let frame = StreamFrame(manifest: manifest.envelope, keySets: signing.keySets).framed
        let objects = snapshot.sharded.objects, previous = mirrored
        mirrored = Set(objects.keys)
        loop.spawn {
            do {
                try await self.workers.run {
                    Result { try mirror.write(frame: frame, objects: objects, keeping: previous) }
                }.get()
            } catch {
                self.log.error("the mirror was not written", ["reason": LogValue(error)])
            }
            self.isMirroring = false
        }
    }

    private func restated(
        _ snapshot: PublishedSnapshot
    ) throws(VerifiedManifest.Refusal) -> VerifiedManifest {
        let manifest = snapshot.manifest.reissued(at: clock.now())
        return try VerifiedManifest.verify(
            cached: manifest.signed(by: signing.key), trusting: signing.trust)
    }
}

/// Replicas went on overtaking each other, or the database changes all the time: the next look continues.
struct PublishingContention: Error, CustomStringConvertible {
    var description: String { "another publisher was faster, or the epoch was raised, every time" }
}

extension PublishedSnapshot {
    /// The settings of everybody who has something sealed for the fleet: a new fleet key seals it again.
    var secretOwners: SnapshotScope {
        var scope = SnapshotScope()
        scope.owners = compiled.secretOwners
        return scope
    }

    /// Nodes would notice no difference.
    func saysTheSame(as other: PublishedSnapshot) -> Bool {
        manifest.pages == other.manifest.pages && manifest.kills == other.manifest.kills
            && manifest.layout == other.manifest.layout && manifest.fleetKey == other.manifest.fleetKey
    }
}

extension ToldSnapshots {
    func saysTheSame(as other: ToldSnapshots) -> Bool {
        guard live.saysTheSame(as: other.live), rollout.stage == other.rollout.stage else { return false }
        switch (held, other.held) {
        case (nil, nil): return true
        case (let one?, let two?): return one.saysTheSame(as: two)
        default: return false
        }
    }
}

/// The publisher as other threads know it.
private struct PublisherReference: Sendable {
    nonisolated(unsafe) let publisher: SnapshotPublisher
    let loop: EventLoop

    func wake() {
        let reference = self
        loop.execute { reference.publisher.wake() }
    }
}

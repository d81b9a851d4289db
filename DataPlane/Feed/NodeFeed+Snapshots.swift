import Contract
import Cryptography
import Domain
import EventLoops
import LocalStore
import Policy
import Telemetry

/// The hands of the snapshot machine: disk, network, and the loops that serve.
extension NodeFeed {
    private static let fetchAttempts = 3
    private static let mirrorPauseNanoseconds: Int64 = 1_000_000_000
    private static let letGoNanoseconds: Int64 = 1_000_000_000

    func handle(_ event: SnapshotMachine.Event) {
        if isStopped { return }
        for action in snapshotMachine.handle(event) { run(action) }
    }

    private func run(_ action: SnapshotMachine.Action) {
        switch action {
        case .storeTrust(let chain): loop.spawn { await self.storeTrust(chain) }
        case .takeAway(let verified):
            guard let current = snapshots.current else { return }
            snapshots.activate(current.taking(away: verified))
            letGoLater()
            log.info("took away", ["kills": LogValue(verified.manifest.kills.count)])
        case .obtain(let addresses): loop.spawn { await self.obtain(addresses) }
        case .compile(let assembly): loop.spawn { await self.compile(assembly) }
        case .persist(let verified, let objects): loop.spawn { await self.persist(verified, objects) }
        case .activate(let serving): activate(serving)
        case .freshen(let manifest):
            snapshots.freshen(issuedAt: manifest.issuedAt, freshUntil: manifest.freshUntil)
        case .report:
            if let rejection = snapshotMachine.rejection {
                metrics.rejections.cell(rejection.stage.rawValue).add()
                log.error(
                    "a snapshot was refused",
                    [
                        "version": LogValue(rejection.version.map(String.init) ?? "unknown"),
                        "stage": LogValue(rejection.stage.rawValue), "reason": LogValue(rejection.text),
                    ])
            }
            report()
        }
    }

    private func activate(_ serving: ServingSnapshot) {
        snapshots.activate(serving)
        letGoLater()
        metrics.activations.add()
        log.info(
            "running a new snapshot",
            ["version": LogValue("\(serving.version)"), "keys": LogValue(serving.compiled.keyCount)])
        maintainLater()
    }

    private func letGoLater() {
        if isStopped || letGoTimer?.isArmed == true { return }
        letGoTimer = loop.schedule(afterNanoseconds: Self.letGoNanoseconds) { [unowned self] in letGo() }
    }

    /// Off the loops, once the calls of the snapshots before are over.
    private func letGo() {
        let snapshots = snapshots
        loop.spawn {
            let areHeld = try? await self.disk.run { snapshots.letGo() }
            if areHeld != false { self.letGoLater() }
        }
    }

    // MARK: Objects

    /// From the cache where it has them, else from the control plane.
    private func obtain(_ addresses: [SHA256Digest]) async {
        let cache = cache
        let cached = try? await disk.run { try? cache.objects(addresses) }
        for address in addresses {
            // A damaged object is as good as none.
            if let bytes = cached?[address], SnapshotObject(bytes: bytes).address == address {
                handle(.obtained(SnapshotObject(bytes: bytes), isFetched: false))
            } else {
                loop.spawn { await self.fetch(address) }
            }
        }
    }

    private func fetch(_ address: SHA256Digest) async {
        guard let limit = snapshotMachine.byteLimit(of: address) else { return }
        do throws(ControlPlaneError) {
            handle(.obtained(try await fetch(address, limit: limit), isFetched: true))
        } catch {
            if let object = await fromMirror(address, limit: limit) {
                return handle(.obtained(object, isFetched: true))
            }
            handle(.unobtainable(address, error.description))
        }
    }

    private func fromMirror(_ address: SHA256Digest, limit: Int) async -> SnapshotObject? {
        guard let mirror = options.mirror else { return nil }
        let bytes = await read(mirror.path(of: address), of: mirror, limit: limit)
        let object = bytes.map { SnapshotObject(bytes: $0) }
        return object?.address == address ? object : nil
    }

    /// A file of the mirror; nil: it is not there, or not now.
    private func read(_ path: String, of mirror: SnapshotMirrorSource, limit: Int) async -> [UInt8]? {
        switch mirror {
        case .folder(let folder):
            try? await disk.run { SnapshotMirrorSource.read("\(folder)/\(path)", limit: limit) }
        case .web(let url):
            try? await control.plain("\(url)/\(path)", limit: limit)
        }
    }

    /// Looks into the mirror for as long as there is no snapshot and no control plane to ask.
    func keepLookingIntoMirror() async {
        guard let mirror = options.mirror else { return }
        while !isStopped, snapshots.current == nil {
            if !isFollowing, !snapshotMachine.isBusy,
                let bytes = await read(
                    SnapshotMirrorSource.manifestName, of: mirror, limit: StreamFrame.maximumBytes + 4)
            {
                var frames = FrameReader()
                bytes.withUnsafeBytes { frames.append($0) }
                if let frame = try? frames.next() { handle(.received(frame, at: clock.now())) }
            }
            await loop.sleep(nanoseconds: Self.mirrorPauseNanoseconds)
        }
    }

    private func fetch(
        _ address: SHA256Digest, limit: Int
    ) async throws(ControlPlaneError) -> SnapshotObject {
        try await fetchPermits.withPermit { () throws(ControlPlaneError) in
            var attempt = 1
            while true {
                do throws(ControlPlaneError) { return try await control.object(address, limit: limit) } catch
                {
                    if attempt == Self.fetchAttempts || isStopped { throw error }
                }
                await loop.sleep(nanoseconds: Int64.random(in: 0...(200_000_000 << Int64(attempt))))
                attempt += 1
            }
        }
    }

    // MARK: Compile

    private func compile(_ assembly: SnapshotAssembly) async {
        if let wanted = assembly.verified.manifest.fleetKey, wanted != identity.enrolled?.fleetKey.id {
            // The fleet key was rotated: the control plane seals the new one to this node.
            await renew()
        }
        guard let fleetKey = identity.enrolled?.fleetKey else {
            return handle(.refused(.warm, "the node is not enrolled"))
        }
        let previous = snapshots.current?.compiled, checker = options.checker
        do {
            let outcome = try await disk.run { () -> Result<ServingSnapshot, CompileFailure> in
                if let reason = checker?.refusal(of: assembly) {
                    return .failure(CompileFailure(stage: .checked, text: reason))
                }
                do throws(InvalidSnapshot) {
                    let compiled = try CompiledSnapshot(assembly, previous: previous)
                    do throws(SecretNotOpened) {
                        return .success(try ServingSnapshot(compiled, openingWith: fleetKey))
                    } catch { return .failure(CompileFailure(stage: .warm, text: error.description)) }
                } catch { return .failure(CompileFailure(stage: .checked, text: "\(error)")) }
            }
            switch outcome {
            case .success(let serving): handle(.compiled(serving))
            case .failure(let failure): handle(.refused(failure.stage, failure.text))
            }
        } catch {
            handle(.refused(.checked, "\(error)"))
        }
    }

    private struct CompileFailure: Error {
        let stage: NodeStatus.Stage
        let text: String
    }

    // MARK: The cache

    private func storeTrust(_ chain: [SignedEnvelope]) async {
        await write("key sets") {
            try $0.setValue(CachedSnapshot.trustName, CachedSnapshot.encodeTrust(chain))
        }
    }

    private func persist(_ verified: VerifiedManifest, _ objects: [SnapshotObject]) async {
        let stored = Self.stored(verified)
        let failure = await write("snapshot") {
            try $0.activate(stored, adding: objects.map { ($0.address, $0.bytes) })
        }
        handle(.persisted(failure: failure))
    }

    private static func stored(_ verified: VerifiedManifest) -> NodeCache.StoredManifest {
        let version = verified.manifest.version
        return NodeCache.StoredManifest(
            epoch: UInt64(version.epoch), counter: version.counter, envelope: verified.envelope.encoded)
    }

    /// Runs the body on the disk's thread; why it failed, or nil.
    @discardableResult
    private func write(
        _ what: String, _ body: @escaping @Sendable (NodeCache) throws -> Void
    ) async -> String? {
        let cache = cache
        var reason = "the disk has too much to do"
        do {
            let outcome = try await disk.run { Result { try body(cache) } }
            guard case .failure(let failure) = outcome else { return nil }
            reason = "\(failure)"
        } catch {}
        metrics.cacheFailures.add()
        log.error("the cache was not written", ["what": LogValue(what), "reason": LogValue(reason)])
        return reason
    }

    // MARK: Maintenance

    /// After a while of running, the snapshot is the last-known-good one, and what nothing names any more is
    /// dropped.
    func maintainLater() {
        if isStopped || confirmTimer?.isArmed == true { return }
        confirmTimer = loop.schedule(afterNanoseconds: options.confirmNanoseconds) { [unowned self] in
            loop.spawn { await self.maintain() }
        }
    }

    /// Fills the cache with what it lacks of the running snapshot, then confirms it.
    func maintain() async {
        guard !isStopped, let compiled = snapshots.current?.compiled, !snapshotMachine.isBusy else { return }
        let needed = Set(compiled.addresses.compactMap(\.self)).union(compiled.manifest.pages)
        guard let verified = snapshotMachine.runningManifest else { return }
        let stored = Self.stored(verified), cache = cache
        let lack = try? await disk.run {
            Result { (objects: try cache.missing(Array(needed)), manifest: try cache.manifest(.active)) }
        }.get()
        guard let lack else { return maintainLater() }
        var filled: [(digest: SHA256Digest, bytes: [UInt8])] = []
        for address in lack.objects {
            guard let object = try? await fetch(address, limit: Shard.maximumObjectBytes) else {
                return maintainLater()
            }
            filled.append((object.address, object.bytes))
        }
        // While this waited for the network another snapshot may have been stored.
        guard snapshots.current?.version == compiled.version, !snapshotMachine.isBusy else {
            return maintainLater()
        }
        if !filled.isEmpty || lack.manifest?.counter != stored.counter || lack.manifest?.epoch != stored.epoch
        {
            let objects = filled
            if await write("missing objects", { try $0.activate(stored, adding: objects) }) != nil {
                return maintainLater()
            }
            if let chain = snapshotMachine.trust?.chain { await storeTrust(chain) }
        }
        await write("confirmation") { cache in
            try cache.confirmActive()
            // Also those of the snapshots confirmed before.
            try cache.retainOnly(needed.union(try CachedSnapshot.named(in: cache)))
        }
    }
}

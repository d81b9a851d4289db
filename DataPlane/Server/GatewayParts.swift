import Contract
import Cryptography
import Domain
import EventLoops
import Feed
import Grants
import Guarding
import HTTPCalling
import Lifecycle
import LocalStore
import Metering
import Policy
import Relay
import Settings
import Telemetry
import TelemetryExport
import Transport

/// Brings the node up, part by part, and says in plain words what is missing when it cannot.
struct GatewayParts {
    let values: SettingsValues
    let lifecycle: Lifecycle
    let log: Log

    /// The main thread's loop: feed, uploads and the operations surface; calls are served on others.
    private var loop: EventLoop { lifecycle.loop }
    private var clock: WallClock { WallClock { Timestamp(microseconds: wallClockMicroseconds()) } }

    /// The answers that routes with a cache give again. What ended, and what belongs to a tenant that is gone
    /// or suspended, does not stay in memory for much longer.
    private func answers(_ snapshots: LiveSnapshots, _ metrics: MetricsRegistry) -> AnswerCache {
        let answers = AnswerCache()
        metrics.computedGauge(
            "eclusa_answer_cache_bytes", help: "Memory that answers kept to be given again take."
        ) { Double(answers.bytes) }
        forget(in: answers, snapshots)
        return answers
    }

    private func forget(in answers: AnswerCache, _ snapshots: LiveSnapshots) {
        loop.schedule(afterNanoseconds: 60_000_000_000) { [self] in
            let snapshot = snapshots.current?.compiled
            answers.forget(at: loop.now) { snapshot?.tenant($0)?.isSuspended ?? true }
            forget(in: answers, snapshots)
        }
    }

    func start(_ parts: Parts) async throws {
        let egress = try StartUp.egressPolicy(values)
        let plan = try StartUp.listenPlan(values)
        CertificateReload.watch(plan, lifecycle, log)
        let upstreamTLS = try StartUp.upstreamTLS(values)
        let metrics = MetricsRegistry()
        metrics.addProcessMetrics()
        metrics.addBuildInfo(program: "eclusa-gateway", version: GatewayProgram.version)
        let snapshots = LiveSnapshots()
        let state = OperationsSurface.State(snapshots: snapshots, metrics: metrics, clock: clock)
        try await startOperations(parts, state)
        let resolver = try await parts.start("name lookup") {
            BlockingPool(threads: 2, queueLimit: 256, name: "names")
        } stop: { pool, _ in
            pool.shutdown()
        }
        let directory = try StartUp.dataDirectory(values)
        let identity = try await parts.start("enrollment") {
            try await enroll(directory, resolver)
        }
        state.node = identity.node
        let exporter = try await startExporter(parts, identity, resolver, metrics)
        let outbox = try await startOutbox(parts, directory, identity, metrics)
        let feed = try await startFeed(parts, identity, directory, snapshots, resolver, metrics)
        let grants = NodeGrants(at: loop.now)
        let exchanger = try await startGrants(parts, grants, outbox, feed, metrics)
        let refusals = RefusalLog(metrics: metrics)
        let contents = ContentLog(metrics: metrics)
        try await startContents(parts, contents, feed, metrics)
        try await startUpload(parts, outbox, refusals, feed, exchanger, metrics)
        let shared = SharedParts(
            snapshots: snapshots, outbox: outbox, refusals: refusals, contents: contents, grants: grants,
            resolver: resolver, egress: egress,
            upstreamTLS: upstreamTLS, clientLimits: StartUp.clientLimits(values),
            gatewayLimits: StartUp.gatewayLimits(values, of: identity), clock: clock, metrics: metrics,
            tracer: exporter.tracer, log: log, answers: answers(snapshots, metrics))
        let serving = try await parts.start("serving") {
            try await StartUp.serving(shared, plan, values)
        } stop: { [loop] serving, nanoseconds in
            state.isServing = false
            await serving.stop(on: loop, withinNanoseconds: nanoseconds)
        }
        state.isServing = true
        try await parts.start("departure") {
        } stop: { [loop, values] _, _ in
            // Load balancers see it first; until they have, calls are still taken.
            state.isServing = false
            await loop.sleep(nanoseconds: values[GatewaySettings.drainDelay].wholeNanoseconds)
        }
        log.info(
            "serving",
            [
                "addresses": "\(serving.addresses.map { "\($0)" }.joined(separator: ","))",
                "node": "\(identity.node.map { "\($0)" } ?? "")", "version": "\(GatewayProgram.version)",
                "loops": LogValue(StartUp.loopCount(values)),
            ])
    }

    private func startExporter(
        _ parts: Parts, _ identity: NodeIdentity, _ resolver: BlockingPool, _ metrics: MetricsRegistry
    ) async throws -> TelemetryExporter {
        let sender = ErrorSender(
            program: "eclusa-gateway", version: GatewayProgram.version,
            instance: identity.node.map { "\($0)" } ?? "")
        return try await parts.start("telemetry") {
            let exporter = TelemetryExporter(
                values, sender: sender, loop: loop, resolver: resolver, log: log, metrics: metrics)
            exporter.start()
            return exporter
        } stop: { exporter, _ in
            await exporter.stop()
        }
    }

    private func startOperations(_ parts: Parts, _ state: OperationsSurface.State) async throws {
        let wanted = values[GatewaySettings.operationsListenAddress]
        try await parts.start("operations surface") { () throws -> OperationsSurface in
            do throws(SystemError) {
                return try OperationsSurface(state, loop: loop, listening: wanted)
            } catch {
                throw StartUp.failure(
                    error, listening: "\(wanted)", setting: "--operations-listen-address")
            }
        } stop: { surface, nanoseconds in
            await surface.drain(withinNanoseconds: min(nanoseconds, 500_000_000))
        }
    }

    /// The node's identity; joins if it has none. Ends early when the program is asked to stop: a control
    /// plane may be away for long.
    private func enroll(
        _ directory: DataDirectory, _ resolver: BlockingPool
    ) async throws -> NodeIdentity {
        let outcome = Completion<Result<NodeIdentity, any Error>>()
        let bundle = GatewaySettings.joinBundle(values)
        loop.spawn {
            do throws(NodeEnrollment.Failure) {
                let identity = try await NodeEnrollment.enroll(
                    in: directory, bundle: bundle, softwareVersion: GatewayProgram.version, loop: loop,
                    resolver: resolver, clock: clock, log: log)
                outcome.fulfil(.success(identity))
            } catch { outcome.fulfil(.failure(StartUp.failure(error))) }
        }
        watchForStop { outcome.fulfil(.failure(Lifecycle.StopRequested())) }
        return try await outcome.value().get()
    }

    private func watchForStop(_ stopped: @escaping () -> Bool) {
        loop.schedule(afterNanoseconds: 100_000_000) {
            if lifecycle.isStopping {
                _ = stopped()
            } else {
                watchForStop(stopped)
            }
        }
    }

    private func startOutbox(
        _ parts: Parts, _ directory: DataDirectory, _ identity: NodeIdentity, _ metrics: MetricsRegistry
    ) async throws -> Outbox {
        guard let node = identity.node else {
            throw StartFailure(.internalError, "an enrolled node has no id")
        }
        var options = OutboxOptions()
        options.durability = values[GatewaySettings.outboxSynchronous]
        options.capacityBytes = values[GatewaySettings.outboxLimit] << 20
        return try await parts.start("outbox") {
            do {
                return try UsageOutbox.open(
                    in: directory, node: node, options: options, log: log, metrics: metrics)
            } catch { throw StartUp.failure(storage: error, directory.path) }
        } stop: { outbox, _ in
            outbox.close()
        }
    }

    /// What was lent to this node: taken up from the disk, then kept in step with the control plane.
    private func startGrants(
        _ parts: Parts, _ grants: NodeGrants, _ outbox: Outbox, _ feed: NodeFeed, _ metrics: MetricsRegistry
    ) async throws -> GrantExchanger {
        let exchanger = GrantExchanger(
            loop: loop, grants: grants, outbox: outbox, clock: clock, log: log, metrics: metrics,
            verify: { feed.verifiedGrant($0) }, post: { await feed.postGrants($0) })
        return try await parts.start("grants") {
            await exchanger.restore()
            exchanger.start()
            return exchanger
        } stop: { exchanger, _ in
            exchanger.stop()
        }
    }

    /// Follows the control plane and delivers usage. Stopped after the last call, it tries once more to
    /// deliver what those left; the rest waits in the outbox.
    private func startUpload(
        _ parts: Parts, _ outbox: Outbox, _ refusals: RefusalLog, _ feed: NodeFeed,
        _ exchanger: GrantExchanger, _ metrics: MetricsRegistry
    ) async throws {
        let shipper = RefusalShipper(loop: loop, outbox: outbox, refusals: refusals)
        let uploader = UsageUploader(loop: loop, outbox: outbox, log: log, metrics: metrics) {
            await feed.postUsage($0)
        }
        feed.load = { StartUp.load(outbox, isDraining: lifecycle.isStopping) }
        feed.connected = {
            uploader.proceed()
            exchanger.proceed()
        }
        feed.duplicated = { [lifecycle] in
            lifecycle.requestStop(
                "another live process has this node's identity: one data directory is for one process; "
                    + "enroll the other node with a join token of its own", code: .configuration)
        }
        feed.start()
        try await parts.start("usage upload") {
            uploader.start()
            shipper.start()
            return uploader
        } stop: { [loop] uploader, nanoseconds in
            shipper.stop()
            shipper.ship()
            _ = await outbox.sealNow()
            let deadline = loop.now + min(nanoseconds / 2, 2_000_000_000)
            while outbox.status.bytes > 0, loop.now < deadline { await loop.sleep(nanoseconds: 20_000_000) }
            uploader.stop()
        }
    }

    /// Hands over what was said in calls, for tenants that keep that. Stopped after the last call and its
    /// usage, it tries once more; the rest is not kept.
    private func startContents(
        _ parts: Parts, _ contents: ContentLog, _ feed: NodeFeed, _ metrics: MetricsRegistry
    ) async throws {
        let workers = try await parts.start("redaction") {
            BlockingPool(threads: 1, queueLimit: 4, name: "redaction", givesWay: true)
        } stop: { pool, _ in
            pool.shutdown()
        }
        let shipper = ContentShipper(
            loop: loop, contents: contents, workers: workers, log: log, metrics: metrics,
            redact: { said in ContentRedactor.side(of: said.bytes, byteCount: said.byteCount) },
            post: { batch in await feed.postContents(batch) })
        try await parts.start("contents") {
            shipper.start()
        } stop: { _, nanoseconds in
            await shipper.finish(withinNanoseconds: min(nanoseconds / 2, 2_000_000_000))
        }
    }

    private func startFeed(
        _ parts: Parts, _ identity: NodeIdentity, _ directory: DataDirectory, _ snapshots: LiveSnapshots,
        _ resolver: BlockingPool, _ metrics: MetricsRegistry
    ) async throws -> NodeFeed {
        let disk = try await parts.start("disk") {
            // A new snapshot is read on it: no call waits for that.
            BlockingPool(threads: 1, queueLimit: 4096, name: "disk", givesWay: true)
        } stop: { pool, _ in
            pool.shutdown()
        }
        return try await parts.start("feed") {
            let cache: NodeCache
            do { cache = try NodeCache(directory: directory) } catch {
                throw StartUp.failure(storage: error, directory.path)
            }
            let feed = try NodeFeed(
                identity: identity, directory: directory, cache: cache, snapshots: snapshots, loop: loop,
                disk: disk, resolver: resolver, clock: clock, log: log, metrics: metrics,
                options: feedOptions)
            await feed.boot()
            return feed
        } stop: { feed, _ in
            await feed.finish()
        }
    }

    private var feedOptions: NodeFeed.Options {
        var options = NodeFeed.Options(softwareVersion: GatewayProgram.version)
        options.checker = SnapshotChecker(command: ["/proc/self/exe", SnapshotCheck.word])
        options.mirror = values[GatewaySettings.mirror].flatMap { SnapshotMirrorSource($0) }
        return options
    }
}

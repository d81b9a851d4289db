import Contract
import Cryptography
import Domain
import EventLoops
import LocalStore
import Policy
import Telemetry
import TestSupport

@testable import Feed

/// A gateway node's feed on the loop of the test. Loop thread.
final class NodeRig {
    let folder: TemporaryDirectory
    let snapshots = LiveSnapshots()
    let live: LiveSnapshot
    let metrics = MetricsRegistry()
    let feed: NodeFeed
    let cache: NodeCache
    private let loop: EventLoop
    private let disk: BlockingPool
    private let resolver: BlockingPool
    private var isClosed = false

    /// Enrolls in the folder if need be, boots from its cache, and follows the control plane.
    static func start(
        _ bundle: JoinBundle?, in folder: TemporaryDirectory = TemporaryDirectory(), on loop: EventLoop,
        clock: WallClock = .real, confirmNanoseconds: Int64 = 3_600_000_000_000, follows: Bool = true,
        mirror: SnapshotMirrorSource? = nil
    ) async throws -> NodeRig {
        let resolver = BlockingPool(threads: 1, queueLimit: 8, name: "resolve")
        let directory = try DataDirectory(path: folder.path)
        do {
            let identity = try await NodeEnrollment.enroll(
                in: directory, bundle: bundle, softwareVersion: "test", loop: loop, resolver: resolver,
                clock: clock, log: .silent)
            let rig = try NodeRig(
                identity, directory, folder, loop, resolver, clock, confirmNanoseconds, mirror)
            await rig.feed.boot()
            if follows { rig.feed.start() }
            return rig
        } catch {
            resolver.shutdown()
            throw error
        }
    }

    private init(
        _ identity: NodeIdentity, _ directory: DataDirectory, _ folder: TemporaryDirectory, _ loop: EventLoop,
        _ resolver: BlockingPool, _ clock: WallClock, _ confirmNanoseconds: Int64,
        _ mirror: SnapshotMirrorSource?
    ) throws {
        self.folder = folder
        self.loop = loop
        self.resolver = resolver
        live = LiveSnapshot(following: snapshots, on: loop)
        disk = BlockingPool(threads: 1, queueLimit: 1_024, name: "disk")
        cache = try NodeCache(directory: directory)
        var options = NodeFeed.Options(softwareVersion: "test")
        options.reportNanoseconds = 3_600_000_000_000
        options.confirmNanoseconds = confirmNanoseconds
        options.mirror = mirror
        feed = try NodeFeed(
            identity: identity, directory: directory, cache: cache, snapshots: snapshots, loop: loop,
            disk: disk,
            resolver: resolver, clock: clock, log: .silent, metrics: metrics, options: options)
    }

    var node: NodeID { feed.identity.node! }
    var counter: UInt64? { live.current?.version.counter }

    func refuses(_ key: KeyText) -> Refusal? {
        refusal(key, in: live.current?.compiled, at: WallClock.real.now())
    }

    func close() {
        if isClosed { return }
        isClosed = true
        feed.stop()
        disk.shutdown()
        resolver.shutdown()
        cache.close()
    }
}

extension EventLoop {
    /// Lets the loop go on until the condition holds. The test's time limit ends a wait that is in vain.
    func until(_ condition: () async throws -> Bool) async rethrows {
        while try await !condition() { await yieldTurn() }
    }
}

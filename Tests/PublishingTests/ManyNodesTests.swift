import Contract
import Domain
import EventLoops
import Glibc
import Publishing
import TestSupport
import Testing
import Transport

/// `make many-nodes` runs it with a thousand of them; `ECLUSA_FAKE_NODES` says how many.
@Suite("many nodes at once")
struct ManyNodesTests {
    private static let count = getenv("ECLUSA_FAKE_NODES").flatMap { Int(String(cString: $0)) } ?? 80
    private static let secondsToConnect: Int64 = 120
    private static let secondsToChange: Int64 = 5

    /// Two ends of two connections a node.
    private static func allowDescriptors() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    @Test(
        "1,000–5,000 nodes reconnect at once: put off with jitter, fifty a second, all current in 120 s"
    )
    func herd() async throws {
        Self.allowDescriptors()
        try await withControlPlane(timeLimitSeconds: 400) { rig in
            let loop = rig.database.loop, pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let key = try await tenancy.addKey(at: now, pool).id
            try rig.listen()
            rig.start()
            await loop.until { rig.publisher.version != nil }
            let version = try #require(rig.publisher.version)
            let crowd = try await ManyNodes(Self.count, at: rig)
            try await crowd.start()
            let first = try await Self.measure("connected and current", loop, Self.secondsToConnect) {
                crowd.running(version) == Self.count
            }
            // A change reaches all that are connected.
            try await tenancy.revoke(key, at: rig.clock.now(), pool)
            let change = try await Self.measure("a change active on all", loop, Self.secondsToChange) {
                guard let newest = rig.publisher.version, newest > version else { return false }
                return crowd.running(newest) == Self.count
            }
            // The control plane ends and another begins at the same place: all come at once.
            let port = try #require(rig.address?.port)
            await rig.close()
            crowd.forget()
            let second = try ControlPlaneRig(rig.database, keys: rig.keys)
            _ = try await second.publisher.reconcile()
            try second.listen(port: port)
            let again = try await Self.measure("reconnected", loop, Self.secondsToConnect) {
                crowd.snapshot.opened == Self.count
            }
            let counts = crowd.snapshot
            let most = counts.bySecond.values.max() ?? 0
            print(
                "\(Self.count) nodes: current in \(first) ms, a change active on all in \(change) ms, back in "
                    + "\(again) ms; \(counts.putOff) put off, at most \(most) streams a second")
            #expect(counts.refused == 0, "no node was given a snapshot it refuses")
            // Seconds of two clocks may overlap: at most what two of them admit.
            #expect(most <= 150)
            try await crowd.close()
            await second.close()
        }
    }

    /// How long it took until the condition held. Unit: milliseconds.
    private static func measure(
        _ what: String, _ loop: EventLoop, _ seconds: Int64, _ condition: () async throws -> Bool
    ) async throws -> Int64 {
        let begun = loop.now
        while try await !condition() {
            guard loop.now - begun < seconds * 1_000_000_000 else {
                Issue.record("\(what): not within \(seconds) s")
                return -1
            }
            await loop.sleep(nanoseconds: 5_000_000)
        }
        return (loop.now - begun) / 1_000_000
    }
}

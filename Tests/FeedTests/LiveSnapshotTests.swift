import Contract
import EventLoops
import Policy
import TestSupport
import Testing

@testable import Feed

@Suite("live snapshots")
struct LiveSnapshotTests {
    private func serving(counter: UInt64) throws -> ServingSnapshot {
        let (fixture, _) = SnapshotFixture.small()
        return try ServingSnapshot(
            CompiledSnapshot(try fixture.built(counter: counter)), openingWith: fixture.fleetKey)
    }

    @Test("a loop that goes on to the next snapshot is never the one that lets the last one go")
    func letsGo() async throws {
        try await withLoop { loop in
            let snapshots = LiveSnapshots()
            let view = LiveSnapshot(following: snapshots, on: loop)
            weak var earlier: ServingSnapshot?
            do {
                let first = try serving(counter: 1)
                earlier = first
                snapshots.activate(first)
            }
            snapshots.activate(try serving(counter: 2))
            #expect(view.current?.version.counter == 2)
            #expect(earlier != nil)
            #expect(!snapshots.letGo())
            #expect(earlier == nil)
        }
    }

    @Test("a snapshot that a call still uses is kept until the call is over")
    func isKept() async throws {
        try await withLoop { _ in
            let snapshots = LiveSnapshots()
            var used: ServingSnapshot? = try serving(counter: 1)
            weak let earlier = used
            if let used { snapshots.activate(used) }
            snapshots.activate(try serving(counter: 2))
            snapshots.activate(try serving(counter: 3))
            #expect(snapshots.letGo())
            #expect(earlier != nil && used?.version.counter == 1)
            used = nil
            #expect(earlier != nil)
            #expect(!snapshots.letGo())
            #expect(earlier == nil && snapshots.current?.version.counter == 3)
        }
    }
}

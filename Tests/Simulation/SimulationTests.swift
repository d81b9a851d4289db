import SimulatedPlanes
import Testing

/// A few seeds, and that each rule is needed; `make simulate` runs many in a release build.
@Suite("simulation of both planes")
struct SimulationTests {
    @Test(
        "under every fault no limit is exceeded, every answered call is booked once, and nodes serve what was published",
        arguments: SimulatedPlanes.allCases)
    func holds(_ planes: SimulatedPlanes) throws {
        let first = UInt64.random(in: 0...UInt64(UInt32.max))
        for seed in first..<first + 6 {
            #expect(try planes.violations(seed: seed) == [], "\(planes.rawValue): seed \(seed)")
        }
    }

    @Test("each broken rule of limits is noticed", arguments: Mutation.allCases)
    func limitMutation(_ mutation: Mutation) {
        let first = mutation.firstSeed
        let isNoticed = (first...first + 400).contains { seed in
            !SimulatedPlanes.violations(seed: seed, breaking: mutation).isEmpty
        }
        #expect(isNoticed, "no seed from \(first) on shows that \(mutation) is broken")
    }

    @Test("each broken rule of snapshots is noticed", arguments: SnapshotMutation.allCases)
    func snapshotMutation(_ mutation: SnapshotMutation) throws {
        let isNoticed = try (UInt64(1)...60).contains { seed in
            try !SimulatedPlanes.violations(seed: seed, breaking: mutation).isEmpty
        }
        #expect(isNoticed, "no seed shows that \(mutation) is broken")
    }
}

import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("simulation of both planes")
struct SimulationTests {
    /// `make simulate SEEDS=n` runs more of them; `ECLUSA_SEED` says which is the first.
    static let seedCount = getenv("ECLUSA_SEEDS").flatMap { Int(String(cString: $0)) } ?? 6
    static let firstSeed = getenv("ECLUSA_SEED").flatMap { UInt64(String(cString: $0)) }
    static let steps = 1_500
    static let snapshotSteps = 300

    /// Runs every seed; prints how many, how fast and what was violated.
    private func run(_ name: String, _ violations: (UInt64) throws -> [String]) rethrows {
        let first = Self.firstSeed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        let begun = ContinuousClock.now
        var violated = 0
        for seed in first..<first + UInt64(Self.seedCount) {
            let found = try violations(seed)
            #expect(found == [], "\(name): seed \(seed)")
            if !found.isEmpty { violated += 1 }
            // One broken seed is enough to work on.
            if violated > 3 { break }
        }
        let seconds = (ContinuousClock.now - begun) / .seconds(1)
        let rate = Double(Self.seedCount) / max(seconds, 0.001)
        print(
            "simulation of \(name): \(Self.seedCount) seeds from \(first), \(Int(rate * 10)) in 10 s, "
                + "\(violated) violations")
    }

    @Test("under every fault no limit is exceeded, and every answered call is booked once")
    func limits() {
        run("limits and usage") { seed in
            var world = World(seed: seed)
            world.run(steps: Self.steps)
            return world.violations
        }
    }

    @Test(
        "under every fault nodes serve only what was published, never an older one, and end with the newest")
    func snapshots() throws {
        try run("snapshots") { seed in
            var world = try SnapshotWorld(seed: seed)
            try world.run(steps: Self.snapshotSteps)
            return world.violations
        }
    }

    @Test("each broken rule of limits is noticed", arguments: Mutation.allCases)
    func limitMutation(_ mutation: Mutation) {
        let first = mutation.firstSeed
        let isNoticed = (first...first + 400).contains { seed in
            var world = World(seed: seed, mutation: mutation)
            world.run(steps: Self.steps)
            return !world.violations.isEmpty
        }
        #expect(isNoticed, "no seed from \(first) on shows that \(mutation) is broken")
    }

    @Test("each broken rule of snapshots is noticed", arguments: SnapshotMutation.allCases)
    func snapshotMutation(_ mutation: SnapshotMutation) throws {
        let isNoticed = try (UInt64(1)...60).contains { seed in
            var world = try SnapshotWorld(seed: seed, mutation: mutation)
            try world.run(steps: Self.snapshotSteps)
            return !world.violations.isEmpty
        }
        #expect(isNoticed, "no seed shows that \(mutation) is broken")
    }
}

import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("simulation of both planes")
struct SimulationTests {
    /// `make simulate SEEDS=n` runs more of them; `ECLUSA_SEED` says which is the first.
    static let seedCount = getenv("ECLUSA_SEEDS").flatMap { Int(String(cString: $0)) } ?? 6
    static let steps = 1_500

    @Test("under every fault no limit is exceeded, and every answered call is booked once")
    func invariants() {
        let given = getenv("ECLUSA_SEED").flatMap { UInt64(String(cString: $0)) }
        let first = given ?? UInt64.random(in: 0...UInt64(UInt32.max))
        for seed in first..<first + UInt64(Self.seedCount) {
            var world = World(seed: seed)
            world.run(steps: Self.steps)
            #expect(world.violations == [], "seed \(seed)")
            if !world.violations.isEmpty { return }
        }
    }

    @Test("each broken rule is noticed", arguments: Mutation.allCases)
    func mutation(_ mutation: Mutation) {
        let first = mutation.firstSeed
        let isNoticed = (first...first + 400).contains { seed in
            var world = World(seed: seed, mutation: mutation)
            world.run(steps: Self.steps)
            return !world.violations.isEmpty
        }
        #expect(isNoticed, "no seed from \(first) on shows that \(mutation) is broken")
    }
}

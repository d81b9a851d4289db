/// Random numbers that a seed repeats (SplitMix64): for tests that draw their cases. Never for keys.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// Seeds to use as test arguments, so that a failing one is printed: two that never change and a fresh
    /// one.
    package static let seeds: [UInt64] = [1, 2, UInt64.random(in: 3...UInt64.max)]
}

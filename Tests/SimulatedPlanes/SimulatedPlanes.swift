/// Both planes' state machines under a seeded clock, network, disk and store.
package enum SimulatedPlanes: String, CaseIterable, Sendable {
    /// Lenders, holders, outboxes and ingest.
    case limits = "limits and usage"
    /// Publishers, a store, and nodes.
    case snapshots

    /// Runs one seed; what was violated, nothing if all is well. The same seed goes the same way each time.
    package func violations(seed: UInt64) throws -> [String] {
        switch self {
        case .limits: Self.violations(seed: seed, breaking: Mutation?.none)
        case .snapshots: try Self.violations(seed: seed, breaking: SnapshotMutation?.none)
        }
    }

    /// As `violations(seed:)` of limits, with a rule that is broken on purpose.
    package static func violations(seed: UInt64, breaking rule: Mutation?) -> [String] {
        var world = World(seed: seed, mutation: rule)
        world.run(steps: 1_500)
        return world.violations
    }

    /// As `violations(seed:)` of snapshots, with a rule that is broken on purpose.
    package static func violations(seed: UInt64, breaking rule: SnapshotMutation?) throws -> [String] {
        var world = try SnapshotWorld(seed: seed, mutation: rule)
        try world.run(steps: 300)
        return world.violations
    }
}

package import Contract
package import Domain
import EventLoops
import JSONText
import PostgresDriver
import Store

/// How far the newest settings have got, and what is told to whom.
package struct RolloutState: Sendable {
    package static let stages = Rollout.Stage.allCases.map(\.rawValue)

    private let rollout: Rollout
    /// The newest snapshot.
    package let version: SnapshotVersion

    package var stage: String { rollout.stage.rawValue }
    package var since: Timestamp? { rollout.since }
    /// The snapshot of those that wait; nil: none do.
    package var held: SnapshotVersion? { rollout.held }
    /// The version whose settings they run.
    package var base: SnapshotVersion? { rollout.base }
    /// The version asked for.
    package var pinned: SnapshotVersion? { rollout.pinned }
    package var reason: String? { rollout.reason }

    init(_ state: SnapshotStore.State) {
        rollout = state.rollout
        version = state.version
    }
}

/// One published snapshot.
package struct SnapshotSummary: Sendable {
    package let version: SnapshotVersion
    package let publishedAt: Timestamp
}

/// Snapshots and how they reach the nodes. Platform-wide.
package struct RolloutOperations {
    let environment: OperationEnvironment

    package func get(by caller: Caller) async throws(OperationError) -> RolloutState {
        try await environment.read(.snapshotsRead, in: .platform, by: caller) { connection in
            RolloutState(try await SnapshotStore.state(connection))
        }
    }

    /// The newest versions that are kept, at most 200.
    package func versions(by caller: Caller) async throws(OperationError) -> [SnapshotSummary] {
        try await environment.read(.snapshotsRead, in: .platform, by: caller) { connection in
            try await SnapshotStore.versions(before: nil, limit: 200, connection).map {
                SnapshotSummary(version: $0.version, publishedAt: $0.publishedAt)
            }
        }
    }

    /// Keeps the settings (providers, routes, prices, limits) that most nodes run now, whatever is written
    /// from now on. Keys, credentials and what is taken away stay current.
    package func freeze(by caller: Caller) async throws(OperationError) -> Changed<RolloutState> {
        try await pin("rollout.freeze", by: caller) { state, _ in state.rollout.base ?? state.version }
    }

    /// Gives every node the settings of an older version; as `freeze`, but of that one.
    package func rollBack(
        to version: SnapshotVersion, by caller: Caller
    ) async throws(OperationError) -> Changed<RolloutState> {
        try await pin("rollout.rollback", by: caller) { _, connection in
            _ = try found(try await SnapshotStore.find(version, connection))
            return version
        }
    }

    /// Lets the newest settings go out again, to a few nodes first.
    package func resume(by caller: Caller) async throws(OperationError) -> Changed<RolloutState> {
        try await pin("rollout.resume", by: caller) { _, _ in nil }
    }

    private func pin(
        _ action: String, by caller: Caller,
        _ choose: (SnapshotStore.State, PostgresConnection) async throws -> SnapshotVersion?
    ) async throws(OperationError) -> Changed<RolloutState> {
        try await environment.write(action, .snapshotsPublish, in: .platform, by: caller) { connection in
            var state = try await SnapshotStore.state(connection)
            let version = try await choose(state, connection)
            try await RolloutStore.pin(version, connection)
            state.rollout.pinned = version
            return Recorded(
                RolloutState(state),
                AuditSubject(
                    "rollout", TenantID.platform,
                    ["version": version.map { .string($0.description) } ?? .null]))
        }
    }
}

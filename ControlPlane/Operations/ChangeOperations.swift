package import Contract
import Domain
import EventLoops
import PostgresDriver
import Store

/// How far a change has travelled.
package struct ChangeProgress: Sendable {
    package let token: ChangeToken
    /// The first snapshot with the change in it; nil: it is not published yet.
    package let version: SnapshotVersion?
    /// Nodes that are there.
    package let connectedNodes: Int
    /// Those of them that run a snapshot with it: while settings travel, not every later one has them.
    package let currentNodes: Int

    /// Published, and no connected node is behind.
    package var isComplete: Bool { version != nil && currentNodes == connectedNodes }
}

/// Follows changes from the database to the nodes.
package struct ChangeOperations {
    let environment: OperationEnvironment

    /// As `get`, but waits up to so long until the change is complete; then answers how far it came. Whoever
    /// goes away meanwhile is not waited for longer than the wait.
    package func wait(
        for token: ChangeToken, nanoseconds: Int64, by caller: Caller
    ) async throws(OperationError) -> ChangeProgress {
        let start = monotonicNanoseconds()
        var pause: Int64 = 10_000_000
        while true {
            let progress = try await get(token, by: caller)
            let left = start + nanoseconds - monotonicNanoseconds()
            guard !progress.isComplete, left > 0, let loop = EventLoop.current else { return progress }
            await loop.sleep(nanoseconds: min(pause, left))
            pause = min(pause * 2, Self.longestPauseNanoseconds)
        }
    }

    /// Between two looks of a waiting request.
    private static let longestPauseNanoseconds: Int64 = 200_000_000

    /// The newest snapshot; nil before the first. For everybody who is signed in.
    package func newestVersion(by caller: Caller) async throws(OperationError) -> SnapshotVersion? {
        try await environment.view { connection in try await SnapshotStore.latest(connection)?.version }
    }

    /// How far a change is now. For everybody who is signed in: a token says nothing about what was changed.
    package func get(_ token: ChangeToken, by caller: Caller) async throws(OperationError) -> ChangeProgress {
        let now = environment.clock.now()
        return try await environment.view { connection in
            let version = try await SnapshotStore.firstVersion(with: token.transaction, connection)
            let reach = try await RolloutStore.reach(of: token.transaction, at: now, connection)
            return ChangeProgress(
                token: token, version: version, connectedNodes: reach.connected, currentNodes: reach.current)
        }
    }
}

extension OperationEnvironment {
    /// The token of the running transaction.
    static func token(_ connection: PostgresConnection) async throws -> ChangeToken {
        ChangeToken(transaction: try await SnapshotStore.currentTransaction(connection))
    }
}

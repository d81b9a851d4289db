package import Contract
package import Domain
package import PostgresDriver

/// How far a change of settings has got among the nodes.
package struct Rollout: Hashable, Sendable {
    package enum Stage: String, Sendable, CaseIterable {
        /// Everybody runs the newest snapshot.
        case done
        case canary, tenth
        /// A node refused the change; everybody is told the settings of before.
        case stopped
        /// By order: everybody is told the settings of one version.
        case frozen
    }

    /// Asked for: the settings of this version for everybody, until it is taken back.
    package var pinned: SnapshotVersion?
    /// The newest snapshot that holds the settings of `base`; nil: there is none.
    package var held: SnapshotVersion?
    package var base: SnapshotVersion?
    /// The counter of the first live version with the change that travels.
    package var candidate: UInt64?
    package var stage = Stage.done
    package var since: Timestamp?
    package var reason: String?

    package init() {}
}

/// Where the roll-out stands. Platform-wide.
package enum RolloutStore {
    package static func get(_ connection: PostgresConnection) async throws(PostgresError) -> Rollout {
        let rows = try await connection.query(
            """
            select pinned_epoch, pinned_counter, held_epoch, held_counter, base_epoch, base_counter,
                   candidate_counter, stage, since, reason
              from rollouts
            """)
        var rollout = Rollout()
        guard let row = rows.first else { return rollout }
        func version(_ column: Int) throws(PostgresError) -> SnapshotVersion? {
            guard try row.optionalInt64(column) != nil else { return nil }
            return try SnapshotStore.version(row, from: column)
        }
        rollout.pinned = try version(0)
        rollout.held = try version(2)
        rollout.base = try version(4)
        rollout.candidate = try row.optionalInt64(6).map { UInt64(clamping: $0) }
        rollout.stage = try row.value(7, Rollout.Stage.init(rawValue:))
        rollout.since = try row.optionalTimestamp(8)
        rollout.reason = try row.optionalText(9)
        return rollout
    }

    /// Keeps everything but what is asked for: that is only the administrators' to change.
    package static func set(
        _ rollout: Rollout, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update rollouts
               set held_epoch = \(epoch(rollout.held)), held_counter = \(counter(rollout.held)),
                   base_epoch = \(epoch(rollout.base)), base_counter = \(counter(rollout.base)),
                   candidate_counter = \(rollout.candidate.map { Int64(clamping: $0) }),
                   stage = \(rollout.stage.rawValue), since = \(rollout.since), reason = \(rollout.reason)
            """)
    }

    /// Asks for the settings of a version for everybody; nil: for the newest ones again.
    package static func pin(
        _ version: SnapshotVersion?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update rollouts
               set pinned_epoch = \(epoch(version)), pinned_counter = \(counter(version))
            """)
    }

    private static func epoch(_ version: SnapshotVersion?) -> Int64? { version.map { Int64($0.epoch) } }
    private static func counter(_ version: SnapshotVersion?) -> Int64? {
        version.map { Int64(clamping: $0.counter) }
    }

    /// A node that is there, as far as a roll-out cares.
    package struct Member: Hashable, Sendable {
        package let id: NodeID
        package let name: String
        package let running: SnapshotVersion?
        package let rejected: SnapshotVersion?
        package let rejection: String?

        package init(
            id: NodeID, name: String, running: SnapshotVersion?, rejected: SnapshotVersion? = nil,
            rejection: String? = nil
        ) {
            self.id = id
            self.name = name
            self.running = running
            self.rejected = rejected
            self.rejection = rejection
        }
    }

    /// The nodes heard of lately. What they refused counts where the snapshot is at fault, not the network
    /// or their disk.
    package static func members(
        at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Member] {
        let rows = try await connection.query(
            """
            select id, name, running_epoch, running_counter, rejected_epoch, rejected_counter,
                   rejected_stage || ': ' || rejected_reason
              from nodes
              join node_reports on node_id = id
             where status = 'active' and seen_at > \(now.advanced(bySeconds: -Node.silenceLimitSeconds))
             order by id
            """)
        return try rows.read { row throws(PostgresError) in
            let rejection = try row.optionalText(6)
            let isAtFault = rejection.map { !$0.hasPrefix("fetched") && !$0.hasPrefix("persisted") } ?? false
            return Member(
                id: try row.id(0), name: try row.text(1),
                running: try row.optionalInt64(2) == nil ? nil : try SnapshotStore.version(row, from: 2),
                rejected: try row.optionalInt64(4) == nil || !isAtFault
                    ? nil : try SnapshotStore.version(row, from: 4),
                rejection: isAtFault ? rejection : nil)
        }
    }

    /// How many nodes are there, and how many of them run a snapshot that has what a transaction changed.
    package static func reach(
        of transaction: UInt64, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (connected: Int, current: Int) {
        let change = String(transaction)
        let rows = try await connection.query(
            """
            select count(*)::int8,
                   count(*) filter (where exists (
                       select
                         from snapshot_versions
                        where epoch = running_epoch and counter = running_counter
                          and epoch = (select epoch from snapshot_state)
                          and pg_visible_in_snapshot(\(change)::xid8, built_from)
                          and not \(change)::xid8 = any(lacks)))::int8
              from nodes
              join node_reports on node_id = id
             where status <> 'revoked' and seen_at > \(now.advanced(bySeconds: -Node.silenceLimitSeconds))
            """)
        guard let row = rows.first else { return (0, 0) }
        return (Int(try row.int64(0)), Int(try row.int64(1)))
    }
}

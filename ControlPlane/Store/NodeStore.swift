package import Contract
package import Cryptography
package import Domain
package import PostgresDriver

/// Gateway nodes and what they last said of themselves. Platform-wide: nodes belong to no tenant.
package enum NodeStore {
    private static let columns: SQL =
        """
        nodes.id, name, region, status, identity_key, sealing_key,
        coalesce(node_reports.software_version, nodes.software_version), joined_at, seen_at
        """
    private static let tables: SQL = "nodes left join node_reports on node_reports.node_id = nodes.id"

    /// What a joining node brings; name and region come from its token.
    package struct Joining: Sendable {
        package let id: NodeID
        package let identityKey: [UInt8]
        package let sealingKey: [UInt8]
        package let softwareVersion: String

        package init(id: NodeID, identityKey: [UInt8], sealingKey: [UInt8], softwareVersion: String) {
            self.id = id
            self.identityKey = identityKey
            self.sealingKey = sealingKey
            self.softwareVersion = softwareVersion
        }
    }

    /// Uses up an open join token and registers the node, in one step: of any number of simultaneous joins
    /// with one token, one succeeds. nil: unknown, used or expired token. Fails on
    /// `Constraint.nodeIdentityIsUnique` when the identity key is registered already; the token then stays
    /// open.
    package static func join(
        _ node: Joining, token: SHA256Digest, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Node? {
        let rows = try await connection.query(
            """
            with token as (
                update join_tokens
                   set used_at = \(now), used_by = \(node.id)
                 where token_hash = \(token) and used_at is null and expires_at > \(now)
                returning node_name, region
            )
            insert into nodes (id, name, region, status, identity_key, sealing_key, software_version,
                               joined_at)
            select \(node.id), node_name, region, 'active', \(node.identityKey),
                   \(node.sealingKey), \(node.softwareVersion), \(now)
              from token
            returning id, name, region, status, identity_key, sealing_key, software_version, joined_at,
                      null::timestamptz
            """)
        return try rows.first.map(read)
    }

    package static func find(
        _ id: NodeID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Node? {
        let rows = try await connection.query(
            "select \(fragment: columns) from \(fragment: tables) where nodes.id = \(id)")
        return try rows.first.map(read)
    }

    /// The node that owns a public key: who a client certificate stands for.
    package static func find(
        identityKey: [UInt8], _ connection: PostgresConnection
    ) async throws(PostgresError) -> Node? {
        let rows = try await connection.query(
            "select \(fragment: columns) from \(fragment: tables) where identity_key = \(identityKey)")
        return try rows.first.map(read)
    }

    /// A node and its last report.
    package struct Listed: Hashable, Sendable {
        package let node: Node
        package let report: NodeStatus?
    }

    package static func findListed(
        _ id: NodeID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listed? {
        let rows = try await connection.query(
            """
            select \(fragment: columns), \(fragment: reportColumns)
              from \(fragment: tables)
             where nodes.id = \(id)
            """)
        return try rows.first.map { row throws(PostgresError) in
            Listed(node: try read(row), report: try readReport(row, from: 9))
        }
    }

    package static func list(
        where filter: NodeFilter = NodeFilter(), isConnected: (Bool, at: Timestamp)? = nil,
        _ page: Page<Node>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Listed, Node> {
        let connected: SQL =
            isConnected.map { isConnected, now in
                let heard = now.advanced(bySeconds: -Node.silenceLimitSeconds)
                return """
                    and (nodes.status <> 'revoked' and coalesce(seen_at >= \(heard), false)) = \(isConnected)
                    """
            } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: columns), \(fragment: reportColumns)
              from \(fragment: tables)
             where nodes.id < \(page.bound) \(fragment: filter.condition)
                   \(fragment: connected) \(fragment: page.condition(onName: "nodes.name"))
             order by nodes.id desc
             limit \(page.fetchLimit)
            """)
        let listed = try rows.read { row throws(PostgresError) in
            Listed(node: try read(row), report: try readReport(row, from: 9))
        }
        return page.listing(listed, \.node.id)
    }

    /// What all nodes together are like.
    package struct Census: Sendable, Equatable {
        /// Heard of lately, and not revoked.
        package var connected: Int64
        package var away: Int64
        package var revoked: Int64
        /// Connected, and running an older version than the newest.
        package var behind: Int64
        /// Usage events that nodes, by their own last words, have not handed in yet.
        package var undelivered: Int64
    }

    /// Counts nodes as they are at this moment. `newest`: the newest published version.
    package static func census(
        at now: Timestamp, newest: SnapshotVersion?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Census {
        let heard = now.advanced(bySeconds: -Node.silenceLimitSeconds)
        let (epoch, counter) = parts(newest)
        let rows = try await connection.query(
            """
            select count(*) filter (where live and seen_at >= \(heard)),
                   count(*) filter (where live and coalesce(seen_at < \(heard), true)),
                   count(*) filter (where not live),
                   count(*) filter (where live and seen_at >= \(heard)
                                      and (running_epoch, running_counter) < (\(epoch), \(counter))),
                   coalesce(sum(outbox_events) filter (where live), 0)::bigint
              from nodes
              left join node_reports on node_id = nodes.id
             cross join lateral (select status <> 'revoked') as standing (live)
            """)
        guard let row = rows.first else {
            return Census(connected: 0, away: 0, revoked: 0, behind: 0, undelivered: 0)
        }
        return Census(
            connected: try row.int64(0), away: try row.int64(1), revoked: try row.int64(2),
            behind: try row.int64(3),
            undelivered: try row.int64(4))
    }

    /// Drains or resumes a node, or revokes it for ever. nil: no such node, or revoked already.
    package static func setStatus(
        _ status: Node.Status, of id: NodeID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Node? {
        let changed = try await connection.execute(
            "update nodes set status = \(status.rawValue) where id = \(id) and status <> 'revoked'")
        return changed == 1 ? try await find(id, connection) : nil
    }

    private static func read(_ row: Row) throws(PostgresError) -> Node {
        Node(
            id: try row.id(0), name: try row.text(1), region: try row.text(2),
            status: try row.value(3, Node.Status.init(rawValue:)), identityKey: try row.bytes(4),
            sealingKey: try row.bytes(5), softwareVersion: try row.text(6), joinedAt: try row.timestamp(7),
            lastSeenAt: try row.optionalTimestamp(8))
    }
}

extension NodeFilter {
    fileprivate var condition: SQL {
        let ofStatus: SQL = status.map { "and nodes.status = \($0.rawValue)" } ?? ""
        let there: SQL = region.map { "and nodes.region = \($0)" } ?? ""
        return "\(fragment: ofStatus) \(fragment: there)"
    }
}

// MARK: Reports

extension NodeStore {
    private static let reportColumns: SQL =
        """
        node_reports.software_version, process_nonce, started_at, running_epoch, running_counter,
        running_issued_at, rejected_epoch, rejected_counter, rejected_stage, rejected_reason, calls_in_flight,
        outbox_events, outbox_bytes, draining
        """

    /// What the node had said before.
    package struct PreviousReport: Hashable, Sendable {
        package let processNonce: String
        package let seenAt: Timestamp
    }

    /// Keeps a report in place of the one before, which is given back: another process nonce within a
    /// heartbeat means that two processes share the identity.
    @discardableResult
    package static func report(
        _ status: NodeStatus, of node: NodeID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> PreviousReport? {
        let running = parts(status.running)
        let rejected = parts(status.rejected?.version)
        let rows = try await connection.query(
            """
            with previous as (
                select process_nonce, seen_at from node_reports where node_id = \(node)
            ), written as (
                insert into node_reports as report
                       (node_id, seen_at, software_version, process_nonce, started_at, running_epoch,
                        running_counter, running_issued_at, rejected_epoch, rejected_counter, rejected_stage,
                        rejected_reason, calls_in_flight, outbox_events, outbox_bytes, draining)
                values (\(node), \(now), \(status.softwareVersion), \(status.processNonce),
                        \(status.startedAt), \(running.epoch), \(running.counter), \(status.runningIssuedAt),
                        \(rejected.epoch), \(rejected.counter), \(status.rejected?.stage.rawValue),
                        \(status.rejected?.text), \(status.callsInFlight), \(status.outboxEvents),
                        \(status.outboxBytes), \(status.isDraining))
                on conflict (node_id) do update
                   set seen_at = excluded.seen_at, software_version = excluded.software_version,
                       process_nonce = excluded.process_nonce, started_at = excluded.started_at,
                       running_epoch = excluded.running_epoch, running_counter = excluded.running_counter,
                       running_issued_at = excluded.running_issued_at,
                       rejected_epoch = excluded.rejected_epoch,
                       rejected_counter = excluded.rejected_counter,
                       rejected_stage = excluded.rejected_stage, rejected_reason = excluded.rejected_reason,
                       calls_in_flight = excluded.calls_in_flight, outbox_events = excluded.outbox_events,
                       outbox_bytes = excluded.outbox_bytes, draining = excluded.draining
            )
            select process_nonce, seen_at from previous
            """)
        guard let row = rows.first else { return nil }
        return PreviousReport(processNonce: try row.text(0), seenAt: try row.timestamp(1))
    }

    private static func parts(_ version: SnapshotVersion?) -> (epoch: Int64?, counter: Int64?) {
        guard let version else { return (nil, nil) }
        return (Int64(version.epoch), Int64(clamping: version.counter))
    }

    private static func version(_ row: Row, from first: Int) throws(PostgresError) -> SnapshotVersion? {
        guard let epoch = try row.optionalInt64(first), let counter = try row.optionalInt64(first + 1)
        else { return nil }
        return SnapshotVersion(epoch: UInt32(clamping: epoch), counter: UInt64(clamping: counter))
    }

    /// nil when the node has not reported yet (outer join).
    private static func readReport(_ row: Row, from first: Int) throws(PostgresError) -> NodeStatus? {
        guard let softwareVersion = try row.optionalText(first) else { return nil }
        var rejection: NodeStatus.Rejection?
        if let text = try row.optionalText(first + 9) {
            rejection = NodeStatus.Rejection(
                version: try version(row, from: first + 6),
                stage: try row.value(first + 8, NodeStatus.Stage.init(rawValue:)), text: text)
        }
        return NodeStatus(
            softwareVersion: softwareVersion, processNonce: try row.text(first + 1),
            startedAt: try row.timestamp(first + 2), running: try version(row, from: first + 3),
            runningIssuedAt: try row.optionalTimestamp(first + 5), rejected: rejection,
            callsInFlight: try row.int64(first + 10), outboxEvents: try row.int64(first + 11),
            outboxBytes: try row.int64(first + 12), isDraining: try row.bool(first + 13))
    }
}

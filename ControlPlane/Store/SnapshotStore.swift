package import Contract
package import Cryptography
package import Domain
package import PostgresDriver

/// What was published, and how far publishing has come. Platform-wide.
package enum SnapshotStore {
    /// What a transaction of the database can see: `pg_snapshot` as text. Means something in its own
    /// cluster only.
    package struct Visibility: Hashable, Sendable {
        package let text: String
    }

    package struct State: Hashable, Sendable {
        package let version: SnapshotVersion
        /// What the last build could see; nil: build everything.
        package let builtFrom: Visibility?
        package var rollout = Rollout()

        package init(version: SnapshotVersion, builtFrom: Visibility?, rollout: Rollout = Rollout()) {
            self.version = version
            self.builtFrom = builtFrom
            self.rollout = rollout
        }
    }

    package static func state(_ connection: PostgresConnection) async throws(PostgresError) -> State {
        let rows = try await connection.query("select epoch, counter, built_from::text from snapshot_state")
        guard let row = rows.first else {
            throw PostgresError(.decoding, privateDetail: "snapshot_state is empty")
        }
        var state = State(
            version: try version(row, from: 0),
            builtFrom: try row.optionalText(2).map { Visibility(text: $0) })
        state.rollout = try await RolloutStore.get(connection)
        return state
    }

    /// What the running transaction sees: take it inside the one that exports (`.readOnlySnapshot`).
    package static func visibility(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Visibility {
        let rows = try await connection.query("select pg_current_snapshot()::text")
        guard let row = rows.first else {
            throw PostgresError(.decoding, privateDetail: "no current snapshot")
        }
        return Visibility(text: try row.text(0))
    }

    /// What was changed by transactions a build could not see. Every change is reported until a build has
    /// seen it, in whatever order transactions begin and commit.
    package static func changes(
        since build: Visibility, _ connection: PostgresConnection
    ) async throws(PostgresError) -> SnapshotScope {
        let rows = try await connection.query(
            """
            select tenant_id, part
              from snapshot_changes
             where not pg_visible_in_snapshot(changed_by, \(build.text)::pg_snapshot)
             group by tenant_id, part
            """)
        var scope = SnapshotScope()
        for row in rows {
            let owner = try row.owner(0)
            switch try row.text(1) {
            case "": scope.owners.insert(owner)
            case "*": if let owner { scope.keyOwners.insert(owner) }
            default: scope.keys.insert(try row.value(1) { KeyPublicID($0) })
            }
        }
        if scope.owners.contains(nil) {
            // The names of the platform's models stand inside the routes of tenants.
            let users = try await connection.query(
                "select distinct tenant_id from route_targets where model_tenant_id = \(TenantID.platform)")
            for user in users { scope.owners.insert(try user.owner(0)) }
        }
        return scope
    }

    /// A signed root with its objects, ready to be kept.
    package struct Publication: Sendable {
        package let version: SnapshotVersion
        /// The signed envelope, as nodes get it.
        package let manifest: [UInt8]
        /// Address of every page and shard the version needs.
        package let objects: [SHA256Digest]
        /// The bytes of those that may be missing; each is stored once.
        package let newObjects: [(address: SHA256Digest, bytes: [UInt8])]
        package let builtFrom: Visibility

        package init(
            version: SnapshotVersion, manifest: [UInt8], objects: [SHA256Digest],
            newObjects: [(address: SHA256Digest, bytes: [UInt8])], builtFrom: Visibility
        ) {
            self.version = version
            self.manifest = manifest
            self.objects = objects
            self.newObjects = newObjects
            self.builtFrom = builtFrom
        }
    }

    /// Keeps a version if `expected` is still the newest; false: somebody else published, begin anew. Also
    /// forgets the changes the build has seen. Several statements: inside a transaction.
    ///
    /// - Parameter held: the snapshot with the settings of before, published with it, below its version.
    package static func publish(
        _ publication: Publication, held: Publication? = nil, rollout: Rollout? = nil,
        expected: SnapshotVersion, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let moved = try await connection.execute(
            """
            update snapshot_state
               set epoch = \(Int64(publication.version.epoch)),
                   counter = \(Int64(clamping: publication.version.counter)),
                   built_from = \(publication.builtFrom.text)::pg_snapshot
             where epoch = \(Int64(expected.epoch)) and counter = \(Int64(clamping: expected.counter))
            """)
        guard moved == 1 else { return false }
        for publication in [held, publication].compactMap(\.self) {
            try await insert(objects: publication.newObjects, at: now, connection)
        }
        if let held { try await insert(version: held, track: "held", at: now, connection) }
        try await insert(version: publication, track: "live", at: now, connection)
        try await connection.execute(
            """
            delete from snapshot_changes
             where pg_visible_in_snapshot(changed_by, \(publication.builtFrom.text)::pg_snapshot)
            """)
        if let rollout { try await RolloutStore.set(rollout, connection) }
        return true
    }

    private static func insert(
        objects: [(address: SHA256Digest, bytes: [UInt8])], at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) {
        for chunk in objects.chunks(of: objectsPerStatement) {
            try await connection.execute(
                """
                insert into snapshot_objects (sha256, bytes, created_at)
                select address, bytes, \(now)
                  from unnest(\(chunk.map(\.address)), \(chunk.map(\.bytes))) as object (address, bytes)
                 order by address
                on conflict do nothing
                """)
        }
    }

    /// A held version lacks the changes of settings that are made known with it, and those the held one
    /// before lacked.
    private static func insert(
        version: Publication, track: String, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into snapshot_versions
                   (epoch, counter, manifest, objects, built_from, track, lacks, published_at)
            select \(Int64(version.version.epoch)), \(Int64(clamping: version.version.counter)),
                   \(version.manifest), \(version.objects), \(version.builtFrom.text)::pg_snapshot,
                   \(track),
                   case when \(track) = 'held'
                        then array(select distinct changed_by
                                     from snapshot_changes
                                    where part = ''
                                      and pg_visible_in_snapshot(
                                              changed_by, \(version.builtFrom.text)::pg_snapshot)
                                   union
                                   select unnest(lacks)
                                     from snapshot_versions
                                     join rollouts on epoch = held_epoch and counter = held_counter)
                        else '{}' end,
                   \(now)
            """)
    }

    /// Keeps statements below some tens of megabytes.
    private static let objectsPerStatement = 64

    /// Raises the epoch (after a restore) and asks for a full build. False: it is that high already.
    package static func raiseEpoch(
        to epoch: UInt32, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update snapshot_state
               set epoch = \(Int64(epoch)), counter = 0, built_from = null
             where epoch < \(Int64(epoch))
            """) == 1
    }

    static func version(_ row: Row, from first: Int) throws(PostgresError) -> SnapshotVersion {
        guard let epoch = UInt32(exactly: try row.int64(first)),
            let counter = UInt64(exactly: try row.int64(first + 1))
        else { throw row.unreadable(first) }
        return SnapshotVersion(epoch: epoch, counter: counter)
    }
}

// MARK: Reading

extension SnapshotStore {
    package struct Published: Hashable, Sendable {
        package let version: SnapshotVersion
        package let manifest: [UInt8]
        package let publishedAt: Timestamp
    }

    /// The newest live version; nil before the first.
    package static func latest(_ connection: PostgresConnection) async throws(PostgresError) -> Published? {
        let rows = try await connection.query(
            """
            select epoch, counter, manifest, published_at
              from snapshot_versions
             where track = 'live'
             order by epoch desc, counter desc
             limit 1
            """)
        return try rows.first.map(read)
    }

    package static func find(
        _ version: SnapshotVersion, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Published? {
        let rows = try await connection.query(
            """
            select epoch, counter, manifest, published_at
              from snapshot_versions
             where epoch = \(Int64(version.epoch)) and counter = \(Int64(clamping: version.counter))
            """)
        return try rows.first.map(read)
    }

    /// Versions before one (nil: from the newest), newest first, without their manifests.
    package static func versions(
        before: SnapshotVersion?, limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [(version: SnapshotVersion, publishedAt: Timestamp)] {
        let bound = before ?? SnapshotVersion(epoch: .max, counter: .max)
        let rows = try await connection.query(
            """
            select epoch, counter, published_at
              from snapshot_versions
             where (epoch, counter) < (\(Int64(bound.epoch)), \(Int64(clamping: bound.counter)))
             order by epoch desc, counter desc
             limit \(min(max(limit, 1), 200))
            """)
        return try rows.read { row throws(PostgresError) in
            (version: try version(row, from: 0), publishedAt: try row.timestamp(2))
        }
    }

    /// The number (`xid8`) of the running transaction, which names what it changes.
    package static func currentTransaction(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> UInt64 {
        let rows = try await connection.query("select pg_current_xact_id()::text")
        guard
            let number = try rows.first.map({ row throws(PostgresError) in try row.value(0) { UInt64($0) } })
        else { throw PostgresError(.decoding, privateDetail: "no current transaction") }
        return number
    }

    /// The oldest version of this epoch that has what a transaction changed; nil: none has it yet.
    package static func firstVersion(
        with transaction: UInt64, _ connection: PostgresConnection
    ) async throws(PostgresError) -> SnapshotVersion? {
        let rows = try await connection.query(
            """
            select epoch, counter
              from snapshot_versions
             where epoch = (select epoch from snapshot_state)
               and pg_visible_in_snapshot(\(String(transaction))::xid8, built_from)
               and not \(String(transaction))::xid8 = any(lacks)
             order by epoch, counter
             limit 1
            """)
        return try rows.first.map { row throws(PostgresError) in try version(row, from: 0) }
    }

    /// Pages and shards, those there are.
    package static func objects(
        _ addresses: [SHA256Digest], _ connection: PostgresConnection
    ) async throws(PostgresError) -> [SHA256Digest: [UInt8]] {
        var found: [SHA256Digest: [UInt8]] = [:]
        for chunk in addresses.chunks(of: objectsPerStatement) {
            let rows = try await connection.query(
                "select sha256, bytes from snapshot_objects where sha256 = any(\(chunk))")
            for row in rows { found[try row.digest(0)] = try row.bytes(1) }
        }
        return found
    }

    /// A page or shard; nil: no such object.
    package static func object(
        _ address: SHA256Digest, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [UInt8]? {
        let rows = try await connection.query(
            "select bytes from snapshot_objects where sha256 = \(address)")
        return try rows.first.map { row throws(PostgresError) in try row.bytes(0) }
    }

    /// Which of some objects are not stored yet.
    package static func missing(
        of addresses: [SHA256Digest], _ connection: PostgresConnection
    ) async throws(PostgresError) -> [SHA256Digest] {
        let rows = try await connection.query(
            """
            select address
              from unnest(\(addresses)) as address
             where not exists (select from snapshot_objects where sha256 = address)
            """)
        return try rows.read { row throws(PostgresError) in try row.digest(0) }
    }

    /// Removes all versions but the newest `kept`, then the objects no version needs; gives the number of
    /// objects. Inside a transaction.
    package static func collectGarbage(
        keeping kept: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        // The state's row keeps a publisher from adding a version between the two steps.
        _ = try await connection.query("select from snapshot_state for update")
        try await connection.execute(
            """
            delete from snapshot_versions
             where (epoch, counter) not in (select epoch, counter
                                              from snapshot_versions
                                             order by epoch desc, counter desc
                                             limit \(max(kept, 1)))
               and (epoch, counter) not in (select epoch, counter
                                              from snapshot_versions
                                             where track = 'live'
                                             order by epoch desc, counter desc
                                             limit 1)
               and not exists (select
                                 from rollouts
                                where (epoch, counter) in ((pinned_epoch, pinned_counter),
                                                           (held_epoch, held_counter),
                                                           (base_epoch, base_counter)))
            """)
        return try await connection.execute(
            """
            delete from snapshot_objects
             where not exists (select
                                 from (select distinct unnest(objects) as address
                                         from snapshot_versions) as needed
                                where address = sha256)
            """)
    }

    private static func read(_ row: Row) throws(PostgresError) -> Published {
        Published(
            version: try version(row, from: 0), manifest: try row.bytes(2), publishedAt: try row.timestamp(3))
    }
}

extension Array {
    func chunks(of size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}

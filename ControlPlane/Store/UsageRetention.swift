package import Domain
package import PostgresDriver

/// The partitions of single calls, and how long tenants keep them. For the role that takes usage in.
package enum UsageRetention {
    /// Makes the partitions of these days, where they are missing; how many it made.
    package static func makePartitions(
        from first: CivilDate, days: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let days = (0..<days).map { CivilDate(daysSinceEpoch: first.daysSinceEpoch + $0) }
        let rows = try await connection.query(
            """
            select count(*) filter (where made)
              from (select create_usage_partition(day) as made
                      from unnest(\(fragment: LedgerStore.days(days))) as day) as all_days
            """)
        return try rows.first?.int(0) ?? 0
    }

    /// The days before one that have a partition, the oldest first.
    package static func partitions(
        before day: CivilDate, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [CivilDate] {
        let rows = try await connection.query(
            """
            select to_date(right(relname, 8), 'YYYYMMDD') as day
              from pg_inherits
              join pg_class on pg_class.oid = inhrelid
             where inhparent = 'usage_events'::regclass and relname ~ '^usage_events_[0-9]{8}$'
               and to_date(right(relname, 8), 'YYYYMMDD') < \(fragment: LedgerStore.day(day))
             order by 1
            """)
        return try rows.read { row throws(PostgresError) in try row.date(0) }
    }

    /// Drops a day's partition when none of these tenants has a row in it; whether it did.
    package static func drop(
        _ day: CivilDate, keeping tenants: [TenantID], _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            "select drop_usage_partition(\(fragment: LedgerStore.day(day)), \(tenants))")
        return try rows.first?.bool(0) ?? false
    }

    /// Every tenant, and for how many days it keeps its calls; nil: for ever.
    package static func tenants(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [(tenant: TenantID, days: Int32?)] {
        try await connection.query("select id, retention_days from tenants").read {
            row throws(PostgresError) in
            (try row.id(0) as TenantID, try row.optionalInt32(1))
        }
    }

    /// Notes that a tenant's calls from before a moment are going; before they do, so that no proof misses
    /// them.
    package static func note(
        _ tenants: [(tenant: TenantID, before: Timestamp)], _ connection: PostgresConnection
    ) async throws(PostgresError) {
        if tenants.isEmpty { return }
        try await connection.execute(
            """
            insert into usage_retention as old (tenant_id, events_before)
            select * from unnest(\(tenants.map(\.tenant)), \(tenants.map(\.before)))
                          as new (tenant_id, events_before)
             order by tenant_id
            on conflict (tenant_id) do update set events_before = excluded.events_before
             where old.events_before < excluded.events_before
            """)
    }

    /// Deletes a tenant's calls, and their corrections, that began before a moment; at most so many of each.
    /// How many there were.
    package static func delete(
        of tenant: TenantID, before moment: Timestamp, atMost limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        // A row's place is its own in each partition: the predicate stands outside too.
        let events = try await connection.execute(
            """
            delete from usage_events
             where tenant_id = \(tenant) and started_at < \(moment)
               and ctid = any (array(select ctid
                                       from usage_events
                                      where tenant_id = \(tenant) and started_at < \(moment)
                                      limit \(limit)))
            """)
        let corrections = try await connection.execute(
            """
            delete from usage_corrections
             where ctid = any (array(select ctid
                                       from usage_corrections
                                      where tenant_id = \(tenant) and started_at < \(moment)
                                      limit \(limit)))
            """)
        return events + corrections
    }

    /// Batches far behind the newest of their outbox, which no node sends again.
    private static let keptBatches: Int64 = 1_000

    /// Deletes what is known of batches taken before a moment; at most so many. How many there were.
    package static func deleteBatches(
        takenBefore moment: Timestamp, atMost limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute(
            """
            delete from usage_batches
             where ctid = any (array(select batch.ctid
                                       from usage_batches as batch
                                       join usage_streams as stream using (node_id, outbox_epoch)
                                      where received_at < \(moment) and seq <= last_seq - \(keptBatches)
                                      limit \(limit)))
            """)
    }
}

/// Work that one replica at a time does.
package enum JobLock {
    /// Runs `body` unless another replica is doing the same job; whether it did. Holds a connection of the
    /// pool meanwhile.
    package static func run(
        _ job: String, _ pool: PostgresPool, _ body: () async throws -> Void
    ) async throws -> Bool {
        try await pool.withConnection { connection in
            let taken = try await connection.query(
                "select pg_try_advisory_lock(hashtextextended(\("eclusa job \(job)"), 0))")
            guard try taken.first?.bool(0) == true else { return false }
            let result: Result<Void, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            // A connection that died has let go of it by itself.
            _ = try await connection.query(
                "select pg_advisory_unlock(hashtextextended(\("eclusa job \(job)"), 0))")
            try result.get()
            return true
        }
    }
}

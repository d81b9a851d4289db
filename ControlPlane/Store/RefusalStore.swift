import Contract
package import Domain
package import PostgresDriver

/// Which refused calls of a tenant; what is nil does not matter.
package struct RefusalFilter: Hashable, Sendable {
    package var from: Timestamp
    /// The moment after the last one that counts.
    package var to: Timestamp
    package var workspace: WorkspaceID?
    package var key: KeyID?
    package var code: String?

    package init(from: Timestamp, to: Timestamp) {
        self.from = from
        self.to = to
    }
}

/// Refused calls of one key for one reason.
package struct RefusalLine: Hashable, Sendable {
    package let workspace: WorkspaceID
    package let key: KeyID
    /// Of the error catalogue.
    package let code: String
    package let calls: Int64
    /// The minutes of the first and the last one in the period.
    package let firstMinute: Timestamp
    package let lastMinute: Timestamp
}

/// One refused call.
package struct RefusedCall: Hashable, Sendable {
    package let at: Timestamp
    /// The `x-request-id` the application got.
    package let request: String
    package let workspace: WorkspaceID
    package let key: KeyID
    package let node: NodeID
    package let code: String
    package let status: Int
}

/// What nodes refused, as far as a tenant's keys are concerned.
package enum RefusalStore {
    package static let maximumLines = 1000

    /// The part of a batch that is refusals, inside the transaction that takes it in. Rows are locked in the
    /// order of their key, so that two batches never wait for each other in a circle.
    static func take(_ batch: UsageBatch, _ connection: PostgresConnection) async throws(PostgresError) {
        if !batch.refusals.isEmpty { try await add(batch.refusals, connection) }
        if !batch.refusalSamples.isEmpty { try await add(batch.refusalSamples, of: batch.node, connection) }
    }

    private static func add(
        _ counts: [RefusalCount], _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into refusal_minutes as old (tenant_id, starts_at, key_id, code, workspace_id, calls)
            select tenant_id, date_trunc('minute', starts_at, 'UTC'), key_id, code,
                   min(workspace_id::text)::uuid, sum(calls)::int8
              from unnest(\(counts.map(\.tenant)), \(counts.map(\.minute)), \(counts.map(\.key)),
                          \(counts.map(\.code)), \(counts.map(\.workspace)),
                          \(counts.map { Int64($0.calls) }))
                   as new (tenant_id, starts_at, key_id, code, workspace_id, calls)
             group by 1, 2, 3, 4
             order by 1, 2, 3, 4
            on conflict (tenant_id, starts_at, key_id, code) do update set calls = old.calls + excluded.calls
            """)
    }

    private static func add(
        _ samples: [RefusalSample], of node: NodeID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into refusal_samples
                   (tenant_id, at, request_id, key_id, workspace_id, node_id, code, status_code)
            select tenant_id, at, request_id, key_id, workspace_id, \(node), code, status_code
              from unnest(\(samples.map(\.tenant)), \(samples.map(\.at)), \(samples.map(\.request)),
                          \(samples.map(\.key)), \(samples.map(\.workspace)), \(samples.map(\.code)),
                          \(samples.map { Int32($0.status) }))
                   as new (tenant_id, at, request_id, key_id, workspace_id, code, status_code)
            on conflict do nothing
            """)
    }

    /// How many calls were refused, by key and reason: the most frequent first.
    package static func lines(
        of tenant: TenantID, _ filter: RefusalFilter, limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [RefusalLine] {
        let rows = try await connection.query(
            """
            select min(workspace_id::text)::uuid, key_id, code, sum(calls)::int8 as calls, min(starts_at),
                   max(starts_at)
              from refusal_minutes
             where tenant_id = \(tenant) and starts_at >= \(filter.from.startOfMinute)
               and starts_at < \(filter.to)\(fragment: narrowed(filter))
             group by key_id, code
             order by calls desc, key_id, code
             limit \(min(max(limit, 1), maximumLines))
            """)
        return try rows.read { row throws(PostgresError) in
            RefusalLine(
                workspace: try row.id(0), key: try row.id(1), code: try row.text(2), calls: try row.int64(3),
                firstMinute: try row.timestamp(4), lastMinute: try row.timestamp(5))
        }
    }

    /// All refused calls of the period together.
    package static func total(
        of tenant: TenantID, _ filter: RefusalFilter, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int64 {
        let rows = try await connection.query(
            """
            select coalesce(sum(calls), 0)::int8
              from refusal_minutes
             where tenant_id = \(tenant) and starts_at >= \(filter.from.startOfMinute)
               and starts_at < \(filter.to)\(fragment: narrowed(filter))
            """)
        return try rows.first?.int64(0) ?? 0
    }

    /// Some of the refused calls, the newest first.
    package static func samples(
        of tenant: TenantID, _ filter: RefusalFilter, limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [RefusedCall] {
        let rows = try await connection.query(
            """
            select at, request_id, workspace_id, key_id, node_id, code, status_code
              from refusal_samples
             where tenant_id = \(tenant) and at >= \(filter.from) and at < \(filter.to)
                   \(fragment: narrowed(filter))
             order by at desc, request_id
             limit \(min(max(limit, 1), maximumLines))
            """)
        return try rows.read { row throws(PostgresError) in
            RefusedCall(
                at: try row.timestamp(0), request: try row.text(1), workspace: try row.id(2),
                key: try row.id(3), node: try row.id(4), code: try row.text(5), status: try row.int(6))
        }
    }

    private static func narrowed(_ filter: RefusalFilter) -> SQL {
        var predicate: SQL = ""
        if let workspace = filter.workspace { predicate = predicate + " and workspace_id = \(workspace)" }
        if let key = filter.key { predicate = predicate + " and key_id = \(key)" }
        if let code = filter.code { predicate = predicate + " and code = \(code)" }
        return predicate
    }

    /// Tenants that have something older; as `eclusa_reports`.
    package static func tenants(
        minutesBefore: Timestamp, samplesBefore: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [TenantID] {
        let rows = try await connection.query(
            """
            select tenant_id from refusal_minutes where starts_at < \(minutesBefore)
             union
            select tenant_id from refusal_samples where at < \(samplesBefore)
             order by tenant_id
            """)
        return try rows.read { row throws(PostgresError) in try row.id(0) }
    }

    /// Removes what is older: counters of minutes, and samples, which are many and soon of no use. Gives the
    /// number of rows. One tenant at a time: `withTenant`.
    package static func purge(
        minutesBefore: Timestamp, samplesBefore: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let minutes = try await connection.execute(
            "delete from refusal_minutes where tenant_id = current_tenant() and starts_at < \(minutesBefore)")
        return try await minutes
            + connection.execute(
                "delete from refusal_samples where tenant_id = current_tenant() and at < \(samplesBefore)")
    }
}

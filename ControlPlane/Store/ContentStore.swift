package import Domain
package import PostgresDriver

/// What was said in one call, sealed.
package struct SealedContent: Hashable, Sendable {
    /// The usage event of the call.
    package let call: UsageEventID
    package let tenant: TenantID
    package let startedAt: Timestamp
    package let sealed: [UInt8]

    package init(call: UsageEventID, tenant: TenantID, startedAt: Timestamp, sealed: [UInt8]) {
        self.call = call
        self.tenant = tenant
        self.startedAt = startedAt
        self.sealed = sealed
    }
}

/// Contents of calls: apart from usage, which does not depend on them.
package enum ContentStore {
    /// Those of these tenants that want contents kept.
    package static func keeping(
        among tenants: [TenantID], _ connection: PostgresConnection
    ) async throws(PostgresError) -> [TenantID] {
        let rows = try await connection.query(
            """
            select id
              from tenants
             where id = any(\(tenants)) and content_days is not null and status <> 'deleting'
             order by id
            """)
        return try rows.read { row throws(PostgresError) in try row.id(0) }
    }

    /// Keeps one; the same again changes nothing. As `eclusa_publisher`.
    package static func insert(
        _ content: SealedContent, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into call_contents (tenant_id, id, started_at, sealed)
            values (\(content.tenant), \(content.call), \(content.startedAt), \(content.sealed))
            on conflict do nothing
            """)
    }

    package static func find(
        _ call: UsageEventID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> SealedContent? {
        let rows = try await connection.query(
            "select started_at, sealed from call_contents where tenant_id = \(tenant) and id = \(call)")
        return try rows.first.map { row throws(PostgresError) in
            SealedContent(
                call: call, tenant: tenant, startedAt: try row.timestamp(0), sealed: try row.bytes(1))
        }
    }

    /// False: there is none.
    package static func delete(
        _ call: UsageEventID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "delete from call_contents where tenant_id = \(tenant) and id = \(call)") == 1
    }

    /// Deletes, at most so many, what is older than its tenant keeps contents, or calls; and all of tenants
    /// that keep none. How many there were. As `eclusa_ingest`.
    ///
    /// - Parameter retentionDays: of tenants that settled nothing about their calls.
    package static func deleteOld(
        startOfDay today: Timestamp, retentionDays: Int32?, atMost limit: Int,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute(
            """
            delete from call_contents as content
             using (select old.tenant_id, old.id
                      from tenants
                     cross join lateral (
                           select tenant_id, id
                             from call_contents
                            where tenant_id = tenants.id
                              and (content_days is null
                                   or started_at < \(today) - make_interval(hours => 24 * least(
                                      content_days, coalesce(retention_days, \(retentionDays)))))
                            limit \(limit)) as old
                     limit \(limit)) as gone
             where content.tenant_id = gone.tenant_id and content.id = gone.id
            """)
    }
}

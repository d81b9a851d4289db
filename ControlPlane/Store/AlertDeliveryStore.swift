package import Domain
package import PostgresDriver

/// Messages about alerts on their way to channels; of a tenant, or (nil) the platform.
///
/// Of the messages of one channel only the first that waits can be claimed, so they arrive in the order they
/// were queued in. Tests wait for nobody, and what is held back for quiet hours holds back nothing critical.
package enum AlertDeliveryStore {
    private static let columns: SQL =
        """
        id, channel_id, alert_id, event, severity, payload, status, attempts, next_attempt_at, give_up_at,
        response_status, reason, created_at, finished_at
        """
    private static let maximumReasonBytes = 500

    /// Queues a message behind those of its channel.
    package static func enqueue(
        _ delivery: AlertDelivery, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into alert_deliveries (tenant_id, id, channel_id, alert_id, event, severity, payload,
                                          status, attempts, next_attempt_at, give_up_at, reason, created_at)
            values (\(TenantID.owner(tenant)), \(delivery.id), \(delivery.channel), \(delivery.alert),
                    \(delivery.event.rawValue), \(delivery.severity.rawValue), \(delivery.payload), 'waiting',
                    0, \(delivery.nextAttemptAt), \(delivery.giveUpAt), '', \(delivery.createdAt))
            """)
    }

    /// The messages that may be sent now, of all owners, the longest waiting first; at most `limit`. Reads
    /// over all tenants.
    package static func due(
        at now: Timestamp, limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [(id: AlertDeliveryID, tenant: TenantID?)] {
        let rows = try await connection.query(
            """
            select mail.id, mail.tenant_id
              from alert_deliveries as mail
              join alert_channels as channel
                on channel.tenant_id = mail.tenant_id and channel.id = mail.channel_id
              join tenants on tenants.id = mail.tenant_id and tenants.status <> 'deleting'
             cross join lateral (select is_quiet(quiet_from, quiet_to, channel.time_zone, \(now)))
                   as hours (quiet)
             where mail.status = 'waiting' and mail.next_attempt_at <= \(now)
               and (mail.event = 'test'
                    or channel.enabled and (mail.severity = 'critical' or not quiet)
                       and not exists (select from alert_deliveries as earlier
                                        where earlier.tenant_id = mail.tenant_id
                                          and earlier.channel_id = mail.channel_id
                                          and earlier.status = 'waiting' and earlier.place < mail.place
                                          and earlier.event <> 'test'
                                          and (earlier.severity = 'critical' or not quiet)))
             order by mail.place
             limit \(limit)
            """)
        return try rows.read { row throws(PostgresError) in (id: try row.id(0), tenant: try row.owner(1)) }
    }

    /// A message that this caller alone may send until its lease ends; its `attempts` count this one and
    /// fence the claim. nil: somebody else was faster.
    package static func claim(
        _ id: AlertDeliveryID, of tenant: TenantID?, at now: Timestamp, leaseUntil: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> AlertDelivery? {
        let rows = try await connection.query(
            """
            update alert_deliveries
               set attempts = attempts + 1, next_attempt_at = \(leaseUntil)
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id) and status = 'waiting'
               and next_attempt_at <= \(now)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Ends a message. False: the claim was lost to somebody else.
    package static func finish(
        _ delivery: AlertDelivery, of tenant: TenantID?, as status: AlertDelivery.Status,
        responseStatus: Int?, reason: String, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update alert_deliveries
               set status = \(status.rawValue), response_status = \(responseStatus),
                   reason = \(shortened(reason)), finished_at = \(now)
             where tenant_id = \(TenantID.owner(tenant)) and id = \(delivery.id)
               and attempts = \(delivery.attempts) and status = 'waiting'
            """) == 1
    }

    /// Lets a message wait for another try. False: the claim was lost to somebody else.
    package static func retry(
        _ delivery: AlertDelivery, of tenant: TenantID?, at next: Timestamp, responseStatus: Int?,
        reason: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update alert_deliveries
               set next_attempt_at = \(next), response_status = \(responseStatus),
                   reason = \(shortened(reason))
             where tenant_id = \(TenantID.owner(tenant)) and id = \(delivery.id)
               and attempts = \(delivery.attempts) and status = 'waiting'
            """) == 1
    }

    /// Sends a message that is over once more, behind those that wait. nil: there is none, or it waits.
    package static func replay(
        _ id: AlertDeliveryID, of tenant: TenantID?, at now: Timestamp, giveUpAt: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> AlertDelivery? {
        let rows = try await connection.query(
            """
            update alert_deliveries
               set status = 'waiting', place = default, next_attempt_at = \(now), give_up_at = \(giveUpAt),
                   finished_at = null
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id) and status <> 'waiting'
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    package static func find(
        _ id: AlertDeliveryID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> AlertDelivery? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from alert_deliveries
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        return try rows.first.map(read)
    }

    /// What is asked of the log; what is nil does not matter.
    package struct Filter: Sendable {
        package var channel: AlertChannelID?
        package var alert: AlertID?
        package var status: AlertDelivery.Status?

        package init() {}
    }

    package static func list(
        of tenant: TenantID?, where filter: Filter, _ page: Page<AlertDelivery>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<AlertDelivery, AlertDelivery> {
        var condition: SQL = ""
        if let channel = filter.channel { condition = condition + " and channel_id = \(channel)" }
        if let alert = filter.alert { condition = condition + " and alert_id = \(alert)" }
        if let status = filter.status { condition = condition + " and status = \(status.rawValue)" }
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from alert_deliveries
             where tenant_id = \(TenantID.owner(tenant)) and id < \(page.bound) \(fragment: condition)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    private static func shortened(_ reason: String) -> String {
        var reason = reason
        while reason.utf8.count > maximumReasonBytes { reason.removeLast() }
        return reason
    }

    private static func read(_ row: Row) throws(PostgresError) -> AlertDelivery {
        AlertDelivery(
            id: try row.id(0), channel: try row.id(1), alert: try row.optionalID(2),
            event: try row.value(3, AlertDelivery.Event.init(rawValue:)),
            severity: try row.value(4, AlertRule.Severity.init(rawValue:)), payload: try row.text(5),
            status: try row.value(6, AlertDelivery.Status.init(rawValue:)), attempts: try row.int(7),
            nextAttemptAt: try row.timestamp(8), giveUpAt: try row.timestamp(9),
            responseStatus: try row.optionalInt64(10).map { Int($0) }, reason: try row.text(11),
            createdAt: try row.timestamp(12), finishedAt: try row.optionalTimestamp(13))
    }
}

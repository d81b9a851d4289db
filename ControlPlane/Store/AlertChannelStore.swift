package import Domain
package import PostgresDriver

/// Where alerts are sent; a tenant's, or (nil) the platform's.
package enum AlertChannelStore {
    private static let columns: SQL =
        """
        tenant_id, id, name, kind, recipients, url, language, quiet_from, quiet_to, time_zone, enabled,
        created_at, updated_at
        """

    /// What signs the messages of a webhook, sealed.
    package struct Secrets: Sendable {
        package let current: [UInt8]
        /// Signs too until the moment beside it.
        package let previous: (sealed: [UInt8], ends: Timestamp)?
    }

    /// Fails on `Constraint.alertChannelNameIsUnique`.
    package static func create(
        _ channel: AlertChannel, sealedSecret: [UInt8]?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let quiet = channel.quietHours
        try await connection.execute(
            """
            insert into alert_channels (\(fragment: columns), secret)
            values (\(TenantID.owner(channel.tenant)), \(channel.id), \(channel.name),
                    \(channel.kind.rawValue), \(channel.recipients), \(channel.url?.description),
                    \(channel.language.rawValue), \(quiet?.from), \(quiet?.to), \(quiet?.timeZone),
                    \(channel.isEnabled), \(channel.createdAt), \(channel.updatedAt), \(sealedSecret))
            """)
    }

    package static func find(
        _ id: AlertChannelID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> AlertChannel? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from alert_channels
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID?, _ page: Page<AlertChannel>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<AlertChannel, AlertChannel> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from alert_channels
             where tenant_id = \(TenantID.owner(tenant)) and id < \(page.bound)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    package static func count(
        of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let rows = try await connection.query(
            "select count(*) from alert_channels where tenant_id = \(TenantID.owner(tenant))")
        return Int(try rows.first?.int64(0) ?? 0)
    }

    /// The places in a list of channels that the owner does not have.
    package static func unknown(
        _ channels: [AlertChannelID], of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Int] {
        if channels.isEmpty { return [] }
        let rows = try await connection.query(
            """
            select place
              from unnest(\(channels)) with ordinality as asked (id, place)
             where not exists (select from alert_channels
                                where tenant_id = \(TenantID.owner(tenant)) and alert_channels.id = asked.id)
             order by place
            """)
        return try rows.read { row throws(PostgresError) in try row.int(0) - 1 }
    }

    /// Writes what can change. False: no such channel, or changed since `expecting`.
    package static func update(
        _ channel: AlertChannel, expecting: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let quiet = channel.quietHours
        return try await connection.execute(
            """
            update alert_channels
               set name = \(channel.name), recipients = \(channel.recipients),
                   url = \(channel.url?.description), language = \(channel.language.rawValue),
                   quiet_from = \(quiet?.from), quiet_to = \(quiet?.to), time_zone = \(quiet?.timeZone),
                   enabled = \(channel.isEnabled), updated_at = \(channel.updatedAt)
             where tenant_id = \(TenantID.owner(channel.tenant)) and id = \(channel.id)
               and updated_at = \(expecting)
            """) == 1
    }

    /// With its messages; rules forget it. Two statements. False: no such channel.
    package static func delete(
        _ id: AlertChannelID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let owner = TenantID.owner(tenant)
        try await connection.execute(
            """
            update alert_rules set channels = array_remove(channels, \(id))
             where tenant_id = \(owner) and \(id) = any (channels)
            """)
        return try await connection.execute(
            "delete from alert_channels where tenant_id = \(owner) and id = \(id)") == 1
    }

    /// A new secret; the one before signs too until then. False: no such channel.
    package static func replaceSecret(
        of id: AlertChannelID, of tenant: TenantID?, by sealed: [UInt8], previousUntil: Timestamp,
        at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update alert_channels
               set previous_secret = secret, previous_ends = \(previousUntil), secret = \(sealed),
                   updated_at = \(now)
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id) and kind = 'webhook'
            """) == 1
    }

    /// nil: not a webhook.
    package static func secrets(
        of id: AlertChannelID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Secrets? {
        let rows = try await connection.query(
            """
            select secret, previous_secret, previous_ends
              from alert_channels
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        guard let row = rows.first, let current = try row.optionalBytes(0) else { return nil }
        var previous: (sealed: [UInt8], ends: Timestamp)?
        if let sealed = try row.optionalBytes(1), let ends = try row.optionalTimestamp(2) {
            previous = (sealed, ends)
        }
        return Secrets(current: current, previous: previous)
    }

    private static func read(_ row: Row) throws(PostgresError) -> AlertChannel {
        var quiet: AlertChannel.QuietHours?
        if let from = try row.optionalInt64(7), let to = try row.optionalInt64(8),
            let zone = try row.optionalText(9)
        {
            quiet = AlertChannel.QuietHours(from: Int(from), to: Int(to), timeZone: zone)
        }
        return AlertChannel(
            id: try row.id(1), tenant: try row.owner(0),
            kind: try row.value(3, AlertChannel.Kind.init(rawValue:)), name: try row.text(2),
            recipients: try row.textArray(4), url: try row.optionalText(5).flatMap { BaseURL($0) },
            language: try row.value(6, Language.init(rawValue:)), quietHours: quiet,
            isEnabled: try row.bool(10), createdAt: try row.timestamp(11), updatedAt: try row.timestamp(12))
    }
}

package import Contract
package import Domain
package import PostgresDriver

/// Applications' credentials.
package enum KeyStore {
    private static let columns: SQL =
        """
        keys.tenant_id, id, workspace_id, name, public_id, endpoints, routes, models, ip_ranges, not_before,
        expires_at, revoked_at, created_at, updated_at, kind, owner_id, strict, tags, metadata_names,
        metadata_values, previous_until
        """
    private static let columnCount = 21

    package static func create(
        _ key: Key, secretHash: SecretHash, createdBy user: UserID?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let permitted = key.permitted
        let metadata = metadata(of: key)
        try await connection.execute(
            """
            insert into keys (tenant_id, id, workspace_id, name, kind, owner_id, public_id, secret_hash,
                              endpoints, routes, models, ip_ranges, not_before, expires_at, revoked_at,
                              strict, tags, metadata_names, metadata_values, created_by, created_at,
                              updated_at)
            values (\(key.tenant), \(key.id), \(key.workspace), \(key.name), \(key.kind.rawValue),
                    \(key.owner), \(key.publicID), \(secretHash.digest),
                    \(Int64(permitted.endpoints.rawValue)), \(permitted.routes), \(permitted.models),
                    \(permitted.addresses.map(\.description)), \(key.notBefore), \(key.expires),
                    \(key.revoked), \(key.isStrict), \(key.tags), \(metadata.names), \(metadata.values),
                    \(user), \(key.createdAt), \(key.createdAt))
            """)
    }

    package static func find(
        _ id: KeyID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Key? {
        let rows = try await connection.query(
            "select \(fragment: columns) from keys where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    package static func find(
        _ publicID: KeyPublicID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Key? {
        let rows = try await connection.query(
            """
            select \(fragment: columns) from keys where tenant_id = \(tenant) and public_id = \(publicID)
            """)
        return try rows.first.map(read)
    }

    /// A key and when it was last used, as far as usage has been taken in.
    package struct Listed: Hashable, Sendable {
        package let key: Key
        package let lastUsedAt: Timestamp?
    }

    private static let listedColumns: SQL =
        """
        \(fragment: columns),
        (select last_used_at from key_uses as used
          where used.tenant_id = keys.tenant_id and used.key_id = keys.id)
        """

    package static func findListed(
        _ id: KeyID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listed? {
        let rows = try await connection.query(
            "select \(fragment: listedColumns) from keys where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(readListed)
    }

    /// The keys of a tenant that pass a filter, newest first; with `standing` those that are so at a moment.
    package static func list(
        of tenant: TenantID, where filter: KeyFilter = KeyFilter(),
        standing: (KeyStanding, at: Timestamp)? = nil, _ page: Page<Key>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Listed, Key> {
        let rows = try await connection.query(
            """
            select \(fragment: listedColumns)
              from keys
             where keys.tenant_id = \(tenant) and id < \(page.bound)
                   \(fragment: filter.condition(below: page.bound))
                   \(fragment: standing.map(condition) ?? "")
                   \(fragment: page.condition(onFoldedName: "folded_name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(readListed), \.key.id)
    }

    /// `KeyStanding.of` in SQL, as the partial indexes have it.
    private static func condition(_ standing: KeyStanding, at now: Timestamp) -> SQL {
        switch standing {
        case .active:
            """
            and revoked_at is null and coalesce(expires_at > \(now), true)
            and coalesce(not_before <= \(now), true)
            """
        case .revoked: "and revoked_at is not null"
        case .expired: "and revoked_at is null and expires_at is not null and expires_at <= \(now)"
        case .notYetValid: "and revoked_at is null and not_before is not null and not_before > \(now)"
        }
    }

    package static func lastUse(
        of id: KeyID, _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Timestamp? {
        let rows = try await connection.query(
            "select last_used_at from key_uses where tenant_id = \(tenant) and key_id = \(id)")
        return try rows.first.map { row throws(PostgresError) in try row.timestamp(0) }
    }

    /// Writes everything an administrator may change of a key that is not revoked. nil: no such key, revoked,
    /// or (with `expecting`) changed since then.
    package static func update(
        _ key: Key, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Key? {
        let permitted = key.permitted
        let metadata = metadata(of: key)
        let rows = try await connection.query(
            """
            update keys
               set name = \(key.name), owner_id = \(key.owner),
                   endpoints = \(Int64(permitted.endpoints.rawValue)), routes = \(permitted.routes),
                   models = \(permitted.models), ip_ranges = \(permitted.addresses.map(\.description)),
                   not_before = \(key.notBefore), expires_at = \(key.expires), strict = \(key.isStrict),
                   tags = \(key.tags), metadata_names = \(metadata.names),
                   metadata_values = \(metadata.values), updated_at = \(key.updatedAt)
             where tenant_id = \(key.tenant) and id = \(key.id) and revoked_at is null
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Gives a key that is not revoked a new secret; the one it had works until a moment, the one before that
    /// no longer. nil: no such key, or revoked.
    package static func rotate(
        _ id: KeyID, of tenant: TenantID, to secretHash: SecretHash, previousUntil: Timestamp,
        at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Key? {
        let rows = try await connection.query(
            """
            update keys
               set secret_hash = \(secretHash.digest), previous_hash = secret_hash,
                   previous_until = \(previousUntil), updated_at = \(now)
             where tenant_id = \(tenant) and id = \(id) and revoked_at is null
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Ends the time of the secret before the last rotation now. nil: no such key, or revoked.
    package static func endOverlap(
        _ id: KeyID, of tenant: TenantID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Key? {
        let rows = try await connection.query(
            """
            update keys
               set previous_until = case when previous_until > \(now) then \(now) else previous_until end,
                   updated_at = \(now)
             where tenant_id = \(tenant) and id = \(id) and revoked_at is null
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Revokes a key for ever. nil: no such key, or revoked.
    package static func revoke(
        _ id: KeyID, of tenant: TenantID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Key? {
        let rows = try await connection.query(
            """
            update keys
               set revoked_at = \(now), updated_at = \(now)
             where tenant_id = \(tenant) and id = \(id) and revoked_at is null
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Revokes the keys that pass a filter and are not revoked, at most `limit`, the newest first; gives
    /// their ids.
    package static func revokeMatching(
        _ filter: KeyFilter, of tenant: TenantID, limit: Int, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [KeyID] {
        let rows = try await connection.query(
            """
            with chosen as (
                select id from keys
                 where tenant_id = \(tenant) and revoked_at is null \(fragment: filter.condition())
                 order by id desc
                 limit \(limit)
                   for update
            )
            update keys
               set revoked_at = \(now), updated_at = \(now)
              from chosen
             where keys.tenant_id = \(tenant) and keys.id = chosen.id
            returning keys.id
            """)
        return try rows.read { row throws(PostgresError) in try row.id(0) }
    }

    /// How many keys that pass a filter are not revoked.
    package static func countMatching(
        _ filter: KeyFilter, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let rows = try await connection.query(
            """
            select count(*) from keys
             where tenant_id = \(tenant) and revoked_at is null \(fragment: filter.condition())
            """)
        return Int(try rows.first?.int64(0) ?? 0)
    }

    /// Keys of all tenants that were revoked since a moment, the latest first: the kill list's material.
    package static func revoked(
        since moment: Timestamp, limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Key] {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from keys
             where revoked_at >= \(moment)
             order by revoked_at desc, id desc
             limit \(limit)
            """)
        return try rows.read(read)
    }

    private static func metadata(of key: Key) -> (names: [String], values: [String]) {
        let sorted = key.metadata.sorted { $0.key < $1.key }
        return (sorted.map(\.key), sorted.map(\.value))
    }

    private static func read(_ row: Row) throws(PostgresError) -> Key {
        let names = try row.textArray(18)
        let values = try row.textArray(19)
        return Key(
            id: try row.id(1), tenant: try row.id(0), workspace: try row.id(2), name: try row.text(3),
            kind: try row.value(14, KeyKind.init(rawValue:)), owner: try row.optionalID(15),
            publicID: try row.value(4) { KeyPublicID($0) }, permitted: try readPermissions(row, from: 5),
            notBefore: try row.optionalTimestamp(9), expires: try row.optionalTimestamp(10),
            revoked: try row.optionalTimestamp(11), isStrict: try row.bool(16), tags: try row.textArray(17),
            metadata: Dictionary(zip(names, values)) { first, _ in first },
            previousSecretUntil: try row.optionalTimestamp(20), createdAt: try row.timestamp(12),
            updatedAt: try row.timestamp(13))
    }

    private static func readListed(_ row: Row) throws(PostgresError) -> Listed {
        Listed(key: try read(row), lastUsedAt: try row.optionalTimestamp(columnCount))
    }

    /// Reads endpoints, routes, models and ranges of addresses from `first` on.
    static func readPermissions(_ row: Row, from first: Int) throws(PostgresError) -> KeyPermissions {
        let ranges = try row.textArray(first + 3)
        let addresses = ranges.compactMap { AddressRange($0) }
        guard addresses.count == ranges.count else { throw row.unreadable(first + 3) }
        return KeyPermissions(
            endpoints: EndpointSet(rawValue: UInt32(truncatingIfNeeded: try row.int64(first))),
            routes: try row.uuidArray(first + 1).map { ID($0) },
            models: try row.uuidArray(first + 2).map { ID($0) }, addresses: addresses)
    }
}

extension KeyFilter {
    /// Only what is asked for becomes part of the statement, so that each filter finds its index. `bound`:
    /// what the page begins below, said again where another table's index is read.
    fileprivate func condition(below bound: KeyID? = nil) -> SQL {
        var parts: [SQL] = []
        if let ids { parts.append("and id = any(\(ids))") }
        if let workspace { parts.append("and workspace_id = \(workspace)") }
        if let owner { parts.append("and owner_id = \(owner)") }
        if let kind {
            parts.append("and kind = \(kind.rawValue)")
            if kind != .application { parts.append("and kind <> 'application'") }
        }
        if let tag {
            let below: SQL = bound.map { "and tagged.key_id < \($0)" } ?? ""
            parts.append(
                """
                and exists (select from key_tags as tagged
                             where tagged.tenant_id = keys.tenant_id and tagged.key_id = keys.id
                               and tagged.tag = \(tag) \(fragment: below))
                """)
        }
        if let createdBefore { parts.append("and created_at < \(createdBefore)") }
        if let unusedSince {
            parts.append(
                """
                and created_at < \(unusedSince)
                and not exists (select from key_uses as used
                                 where used.tenant_id = keys.tenant_id and used.key_id = id
                                   and used.last_used_at >= \(unusedSince))
                """)
        }
        return parts.reduce("") { "\(fragment: $0) \(fragment: $1)" }
    }
}

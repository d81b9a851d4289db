package import Contract
package import Domain
package import PostgresDriver

/// Applications' credentials.
package enum KeyStore {
    private static let columns: SQL =
        """
        keys.tenant_id, id, workspace_id, name, public_id, endpoints, routes, not_before, expires_at,
        revoked_at, created_at
        """

    package static func create(
        _ key: Key, secretHash: SecretHash, createdBy user: UserID?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let permitted = key.permitted
        try await connection.execute(
            """
            insert into keys (tenant_id, id, workspace_id, name, public_id, secret_hash, endpoints, routes,
                              not_before, expires_at, revoked_at, created_by, created_at, updated_at)
            values (\(key.tenant), \(key.id), \(key.workspace), \(key.name), \(key.publicID),
                    \(secretHash.digest), \(Int64(permitted.endpoints.rawValue)), \(permitted.routes),
                    \(key.notBefore), \(key.expires), \(key.revoked), \(user), \(key.createdAt),
                    \(key.createdAt))
            """)
    }

    package static func find(
        _ id: KeyID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Key? {
        let rows = try await connection.query(
            "select \(fragment: columns) from keys where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    /// A key and when it was last used, as far as usage has been taken in.
    package struct Listed: Hashable, Sendable {
        package let key: Key
        package let lastUsedAt: Timestamp?
    }

    /// The keys of a tenant, of one workspace if asked, newest first.
    package static func list(
        of tenant: TenantID, workspace: WorkspaceID? = nil, _ page: Page<Key>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Listed, Key> {
        let rows = try await connection.query(
            """
            select \(fragment: columns), last_used_at
              from keys
              left join key_uses on key_uses.tenant_id = keys.tenant_id and key_id = id
             where keys.tenant_id = \(tenant) and id < \(page.bound)
               and workspace_id = coalesce(\(workspace), workspace_id)
             order by id desc
             limit \(page.fetchLimit)
            """)
        let listed = try rows.read { row throws(PostgresError) in
            Listed(key: try read(row), lastUsedAt: try row.optionalTimestamp(11))
        }
        return page.listing(listed, \.key.id)
    }

    package static func lastUse(
        of id: KeyID, _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Timestamp? {
        let rows = try await connection.query(
            "select last_used_at from key_uses where tenant_id = \(tenant) and key_id = \(id)")
        return try rows.first.map { row throws(PostgresError) in try row.timestamp(0) }
    }

    /// Writes name, permissions and lifetime of a key that is not revoked. nil: no such key, or revoked.
    package static func update(
        _ key: Key, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Key? {
        let rows = try await connection.query(
            """
            update keys
               set name = \(key.name), endpoints = \(Int64(key.permitted.endpoints.rawValue)),
                   routes = \(key.permitted.routes), not_before = \(key.notBefore),
                   expires_at = \(key.expires), updated_at = \(now)
             where tenant_id = \(key.tenant) and id = \(key.id) and revoked_at is null
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Revokes a key for ever; one that is revoked already keeps its first moment. nil: no such key.
    package static func revoke(
        _ id: KeyID, of tenant: TenantID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Key? {
        let rows = try await connection.query(
            """
            update keys
               set revoked_at = coalesce(revoked_at, \(now)), updated_at = \(now)
             where tenant_id = \(tenant) and id = \(id)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
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

    private static func read(_ row: Row) throws(PostgresError) -> Key {
        Key(
            id: try row.id(1), tenant: try row.id(0), workspace: try row.id(2), name: try row.text(3),
            publicID: try row.value(4) { KeyPublicID($0) }, permitted: try readPermissions(row, from: 5),
            notBefore: try row.optionalTimestamp(7), expires: try row.optionalTimestamp(8),
            revoked: try row.optionalTimestamp(9), createdAt: try row.timestamp(10))
    }

    /// Reads endpoints and routes from `first` on.
    static func readPermissions(_ row: Row, from first: Int) throws(PostgresError) -> KeyPermissions {
        KeyPermissions(
            endpoints: EndpointSet(rawValue: UInt32(truncatingIfNeeded: try row.int64(first))),
            routes: try row.uuidArray(first + 1).map { ID($0) })
    }
}

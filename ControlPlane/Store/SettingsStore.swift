package import Domain
package import PostgresDriver

/// One piece of the platform's key material, sealed under the master key.
package struct PlatformSecret: Hashable, Sendable {
    /// What it is for: `token-signing`, `certificate-authority`, `snapshot-signing`, `fleet` …
    package let purpose: String
    package let keyID: String
    package let sealed: [UInt8]
    /// The fingerprint of the master key it is sealed under; empty: not known.
    package let sealedBy: String
    /// The public half, if it has one.
    package let publicPart: [UInt8]?
    package let createdAt: Timestamp
    package let expires: Timestamp?
    package var retired: Timestamp?

    package init(
        purpose: String, keyID: String, sealed: [UInt8], sealedBy: String = "",
        publicPart: [UInt8]? = nil, createdAt: Timestamp, expires: Timestamp? = nil, retired: Timestamp? = nil
    ) {
        self.purpose = purpose
        self.keyID = keyID
        self.sealed = sealed
        self.sealedBy = sealedBy
        self.publicPart = publicPart
        self.createdAt = createdAt
        self.expires = expires
        self.retired = retired
    }
}

/// Key material of the platform. Platform-wide.
package enum SettingsStore {
    private static let columns: SQL = """
        purpose, key_id, sealed, public, created_at, expires_at, retired_at, sealed_by
        """

    package static func insert(
        _ secret: PlatformSecret, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into platform_secrets (purpose, key_id, sealed, sealed_by, public, created_at, expires_at,
                                          retired_at)
            values (\(secret.purpose), \(secret.keyID), \(secret.sealed), \(secret.sealedBy),
                    \(secret.publicPart), \(secret.createdAt), \(secret.expires), \(secret.retired))
            """)
    }

    /// Keeps the secret if its purpose has none yet, and gives the current one of the purpose: of any
    /// number of programs that start at once, all go on with the same. Two statements: inside a
    /// transaction.
    package static func insertIfNone(
        _ secret: PlatformSecret, _ connection: PostgresConnection
    ) async throws(PostgresError) -> PlatformSecret {
        try await connection.execute(
            """
            select pg_advisory_xact_lock(
                hashtextextended('eclusa.platform_secret ' || \(secret.purpose), 0))
            """
        )
        if let current = try await current(secret.purpose, connection) { return current }
        try await insert(secret, connection)
        return secret
    }

    /// The youngest of a purpose that is not retired.
    package static func current(
        _ purpose: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> PlatformSecret? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from platform_secrets
             where purpose = \(purpose) and retired_at is null
             order by created_at desc, key_id desc
             limit 1
            """)
        return try rows.first.map(read)
    }

    /// Names the rows of some purposes that are in force: another answer means that keys were rotated.
    package static func currentIDs(
        of purposes: [String], _ connection: PostgresConnection
    ) async throws(PostgresError) -> [String] {
        let rows = try await connection.query(
            """
            select purpose || ' ' || key_id
              from platform_secrets
             where purpose = any(\(purposes)) and retired_at is null
             order by 1
            """)
        return try rows.read { row throws(PostgresError) in try row.text(0) }
    }

    /// Makes rotations of keys wait for each other until the transaction ends.
    package static func lockRotation(_ connection: PostgresConnection) async throws(PostgresError) {
        try await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended('eclusa.key_rotation', 0))")
    }

    /// All of a purpose, retired ones too, youngest first.
    package static func list(
        _ purpose: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [PlatformSecret] {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from platform_secrets
             where purpose = \(purpose)
             order by created_at desc, key_id desc
            """)
        return try rows.read(read)
    }

    /// False: no such secret, or retired already.
    package static func retire(
        _ purpose: String, keyID: String, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update platform_secrets
               set retired_at = \(now)
             where purpose = \(purpose) and key_id = \(keyID) and retired_at is null
            """) == 1
    }

    /// Replaces the sealed bytes (rotation of the master key), if they are still the old ones.
    package static func rewrap(
        _ secret: PlatformSecret, to sealed: [UInt8], by fingerprint: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update platform_secrets
               set sealed = \(sealed), sealed_by = \(fingerprint)
             where purpose = \(secret.purpose) and key_id = \(secret.keyID) and sealed = \(secret.sealed)
            """) == 1
    }

    /// Secrets that are not sealed under this master key, after a place in the order of purposes; at most
    /// `limit`.
    package static func sealedByOthers(
        than fingerprint: String, after place: (purpose: String, keyID: String), limit: Int,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [PlatformSecret] {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from platform_secrets
             where sealed_by <> \(fingerprint) and (purpose, key_id) > (\(place.purpose), \(place.keyID))
             order by purpose, key_id
             limit \(limit)
            """)
        return try rows.read(read)
    }

    /// How many secrets there are, and how many are sealed under this master key.
    package static func count(
        sealedBy fingerprint: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (all: Int, sealed: Int) {
        let rows = try await connection.query(
            """
            select count(*), count(*) filter (where sealed_by = \(fingerprint))
              from platform_secrets
            """)
        guard let row = rows.first else { return (0, 0) }
        return (Int(try row.int64(0)), Int(try row.int64(1)))
    }

    /// Deletes every secret of a purpose: what was sealed under it can be opened by nobody any more.
    package static func shred(
        _ purpose: String, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from platform_secrets where purpose = \(purpose)") > 0
    }

    private static func read(_ row: Row) throws(PostgresError) -> PlatformSecret {
        PlatformSecret(
            purpose: try row.text(0), keyID: try row.text(1), sealed: try row.bytes(2),
            sealedBy: try row.text(7), publicPart: try row.optionalBytes(3), createdAt: try row.timestamp(4),
            expires: try row.optionalTimestamp(5), retired: try row.optionalTimestamp(6))
    }
}

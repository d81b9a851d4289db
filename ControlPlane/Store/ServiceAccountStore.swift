package import Cryptography
package import Domain
package import PostgresDriver

/// Machines that use the admin API; of the platform for tenant zero.
package enum ServiceAccountStore {
    private static let columns: SQL = "id, tenant_id, name, description, status, created_at, updated_at"

    /// Fails on `Constraint.serviceAccountNameIsUnique`.
    package static func create(
        _ account: ServiceAccount, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into service_accounts (\(fragment: columns))
            values (\(account.id), \(account.tenant), \(account.name), \(account.description),
                    \(account.status.rawValue), \(account.createdAt), \(account.updatedAt))
            """)
    }

    package static func find(
        _ id: ServiceAccountID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> ServiceAccount? {
        let rows = try await connection.query(
            "select \(fragment: columns) from service_accounts where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID, status: ServiceAccount.Status? = nil, _ page: Page<ServiceAccount>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<ServiceAccount, ServiceAccount> {
        let ofStatus: SQL = status.map { "and status = \($0.rawValue)" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from service_accounts
             where tenant_id = \(tenant) and id < \(page.bound)
                   \(fragment: ofStatus) \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Writes name, description and status. nil: no such account, or (with `expecting`) changed since then.
    package static func update(
        _ account: ServiceAccount, expecting: Timestamp? = nil, _ connection: PostgresConnection
    ) async throws(PostgresError) -> ServiceAccount? {
        let rows = try await connection.query(
            """
            update service_accounts
               set name = \(account.name), description = \(account.description),
                   status = \(account.status.rawValue), updated_at = \(account.updatedAt)
             where tenant_id = \(account.tenant) and id = \(account.id)
               and updated_at = coalesce(\(expecting), updated_at)
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// With its tokens and roles. False: no such account.
    package static func delete(
        _ id: ServiceAccountID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "delete from service_accounts where tenant_id = \(tenant) and id = \(id)") == 1
    }

    private static func read(_ row: Row) throws(PostgresError) -> ServiceAccount {
        ServiceAccount(
            id: try row.id(0), tenant: try row.id(1), name: try row.text(2), description: try row.text(3),
            status: try row.value(4, ServiceAccount.Status.init(rawValue:)), createdAt: try row.timestamp(5),
            updatedAt: try row.timestamp(6))
    }
}

/// Service accounts' tokens, which are stored as SHA-256.
package enum ManagementTokenStore {
    /// Uses are noted at most this often.
    private static let useSeconds: Int64 = 60

    private static let columns: SQL = """
        id, tenant_id, service_account_id, name, public_id, expires_at, revoked_at, last_used_at, created_at
        """

    package static func create(
        _ token: ManagementToken, hash: SHA256Digest, createdBy: UserID?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into management_tokens (tenant_id, id, service_account_id, name, public_id, secret_hash,
                                           expires_at, created_by, created_at)
            values (\(token.tenant), \(token.id), \(token.serviceAccount), \(token.name), \(token.publicID),
                    \(hash), \(token.expires), \(createdBy), \(token.createdAt))
            """)
    }

    package static func find(
        _ id: ManagementTokenID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> ManagementToken? {
        let rows = try await connection.query(
            "select \(fragment: columns) from management_tokens where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    package static func list(
        of account: ServiceAccountID, of tenant: TenantID,
        standing: (ManagementToken.Standing, at: Timestamp)? = nil, _ page: Page<ManagementTokenNoun>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<ManagementToken, ManagementTokenNoun> {
        let standing: SQL =
            switch standing {
            case (.active, let now)?: "and revoked_at is null and coalesce(expires_at > \(now), true)"
            case (.expired, let now)?: "and revoked_at is null and expires_at <= \(now)"
            case (.revoked, _)?: "and revoked_at is not null"
            case nil: ""
            }
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from management_tokens
             where tenant_id = \(tenant) and service_account_id = \(account) and id < \(page.bound)
                   \(fragment: standing)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// nil: no such token, or revoked already.
    package static func revoke(
        _ id: ManagementTokenID, of tenant: TenantID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> ManagementToken? {
        let rows = try await connection.query(
            """
            update management_tokens
               set revoked_at = \(now)
             where tenant_id = \(tenant) and id = \(id) and revoked_at is null
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Whose token has this public id; nothing is proven by it. Across tenants.
    package static func holder(
        _ publicID: KeyPublicID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (tenant: TenantID, account: ServiceAccountID)? {
        let rows = try await connection.query(
            "select tenant_id, service_account_id from management_tokens where public_id = \(publicID)")
        return try rows.first.map { row throws(PostgresError) in (try row.id(0), try row.id(1)) }
    }

    /// The token, if the secret is right, it holds at this moment, and so does its account; notes its use.
    package static func use(
        _ publicID: KeyPublicID, hash: SHA256Digest, of tenant: TenantID, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> ManagementToken? {
        let rows = try await connection.query(
            """
            select \(fragment: columns), secret_hash
              from management_tokens as token
             where tenant_id = \(tenant) and public_id = \(publicID) and revoked_at is null
               and coalesce(expires_at > \(now), true)
               and exists (select
                             from service_accounts
                            where tenant_id = token.tenant_id and id = service_account_id
                              and status = 'active')
            """)
        guard let row = rows.first, constantTimeEqual(try row.bytes(9), hash.bytes) else { return nil }
        let token = try read(row)
        let noted = now.advanced(bySeconds: -useSeconds)
        if token.lastUsedAt.map({ $0 <= noted }) ?? true {
            try await connection.execute(
                """
                update management_tokens
                   set last_used_at = \(now)
                 where tenant_id = \(tenant) and id = \(token.id)
                """)
        }
        return token
    }

    private static func read(_ row: Row) throws(PostgresError) -> ManagementToken {
        ManagementToken(
            id: try row.id(0), tenant: try row.id(1), serviceAccount: try row.id(2), name: try row.text(3),
            publicID: try row.value(4) { KeyPublicID($0) }, expires: try row.optionalTimestamp(5),
            revoked: try row.optionalTimestamp(6), lastUsedAt: try row.optionalTimestamp(7),
            createdAt: try row.timestamp(8))
    }
}

package import Cryptography
package import Domain
package import PostgresDriver

/// Identity providers of tenants and of the platform, and who their people are here.
package enum IdentityProviderStore {
    private static let columns: SQL =
        """
        tenant_id, id, name, issuer, client_id, client_secret is not null, scopes, group_claim,
        allowed_domains, creates_users, is_enabled, created_at, updated_at,
        array(select group_name from identity_provider_roles roles
               where roles.tenant_id = identity_providers.tenant_id and provider_id = id
               order by group_name, role),
        array(select role from identity_provider_roles roles
               where roles.tenant_id = identity_providers.tenant_id and provider_id = id
               order by group_name, role)
        """

    /// Two statements: inside a transaction.
    package static func create(
        _ provider: IdentityProvider, sealedSecret: [UInt8]?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into identity_providers (tenant_id, id, name, issuer, client_id, client_secret, scopes,
                                            group_claim, allowed_domains, creates_users, is_enabled,
                                            created_at, updated_at)
            values (\(TenantID.owner(provider.tenant)), \(provider.id), \(provider.name), \(provider.issuer),
                    \(provider.clientID), \(sealedSecret), \(provider.scopes), \(provider.groupClaim),
                    \(provider.allowedDomains), \(provider.createsUsers), \(provider.isEnabled),
                    \(provider.createdAt), \(provider.updatedAt))
            """)
        try await setMappings(provider, connection)
    }

    /// Writes everything; the secret only if one is given. False: no such provider, or changed since
    /// `expecting`. Several statements: inside a transaction.
    package static func update(
        _ provider: IdentityProvider, sealedSecret: [UInt8]?, expecting: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let count = try await connection.execute(
            """
            update identity_providers
               set name = \(provider.name), issuer = \(provider.issuer), client_id = \(provider.clientID),
                   client_secret = coalesce(\(sealedSecret), client_secret), scopes = \(provider.scopes),
                   group_claim = \(provider.groupClaim), allowed_domains = \(provider.allowedDomains),
                   creates_users = \(provider.createsUsers), is_enabled = \(provider.isEnabled),
                   updated_at = \(provider.updatedAt)
             where tenant_id = \(TenantID.owner(provider.tenant)) and id = \(provider.id)
               and updated_at = \(expecting)
            """)
        guard count == 1 else { return false }
        try await setMappings(provider, connection)
        return true
    }

    private static func setMappings(
        _ provider: IdentityProvider, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let owner = TenantID.owner(provider.tenant)
        try await connection.execute(
            """
            delete from identity_provider_roles where tenant_id = \(owner) and provider_id = \(provider.id)
            """)
        let groups = provider.mappings.map(\.group), roles = provider.mappings.map(\.role)
        try await connection.execute(
            """
            insert into identity_provider_roles (tenant_id, provider_id, group_name, role)
            select \(owner), \(provider.id), group_name, role
              from unnest(\(groups), \(roles)) as mapping (group_name, role)
            on conflict do nothing
            """)
    }

    package static func find(
        _ id: IdentityProviderID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> IdentityProvider? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from identity_providers
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        return try rows.first.map(read)
    }

    /// Whose a provider is; nil: there is no such provider. Reads over all tenants.
    package static func owner(
        of id: IdentityProviderID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Scope? {
        let rows = try await connection.query("select tenant_id from identity_providers where id = \(id)")
        return try rows.first.map { row throws(PostgresError) in
            try row.owner(0).map { .tenant($0) } ?? .platform
        }
    }

    /// Those that people may sign in by: enabled, and their tenant active.
    package static func listUsable(
        of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [IdentityProvider] {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from identity_providers
             where tenant_id = \(TenantID.owner(tenant)) and is_enabled
               and exists (select from tenants where tenants.id = tenant_id and status = 'active')
             order by name
             limit 100
            """)
        return try rows.read(read)
    }

    package static func list(
        of tenant: TenantID?, isEnabled: Bool? = nil, _ page: Page<IdentityProvider>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<IdentityProvider, IdentityProvider> {
        let enabled: SQL = isEnabled.map { "and is_enabled = \($0)" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from identity_providers
             where tenant_id = \(TenantID.owner(tenant)) and id < \(page.bound) \(fragment: enabled)
                   \(fragment: page.condition(onName: "name"))
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// False: no such provider.
    package static func delete(
        _ id: IdentityProviderID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            "delete from identity_providers where tenant_id = \(TenantID.owner(tenant)) and id = \(id)") == 1
    }

    package static func sealedSecret(
        of provider: IdentityProvider, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [UInt8]? {
        let rows = try await connection.query(
            """
            select client_secret
              from identity_providers
             where tenant_id = \(TenantID.owner(provider.tenant)) and id = \(provider.id)
            """)
        return try rows.first?.optionalBytes(0)
    }

    private static func read(_ row: Row) throws(PostgresError) -> IdentityProvider {
        let groups = try row.textArray(13), roles = try row.textArray(14)
        return IdentityProvider(
            id: try row.id(1), tenant: try row.owner(0), name: try row.text(2), issuer: try row.text(3),
            clientID: try row.text(4), hasClientSecret: try row.bool(5), scopes: try row.textArray(6),
            groupClaim: try row.text(7),
            mappings: zip(groups, roles).map { IdentityProvider.RoleMapping(group: $0, role: $1) },
            allowedDomains: try row.textArray(8), createsUsers: try row.bool(9), isEnabled: try row.bool(10),
            createdAt: try row.timestamp(11), updatedAt: try row.timestamp(12))
    }
}

/// Who somebody at a provider is here.
package enum UserIdentityStore {
    package static func user(
        _ subject: String, at provider: IdentityProvider, _ connection: PostgresConnection
    ) async throws(PostgresError) -> UserID? {
        let rows = try await connection.query(
            """
            select user_id
              from user_identities
             where tenant_id = \(TenantID.owner(provider.tenant)) and provider_id = \(provider.id)
               and subject = \(subject)
            """)
        return try rows.first?.id(0)
    }

    /// Notes that it is they, or that they came again.
    package static func note(
        _ subject: String, at provider: IdentityProvider, is user: UserID, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into user_identities (tenant_id, provider_id, subject, user_id, created_at, last_used_at)
            values (\(TenantID.owner(provider.tenant)), \(provider.id), \(subject), \(user), \(now), \(now))
            on conflict (tenant_id, provider_id, subject) do update set last_used_at = excluded.last_used_at
            """)
    }
}

/// Browsers that are away at a provider.
package enum SignInFlowStore {
    package struct Flow: Sendable {
        package let provider: IdentityProviderID
        package let sealed: [UInt8]
    }

    package static func create(
        token: SHA256Digest, state: SHA256Digest, to provider: IdentityProviderID, sealed: [UInt8],
        expires: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into sign_in_flows (token_hash, state_hash, provider_id, sealed, expires_at)
            values (\(token), \(state), \(provider), \(sealed), \(expires))
            """)
    }

    /// Uses a flow up; nil: unknown, used, expired, or of another browser.
    package static func use(
        token: SHA256Digest, state: SHA256Digest, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Flow? {
        let rows = try await connection.query(
            """
            delete from sign_in_flows
             where token_hash = \(token) and state_hash = \(state) and expires_at > \(now)
            returning provider_id, sealed
            """)
        return try rows.first.map { row throws(PostgresError) in
            Flow(provider: try row.id(0), sealed: try row.bytes(1))
        }
    }

    package static func purge(
        at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute("delete from sign_in_flows where expires_at <= \(now)")
    }
}

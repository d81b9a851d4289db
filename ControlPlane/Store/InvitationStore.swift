package import Cryptography
package import Domain
package import PostgresDriver

/// Invitations into tenants; their tokens are stored as SHA-256.
package enum InvitationStore {
    private static let columns: SQL =
        """
        tenant_id, id, email, roles, workspace_id, created_by, created_at, sent_at, expires_at, accepted_at,
        accepted_by
        """

    package static func create(
        _ invitation: Invitation, token: SHA256Digest, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into invitations (tenant_id, id, email, roles, workspace_id, token_hash, created_by,
                                     created_at, sent_at, expires_at)
            values (\(invitation.tenant), \(invitation.id), \(invitation.email),
                    \(invitation.roles.map(\.description)), \(invitation.workspace), \(token),
                    \(invitation.createdBy), \(invitation.createdAt), \(invitation.sentAt),
                    \(invitation.expires))
            """)
    }

    package static func find(
        _ id: InvitationID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Invitation? {
        let rows = try await connection.query(
            "select \(fragment: columns) from invitations where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    /// The invitation a token is for, in whatever state.
    package static func find(
        token: SHA256Digest, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Invitation? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from invitations
             where tenant_id = \(tenant) and token_hash = \(token)
            """)
        return try rows.first.map(read)
    }

    package static func list(
        of tenant: TenantID, standing: (Invitation.Standing, at: Timestamp)? = nil,
        _ page: Page<Invitation>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Invitation, Invitation> {
        let standing: SQL =
            switch standing {
            case (.open, let now)?: "and accepted_at is null and expires_at > \(now)"
            case (.expired, let now)?: "and accepted_at is null and expires_at <= \(now)"
            case (.accepted, _)?: "and accepted_at is not null"
            case nil: ""
            }
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from invitations
             where tenant_id = \(tenant) and id < \(page.bound) \(fragment: standing)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// Gives an open invitation another token and another time; the old token is worth nothing then. nil: no
    /// such invitation, or accepted.
    package static func renew(
        _ id: InvitationID, of tenant: TenantID, token: SHA256Digest, sentAt: Timestamp, expires: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Invitation? {
        let rows = try await connection.query(
            """
            update invitations
               set token_hash = \(token), sent_at = \(sentAt), expires_at = \(expires)
             where tenant_id = \(tenant) and id = \(id) and accepted_at is null
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// False: no such invitation, or accepted: that one stays, to tell how somebody came in.
    package static func delete(
        _ id: InvitationID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            delete from invitations
             where tenant_id = \(tenant) and id = \(id) and accepted_at is null
            """) == 1
    }

    /// Uses an invitation up. Of any number of simultaneous uses one is true.
    package static func accept(
        _ id: InvitationID, of tenant: TenantID, token: SHA256Digest, by user: UserID, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update invitations
               set accepted_at = \(now), accepted_by = \(user)
             where tenant_id = \(tenant) and id = \(id) and token_hash = \(token)
               and accepted_at is null and expires_at > \(now)
            """) == 1
    }

    private static func read(_ row: Row) throws(PostgresError) -> Invitation {
        Invitation(
            id: try row.id(1), tenant: try row.id(0), email: try row.text(2),
            roles: try row.textArray(3).compactMap { RoleReference($0) },
            workspace: try row.optionalID(4), createdBy: try row.id(5), createdAt: try row.timestamp(6),
            sentAt: try row.timestamp(7), expires: try row.timestamp(8),
            acceptedAt: try row.optionalTimestamp(9), acceptedBy: try row.optionalID(10))
    }
}

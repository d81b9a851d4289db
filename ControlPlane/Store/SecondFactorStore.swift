package import Cryptography
package import Domain
package import PostgresDriver

/// Authenticator apps of users, and the sign-ins that wait for them.
package enum SecondFactorStore {
    /// Begins an enrolment, in place of one that was not finished. False: there is a confirmed one.
    package static func begin(
        of user: UserID, sealed: [UInt8], at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            insert into second_factors (user_id, sealed, last_step, failures, blocked_until, created_at)
            values (\(user), \(sealed), 0, 0, 'epoch', \(now))
            on conflict (user_id) do update
               set sealed = excluded.sealed, created_at = excluded.created_at
             where second_factors.confirmed_at is null
            """) == 1
    }

    package static func find(
        of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> SecondFactor {
        let rows = try await connection.query(
            """
            select (select confirmed_at from second_factors where user_id = \(user)),
                   (select count(*) from recovery_codes where user_id = \(user)),
                   exists (select from tenant_security
                            where requires_second_factor
                              and (tenant_id = \(TenantID.platform)
                                   or tenant_id in (select tenant_id from members where user_id = \(user))))
            """)
        guard let row = rows.first else {
            return SecondFactor(confirmedAt: nil, recoveryCodesLeft: 0, isRequired: false)
        }
        return SecondFactor(
            confirmedAt: try row.optionalTimestamp(0), recoveryCodesLeft: try row.int(1),
            isRequired: try row.bool(2))
    }

    package enum Attempt: Sendable {
        /// Counted; go on with the sealed secret.
        case granted(sealed: [UInt8], isConfirmed: Bool)
        case blocked(until: Timestamp)
        case none
    }

    /// Counts a try, before its code is looked at. After the free ones each blocks the next, twice as long
    /// each time: 30 seconds to an hour.
    package static func attempt(
        of user: UserID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Attempt {
        let free = Int64(SecondFactor.freeTries)
        let granted = try await connection.query(
            """
            update second_factors
               set failures = failures + 1,
                   blocked_until =
                       case when failures + 1 >= \(free)
                            then \(now) + make_interval(secs => least(
                                     3600, 30 * power(2, least(failures + 1 - \(free), 20))))
                            else 'epoch'
                       end
             where user_id = \(user) and blocked_until <= \(now)
            returning sealed, confirmed_at is not null
            """)
        if let row = granted.first {
            return .granted(sealed: try row.bytes(0), isConfirmed: try row.bool(1))
        }
        let blocked = try await connection.query(
            "select blocked_until from second_factors where user_id = \(user)")
        guard let row = blocked.first else { return .none }
        return .blocked(until: try row.timestamp(0))
    }

    /// Takes the code of a step: once, and never one before it. Of any number of simultaneous tries one is
    /// true.
    package static func take(
        step: Int64, of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update second_factors
               set last_step = \(step), failures = 0, blocked_until = 'epoch'
             where user_id = \(user) and last_step < \(step)
            """) == 1
    }

    /// Takes a recovery code: once.
    package static func take(
        recoveryCode hash: [UInt8], of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let taken = try await connection.execute(
            "delete from recovery_codes where user_id = \(user) and code_hash = \(hash)")
        guard taken == 1 else { return false }
        try await connection.execute(
            "update second_factors set failures = 0, blocked_until = 'epoch' where user_id = \(user)")
        return true
    }

    /// Ends the enrolment. False: none was begun, or it is confirmed.
    package static func confirm(
        of user: UserID, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            update second_factors
               set confirmed_at = \(now)
             where user_id = \(user) and confirmed_at is null
            """) == 1
    }

    /// Puts new recovery codes in place of all others. Two statements: inside a transaction.
    package static func replaceRecoveryCodes(
        with hashes: [[UInt8]], of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute("delete from recovery_codes where user_id = \(user)")
        try await connection.execute(
            """
            insert into recovery_codes (user_id, code_hash)
            select \(user), hash from unnest(\(hashes)) as hash
            """)
    }

    /// Removes a factor with its recovery codes. False: there was none.
    package static func delete(
        of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from second_factors where user_id = \(user)") == 1
    }
}

/// Sign-ins whose first step was right; their tokens are stored as SHA-256.
package enum SignInChallengeStore {
    package static func create(
        _ token: SHA256Digest, of user: UserID, only tenant: TenantID?, expires: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into sign_in_challenges (token_hash, user_id, only_tenant, expires_at)
            values (\(token), \(user), \(tenant), \(expires))
            """)
    }

    /// Whose sign-in a token is for; nil: unknown or expired, or the user is disabled.
    package static func user(
        _ token: SHA256Digest, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (user: UserID, onlyTenant: TenantID?)? {
        let rows = try await connection.query(
            """
            select user_id, only_tenant
              from sign_in_challenges join users on users.id = user_id
             where token_hash = \(token) and expires_at > \(now) and status = 'active'
            """)
        return try rows.first.map { row throws(PostgresError) in (try row.id(0), try row.optionalID(1)) }
    }

    /// Uses a token up. Of any number of simultaneous uses one is true.
    package static func use(
        _ token: SHA256Digest, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute("delete from sign_in_challenges where token_hash = \(token)") == 1
    }

    package static func purge(
        at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute("delete from sign_in_challenges where expires_at <= \(now)")
    }
}

/// What tenants ask of their members.
package enum TenantSecurityStore {
    package static func find(
        of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> TenantSecurity {
        let rows = try await connection.query(
            """
            select requires_second_factor, updated_at
              from tenant_security
             where tenant_id = \(TenantID.owner(tenant))
            """)
        guard let row = rows.first else {
            return TenantSecurity(requiresSecondFactor: false, updatedAt: nil)
        }
        return TenantSecurity(requiresSecondFactor: try row.bool(0), updatedAt: try row.timestamp(1))
    }

    package static func update(
        _ security: TenantSecurity, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into tenant_security (tenant_id, requires_second_factor, updated_at)
            values (\(TenantID.owner(tenant)), \(security.requiresSecondFactor), \(security.updatedAt))
            on conflict (tenant_id) do update
               set requires_second_factor = excluded.requires_second_factor,
                   updated_at = excluded.updated_at
            """)
    }
}

package import Cryptography
package import Domain
package import PostgresDriver

/// What POSTs with an `Idempotency-Key` were answered, so that a repetition has no second effect.
package enum IdempotencyStore {
    /// Whose key it is: two callers may choose the same text.
    package struct Key: Hashable, Sendable {
        /// nil: a request about the platform.
        package let tenant: TenantID?
        package let caller: UserID
        package let text: String

        package init(tenant: TenantID?, caller: UserID, text: String) {
            self.tenant = tenant
            self.caller = caller
            self.text = text
        }
    }

    package struct Answer: Hashable, Sendable {
        package let status: Int
        package let body: [UInt8]
        package let holdsSecret: Bool
        package let createdAt: Timestamp

        package init(status: Int, body: [UInt8], holdsSecret: Bool, createdAt: Timestamp) {
            self.status = status
            self.body = body
            self.holdsSecret = holdsSecret
            self.createdAt = createdAt
        }
    }

    package enum Claim: Hashable, Sendable {
        /// The key is new (or its time was over): do the work, then `finish`.
        case claimed
        /// The work was done before.
        case answered(Answer)
        /// Somebody is doing it now, or was cut off while doing it.
        case pending(since: Timestamp)
        /// The key was used for another request.
        case mismatch
    }

    /// Claims a key for a request. Inside the transaction that does the work, a second caller waits here
    /// for its end.
    package static func claim(
        _ key: Key, request: SHA256Digest, at now: Timestamp, until expires: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Claim {
        let claimed = try await connection.execute(
            """
            insert into idempotency_keys as old
                   (tenant_id, caller_id, key, request_hash, created_at, expires_at)
            values (\(TenantID.owner(key.tenant)), \(key.caller), \(key.text), \(request), \(now), \(expires))
            on conflict (tenant_id, caller_id, key) do update
               set request_hash = excluded.request_hash, status = null, response = null, holds_secret = false,
                   created_at = excluded.created_at, expires_at = excluded.expires_at
             where old.expires_at <= \(now)
            """)
        if claimed == 1 { return .claimed }
        let rows = try await connection.query(
            """
            select request_hash, status, response, holds_secret, created_at
              from idempotency_keys
             where tenant_id = \(TenantID.owner(key.tenant)) and caller_id = \(key.caller)
               and key = \(key.text)
            """)
        guard let row = rows.first else { return .pending(since: now) }
        guard try row.digest(0) == request else { return .mismatch }
        guard let status = try row.optionalInt64(1) else { return .pending(since: try row.timestamp(4)) }
        return .answered(
            Answer(
                status: Int(status), body: try row.optionalBytes(2) ?? [], holdsSecret: try row.bool(3),
                createdAt: try row.timestamp(4)))
    }

    /// Keeps the answer of a claimed key.
    package static func finish(
        _ key: Key, _ answer: Answer, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update idempotency_keys
               set status = \(answer.status), response = \(answer.body), holds_secret = \(answer.holdsSecret)
             where tenant_id = \(TenantID.owner(key.tenant)) and caller_id = \(key.caller)
               and key = \(key.text)
            """)
    }

    /// Gives a claimed key up: the work failed, and may be tried again.
    package static func release(
        _ key: Key, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            delete from idempotency_keys
             where tenant_id = \(TenantID.owner(key.tenant)) and caller_id = \(key.caller)
               and key = \(key.text)
               and status is null
            """)
    }

    /// Those who have something to forget; across tenants.
    package static func ownersToPurge(
        at now: Timestamp, secretsBefore: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [TenantID] {
        let rows = try await connection.query(
            """
            select distinct tenant_id
              from idempotency_keys
             where expires_at <= \(now) or (holds_secret and created_at < \(secretsBefore))
            """)
        return try rows.read { row throws(PostgresError) in try row.id(0) }
    }

    /// Forgets a tenant's answers whose time is over, and secrets older than `secretsBefore`; gives the
    /// number of rows touched.
    package static func purge(
        of tenant: TenantID, at now: Timestamp, secretsBefore: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let forgotten = try await connection.execute(
            "delete from idempotency_keys where tenant_id = \(tenant) and expires_at <= \(now)")
        let blanked = try await connection.execute(
            """
            update idempotency_keys
               set response = null
             where tenant_id = \(tenant) and holds_secret and response is not null
               and created_at < \(secretsBefore)
            """)
        return forgotten + blanked
    }
}

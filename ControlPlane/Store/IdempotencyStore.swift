package import Cryptography
package import Domain
package import PostgresDriver

/// What POSTs with an `Idempotency-Key` were answered, so that a repetition has no second effect.
package enum IdempotencyStore {
    /// Whose key it is: two callers may choose the same text.
    package struct Key: Hashable, Sendable {
        package let caller: UserID
        package let text: String

        package init(caller: UserID, text: String) {
            self.caller = caller
            self.text = text
        }
    }

    package struct Answer: Hashable, Sendable {
        package let status: Int
        /// nil: it held a secret and is gone.
        package let body: [UInt8]?
        package let changeToken: String?
        package let entityTag: String?
        package let holdsSecret: Bool
        package let createdAt: Timestamp

        package init(
            status: Int, body: [UInt8]?, changeToken: String?, entityTag: String?, holdsSecret: Bool,
            createdAt: Timestamp
        ) {
            self.status = status
            self.body = body
            self.changeToken = changeToken
            self.entityTag = entityTag
            self.holdsSecret = holdsSecret
            self.createdAt = createdAt
        }
    }

    package enum Claim: Hashable, Sendable {
        /// The key is new (or its time was over): do the work, then `finish`.
        case claimed
        /// The work was done before.
        case answered(Answer)
        /// The key was used for another request.
        case mismatch
        /// It was forgotten in this very moment; the same request again will claim it.
        case vanished
    }

    /// Claims a key for a request. Only inside the transaction that does the work: a second caller waits here
    /// for its end.
    package static func claim(
        _ key: Key, request: SHA256Digest, at now: Timestamp, until expires: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Claim {
        let claimed = try await connection.execute(
            """
            insert into idempotency_keys as old (caller_id, key, request_hash, created_at, expires_at)
            values (\(key.caller), \(key.text), \(request), \(now), \(expires))
            on conflict (caller_id, key) do update
               set request_hash = excluded.request_hash, status = null, body = null, change_token = null,
                   entity_tag = null, holds_secret = false,
                   created_at = excluded.created_at, expires_at = excluded.expires_at
             where old.expires_at <= \(now)
            """)
        if claimed == 1 { return .claimed }
        let rows = try await connection.query(
            """
            select request_hash, status, body, change_token, entity_tag, holds_secret, created_at
              from idempotency_keys
             where caller_id = \(key.caller) and key = \(key.text)
            """)
        guard let row = rows.first else { return .vanished }
        guard try row.digest(0) == request else { return .mismatch }
        guard let status = try row.optionalInt64(1) else { return .vanished }
        return .answered(
            Answer(
                status: Int(status), body: try row.optionalBytes(2), changeToken: try row.optionalText(3),
                entityTag: try row.optionalText(4), holdsSecret: try row.bool(5),
                createdAt: try row.timestamp(6)))
    }

    /// Keeps the answer of a claimed key.
    package static func finish(
        _ key: Key, _ answer: Answer, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update idempotency_keys
               set status = \(answer.status), body = \(answer.body), change_token = \(answer.changeToken),
                   entity_tag = \(answer.entityTag), holds_secret = \(answer.holdsSecret)
             where caller_id = \(key.caller) and key = \(key.text)
            """)
    }

    /// Forgets answers whose time is over, and secrets older than `secretsBefore`; gives the number of rows
    /// touched.
    package static func purge(
        at now: Timestamp, secretsBefore: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let forgotten = try await connection.execute(
            "delete from idempotency_keys where expires_at <= \(now)")
        let blanked = try await connection.execute(
            """
            update idempotency_keys
               set body = null
             where holds_secret and body is not null and created_at < \(secretsBefore)
            """)
        return forgotten + blanked
    }
}

package import Cryptography
package import Domain
package import PostgresDriver

/// What a link in a message to a mailbox stands for.
package struct EmailToken: Hashable, Sendable {
    package enum Purpose: String, Sendable {
        case signUp = "sign_up"
        case verification
        case passwordReset = "password_reset"
    }

    package let purpose: Purpose
    package let email: String
    /// Of somebody who signs up.
    package let name: String?
    package let locale: Language?
    /// nil: somebody who is no user (yet).
    package let user: UserID?
    package let createdAt: Timestamp
    package let expires: Timestamp

    package init(
        purpose: Purpose, email: String, name: String? = nil, locale: Language? = nil, user: UserID? = nil,
        createdAt: Timestamp, expires: Timestamp
    ) {
        self.purpose = purpose
        self.email = email
        self.name = name
        self.locale = locale
        self.user = user
        self.createdAt = createdAt
        self.expires = expires
    }
}

/// Tokens are stored as SHA-256 and used once.
package enum EmailTokenStore {
    package static func create(
        _ token: EmailToken, hash: SHA256Digest, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            insert into email_tokens (token_hash, purpose, email, name, locale, user_id, created_at,
                                      expires_at)
            values (\(hash), \(token.purpose.rawValue), \(token.email), \(token.name),
                    \(token.locale?.rawValue), \(token.user), \(token.createdAt), \(token.expires))
            """)
    }

    /// Takes a token away and gives what it stood for; nil: unknown, used, expired, or for another purpose.
    /// Of any number of simultaneous uses one gets it.
    package static func use(
        _ hash: SHA256Digest, for purpose: EmailToken.Purpose, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> EmailToken? {
        let rows = try await connection.query(
            """
            delete from email_tokens
             where token_hash = \(hash) and purpose = \(purpose.rawValue) and expires_at > \(now)
            returning email, name, locale, user_id, created_at, expires_at
            """)
        guard let row = rows.first else { return nil }
        return EmailToken(
            purpose: purpose, email: try row.text(0), name: try row.optionalText(1),
            locale: try row.optionalText(2).flatMap(Language.init(rawValue:)), user: try row.optionalID(3),
            createdAt: try row.timestamp(4), expires: try row.timestamp(5))
    }

    /// Makes all tokens of a user for a purpose worthless; gives their number.
    package static func drop(
        _ purpose: EmailToken.Purpose, of user: UserID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute(
            "delete from email_tokens where user_id = \(user) and purpose = \(purpose.rawValue)")
    }

    package static func purge(
        at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        try await connection.execute("delete from email_tokens where expires_at <= \(now)")
    }
}

/// Who may sign up; one row.
package enum SignUpSettingsStore {
    package static func find(_ connection: PostgresConnection) async throws(PostgresError) -> SignUpSettings {
        let rows = try await connection.query(
            "select is_open, allowed_domains, nullif(updated_at, 'epoch') from sign_up_settings")
        guard let row = rows.first else {
            return SignUpSettings(isOpen: false, allowedDomains: [], updatedAt: nil)
        }
        return SignUpSettings(
            isOpen: try row.bool(0), allowedDomains: try row.textArray(1),
            updatedAt: try row.optionalTimestamp(2))
    }

    package static func update(
        _ settings: SignUpSettings, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute(
            """
            update sign_up_settings
               set is_open = \(settings.isOpen), allowed_domains = \(settings.allowedDomains),
                   updated_at = \(settings.updatedAt)
            """)
    }
}

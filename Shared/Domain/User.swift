/// The languages people are written to in.
package enum Language: String, Sendable, CaseIterable {
    case english = "en"
    case brazilianPortuguese = "pt-BR"
}

/// A person who signs in to the control plane; a member of any number of tenants. Holds no password material.
package struct User: Hashable, Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case active
        case disabled
    }

    package let id: UserID
    /// Unique on the platform, compared in lowercase.
    package var email: String
    package var name: String
    package var status: Status
    package var locale: Language
    /// When the mailbox was proven to be theirs; nil: never.
    package var emailVerifiedAt: Timestamp?
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: UserID, email: String, name: String, status: Status = .active, locale: Language = .english,
        emailVerifiedAt: Timestamp? = nil, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.email = email
        self.name = name
        self.status = status
        self.locale = locale
        self.emailVerifiedAt = emailVerifiedAt
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// Passwords: 12 to 128 bytes; length is what helps.
    package static let passwordLengths = 12...128

    /// What stands behind the @ of an address, in lowercase.
    package static func domain(of email: String) -> String {
        email.drop { $0 != "@" }.dropFirst().lowercased()
    }

    package static func problems(email: String, name: String) -> [ValidationError] {
        [TextRule.email.check(email, at: "/email"), TextRule.displayName.check(name, at: "/name")].compactMap(
            \.self)
    }
}

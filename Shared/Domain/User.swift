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
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: UserID, email: String, name: String, status: Status = .active, createdAt: Timestamp,
        updatedAt: Timestamp
    ) {
        self.id = id
        self.email = email
        self.name = name
        self.status = status
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// Passwords: 12 to 128 bytes, no other rule; length is what helps.
    package static let passwordLengths = 12...128

    package static func problems(email: String, name: String) -> [ValidationError] {
        [TextRule.email.check(email, at: "/email"), TextRule.displayName.check(name, at: "/name")].compactMap(
            \.self)
    }

    /// What is wrong with a new password, at `/password`; the message never quotes it.
    package static func problem(password: String) -> ValidationError? {
        let count = password.utf8.count
        if count < passwordLengths.lowerBound {
            return ValidationError(
                "/password", .tooShort, "must have at least \(passwordLengths.lowerBound) bytes")
        }
        if count > passwordLengths.upperBound {
            return ValidationError(
                "/password", .tooLong, "must have at most \(passwordLengths.upperBound) bytes")
        }
        return nil
    }
}

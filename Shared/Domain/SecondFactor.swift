/// How a user's authenticator app stands.
package struct SecondFactor: Hashable, Sendable {
    package static let recoveryCodeCount = 10
    package static let freeTries = 5

    /// nil: none, or enrolment was begun and not finished.
    package let confirmedAt: Timestamp?
    package let recoveryCodesLeft: Int
    /// A tenant of the user's requires one.
    package let isRequired: Bool

    package init(confirmedAt: Timestamp?, recoveryCodesLeft: Int, isRequired: Bool) {
        self.confirmedAt = confirmedAt
        self.recoveryCodesLeft = recoveryCodesLeft
        self.isRequired = isRequired
    }
}

/// What a tenant asks of its members beyond the rules for all.
package struct TenantSecurity: Hashable, Sendable {
    package var requiresSecondFactor: Bool
    /// nil: never.
    package var updatedAt: Timestamp?

    package init(requiresSecondFactor: Bool, updatedAt: Timestamp?) {
        self.requiresSecondFactor = requiresSecondFactor
        self.updatedAt = updatedAt
    }
}

/// A message on its way to somebody's mailbox. Its text is not part of it: that is sealed, and gone when the
/// message is.
package struct Mail: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case invitation
        case verification
        case passwordReset = "password_reset"
        case securityNotice = "security_notice"
        case alert
        case report
        case invoice
    }

    package enum Status: String, Sendable, CaseIterable {
        case waiting
        case sent
        /// Given up; `reason` says why.
        case failed
    }

    package let id: MailID
    package let recipient: String
    package let kind: Kind
    package let status: Status
    package let attempts: Int
    package let nextAttemptAt: Timestamp
    package let giveUpAt: Timestamp
    /// Why the last attempt failed; empty when none did.
    package let reason: String
    package let createdAt: Timestamp
    package let finishedAt: Timestamp?

    package init(
        id: MailID, recipient: String, kind: Kind, status: Status = .waiting, attempts: Int = 0,
        nextAttemptAt: Timestamp, giveUpAt: Timestamp, reason: String = "", createdAt: Timestamp,
        finishedAt: Timestamp? = nil
    ) {
        self.id = id
        self.recipient = recipient
        self.kind = kind
        self.status = status
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.giveUpAt = giveUpAt
        self.reason = reason
        self.createdAt = createdAt
        self.finishedAt = finishedAt
    }
}

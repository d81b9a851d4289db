import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// A file that goes with a message.
struct MailFile {
    /// The largest that is sent. Unit: bytes.
    static let maximumBytes = 1 << 20

    /// Letters, digits, dots, hyphens.
    let name: String
    let mediaType: String
    let bytes: [UInt8]
}

/// What is to be said to somebody.
struct MailDraft {
    let kind: Mail.Kind
    let recipient: String
    let subject: String
    let text: String
    /// When it is of no use any more.
    let giveUpAt: Timestamp
    var file: MailFile?
}

extension OperationEnvironment {
    /// Queues a message in the caller's transaction: it is sent if, and only if, that commits.
    /// A decoy is written like any other, and never sent.
    func queue(_ draft: MailDraft, isDecoy: Bool = false, _ connection: PostgresConnection) async throws {
        let now = clock.now()
        let mail = Mail(
            id: MailID(at: now), recipient: draft.recipient, kind: draft.kind, nextAttemptAt: now,
            giveUpAt: draft.giveUpAt, createdAt: now)
        var content: JSONValue = ["subject": .string(draft.subject), "text": .string(draft.text)]
        if let file = draft.file {
            content = content.adding(
                "file",
                [
                    "name": .string(file.name), "type": .string(file.mediaType),
                    "base64": .string(Base64.encode(file.bytes)),
                ])
        }
        let sealed = keys.identity.seal(Secret(content.bytes), for: IdentityVault.place(of: mail.id))
        try await MailStore.enqueue(
            mail, sealed: sealed, decoy: isDecoy ? "nobody has this address" : nil, connection)
    }

    /// Tells a user what was done to their account.
    func queueNotice(
        _ message: (subject: String, text: String), to user: User, _ connection: PostgresConnection
    ) async throws {
        try await queue(
            MailDraft(
                kind: .securityNotice, recipient: user.email, subject: message.subject, text: message.text,
                giveUpAt: clock.now().advanced(bySeconds: Self.noticeSeconds)), connection)
    }

    /// How long a notice is worth sending.
    private static var noticeSeconds: Int64 { 3 * 86_400 }
}

/// Messages to people, without their texts.
package struct MailOperations {
    let environment: OperationEnvironment

    /// Newest first; of one status, or of all.
    package func list(
        status: Mail.Status?, kind: Mail.Kind?, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Mail> {
        try await environment.read(.settingsRead, in: .platform, by: caller) { connection in
            ListPage(
                try await MailStore.list(status: status, kind: kind, page.of(Mail.self), connection))
        }
    }
}

import EventLoops
import Glibc
package import SMTP

/// Where messages go.
package enum MailSink {
    case smtp(SMTPClient)
    /// A file a message in this folder, for an installation without a mail server: whoever may read the
    /// folder reads the mail.
    case folder(String)
    /// Nowhere: messages wait until they are given up.
    case none
}

/// Why a message was not handed over, and whether another try makes sense.
struct MailFailure: Error {
    let reason: String
    let isFinal: Bool
}

extension MailSink {
    func deliver(_ message: MailMessage) async throws(MailFailure) {
        switch self {
        case .smtp(let client):
            let envelope = SMTPEnvelope(
                sender: message.sender.address, recipients: [message.recipient], message: message.bytes)
            let delivery: SMTPDelivery
            do throws(SMTPFailure) { delivery = try await client.deliver(envelope) } catch {
                throw MailFailure(reason: "\(error)", isFinal: !error.isTransient)
            }
            if let refusal = delivery.refused.first {
                throw MailFailure(
                    reason: "the mail server refused the recipient: \(refusal.reply)",
                    isFinal: !refusal.reply.isTransient)
            }
        case .folder(let folder): try Self.store(message, in: folder)
        case .none:
            throw MailFailure(reason: "no mail server is configured: set --smtp-host", isFinal: false)
        }
    }

    /// Written beside and then renamed, so that a reader sees whole messages; for the owner alone.
    private static func store(_ message: MailMessage, in folder: String) throws(MailFailure) {
        func failure(_ what: String) -> MailFailure {
            MailFailure(reason: "cannot \(what) \(folder): errno \(errno)", isFinal: false)
        }
        if mkdir(folder, 0o700) != 0 && errno != EEXIST { throw failure("make the folder") }
        let (path, draft) = ("\(folder)/\(message.id).eml", "\(folder)/.\(message.id)")
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("write into") }
        defer { close(descriptor) }
        let bytes = message.bytes
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, rename(draft, path) == 0 else {
            throw failure("write into")
        }
    }
}

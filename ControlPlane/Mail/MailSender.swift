package import Cryptography
package import Domain
package import EventLoops
import JSONText
package import PostgresDriver
import SMTP
import Store
package import Telemetry

/// Hands queued messages over, on one loop: woken by a notification and by a period. Any number of control
/// planes may run one; each message is claimed by compare-and-set, with a lease that outlasts every timeout,
/// so that one that dies delays its message and sends it at worst once more.
package final class MailSender {
    /// Longer than all timeouts of one delivery together.
    static let leaseSeconds: Int64 = 900
    static let firstRetrySeconds: Int64 = 60
    static let longestRetrySeconds: Int64 = 3_600
    static let periodNanoseconds: Int64 = 30_000_000_000

    private let loop: EventLoop
    private let database: PostgresPool
    private let clock: WallClock
    private let sink: MailSink
    private let sender: MailSenderAddress
    private let unseal: (MailID, [UInt8]) throws -> Secret
    private let log: Log
    private let sent, failed: CounterCell
    private let wakeup = Wakeup()
    private let ended = Wakeup()
    private var timer: Timer?
    private var isStopping = false
    private var hasStarted = false

    /// `unseal` opens the content of a message as the operation that queued it sealed it.
    package init(
        loop: EventLoop, database: PostgresPool, clock: WallClock, sink: MailSink,
        sender: MailSenderAddress, log: Log, metrics: MetricsRegistry,
        unseal: @escaping (MailID, [UInt8]) throws -> Secret
    ) {
        self.loop = loop
        self.database = database
        self.clock = clock
        self.sink = sink
        self.sender = sender
        self.log = log
        self.unseal = unseal
        sent = metrics.counter("eclusa_mails_sent_total", help: "Messages handed to the mail server.").cell()
        failed = metrics.counter(
            "eclusa_mail_failures_total", help: "Attempts to hand a message over that failed."
        ).cell()
    }

    package func start() {
        precondition(!hasStarted)
        hasStarted = true
        loop.spawn { [self] in
            while !isStopping {
                do {
                    while !isStopping, try await sendNext() {}
                } catch {
                    log.warning("the mail queue cannot be read", ["error": LogValue(error)])
                }
                if isStopping { break }
                timer = loop.schedule(afterNanoseconds: Self.periodNanoseconds) { [wakeup] in
                    wakeup.signal()
                }
                await wakeup.wait()
                timer?.cancel()
            }
            ended.signal()
        }
    }

    /// Something may have been queued. Loop thread.
    package func wake() { wakeup.signal() }

    /// Ends after the message that is under way.
    package func stop() async {
        isStopping = true
        wakeup.signal()
        if hasStarted { await ended.wait() }
    }

    /// Claims one message that is due and hands it over; false when none is.
    package func sendNext() async throws -> Bool {
        let now = clock.now()
        let claimed = try await database.withConnection { connection in
            try await MailStore.claim(
                at: now, leaseUntil: now.advanced(bySeconds: Self.leaseSeconds), connection)
        }
        guard let claimed else { return false }
        do throws(MailFailure) {
            try await sink.deliver(try message(claimed))
        } catch {
            failed.add()
            try await note(error, of: claimed)
            return true
        }
        sent.add()
        try await database.withConnection { connection in
            _ = try await MailStore.finish(
                claimed.mail.id, attempt: claimed.mail.attempts, as: .sent, reason: "", at: clock.now(),
                connection)
        }
        return true
    }

    private func message(_ claimed: MailStore.Claimed) throws(MailFailure) -> MailMessage {
        let mail = claimed.mail
        guard let recipient = SMTPAddress(mail.recipient) else {
            throw MailFailure(reason: "the address cannot be written to a mail server", isFinal: true)
        }
        guard let content = (try? unseal(mail.id, claimed.sealed))?.withBytes({ Array($0) }),
            let json = try? JSONValue.parse(content, limits: JSONLimits(maximumBytes: content.count)),
            let subject = json["subject"]?.string, let text = json["text"]?.string
        else { throw MailFailure(reason: "the stored message does not open", isFinal: true) }
        return MailMessage(
            id: mail.id, sender: sender, recipient: recipient, subject: subject, text: text,
            date: mail.createdAt, file: json["file"].flatMap(Self.file))
    }

    private static func file(_ json: JSONValue) -> MailFile? {
        guard let name = json["name"]?.string, let type = json["type"]?.string,
            let bytes = json["base64"]?.string.flatMap(Base64.decode)
        else { return nil }
        return MailFile(name: name, mediaType: type, bytes: bytes)
    }

    private func note(_ failure: MailFailure, of claimed: MailStore.Claimed) async throws {
        let (mail, now) = (claimed.mail, clock.now())
        let exponent = min(max(mail.attempts - 1, 0), 16)
        let wait = min(Self.longestRetrySeconds, Self.firstRetrySeconds << Int64(exponent))
        let next = now.advanced(bySeconds: wait)
        let isOver = failure.isFinal || next >= mail.giveUpAt
        log.warning(
            "a message could not be handed over",
            [
                "mail": "\(mail.id)", "attempt": LogValue(mail.attempts), "reason": "\(failure.reason)",
                "given_up": LogValue(isOver),
            ])
        try await database.withConnection { connection in
            if isOver {
                _ = try await MailStore.finish(
                    mail.id, attempt: mail.attempts, as: .failed, reason: failure.reason, at: now, connection)
            } else {
                _ = try await MailStore.retry(
                    mail.id, attempt: mail.attempts, at: next, reason: failure.reason, connection)
            }
        }
    }
}

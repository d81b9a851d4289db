import Cryptography
import EventLoops
import Mail
import Operations
import PostgresDriver
import SMTP
import Settings
import Store
import Transport

/// Sends queued messages, on one loop.
final class MailService {
    private let sender: MailSender
    private let database: PostgresPool
    private let queued: PostgresListener

    init(_ shared: SharedParts, url: PostgresURL, resolver: BlockingPool, loop: EventLoop) throws {
        let database = PostgresPool(
            loop: loop, url: url, role: DatabaseRole.app.name, size: 1, purpose: "mail",
            statementTimeoutMilliseconds: 10_000, resolver: resolver, metrics: shared.metrics)
        let identity = shared.keys.identity
        let sender = MailSender(
            loop: loop, database: database, clock: shared.clock,
            sink: try Self.sink(shared.values, resolver, loop),
            sender: shared.values[ControlSettings.mailFrom],
            log: shared.log, metrics: shared.metrics
        ) { try identity.openMail($0, $1) }
        self.database = database
        self.sender = sender
        queued = PostgresListener(
            loop: loop, url: url, role: DatabaseRole.app.name, channel: "eclusa_mail"
        ) { sender.wake() }
    }

    private static func sink(
        _ values: SettingsValues, _ resolver: BlockingPool, _ loop: EventLoop
    ) throws -> MailSink {
        if let folder = values[ControlSettings.mailFolder] { return .folder(folder) }
        guard let host = values[ControlSettings.smtpHost] else { return .none }
        var credentials: SMTPCredentials?
        if let user = values[ControlSettings.smtpUser], let password = values[ControlSettings.smtpPassword] {
            credentials = SMTPCredentials(user: user, password: password)
        }
        let server = SMTPClient.Server(
            host: host, port: UInt16(values[ControlSettings.smtpPort]),
            security: values[ControlSettings.smtpSecurity], credentials: credentials,
            clientName: values[ControlSettings.mailFrom].address.domain)
        // Only the operator names this host.
        let dialer = Dialer(loop: loop, resolver: resolver, policy: .unrestricted)
        return .smtp(SMTPClient(dialer: dialer, tls: try TLSContext.client(), server: server))
    }

    func start() {
        sender.start()
        queued.start()
    }

    func stop() async {
        await queued.close()
        await sender.stop()
        await database.close()
    }
}

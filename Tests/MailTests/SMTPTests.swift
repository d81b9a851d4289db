import Cryptography
import EventLoops
import TestSupport
import Testing
import Transport

@testable import SMTP

@Suite("SMTP")
struct SMTPTests {
    static let ana = SMTPAddress("ana@example.com")!
    static let bob = SMTPAddress("bob@example.com")!
    static let sender = SMTPAddress("no-reply@example.org")!
    static let resolver = BlockingPool(threads: 1, queueLimit: 16, name: "test-dns")

    static func envelope(
        _ text: String = "Subject: x\r\n\r\nhello\r\n", to: [SMTPAddress] = [ana]
    ) -> SMTPEnvelope {
        SMTPEnvelope(sender: sender, recipients: to, message: Array(text.utf8))
    }

    private static func machine(
        _ security: SMTPSecurity = .none, _ credentials: SMTPCredentials? = nil, to: [SMTPAddress] = [ana]
    ) -> SMTPMachine {
        SMTPMachine(
            envelope(to: to), security: security, credentials: credentials, clientName: "client.example.org")
    }

    /// Tells the machine each answer, in pieces of one byte; gives the commands it sent and how it ended.
    private static func play(
        _ machine: SMTPMachine, _ answers: [String]
    ) -> (sent: [String], last: SMTPMachine.Action) {
        var machine = machine
        var sent: [String] = []
        var last = SMTPMachine.Action.receive
        for answer in answers {
            for byte in answer.utf8 { last = withUnsafeBytes(of: byte) { machine.receive($0) } }
            if case .secure = last {
                sent.append("<TLS>")
                last = machine.secured()
            }
            if case .send(let bytes) = last { sent.append(String(decoding: bytes, as: UTF8.self)) }
        }
        return (sent, last)
    }

    private static let taken = ["250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 queued\r\n", "221 bye\r\n"]

    @Test("a message is handed over command by command")
    func plain() {
        let (sent, last) = Self.play(
            Self.machine(), ["220 hi\r\n", "250-mx\r\n250 SIZE 1000\r\n"] + Self.taken)
        #expect(
            sent == [
                "EHLO client.example.org\r\n", "MAIL FROM:<no-reply@example.org>\r\n",
                "RCPT TO:<ana@example.com>\r\n", "DATA\r\n", "Subject: x\r\n\r\nhello\r\n.\r\n", "QUIT\r\n",
            ])
        #expect(last == .finish(SMTPDelivery(accepted: [Self.ana])))
    }

    @Test(
        "with STARTTLS nothing but the greeting goes in the clear, and what was offered before counts no more"
    )
    func startTLS() {
        let secret = SMTPCredentials(user: "me", password: Secret(utf8: "pass word"))
        let (sent, last) = Self.play(
            Self.machine(.starttls, secret),
            [
                "220 hi\r\n", "250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", "220 go\r\n",
                "250-mx\r\n250 AUTH LOGIN XOAUTH2\r\n", "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n",
                "235 in\r\n",
            ] + Self.taken)
        #expect(
            sent.prefix(7) == [
                "EHLO client.example.org\r\n", "STARTTLS\r\n", "<TLS>", "EHLO client.example.org\r\n",
                "AUTH LOGIN\r\n", "bWU=\r\n", "cGFzcyB3b3Jk\r\n",
            ])
        #expect(last == .finish(SMTPDelivery(accepted: [Self.ana])))
    }

    @Test("AUTH PLAIN is preferred and carries name and password")
    func authPlain() {
        let secret = SMTPCredentials(user: "me", password: Secret(utf8: "pw"))
        let (sent, _) = Self.play(
            Self.machine(.tls, secret), ["220 hi\r\n", "250-mx\r\n250 AUTH LOGIN PLAIN\r\n", "235 in\r\n"])
        #expect(sent[1] == "AUTH PLAIN AG1lAHB3\r\n")
    }

    @Test("a password never goes over a connection without TLS")
    func noPlainPassword() {
        let secret = SMTPCredentials(user: "me", password: Secret(utf8: "pw"))
        let (sent, last) = Self.play(
            Self.machine(.none, secret), ["220 hi\r\n", "250-mx\r\n250 AUTH PLAIN\r\n"])
        #expect(sent.count == 1 && last == .fail(.noTLS))
    }

    @Test("bytes that came before the handshake do not count after it")
    func injection() {
        var machine = Self.machine(.starttls)
        _ = Self.receive(&machine, "220 hi\r\n")
        _ = Self.receive(&machine, "250-mx\r\n250 STARTTLS\r\n")
        let action = Self.receive(&machine, "220 go\r\n250 forged\r\n")
        #expect(action == .fail(.malformed("a reply out of turn")))
    }

    private static func receive(_ machine: inout SMTPMachine, _ text: String) -> SMTPMachine.Action {
        var text = text
        return text.withUTF8 { machine.receive(UnsafeRawBufferPointer($0)) }
    }

    @Test("each recipient has a fate of its own; the message goes to those that were taken")
    func recipients() {
        let (sent, last) = Self.play(
            Self.machine(to: [Self.ana, Self.bob]),
            [
                "220 hi\r\n", "250 mx\r\n", "250 ok\r\n", "550 no such user\r\n", "251 will forward\r\n",
                "354 go\r\n", "250 ok\r\n", "221 bye\r\n",
            ])
        let refusal = SMTPDelivery.Refusal(
            recipient: Self.ana, reply: SMTPReply(code: 550, lines: ["no such user"]))
        #expect(last == .finish(SMTPDelivery(accepted: [Self.bob], refused: [refusal])))
        #expect(sent.contains("DATA\r\n"))
    }

    @Test("when nobody is taken there is no message")
    func nobody() {
        let (sent, last) = Self.play(
            Self.machine(), ["220 hi\r\n", "250 mx\r\n", "250 ok\r\n", "451 later\r\n", "221 bye\r\n"])
        #expect(!sent.contains("DATA\r\n"))
        guard case .finish(let delivery) = last else { return #expect(Bool(false), "\(last)") }
        #expect(delivery.accepted.isEmpty && delivery.refused.first?.reply.isTransient == true)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let after: [String]
        let stage: SMTPFailure.Stage
        let isTransient: Bool
        var testDescription: String { "\(stage.rawValue): \(after.last ?? "")" }
    }

    @Test(
        "a refusal names its stage, and only one of the message itself is final",
        arguments: [
            Refusal(after: ["554 go away\r\n"], stage: .greeting, isTransient: true),
            Refusal(after: ["220 hi\r\n", "502 what\r\n"], stage: .hello, isTransient: true),
            Refusal(after: ["220 hi\r\n", "250 mx\r\n", "553 no\r\n"], stage: .sender, isTransient: false),
            Refusal(after: ["220 hi\r\n", "250 mx\r\n", "451 no\r\n"], stage: .sender, isTransient: true),
            Refusal(
                after: ["220 hi\r\n", "250 mx\r\n", "250 ok\r\n", "421 bye\r\n"], stage: .recipient,
                isTransient: true),
            Refusal(
                after: ["220 hi\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "554 no\r\n"], stage: .data,
                isTransient: false),
            Refusal(
                after: ["220 hi\r\n", "250 mx\r\n"] + taken.prefix(3) + ["552 too large\r\n"],
                stage: .content,
                isTransient: false),
            Refusal(
                after: ["220 hi\r\n", "250 mx\r\n"] + taken.prefix(3) + ["452 full\r\n"], stage: .content,
                isTransient: true),
        ])
    func refusals(_ refusal: Refusal) {
        let (_, last) = Self.play(Self.machine(), refusal.after + ["221 bye\r\n"])
        guard case .fail(let failure) = last, case .refused(let stage, _) = failure else {
            // 421 ends at once: the farewell after it is out of turn.
            return #expect(refusal.after.last?.hasPrefix("421") == true, "\(last)")
        }
        #expect(stage == refusal.stage && failure.isTransient == refusal.isTransient)
    }

    @Test(
        "what is not SMTP is refused, within bounds",
        arguments: [
            "HTTP/1.1 400 Bad Request\r\n", "220 hi\n", "22\r\n", "120 hi\r\n", "220_hi\r\n",
            "220-a\r\n250 b\r\n", String(repeating: "2", count: 1025),
            String(repeating: "220-more\r\n", count: 101),
        ])
    func garbage(_ text: String) {
        var machine = Self.machine()
        var action = SMTPMachine.Action.receive
        for byte in text.utf8 {
            action = withUnsafeBytes(of: byte) { machine.receive($0) }
            if case .fail = action { break }
        }
        guard case .fail(.malformed) = action else { return #expect(Bool(false), "\(action)") }
    }

    @Test(
        "no message ends early, whatever it holds",
        arguments: [
            ("a\r\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"), (".", "..\r\n.\r\n"),
            ("a\n.\nb\r.\r", "a\r\n..\r\nb\r\n..\r\n.\r\n"),
            ("", ".\r\n"), ("..a\r\n", "...a\r\n.\r\n"), ("a\r\r\n", "a\r\n\r\n.\r\n"),
        ])
    func dots(_ message: String, _ data: String) {
        #expect(String(decoding: SMTPEnvelope.data(Array(message.utf8)), as: UTF8.self) == data)
    }

    @Test(
        "an address that could carry a command is none",
        arguments: [
            "a@b>\r\nRCPT TO:<c@d", "a b@c", "@b", "a@", "a@b@c", "ana", "ä@example.com", "a@b,c@d", "<a@b>",
        ])
    func addresses(_ text: String) { #expect(SMTPAddress(text) == nil) }

    @Test("over real sockets: STARTTLS with a verified server, then the message")
    func sockets() async throws {
        let tls = try TestTLS()
        try await withLoop { loop in
            let server = try ScriptedMailServer(
                loop, tls: tls,
                [
                    .say("220 hi\r\n"), .line, .say("250-mx\r\n250 STARTTLS\r\n"), .line, .say("220 go\r\n"),
                    .secure, .line, .say("250 mx\r\n"), .line, .say("250 ok\r\n"), .line, .say("250 ok\r\n"),
                    .line, .say("354 go\r\n"), .content, .say("250 ok\r\n"), .line, .say("221 bye\r\n"),
                ])
            let delivery = try await Self.client(loop, tls, server, .starttls).deliver(Self.envelope())
            #expect(delivery == SMTPDelivery(accepted: [Self.ana]))
            #expect(server.heard[1] == "STARTTLS" && server.heard[6] == "Subject: x\r\n\r\nhello")
            server.close()
        }
    }

    private static func client(
        _ loop: EventLoop, _ tls: TestTLS, _ server: ScriptedMailServer, _ security: SMTPSecurity,
        host: String = "127.0.0.1", nanoseconds: Int64 = 5_000_000_000
    ) -> SMTPClient {
        SMTPClient(
            dialer: Dialer(loop: loop, resolver: resolver, policy: .unrestricted), tls: tls.client,
            server: SMTPClient.Server(host: host, port: server.port, security: security),
            commandNanoseconds: nanoseconds)
    }

    @Test("a server whose certificate nobody vouches for gets nothing")
    func untrusted() async throws {
        let (tls, other) = (try TestTLS(), try TestTLS())
        try await withLoop { loop in
            for implicit in [true, false] {
                let server = try ScriptedMailServer(
                    loop, tls: other, implicit: implicit,
                    [
                        .say("220 hi\r\n"), .line, .say("250-x\r\n250 STARTTLS\r\n"), .line,
                        .say("220 go\r\n"), .secure,
                    ])
                let client = Self.client(loop, tls, server, implicit ? .tls : .starttls)
                let failure = await #expect(throws: SMTPFailure.self) {
                    try await client.deliver(Self.envelope())
                }
                guard case .connection = failure else {
                    return #expect(Bool(false), "\(String(describing: failure))")
                }
                #expect(!server.heard.contains { $0.hasPrefix("MAIL") })
                server.close()
            }
        }
    }

    @Test("a server that says nothing is not waited for longer than the limit")
    func silence() async throws {
        let tls = try TestTLS()
        try await withLoop { loop in
            let server = try ScriptedMailServer(loop, tls: tls, [.hang])
            let client = Self.client(loop, tls, server, .none, nanoseconds: 20_000_000)
            await #expect(throws: SMTPFailure.connection("timedOut")) {
                try await client.deliver(Self.envelope())
            }
            server.close()
        }
    }

    @Test("a connection that breaks after the message was taken loses nothing")
    func lateLoss() async throws {
        let tls = try TestTLS()
        try await withLoop { loop in
            let server = try ScriptedMailServer(
                loop, tls: tls,
                [
                    .say("220 hi\r\n"), .line, .say("250 mx\r\n"), .line, .say("250 ok\r\n"), .line,
                    .say("250 ok\r\n"), .line, .say("354 go\r\n"), .content, .say("250 ok\r\n"), .line,
                ])
            let delivery = try await Self.client(loop, tls, server, .none).deliver(Self.envelope())
            #expect(delivery.accepted == [Self.ana])
            server.close()
        }
    }
}

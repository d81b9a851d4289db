import Cryptography
import Domain
import EventLoops
import PostgresDriver
import SMTP
import Store
import Telemetry
import TestSupport
import Testing

@testable import Mail

@Suite("Messages to people")
struct MailSenderTests {
    private static let from = MailSenderAddress("Eclusa <no-reply@example.org>")!

    private static func message(subject: String, text: String, from: MailSenderAddress = from) -> String {
        let clock = FakeClock()
        let message = MailMessage(
            id: MailID(at: clock.now), sender: from, recipient: SMTPAddress("ana@example.com")!,
            subject: subject, text: text, date: clock.now)
        return String(decoding: message.bytes, as: UTF8.self)
    }

    @Test("a plain message stays readable")
    func plain() {
        let text = Self.message(subject: "Welcome", text: "Hello\n.\nBye")
        #expect(
            text.hasPrefix(
                "From: Eclusa <no-reply@example.org>\r\nTo: <ana@example.com>\r\nSubject: Welcome\r\n"))
        #expect(text.contains("Date: Mon, 09 Mar 2026 12:00:00 +0000\r\n"))
        #expect(text.hasSuffix("Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\n.\r\nBye\r\n"))
    }

    @Test(
        "no text makes a header of its own",
        arguments: [
            "x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "Olá\r\n\r\nbody", "=?utf-8?B?eA==?=",
        ])
    func injection(_ evil: String) {
        let sender = MailSenderAddress("\(evil) <no-reply@example.org>")
        let text = Self.message(subject: evil, text: "x", from: sender ?? Self.from)
        let head = text[..<(text.firstRange(of: "\r\n\r\n")?.lowerBound ?? text.startIndex)]
        let names = head.split(separator: "\r\n").filter { $0.first != " " }.map { $0.prefix { $0 != ":" } }
        #expect(names.count == 9 && !names.contains("Bcc"))
        #expect(head.contains("=?utf-8?B?"))
    }

    @Test("other letters than ASCII are encoded, in lines that fit")
    func encoded() {
        let text = Self.message(
            subject: String(repeating: "Redefinição de senha é fácil ", count: 6), text: "Olá, João")
        #expect(text.utf8.allSatisfy { $0 < 128 })
        #expect(text.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 76 })
        #expect(text.contains("T2zDoSwgSm/Do28="))
    }

    @Test("a file goes with a message as a part of its own, however long it is")
    func attached() throws {
        let clock = FakeClock()
        let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let file = try #require(
            MailFile(name: "invoice-2026-000001.pdf", mediaType: "application/pdf", bytes: content))
        let message = MailMessage(
            id: MailID(at: clock.now), sender: Self.from, recipient: SMTPAddress("ana@example.com")!,
            subject: "Invoice", text: "Olá", date: clock.now, file: file)
        let text = String(decoding: message.bytes, as: UTF8.self)
        #expect(text.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 100 } && text.hasSuffix("--\r\n"))
        let boundary = try #require(text.firstMatch(of: /boundary="([^"]+)"/)).1
        let parts = text.components(at: "\r\n--\(boundary)")
        #expect(parts.count == 4 && parts[3] == "--\r\n")
        #expect(parts[1].hasSuffix("Content-Transfer-Encoding: base64\r\n\r\nT2zDoQ=="))
        let pieces = parts[2].components(at: "\r\n\r\n")
        #expect(
            pieces[0] == "\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; "
                + "filename=\"invoice-2026-000001.pdf\"\r\nContent-Transfer-Encoding: base64")
        #expect(Base64.decode(pieces[1].replacing("\r\n", with: "")) == content)
    }

    @Test(
        "a file's name and type make no header of their own",
        arguments: ["a\r\nBcc: x", "a\"b", "../a", "", "a b", "é"])
    func fileNames(_ name: String) {
        #expect(MailFile(name: name, mediaType: "application/pdf", bytes: []) == nil)
        #expect(MailFile(name: "a.pdf", mediaType: name + " ", bytes: []) == nil)
    }

    /// A sender into a folder, over a database with one message queued.
    private static func withSender(
        _ sink: @escaping (TemporaryDirectory) -> MailSink, recipient: String = "ana@example.com",
        giveUpAfterSeconds: Int64 = 3 * 86_400,
        _ body:
            @escaping (MailSender, TestDatabase, FakeClock, MailID, TemporaryDirectory) async throws -> Void
    ) async throws {
        nonisolated(unsafe) let (body, sink) = (body, sink)
        try await withTestDatabase { database in
            let (clock, folder) = (FakeClock(), TemporaryDirectory())
            let now = clock.now
            let mail = Mail(
                id: MailID(at: now), recipient: recipient, kind: .invitation, nextAttemptAt: now,
                giveUpAt: now.advanced(bySeconds: giveUpAfterSeconds), createdAt: now)
            try await database.pool.withTransaction { connection in
                try await MailStore.enqueue(mail, sealed: [7, 7], connection)
            }
            let sender = MailSender(
                loop: database.loop, database: database.pool, clock: clock.clock, sink: sink(folder),
                sender: from, log: .silent, metrics: MetricsRegistry()
            ) { id, sealed in
                #expect(id == mail.id && sealed == [7, 7])
                return Secret(utf8: #"{"subject":"Hi","text":"https://x/#token=abc"}"#)
            }
            try await body(sender, database, clock, mail.id, folder)
        }
    }

    private static func state(_ database: TestDatabase) async throws -> Mail {
        try await database.pool.withConnection { connection in
            try #require(try await MailStore.list(status: nil, Page(), connection).items.first)
        }
    }

    @Test("a queued message is handed over once, and its text forgotten")
    func folder() async throws {
        try await Self.withSender({ .folder($0.path + "/mail") }) { sender, database, clock, id, folder in
            #expect(try await sender.sendNext())
            #expect(try await sender.sendNext() == false)
            let state = try await Self.state(database)
            #expect(state.status == .sent && state.attempts == 1 && state.finishedAt == clock.now)
            let text = String(decoding: folder.content("mail/\(id).eml"), as: UTF8.self)
            #expect(text.contains("Subject: Hi\r\n") && text.contains("https://x/#token=abc"))
            #expect(folder.mode("mail/\(id).eml") == 0o600 && folder.mode("mail") == 0o700)
            let kept = try await database.pool.withConnection {
                try await $0.query("select 1 from mails where sealed is not null").count
            }
            #expect(kept == 0)
        }
    }

    @Test(
        "a message that cannot be handed over is tried again later and later, then given up with the reason")
    func givesUp() async throws {
        try await Self.withSender({ _ in .none }, giveUpAfterSeconds: 600) { sender, database, clock, _, _ in
            var waits: [Int64] = []
            while try await Self.state(database).status == .waiting {
                #expect(try await sender.sendNext())
                #expect(try await sender.sendNext() == false, "not due yet")
                let state = try await Self.state(database)
                let wait = state.nextAttemptAt.microseconds(since: clock.now) / 1_000_000
                if state.status == .waiting { waits.append(wait) }
                clock.advance(seconds: wait)
            }
            #expect(waits == [60, 120, 240])
            let state = try await Self.state(database)
            #expect(state.status == .failed && state.reason.contains("no mail server is configured"))
        }
    }

    @Test("an address no server takes is given up at once")
    func badAddress() async throws {
        try await Self.withSender({ .folder($0.path) }, recipient: "a b@example.com") {
            sender, database, _, _, _ in
            let found = try await sender.sendNext()
            let state = try await Self.state(database)
            #expect(found && state.status == .failed)
        }
    }

    @Test("two senders never claim one message; a dead one's claim ends with its lease")
    func claims() async throws {
        try await Self.withSender({ .folder($0.path) }) { sender, database, clock, id, _ in
            let now = clock.now
            let claimed = try await database.pool.withConnection { connection in
                try await MailStore.claim(at: now, leaseUntil: now.advanced(bySeconds: 900), connection)
            }
            #expect(claimed?.mail.id == id)
            #expect(try await sender.sendNext() == false)
            clock.advance(seconds: 900)
            #expect(try await sender.sendNext())
            // The first one comes back: its claim is not worth anything any more.
            let late = try await database.pool.withConnection { connection in
                try await MailStore.retry(id, attempt: 1, at: clock.now, reason: "late", connection)
            }
            #expect(!late)
        }
    }

    @Test("the sender hears of a message when its transaction commits, and stops when it is told")
    func wakes() async throws {
        try await Self.withSender({ .folder($0.path) }) { sender, database, _, _, _ in
            sender.start()
            sender.wake()
            await sender.stop()
            let state = try await Self.state(database)
            #expect(state.status == .sent)
        }
    }
}

extension String {
    /// Between these separators, empty ones too.
    fileprivate func components(at separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}

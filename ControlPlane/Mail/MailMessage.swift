import Cryptography
package import Domain
package import SMTP

/// A file that goes with a message.
package struct MailFile: Sendable {
    package let name: String
    package let mediaType: String
    package let bytes: [UInt8]

    /// nil when name or type hold more than letters, digits and `.-/`: they stand in a header.
    package init?(name: String, mediaType: String, bytes: [UInt8]) {
        let isPlain = (name + mediaType).utf8.allSatisfy {
            (45...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
        }
        guard isPlain, !name.isEmpty, !name.contains("/"), !mediaType.isEmpty else { return nil }
        self.name = name
        self.mediaType = mediaType
        self.bytes = bytes
    }
}

/// A message in plain text, maybe with a file, and its form on the wire (RFC 5322, MIME). Whatever the texts
/// hold, they make no header of their own: what is not printable ASCII is encoded (RFC 2047), line ends
/// included.
package struct MailMessage: Sendable {
    package let id: MailID
    package let sender: MailSenderAddress
    package let recipient: SMTPAddress
    package let subject: String
    package let text: String
    package let date: Timestamp
    package let file: MailFile?

    package init(
        id: MailID, sender: MailSenderAddress, recipient: SMTPAddress, subject: String, text: String,
        date: Timestamp, file: MailFile? = nil
    ) {
        self.id = id
        self.sender = sender
        self.recipient = recipient
        self.subject = subject
        self.text = text
        self.date = date
        self.file = file
    }

    /// Header and body with CRLF line ends; text that is not plain ASCII in short lines goes as base64.
    package var bytes: [UInt8] {
        let header = [
            "From: \(sender.header)",
            "To: <\(recipient)>",
            "Subject: \(HeaderText.encode(subject, column: 9))",
            "Date: \(Self.text(of: date))",
            "Message-ID: <\(id)@\(sender.address.domain)>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ]
        return Array((header + body).joined(separator: "\r\n").utf8) + Array("\r\n".utf8)
    }

    /// What comes behind the message's own fields, the rest of them included.
    private var body: [String] {
        guard let file else { return textPart }
        // Nothing in the parts can look like it: it holds 74 random bits.
        let boundary = "=_\(id)"
        return ["Content-Type: multipart/mixed; boundary=\"\(boundary)\"", "", "--\(boundary)"] + textPart
            + [
                "--\(boundary)", "Content-Type: \(file.mediaType)",
                "Content-Disposition: attachment; filename=\"\(file.name)\"",
                "Content-Transfer-Encoding: base64", "",
            ] + Self.base64Lines(file.bytes) + ["--\(boundary)--"]
    }

    /// The text as a part of its own: fields, an empty line, lines.
    private var textPart: [String] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let isPlain = lines.allSatisfy { line in
            line.utf8.count <= 900 && line.utf8.allSatisfy { (32..<127).contains($0) || $0 == 9 }
        }
        return [
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: \(isPlain ? "7bit" : "base64")", "",
        ] + (isPlain ? lines.map(String.init) : Self.base64Lines(Array(text.utf8)))
    }

    /// Lines of 76 characters.
    private static func base64Lines(_ bytes: [UInt8]) -> [String] {
        stride(from: 0, to: bytes.count, by: 57).map {
            Base64.encode(Array(bytes[$0..<min($0 + 57, bytes.count)]))
        }
    }

    /// `Mon, 09 Mar 2026 12:00:00 +0000` (RFC 5322 §3.3).
    static func text(of time: Timestamp) -> String {
        let date = time.date
        let seconds = Int((time.microseconds - time.startOfDay.microseconds) / 1_000_000)
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = days[((date.daysSinceEpoch % 7) + 7) % 7]
        return "\(day), \(two(date.day)) \(months[date.month - 1]) \(date.year) "
            + "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60)) +0000"
    }
}

/// Who messages come from: `no-reply@example.com` or `Eclusa <no-reply@example.com>`.
package struct MailSenderAddress: Sendable {
    package let name: String
    package let address: SMTPAddress

    package init?(_ text: String) {
        if let open = text.firstIndex(of: "<"), text.last == ">" {
            let inner = text[text.index(after: open)...].dropLast()
            guard let address = SMTPAddress(String(inner)) else { return nil }
            self.address = address
            var name = String(text[..<open])
            while name.last == " " { name.removeLast() }
            self.name = name
        } else {
            guard let address = SMTPAddress(text) else { return nil }
            self.address = address
            name = ""
        }
    }

    var header: String {
        name.isEmpty ? "<\(address)>" : "\(HeaderText.phrase(name, column: 6)) <\(address)>"
    }
}

/// Text in a header field.
enum HeaderText {
    /// Unstructured text: itself when it is short printable ASCII, else encoded words (RFC 2047), folded.
    static func encode(_ text: String, column: Int) -> String {
        let isPlain = text.utf8.allSatisfy { (32..<127).contains($0) } && !text.contains("=?")
        if isPlain && text.utf8.count + column <= 78 && text.first != " " && text.last != " " { return text }
        return words(text)
    }

    /// A name before an address: encoded unless it is words of letters and digits.
    static func phrase(_ text: String, column: Int) -> String {
        let isAtoms = text.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 32
        }
        return isAtoms && text.utf8.count + column <= 60 ? text : words(text)
    }

    /// `=?utf-8?B?…?=`, each of at most 75 bytes, split between characters.
    private static func words(_ text: String) -> String {
        var words: [String] = []
        var piece: [UInt8] = []
        func flush() {
            if !piece.isEmpty { words.append("=?utf-8?B?\(Base64.encode(piece))?=") }
            piece.removeAll()
        }
        for scalar in text.unicodeScalars {
            let bytes = Array(String(scalar).utf8)
            if piece.count + bytes.count > 39 { flush() }
            piece += bytes
        }
        flush()
        return words.joined(separator: "\r\n ")
    }
}

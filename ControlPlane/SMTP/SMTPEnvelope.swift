package import Cryptography

/// An address a command can carry: printable ASCII, nothing that could end the command or begin another.
package struct SMTPAddress: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard (3...254).contains(bytes.count), bytes.filter({ $0 == UInt8(ascii: "@") }).count == 1,
            bytes.first != UInt8(ascii: "@"), bytes.last != UInt8(ascii: "@"),
            bytes.allSatisfy({ (33..<127).contains($0) && !Array("<>\"(),:;\\[]".utf8).contains($0) })
        else { return nil }
        self.text = text
    }

    /// What stands behind the @.
    package var domain: String { String(text.drop { $0 != "@" }.dropFirst()) }
    package var description: String { text }
}

/// A message and whose it is.
package struct SMTPEnvelope: Sendable {
    package let sender: SMTPAddress
    package let recipients: [SMTPAddress]
    /// Header and body (RFC 5322). Line ends of any kind become CRLF.
    package let message: [UInt8]

    /// `recipients` must not be empty.
    package init(sender: SMTPAddress, recipients: [SMTPAddress], message: [UInt8]) {
        precondition(!recipients.isEmpty)
        self.sender = sender
        self.recipients = recipients
        self.message = message
    }

    /// The message as DATA carries it (RFC 5321 §4.5.2): lines end in CRLF and nothing else, a leading dot is
    /// doubled, a dot alone ends it. No byte of a message can end it early.
    static func data(_ message: [UInt8]) -> [UInt8] {
        let (cr, lf, dot) = (UInt8(ascii: "\r"), UInt8(ascii: "\n"), UInt8(ascii: "."))
        var out: [UInt8] = []
        out.reserveCapacity(message.count + message.count / 32 + 8)
        var isLineStart = true
        var index = 0
        while index < message.count {
            let byte = message[index]
            if byte == cr || byte == lf {
                out += [cr, lf]
                isLineStart = true
                if byte == cr, index + 1 < message.count, message[index + 1] == lf { index += 1 }
            } else {
                if isLineStart && byte == dot { out.append(dot) }
                out.append(byte)
                isLineStart = false
            }
            index += 1
        }
        if !isLineStart { out += [cr, lf] }
        return out + [dot, cr, lf]
    }
}

/// How a server is talked to.
package enum SMTPSecurity: String, Sendable, CaseIterable {
    /// TLS from the first byte (port 465).
    case tls
    /// Plain, then STARTTLS, which the server must offer (port 587).
    case starttls
    /// Plain, for a relay on the same machine.
    case none
}

/// Who we are to the server. Never sent without TLS.
package struct SMTPCredentials: Sendable {
    package let user: String
    package let password: Secret

    package init(user: String, password: Secret) {
        self.user = user
        self.password = password
    }
}

/// What became of a message.
package struct SMTPDelivery: Sendable, Equatable {
    /// Whom the server has taken it for.
    package var accepted: [SMTPAddress] = []
    package var refused: [Refusal] = []

    package struct Refusal: Sendable, Equatable {
        package let recipient: SMTPAddress
        package let reply: SMTPReply
    }
}

/// Why a message was delivered to nobody.
package enum SMTPFailure: Error, Sendable, Equatable {
    package enum Stage: String, Sendable {
        case greeting = "the greeting"
        case hello = "EHLO"
        case startTLS = "STARTTLS"
        case auth = "AUTH"
        case sender = "MAIL"
        case recipient = "RCPT"
        case data = "DATA"
        case content = "the message"
    }

    /// The server refused: at which stage, and how.
    case refused(Stage, SMTPReply)
    /// What the server said is not SMTP; the text names it.
    case malformed(String)
    /// TLS is asked for and not offered.
    case noTLS
    /// The server offers neither AUTH PLAIN nor AUTH LOGIN.
    case noAuthentication
    /// The connection failed; the text names the reason.
    case connection(String)

    /// Whether the same message is worth another try: all but a final refusal of this very message. A wrong
    /// password or certificate is the operator's to repair, and the message waits for it.
    package var isTransient: Bool {
        switch self {
        case .refused(.sender, let reply), .refused(.recipient, let reply), .refused(.data, let reply),
            .refused(.content, let reply):
            reply.isTransient
        default: true
        }
    }
}

extension SMTPFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .refused(let stage, let reply): "the mail server refused \(stage.rawValue): \(reply)"
        case .malformed(let what): "the mail server does not speak SMTP: \(what)"
        case .noTLS: "the mail server offers no TLS"
        case .noAuthentication: "the mail server offers neither AUTH PLAIN nor AUTH LOGIN"
        case .connection(let reason): "the connection to the mail server failed: \(reason)"
        }
    }
}

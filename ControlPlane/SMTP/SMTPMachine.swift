import Cryptography

/// One delivery as a pure machine (RFC 5321, STARTTLS of RFC 3207, AUTH of RFC 4954): replies go in, actions
/// come out. One command at a time, so a server that answers before it is asked is refused; this is also what
/// keeps bytes that came before TLS from counting after it.
package struct SMTPMachine {
    package enum Action: Equatable {
        /// Wait for bytes.
        case receive
        /// Send these, then wait for bytes.
        case send([UInt8])
        /// Do the TLS handshake, then call `secured`.
        case secure
        /// Over; the connection is of no more use.
        case finish(SMTPDelivery)
        case fail(SMTPFailure)
    }

    private enum State: Equatable {
        case greeting, hello, startTLS, handshake, authUser, authPassword, authenticated
        case sender, recipient(Int), data, content, quit, over
    }

    private let envelope: SMTPEnvelope
    private let clientName: String
    private let credentials: SMTPCredentials?
    private let security: SMTPSecurity
    private var isSecure: Bool
    private var reader = SMTPReplyReader()
    private var state = State.greeting
    private var delivery = SMTPDelivery()
    /// What QUIT ends with: a delivery, or why there is none.
    private var result: Action?

    /// `clientName` is what EHLO says: a host name, or an address in brackets.
    package init(
        _ envelope: SMTPEnvelope, security: SMTPSecurity, credentials: SMTPCredentials?, clientName: String
    ) {
        self.envelope = envelope
        self.security = security
        self.credentials = credentials
        self.clientName = clientName
        isSecure = security == .tls
    }

    /// Bytes from the server: any number, in any pieces.
    package mutating func receive(_ bytes: UnsafeRawBufferPointer) -> Action {
        guard state != .over, state != .handshake else { return end(.fail(.malformed("bytes out of turn"))) }
        do throws(SMTPReplyReader.Malformed) {
            let (consumed, reply) = try reader.read(bytes)
            guard let reply else { return .receive }
            guard consumed == bytes.count else { return end(.fail(.malformed("a reply out of turn"))) }
            return answer(reply)
        } catch {
            return end(.fail(.malformed(error.what)))
        }
    }

    /// The connection ended or broke.
    package mutating func lost(_ reason: String) -> Action {
        // After the message was taken nothing else counts.
        if state == .quit, let result { return end(result) }
        return end(.fail(.connection(reason)))
    }

    /// The handshake is done, the server's certificate verified.
    package mutating func secured() -> Action {
        isSecure = true
        return command(.hello, "EHLO \(clientName)")
    }

    // MARK: Replies

    private mutating func answer(_ reply: SMTPReply) -> Action {
        switch state {
        case .greeting:
            guard reply.code == 220 else { return refuse(.greeting, reply) }
            return command(.hello, "EHLO \(clientName)")
        case .hello:
            guard reply.code == 250 else { return refuse(.hello, reply) }
            return greeted(reply)
        case .startTLS:
            guard reply.code == 220 else { return refuse(.startTLS, reply) }
            state = .handshake
            return .secure
        case .authenticated: return reply.code == 235 ? begin() : refuse(.auth, reply)
        case .authUser:
            guard reply.code == 334, let credentials else { return refuse(.auth, reply) }
            return command(.authPassword, Self.base64(credentials.user))
        case .authPassword: return sendPassword(reply)
        case .sender:
            guard reply.code == 250 else { return refuse(.sender, reply) }
            return command(.recipient(0), "RCPT TO:<\(envelope.recipients[0])>")
        case .recipient(let index): return recipientAnswered(index, reply)
        case .data:
            guard reply.code == 354 else { return refuse(.data, reply) }
            state = .content
            return .send(SMTPEnvelope.data(envelope.message))
        case .content:
            guard reply.code == 250 else { return refuse(.content, reply) }
            return quit(.finish(delivery))
        case .quit: return end(result ?? .fail(.malformed("an end without a result")))
        case .handshake, .over: return end(.fail(.malformed("bytes out of turn")))
        }
    }

    private mutating func greeted(_ reply: SMTPReply) -> Action {
        let offers = reply.lines.dropFirst().map { $0.uppercased().split(separator: " ").map(String.init) }
        if security == .starttls && !isSecure {
            guard offers.contains(where: { $0.first == "STARTTLS" }) else { return end(.fail(.noTLS)) }
            return command(.startTLS, "STARTTLS")
        }
        guard let credentials else { return begin() }
        guard isSecure else { return end(.fail(.noTLS)) }
        let mechanisms = offers.first { $0.first == "AUTH" } ?? []
        if mechanisms.contains("PLAIN") {
            let text = credentials.password.withBytes { password in
                Base64.encode([0] + Array(credentials.user.utf8) + [0] + Array(password))
            }
            return command(.authenticated, "AUTH PLAIN \(text)")
        }
        if mechanisms.contains("LOGIN") { return command(.authUser, "AUTH LOGIN") }
        return end(.fail(.noAuthentication))
    }

    /// Of AUTH LOGIN: the name was taken, the password is asked for.
    private mutating func sendPassword(_ reply: SMTPReply) -> Action {
        guard reply.code == 334, let credentials else { return refuse(.auth, reply) }
        return command(.authenticated, credentials.password.withBytes { Base64.encode(Array($0)) })
    }

    private mutating func begin() -> Action { command(.sender, "MAIL FROM:<\(envelope.sender)>") }

    private mutating func recipientAnswered(_ index: Int, _ reply: SMTPReply) -> Action {
        let recipient = envelope.recipients[index]
        switch reply.code {
        case 250, 251, 252: delivery.accepted.append(recipient)
        // The server is going away: nobody else is asked.
        case 421: return refuse(.recipient, reply)
        default: delivery.refused.append(.init(recipient: recipient, reply: reply))
        }
        let next = index + 1
        if next < envelope.recipients.count {
            return command(.recipient(next), "RCPT TO:<\(envelope.recipients[next])>")
        }
        return delivery.accepted.isEmpty ? quit(.finish(delivery)) : command(.data, "DATA")
    }

    // MARK: Steps

    private mutating func command(_ next: State, _ text: String) -> Action {
        state = next
        return .send(Array(text.utf8) + [13, 10])
    }

    private mutating func refuse(_ stage: SMTPFailure.Stage, _ reply: SMTPReply) -> Action {
        let failure = Action.fail(.refused(stage, reply))
        return reply.code == 421 ? end(failure) : quit(failure)
    }

    private mutating func quit(_ result: Action) -> Action {
        self.result = result
        return command(.quit, "QUIT")
    }

    private mutating func end(_ action: Action) -> Action {
        state = .over
        return action
    }

    private static func base64(_ text: String) -> String { Base64.encode(Array(text.utf8)) }
}

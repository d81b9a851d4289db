import Cryptography
import Domain
import JSONText
import Operations

extension Representation<SignInStep> {
    /// Tokens, or the question for a code: then all members but the challenge are null.
    static let signIn = Representation(
        "SignIn",
        [
            .init("access_token", .nullable(.text(1...8192)), "For the Authorization field: `Bearer …`.") {
                .optional($0.signIn?.accessToken)
            },
            .init("token_type", .words(["Bearer"]), "How the access token is used.") { _ in "Bearer" },
            .init("expires_in", .nullable(.count), "How long the access token counts. Seconds.") {
                .optional($0.signIn.map { _ in AccessTokens.lifetimeSeconds })
            },
            .init("refresh_token", .nullable(.text(1...200)), "Gets the next access token, once.") {
                .optional($0.signIn?.refreshToken.reveal())
            },
            .init("session", .nullable(.id(SessionNoun.self)), "The session that began here.") {
                .optional($0.signIn?.session)
            },
            .init("session_expires_at", .nullable(.time), "When to sign in again at the latest.") {
                .optional($0.signIn?.sessionExpires)
            },
            .init("user", .nullable(Representation<User>.user.schema), "Who signed in.") {
                $0.signIn.map { Representation<User>.user.json($0.user) } ?? .null
            },
            .init(
                "challenge", .nullable(.text(1...200)),
                "A code is asked for: send this with one to /api/v1/sessions/second-step. Null: signed in."
            ) {
                if case .challenge(let token, _) = $0 { .string(token) } else { .null }
            },
            .init("challenge_expires_at", .nullable(.time), "Until when the code is waited for.") {
                if case .challenge(_, let expires) = $0 { .text(expires) } else { .null }
            },
        ])
}

extension SignInStep {
    fileprivate var signIn: SignIn? {
        if case .done(let signIn) = self { signIn } else { nil }
    }
}

extension Representation<Session> {
    static let session = Representation(
        "Session",
        [
            .init("id", .id(SessionNoun.self), "Never changes.") { .text($0.id) },
            .init("user_agent", .text(0...512), "What the device called itself when it signed in.") {
                .string($0.userAgent)
            },
            .init("address", .text(0...64), "Where it signed in from.") { .string($0.address) },
            .init("created_at", .time, "When it began.") { .text($0.createdAt) },
            .init("last_seen_at", .time, "When its tokens were last renewed.") { .text($0.lastSeenAt) },
            .init("expires_at", .time, "When it ends at the latest.") { .text($0.expires) },
        ])
}

/// Which of one's own sessions end.
enum SessionEndBody {
    static let includesCurrent = Field<Bool>.defaulted(
        "include_current", .flag, to: false, "Whether this session ends too.")
    static let shape = BodyShape("SessionEnd", [includesCurrent])
}

/// The body of a sign-in.
enum SignInBody {
    static let email = Field<String>.required(
        "email", .anyText(1...254, format: "email"), "Whose password it is.")
    static let password = Field<String>.required(
        "password", .secretText(1...1024, format: "password"), "The password.")
    static let shape = BodyShape("NewSession", [email, password])
}

/// The body that trades a refresh token.
enum RefreshBody {
    static let token = Field<String?>.optional(
        "refresh_token", .secretText(1...200),
        "As the last answer gave it; it counts once. Missing: the one of the cookie.")
    static let shape = BodyShape("SessionRefresh", [token])
}

/// The body that changes one's own password.
enum PasswordBody {
    static let current = Field<String>.required(
        "current_password", .secretText(1...1024, format: "password"), "The password so far.")
    static let new = Field<String>.required(
        "new_password", .secretText(User.passwordLengths, format: "password"), "The password from now on.")
    static let shape = BodyShape("PasswordChange", [current, new])
}

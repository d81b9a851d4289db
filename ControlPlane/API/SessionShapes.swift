import Cryptography
import Domain
import JSONText
import Operations

extension Representation<SignIn> {
    static let signIn = Representation(
        "SignIn",
        [
            .init("access_token", .text(1...8192), "For the Authorization field: `Bearer …`.") {
                .string($0.accessToken)
            },
            .init("token_type", .words(["Bearer"]), "How the access token is used.") { _ in "Bearer" },
            .init("expires_in", .count, "How long the access token counts. Seconds.") { _ in
                .integer(AccessTokens.lifetimeSeconds)
            },
            .init("refresh_token", .text(1...200), "Gets the next access token, once.") {
                .string($0.refreshToken.reveal())
            },
            .init("session", .id(SessionNoun.self), "The session that began here.") { .text($0.session) },
            .init("session_expires_at", .time, "When to sign in again at the latest.") {
                .text($0.sessionExpires)
            },
            .init("user", Representation<User>.user.schema, "Who signed in.") {
                Representation<User>.user.json($0.user)
            },
        ])
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
    static let token = Field<String>.required(
        "refresh_token", .secretText(1...200), "As the last answer gave it; it counts once.")
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

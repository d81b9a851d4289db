import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations

enum SignUpRoutes {
    static let all: [AdminRoute] = [
        .nothing(
            .post, "/api/v1/sign-ups", .public(reason: "it is how one becomes a user."), "sign-ups.create",
            "Ask for a link to sign up, where that is open", body: AccountBody.signUp
        ) { call throws(OperationError) in
            try await call.operations.signUps.request(
                email: try call.body[UserBody.email], name: try call.body[AccountBody.name],
                locale: try call.body[AccountBody.locale], from: call.origin)
        },
        .one(
            .post, "/api/v1/sign-ups/complete", .public(reason: "the token of the link is the credential."),
            "sign-ups.complete", "Finish signing up with a link", body: AccountBody.chosen, status: 201,
            answers: .profile
        ) { call throws(OperationError) in
            try await call.operations.signUps.complete(
                token: try call.body[AccountBody.token],
                password: Secret(utf8: try call.body[AccountBody.password]), from: call.origin)
        },
        .nothing(
            .post, "/api/v1/me/email/verification",
            .signedIn(reason: "it sends a message to the caller's own mailbox."),
            "email-verifications.create", "Ask for a link that proves my mailbox"
        ) { call throws(OperationError) in
            try await call.operations.signUps.requestVerification(by: try call.caller)
        },
        .nothing(
            .post, "/api/v1/email-verifications",
            .public(reason: "the token of the link is the credential."), "email-verifications.complete",
            "Prove a mailbox with a link", body: TokenBody.shape
        ) { call throws(OperationError) in
            try await call.operations.signUps.verify(
                token: try call.body[TokenBody.token], from: call.origin)
        },
        .nothing(
            .post, "/api/v1/password-resets", .public(reason: "who forgot a password cannot sign in."),
            "password-resets.create", "Ask for a link to choose a new password", body: ResetBody.shape
        ) { call throws(OperationError) in
            try await call.operations.signUps.requestReset(
                email: try call.body[UserBody.email], from: call.origin)
        },
        .nothing(
            .post, "/api/v1/password-resets/complete",
            .public(reason: "the token of the link is the credential."), "password-resets.complete",
            "Choose a new password with a link; every session ends", body: AccountBody.chosen
        ) { call throws(OperationError) in
            try await call.operations.signUps.completeReset(
                token: try call.body[AccountBody.token],
                password: Secret(utf8: try call.body[AccountBody.password]), from: call.origin)
        },
        .one(
            .get, "/api/v1/sign-up-settings", .needs(.settingsRead, in: .platform), "sign-up-settings.get",
            "Whether people may sign up without being invited", answers: .signUpSettings
        ) { call throws(OperationError) in
            try await call.operations.signUps.settings(by: try call.caller)
        },
        .one(
            .patch, "/api/v1/sign-up-settings", .needs(.settingsUpdate, in: .platform),
            "sign-up-settings.update", "Open or close signing up", body: SignUpSettingsBody.shape,
            answers: .signUpSettings
        ) { call throws(OperationError) in
            try await call.operations.signUps.updateSettings(
                isOpen: try call.body[SignUpSettingsBody.isOpen],
                allowedDomains: try call.body[SignUpSettingsBody.domains], by: try call.caller)
        },
    ]
}

extension Representation<SignUpSettings> {
    static let signUpSettings = Representation(
        "SignUpSettings",
        [
            .init("open", .boolean, "Whether people may sign up without being invited.") {
                .boolean($0.isOpen)
            },
            .init(
                "allowed_domains",
                .list(.text(3...253), maximumCount: SignUpSettings.maximumDomains),
                "Domains their e-mail addresses may have; empty: every one."
            ) { .array($0.allowedDomains.map { .string($0) }) },
            .init("updated_at", .nullable(.time), "When it was last changed; null: never.") {
                .optional($0.updatedAt)
            },
        ])
}

/// The body that opens or closes signing up.
enum SignUpSettingsBody {
    static let isOpen = Field<Bool?>.change(
        "open", .flag, "Whether people may sign up without being invited.")
    static let domains = Field<[String]?>.change(
        "allowed_domains",
        .list(of: .text(.domain, example: "example.com"), 0...SignUpSettings.maximumDomains),
        "Domains their e-mail addresses may have; empty: every one.")
    static let shape = BodyShape("SignUpSettingsChange", [isOpen, domains])
}

/// The body that asks for a link to choose a new password.
enum ResetBody {
    static let shape = BodyShape("NewPasswordReset", [UserBody.email])
}

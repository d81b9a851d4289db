import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations

enum SecondFactorRoutes {
    private static let base = "/api/v1/me/second-factor"

    static let all: [AdminRoute] = [
        .one(
            .post, "/api/v1/sessions/second-step",
            .public(reason: "the challenge of the first step is the credential."), "sessions.second-step",
            "Finish a sign-in with a code", body: SecondStepBody.shape, status: 201, answers: .signIn
        ) { call throws(OperationError) in
            try await call.operations.sessions.secondStep(
                challenge: try call.body[SecondStepBody.challenge], code: try call.body[CodeBody.code],
                from: call.origin)
        }.openingSession(),
        .one(
            .get, base, .signedIn(reason: "it tells the caller's own state."), "second-factors.get",
            "Whether I have a second factor", answers: .secondFactor
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.get(by: try call.caller)
        },
        .one(
            .post, base, .signedIn(reason: "it enrols the caller's own app."), "second-factors.enrol",
            "Begin to enrol an authenticator app", body: EnrolmentBody.shape, status: 201,
            answers: .enrolment
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.begin(
                password: Secret(utf8: try call.body[PasswordBody.current]), by: try call.caller)
        },
        .one(
            .post, "\(base)/confirm", .signedIn(reason: "it enrols the caller's own app."),
            "second-factors.confirm", "Finish enrolling with a code; answers the recovery codes, once",
            body: CodeBody.shape, answers: .recoveryCodes
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.confirm(
                code: try call.body[CodeBody.code], by: try call.caller)
        },
        .one(
            .post, "\(base)/recovery-codes", .signedIn(reason: "it replaces the caller's own codes."),
            "second-factors.regenerate-codes", "Replace my recovery codes", body: CodeBody.shape,
            answers: .recoveryCodes
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.regenerateCodes(
                code: try call.body[CodeBody.code], by: try call.caller)
        },
        .nothing(
            .post, "\(base)/remove", .signedIn(reason: "it removes the caller's own app."),
            "second-factors.remove", "Remove my second factor", body: CodeBody.shape
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.remove(
                code: try call.body[CodeBody.code], by: try call.caller)
        },
        .nothing(
            .post, "/api/v1/users/{user}/second-factor/reset", .needs(.usersUpdate, in: .platform),
            "second-factors.reset", "Remove a user's second factor; every session of theirs ends"
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.reset(of: try call.user, by: try call.caller)
        },
        .one(
            .get, "/api/v1/security", .needs(.settingsRead, in: .platform), "security.get",
            "What the platform asks of all users", answers: .tenantSecurity
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.security(of: nil, by: try call.caller)
        },
        .one(
            .patch, "/api/v1/security", .needs(.settingsUpdate, in: .platform), "security.update",
            "Change what the platform asks of all users", body: TenantSecurityBody.shape,
            answers: .tenantSecurity
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.updateSecurity(
                of: nil, requiresSecondFactor: try call.body[TenantSecurityBody.required],
                by: try call.caller)
        },
        .one(
            .get, "/api/v1/tenants/{tenant}/security", .needs(.tenantsRead, in: .tenant),
            "tenant-security.get", "What a tenant asks of its members", answers: .tenantSecurity
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.security(of: try call.tenant, by: try call.caller)
        },
        .one(
            .patch, "/api/v1/tenants/{tenant}/security", .needs(.tenantsUpdate, in: .tenant),
            "tenant-security.update", "Change what a tenant asks of its members",
            body: TenantSecurityBody.shape, answers: .tenantSecurity
        ) { call throws(OperationError) in
            try await call.operations.secondFactors.updateSecurity(
                of: try call.tenant, requiresSecondFactor: try call.body[TenantSecurityBody.required],
                by: try call.caller)
        },
    ]
}

extension Representation<SecondFactor> {
    static let secondFactor = Representation(
        "SecondFactor",
        [
            .init("enabled", .boolean, "Whether sign-ins ask for a code.") {
                .boolean($0.confirmedAt != nil)
            },
            .init("confirmed_at", .nullable(.time), "When it was enrolled.") { .optional($0.confirmedAt) },
            .init("recovery_codes_left", .count, "Recovery codes that were not used yet.") {
                .integer($0.recoveryCodesLeft)
            },
            .init("required", .boolean, "Whether the platform or a tenant of mine requires one.") {
                .boolean($0.isRequired)
            },
        ])
}

extension Representation<Enrolment> {
    static let enrolment = Representation(
        "SecondFactorEnrolment",
        [
            .init("secret", .shownOnce(32...32), "For typing into the app. Shown once.") {
                .string($0.secret)
            },
            .init("uri", .shownOnce(1...1000), "For a QR code. Shown once.") { .string($0.uri) },
        ])
}

extension Representation<RecoveryCodes> {
    static let recoveryCodes = Representation(
        "RecoveryCodes",
        [
            .init(
                "codes", .list(.shownOnce(19...19), maximumCount: SecondFactor.recoveryCodeCount),
                "For when the app is lost; each counts once. Shown once."
            ) { .array($0.codes.map { .string($0) }) }
        ])
}

extension Representation<TenantSecurity> {
    static let tenantSecurity = Representation(
        "TenantSecurity",
        [
            .init(
                "require_second_factor", .boolean,
                "Whether members without a second factor may only enrol one."
            ) { .boolean($0.requiresSecondFactor) },
            .init("updated_at", .nullable(.time), "When it was last changed; null: never.") {
                .optional($0.updatedAt)
            },
        ])
}

/// The body that carries a code.
enum CodeBody {
    static let code = Field<String>.required(
        "code", .secretText(6...32), "Six digits of the app, or a recovery code.")
    static let shape = BodyShape("SecondFactorCode", [code])
}

/// The body of a sign-in's second step.
enum SecondStepBody {
    static let challenge = Field<String>.required(
        "challenge", .secretText(1...200), "As the first step answered it.")
    static let shape = BodyShape("SecondStep", [challenge, CodeBody.code])
}

/// The body that begins an enrolment.
enum EnrolmentBody {
    static let shape = BodyShape("NewSecondFactor", [PasswordBody.current])
}

/// The body that changes what a tenant asks of its members.
enum TenantSecurityBody {
    static let required = Field<Bool?>.change(
        "require_second_factor", .flag, "Whether members without a second factor may only enrol one.")
    static let shape = BodyShape("TenantSecurityChange", [required])
}

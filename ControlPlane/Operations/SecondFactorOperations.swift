package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// What an authenticator app needs, shown once.
package struct Enrolment: Sendable {
    /// In base 32, for typing in.
    package let secret: String
    /// For a QR code.
    package let uri: String
}

/// Recovery codes, shown once.
package struct RecoveryCodes: Sendable {
    package let codes: [String]
}

/// Authenticator apps: enrolling, using, and losing one.
package struct SecondFactorOperations {
    static let issuer = "Eclusa"

    let environment: OperationEnvironment

    package func get(by caller: Caller) async throws(OperationError) -> SecondFactor {
        try await environment.viewAcrossTenants { connection in
            try await SecondFactorStore.find(of: caller.person.user, connection)
        }
    }

    /// Begins an enrolment; nothing changes until `confirm`. The password again, because the session may be
    /// somebody's who found the machine open.
    package func begin(password: Secret, by caller: Caller) async throws(OperationError) -> Enrolment {
        let user = try await environment.verifyPassword(password, of: caller)
        let secret = Secret.random(count: TimeBasedCode.secretBytes)
        let sealed = environment.keys.identity.seal(secret, for: Self.place(user.id))
        _ = try await environment.write(
            "second-factors.enrol", in: .platform, by: AuditActor(caller)
        ) { connection in
            let now = environment.clock.now()
            guard try await SecondFactorStore.begin(of: user.id, sealed: sealed, at: now, connection) else {
                throw OperationError(.conflict, detail: "There is a second factor already; remove it first.")
            }
            return Recorded(user.id, AuditSubject("user", user.id))
        }
        let text = secret.withBytes { Base32.encode(Array($0)) }
        let account = Self.escaped(user.email)
        let uri =
            "otpauth://totp/\(Self.issuer):\(account)?secret=\(text)&issuer=\(Self.issuer)"
            + "&algorithm=SHA1&digits=\(TimeBasedCode.digits)&period=\(TimeBasedCode.stepSeconds)"
        return Enrolment(secret: text, uri: uri)
    }

    /// Ends the enrolment with a code of the app; from now on sign-ins ask for one.
    package func confirm(code: String, by caller: Caller) async throws(OperationError) -> RecoveryCodes {
        let codes = Self.newCodes()
        try await check(code, of: caller.ownAccount.user, mustBeConfirmed: false)
        return try await environment.write(
            "second-factors.confirm", in: .platform, by: AuditActor(caller)
        ) { connection in
            let now = environment.clock.now()
            guard try await SecondFactorStore.confirm(of: caller.ownAccount.user, at: now, connection) else {
                throw OperationError(.conflict, detail: "The second factor is confirmed already.")
            }
            try await replaceCodes(codes, of: caller.ownAccount.user, connection)
            try await notify(caller.ownAccount.user, wasAdded: true, connection)
            return Recorded(RecoveryCodes(codes: codes), AuditSubject("user", try caller.ownAccount.user))
        }.value
    }

    /// New recovery codes; the old ones count no more.
    package func regenerateCodes(
        code: String, by caller: Caller
    ) async throws(OperationError) -> RecoveryCodes {
        let codes = Self.newCodes()
        try await check(code, of: caller.ownAccount.user)
        return try await environment.write(
            "second-factors.regenerate-codes", in: .platform, by: AuditActor(caller)
        ) { connection in
            try await replaceCodes(codes, of: caller.ownAccount.user, connection)
            return Recorded(RecoveryCodes(codes: codes), AuditSubject("user", try caller.ownAccount.user))
        }.value
    }

    /// Removes one's own, with a code of it.
    package func remove(code: String, by caller: Caller) async throws(OperationError) {
        let state = try await get(by: caller)
        if state.isRequired {
            throw OperationError(.conflict, detail: "A tenant of yours requires a second factor.")
        }
        try await check(code, of: caller.ownAccount.user)
        _ = try await environment.write(
            "second-factors.remove", in: .platform, by: AuditActor(caller)
        ) { connection in
            guard try await SecondFactorStore.delete(of: caller.ownAccount.user, connection) else {
                throw OperationError.notFound
            }
            try await notify(caller.ownAccount.user, wasAdded: false, connection)
            return Recorded(try caller.ownAccount.user, AuditSubject("user", try caller.ownAccount.user))
        }
    }

    /// Removes another user's, who has lost it; their sessions end.
    package func reset(of user: UserID, by caller: Caller) async throws(OperationError) {
        _ = try await environment.write("second-factors.reset", .usersUpdate, in: .platform, by: caller) {
            connection in
            _ = try found(try await UserStore.find(user, connection))
            _ = try await SecondFactorStore.delete(of: user, connection)
            _ = try await SessionStore.revokeAll(of: user, at: environment.clock.now(), connection)
            try await notify(user, wasAdded: false, connection)
            return Recorded(user, AuditSubject("user", user))
        }
    }

    // MARK: Tenants and the platform

    /// nil: the platform's, for all users.
    package func security(
        of tenant: TenantID?, by caller: Caller
    ) async throws(OperationError) -> TenantSecurity {
        let permission = tenant == nil ? Permission.settingsRead : .tenantsRead
        return try await environment.read(permission, in: .owner(tenant), by: caller) { connection in
            try await TenantSecurityStore.find(of: tenant, connection)
        }
    }

    /// Members without a second factor can do nothing in the tenant from the next request on, but enrol. nil:
    /// nobody can do anything anywhere without one. Who asks it of all must have one.
    package func updateSecurity(
        of tenant: TenantID?, requiresSecondFactor: Bool?, by caller: Caller
    ) async throws(OperationError) -> TenantSecurity {
        let permission = tenant == nil ? Permission.settingsUpdate : .tenantsUpdate
        try caller.demand(permission, in: .owner(tenant))
        if tenant == nil, requiresSecondFactor == true, try await get(by: caller).confirmedAt == nil {
            throw OperationError(.conflict, detail: "Enrol a second factor of your own first.")
        }
        return try await environment.write(
            tenant == nil ? "security.update" : "tenant-security.update", permission,
            in: .owner(tenant), by: caller
        ) { connection in
            var security = try await TenantSecurityStore.find(of: tenant, connection)
            security.requiresSecondFactor = requiresSecondFactor ?? security.requiresSecondFactor
            security.updatedAt = environment.clock.now()
            try await TenantSecurityStore.update(security, of: tenant, connection)
            return Recorded(
                security,
                AuditSubject(
                    "tenant", tenant ?? .platform,
                    ["requires_second_factor": .boolean(security.requiresSecondFactor)]))
        }.value
    }

    // MARK: Codes

    /// Passes for a right code of the app, or a recovery code; each counts once, whichever control plane it
    /// comes to. The try is counted before it is looked at.
    func check(
        _ code: String, of user: UserID, mustBeConfirmed: Bool = true
    ) async throws(OperationError) {
        let now = environment.clock.now()
        let wrong = OperationError(
            .invalidCredentials, detail: "The code is wrong, was used already, or is too old.")
        do {
            let attempt = try await environment.database.withTenantApart(nil) { connection in
                try await SecondFactorStore.attempt(of: user, at: now, connection)
            }
            switch attempt {
            case .none: throw wrong
            case .blocked(let until):
                let seconds = max(1, Int((until.microseconds(since: now) + 999_999) / 1_000_000))
                throw OperationError(.rateLimited, retryAfterSeconds: seconds)
            case .granted(let sealed, let isConfirmed):
                guard isConfirmed == mustBeConfirmed,
                    try await take(code, sealed, of: user, now, isRecoverable: mustBeConfirmed)
                else { throw wrong }
            }
        } catch { throw OperationError(error) }
    }

    private func take(
        _ code: String, _ sealed: [UInt8], of user: UserID, _ now: Timestamp, isRecoverable: Bool
    ) async throws -> Bool {
        if code.utf8.count == TimeBasedCode.digits {
            let secret = try environment.keys.identity.open(sealed, for: Self.place(user))
            let seconds = now.microseconds / 1_000_000
            guard let step = TimeBasedCode.step(of: code, secret, at: seconds) else { return false }
            return try await environment.database.withConnection { connection in
                try await SecondFactorStore.take(step: step, of: user, connection)
            }
        }
        guard isRecoverable else { return false }
        let hash = hash(code, of: user)
        return try await environment.database.withTransaction { connection in
            try await SecondFactorStore.take(recoveryCode: hash, of: user, connection)
        }
    }

    private func replaceCodes(
        _ codes: [String], of user: UserID, _ connection: PostgresConnection
    ) async throws {
        try await SecondFactorStore.replaceRecoveryCodes(
            with: codes.map { hash($0, of: user) }, of: user, connection)
    }

    private func hash(_ code: String, of user: UserID) -> [UInt8] {
        let plain = code.lowercased().filter { $0 != "-" && $0 != " " }
        return hmacSHA256(
            key: environment.keys.identity.key.secret,
            message: Array("recovery code 1\n\(user)\n\(plain)".utf8)
        ).bytes
    }

    /// 80 random bits each, in groups for typing.
    private static func newCodes() -> [String] {
        (0..<SecondFactor.recoveryCodeCount).map { _ in
            let text = Array(Base32.encode(randomBytes(10)).lowercased())
            return stride(from: 0, to: 16, by: 4).map { String(text[$0..<$0 + 4]) }.joined(separator: "-")
        }
    }

    private func notify(
        _ user: UserID, wasAdded: Bool, _ connection: PostgresConnection
    ) async throws {
        let user = try found(try await UserStore.find(user, connection))
        let message = environment.texts(user.locale).secondFactor(wasAdded: wasAdded)
        try await environment.queueNotice(message, to: user, connection)
    }

    private static func place(_ user: UserID) -> String { "second-factor/\(user)" }

    /// Percent-encoded but for unreserved characters (RFC 3986 §2.3).
    private static func escaped(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: out.unicodeScalars.append(Unicode.Scalar(byte))
            default: out += "%" + Hexadecimal.encode([byte]).uppercased()
            }
        }
        return out
    }
}

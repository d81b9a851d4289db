package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store

/// Signing up without being invited, proving mailboxes, and choosing a new password by mail. Requests answer
/// the same and do the same work whether there is such a user or not.
package struct SignUpOperations {
    static let linkSeconds: Int64 = 86_400
    static let resetSeconds: Int64 = 1_800

    let environment: OperationEnvironment

    // MARK: The switch

    package func settings(by caller: Caller) async throws(OperationError) -> SignUpSettings {
        try await environment.read(.settingsRead, in: .platform, by: caller) { connection in
            try await SignUpSettingsStore.find(connection)
        }
    }

    /// Changes what is not nil.
    package func updateSettings(
        isOpen: Bool?, allowedDomains: [String]?, by caller: Caller
    ) async throws(OperationError) -> SignUpSettings {
        try await environment.write("sign-up-settings.update", .settingsUpdate, in: .platform, by: caller) {
            connection in
            var settings = try await SignUpSettingsStore.find(connection)
            settings.isOpen = isOpen ?? settings.isOpen
            settings.allowedDomains = allowedDomains ?? settings.allowedDomains
            settings.updatedAt = environment.clock.now()
            try await SignUpSettingsStore.update(settings, connection)
            let details: JSONValue = [
                "open": .boolean(settings.isOpen),
                "allowed_domains": .array(settings.allowedDomains.map { .string($0) }),
            ]
            return Recorded(settings, AuditSubject(many: "sign-up-settings", details))
        }.value
    }

    // MARK: Signing up

    /// Sends a link to whoever may sign up; to a user a note that they have an account. The account is made
    /// when the link comes back, with the password then given: so nobody prepares an account for somebody
    /// else's address.
    package func request(
        email: String, name: String, locale: Language, from origin: RequestOrigin
    ) async throws(OperationError) {
        try check(User.problems(email: email, name: name))
        try await SignInThrottle("sign-up", account: email, from: origin).attempt(environment)
        let now = environment.clock.now()
        let token = OneTimeToken(.email)
        let expires = now.advanced(bySeconds: Self.linkSeconds)
        try await transaction { connection in
            let isOpen = try await SignUpSettingsStore.find(connection).allows(email: email)
            let home = isOpen ? nil : try await Self.home(of: email, connection)
            guard isOpen || home != nil else {
                throw OperationError(
                    .forbidden, detail: "Signing up is not open for this address; ask to be invited.")
            }
            let known = try await UserStore.find(email: email, connection)
            try await EmailTokenStore.create(
                EmailToken(
                    purpose: .signUp, email: email, name: name, locale: locale, user: known?.id,
                    createdAt: now, expires: expires), hash: token.digest, connection)
            let texts = environment.texts(known?.locale ?? locale)
            let (subject, text) = known == nil ? texts.signUp(token) : texts.signUpOfUser()
            try await environment.queue(
                MailDraft(
                    kind: .verification, recipient: email, subject: subject, text: text, giveUpAt: expires),
                connection)
        }
    }

    /// Makes the account a link was sent for.
    package func complete(
        token text: String, password: Secret, from origin: RequestOrigin
    ) async throws(OperationError) -> Profile {
        try checkLater(password)
        let hash = try await environment.hash(password)
        let now = environment.clock.now()
        let id = UserID(at: now)
        let actor = AuditActor(user: id, origin: origin)
        return try await environment.write("users.sign-up", in: .platform, by: actor) { connection in
            guard
                let token = try await EmailTokenStore.use(sha256(text), for: .signUp, at: now, connection),
                token.user == nil, let name = token.name
            else { throw OperationError(.linkInvalid) }
            try check(
                [environment.passwords.problem(password, email: token.email, at: "/password")].compactMap(
                    \.self))
            let user = User(
                id: id, email: token.email, name: name, locale: token.locale ?? .english,
                emailVerifiedAt: now, createdAt: now, updatedAt: now)
            try await UserStore.create(user, passwordHash: hash.text, connection)
            if let home = try await Self.home(of: user.email, connection) {
                try await TenantIsolation.visit(home, from: nil, connection) {
                    _ = try await MemberStore.add(id, to: home, at: now, connection)
                }
            }
            return Recorded(
                Profile(user: user, authority: .none),
                AuditSubject("user", id, ["email": .string(user.email)]))
        }.value
    }

    // MARK: Proving a mailbox

    /// Sends the caller a link that proves their mailbox.
    package func requestVerification(by caller: Caller) async throws(OperationError) {
        try await SignInThrottle(
            "verification", account: caller.ownAccount.user.description, from: caller.origin
        )
        .attempt(environment)
        let now = environment.clock.now()
        let token = OneTimeToken(.email)
        let expires = now.advanced(bySeconds: Self.linkSeconds)
        try await transaction { connection in
            let user = try found(try await UserStore.find(caller.ownAccount.user, connection))
            _ = try await EmailTokenStore.drop(.verification, of: user.id, connection)
            try await EmailTokenStore.create(
                EmailToken(
                    purpose: .verification, email: user.email, user: user.id, createdAt: now,
                    expires: expires), hash: token.digest, connection)
            let (subject, text) = environment.texts(user.locale).verification(token)
            try await environment.queue(
                MailDraft(
                    kind: .verification, recipient: user.email, subject: subject, text: text,
                    giveUpAt: expires), connection)
        }
    }

    package func verify(token text: String, from origin: RequestOrigin) async throws(OperationError) {
        let now = environment.clock.now()
        _ = try await environment.write(
            "users.verify-email", in: .platform, by: AuditActor(user: nil, origin: origin)
        ) { connection in
            guard
                let token = try await EmailTokenStore.use(
                    sha256(text), for: .verification, at: now, connection),
                let user = token.user,
                try await UserStore.verifyEmail(token.email, of: user, at: now, connection)
            else { throw OperationError(.linkInvalid) }
            return Recorded(user, AuditSubject("user", user))
        }
    }

    // MARK: Choosing a new password

    /// Sends a link to a user. For an address nobody has, the same is written, and never sent.
    package func requestReset(email: String, from origin: RequestOrigin) async throws(OperationError) {
        try check([TextRule.email.check(email, at: "/email")].compactMap(\.self))
        try await SignInThrottle("password-reset", account: email, from: origin).attempt(environment)
        let now = environment.clock.now()
        let token = OneTimeToken(.email)
        let expires = now.advanced(bySeconds: Self.resetSeconds)
        try await transaction { connection in
            let known = try await UserStore.find(email: email, connection)
            let user = known.flatMap { $0.status == .active ? $0 : nil }
            try await EmailTokenStore.create(
                EmailToken(
                    purpose: .passwordReset, email: email, user: user?.id, createdAt: now, expires: expires),
                hash: token.digest, connection)
            let (subject, text) = environment.texts(user?.locale ?? .english).passwordReset(token)
            try await environment.queue(
                MailDraft(
                    kind: .passwordReset, recipient: user?.email ?? email, subject: subject, text: text,
                    giveUpAt: expires), isDecoy: user == nil, connection)
        }
    }

    /// Sets a new password by a link; every session ends, and every other link.
    package func completeReset(
        token text: String, password: Secret, from origin: RequestOrigin
    ) async throws(OperationError) {
        try checkLater(password)
        let hash = try await environment.hash(password)
        let now = environment.clock.now()
        _ = try await environment.write(
            "users.reset-password", in: .platform, by: AuditActor(user: nil, origin: origin)
        ) { connection in
            guard
                let token = try await EmailTokenStore.use(
                    sha256(text), for: .passwordReset, at: now, connection),
                let id = token.user, let user = try await UserStore.find(id, connection),
                user.status == .active, user.email.lowercased() == token.email.lowercased()
            else { throw OperationError(.linkInvalid) }
            try check(
                [environment.passwords.problem(password, email: user.email, at: "/password")].compactMap(
                    \.self))
            _ = try await UserStore.setPassword(hash: hash.text, of: id, at: now, connection)
            _ = try await UserStore.verifyEmail(user.email, of: id, at: now, connection)
            _ = try await SessionStore.revokeAll(of: id, at: now, connection)
            _ = try await EmailTokenStore.drop(.passwordReset, of: id, connection)
            try await environment.queueNotice(
                environment.texts(user.locale).passwordChanged(), to: user, connection)
            return Recorded(id, AuditSubject("user", id))
        }
    }

    // MARK: Parts

    /// The tenant that people of an address's domain belong to.
    private static func home(
        of email: String, _ connection: PostgresConnection
    ) async throws -> TenantID? {
        try await TenantIsolation.lookAcross(connection) {
            try await TenantStore.find(signUpDomain: User.domain(of: email), connection)?.id
        }
    }

    /// Before the work of hashing: what can be said without knowing whose password it is.
    private func checkLater(_ password: Secret) throws(OperationError) {
        try check([environment.passwords.problem(password, email: "", at: "/password")].compactMap(\.self))
    }

    /// One write that leaves no audit event: what it does shows when its link comes back.
    private func transaction(
        _ body: (PostgresConnection) async throws -> Void
    ) async throws(OperationError) {
        do { try await environment.database.withTransaction { try await body($0) } } catch {
            throw OperationError(error)
        }
    }
}

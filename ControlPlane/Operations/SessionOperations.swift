package import Cryptography
package import Domain
import JSONText
import PostgresDriver
import Store
import Telemetry

/// A refresh token: `ert_` and 43 base64url characters of 32 random bytes. Counts once; only its SHA-256 is
/// kept.
package struct RefreshToken: Sendable {
    private let text: String

    init() { text = "ert_" + Base64.encodeURL(randomBytes(32)) }

    package var digest: SHA256Digest { sha256(text) }

    /// The token itself: for the one answer that shows it.
    package func reveal() -> String { text }
}

/// What a sign-in or a refresh gives.
package struct SignIn: Sendable {
    package let accessToken: String
    package let refreshToken: RefreshToken
    package let session: SessionID
    package let sessionExpires: Timestamp
    package let user: User
}

/// Signing in and out.
package struct SessionOperations {
    /// A session ends for good after this long.
    package static let lifetimeSeconds: Int64 = 30 * 86_400
    /// A refresh token seen again so soon was sent twice, not stolen: refused, and nothing else.
    package static let reuseGraceSeconds: Int64 = 10

    let environment: OperationEnvironment

    // MARK: Signing in

    /// Signs in with a password: a session, or the question for a code. Whether the address is unknown, the
    /// user disabled or the password wrong, the answer and the work are the same.
    package func create(
        email: String, password: Secret, from origin: RequestOrigin
    ) async throws(OperationError) -> SignInStep {
        let throttle = SignInThrottle("sign-in", account: email, from: origin)
        try await throttle.attempt(environment)
        let known = try await environment.view { connection in
            try await UserStore.credentials(email: email, connection)
        }
        let stored = known?.passwordHash.flatMap { PasswordHash(text: $0) }
        let isRight: Bool
        do throws(OperationError) {
            isRight = try await environment.verify(password, stored)
        } catch {
            await throttle.takeBack(environment)
            throw error
        }
        guard isRight, let known, let stored, known.user.status == .active else {
            throw OperationError(
                .invalidCredentials, detail: "The e-mail address or the password is wrong.")
        }
        let renewed =
            stored.needsRehash(for: environment.passwordCost) ? try await environment.hash(password) : nil
        return try await enter(known.user, from: origin) { connection in
            if let renewed {
                try await UserStore.rehash(
                    from: stored.text, to: renewed.text, of: known.user.id, connection)
            }
            try await throttle.succeeded(connection)
        }
    }

    /// A session for a user who has shown everything there is to show; `also` runs in the same transaction.
    func begin(
        _ user: User, only tenant: TenantID? = nil, from origin: RequestOrigin,
        also: (PostgresConnection) async throws -> Void
    ) async throws(OperationError) -> SignIn {
        let now = environment.clock.now()
        let token = RefreshToken()
        let session = Session(
            id: SessionID(at: now), user: user.id, userAgent: shortened(origin.userAgent, 512),
            address: shortened(origin.address, 64), createdAt: now, lastSeenAt: now,
            expires: now.advanced(bySeconds: Self.lifetimeSeconds), onlyTenant: tenant)
        let actor = AuditActor(user: user.id, origin: origin)
        _ = try await environment.write("sessions.create", in: .platform, by: actor) { connection in
            try await also(connection)
            try await SessionStore.create(session, token: token.digest, connection)
            return Recorded(session.id, AuditSubject("session", session.id))
        }
        return answer(session, user, token, now)
    }

    // MARK: Refreshing

    /// Trades a refresh token for the next one and a fresh access token. A token that was traded before was
    /// stolen from somebody: its whole session ends.
    package func refresh(
        _ text: String, from origin: RequestOrigin
    ) async throws(OperationError) -> SignIn {
        let now = environment.clock.now()
        let next = RefreshToken()
        let token = sha256(text)
        let rotation: SessionStore.Rotation
        let user: User?
        do {
            (rotation, user) = try await environment.database.withTransaction { connection in
                let rotation = try await SessionStore.rotate(token, to: next.digest, at: now, connection)
                guard case .rotated(let session) = rotation else { return (rotation, nil) }
                return (rotation, try await UserStore.find(session.user, connection))
            }
        } catch {
            throw OperationError(error)
        }
        switch rotation {
        case .rotated(let session): return answer(session, try found(user), next, now)
        case .usedBefore(let session, let user, let usedAt):
            if now.microseconds(since: usedAt) > Self.reuseGraceSeconds * 1_000_000 {
                try await endStolen(session, of: user, from: origin)
            }
            throw Self.refreshRefused
        case .refused: throw Self.refreshRefused
        }
    }

    /// Whatever was wrong with it: who only tries tokens learns nothing.
    private static let refreshRefused = OperationError.unauthenticated(
        "The refresh token is unknown or was used before, or its session has ended; sign in again.")

    private func endStolen(
        _ session: SessionID, of user: UserID, from origin: RequestOrigin
    ) async throws(OperationError) {
        environment.log.warning(
            "a refresh token was used twice: its session is revoked",
            ["session": "\(session)", "user": "\(user)", "address": "\(origin.address)"])
        let actor = AuditActor(user: nil, origin: origin)
        _ = try await environment.write("sessions.revoke", in: .platform, by: actor) { connection in
            _ = try await SessionStore.revoke(session, of: user, at: environment.clock.now(), connection)
            return Recorded(session, AuditSubject("session", session, ["reason": "refresh token reused"]))
        }
    }

    // MARK: Using and ending

    /// Who an access token of a user, or a management token of a service account, speaks for, with what they
    /// may do at this moment.
    package func authenticate(
        _ accessToken: String, from origin: RequestOrigin
    ) async throws(OperationError) -> Caller {
        if accessToken.hasPrefix(ManagementTokenText.prefix) {
            return try await ServiceAccountOperations(environment: environment)
                .authenticate(accessToken, from: origin)
        }
        let now = environment.clock.now()
        let bearer = try environment.bearer(of: accessToken, at: now)
        let (user, session) = (bearer.user, bearer.session)
        return try await environment.viewAcrossTenants { connection in
            guard let found = try await SessionStore.findCaller(session, of: user, at: now, connection)
            else { throw OperationError.unauthenticated("The session has ended; sign in again.") }
            var authority = found.authority
            if let only = found.session.onlyTenant {
                authority = Authority(authority.bindings.filter { $0.scope.tenant == only })
            }
            return Caller(
                user: user, session: session, authority: authority, barred: found.barred,
                only: found.session.onlyTenant, origin: origin)
        }
    }

    /// Signs the caller out.
    package func revokeCurrent(by caller: Caller) async throws(OperationError) {
        let (user, session) = try caller.person
        _ = try await environment.write("sessions.revoke", in: .platform, by: AuditActor(caller)) {
            connection in
            let now = environment.clock.now()
            _ = try await SessionStore.revoke(session, of: user, at: now, connection)
            return Recorded(session, AuditSubject("session", session, ["reason": "signed out"]))
        }
    }

    /// Changes the caller's own password; every other session ends.
    package func changePassword(
        from current: Secret, to new: Secret, by caller: Caller
    ) async throws(OperationError) {
        let me = try caller.ownAccount.user
        let user = try await environment.view { connection in
            try found(try await UserStore.find(me, connection))
        }
        let problem = environment.passwords.problem(new, email: user.email, at: "/new_password")
        try check([problem].compactMap(\.self))
        _ = try await environment.verifyPassword(current, of: caller)
        let hash = try await environment.hash(new)
        _ = try await environment.write("users.change-password", in: .platform, by: AuditActor(caller)) {
            connection in
            let now = environment.clock.now()
            _ = try await UserStore.setPassword(hash: hash.text, of: me, at: now, connection)
            _ = try await SessionStore.revokeAll(
                of: me, except: caller.person.session, at: now, connection)
            let notice = environment.texts(user.locale).passwordChanged()
            try await environment.queueNotice(notice, to: user, connection)
            return Recorded(me, AuditSubject("user", me))
        }
    }

    private func answer(_ session: Session, _ user: User, _ token: RefreshToken, _ now: Timestamp) -> SignIn {
        SignIn(
            accessToken: environment.keys.accessTokens.issue(user: user.id, session: session.id, now: now),
            refreshToken: token, session: session.id, sessionExpires: session.expires, user: user)
    }
}

/// At most so many bytes of a text, cut between characters.
func shortened(_ text: String, _ maximumBytes: Int) -> String {
    var text = text
    while text.utf8.count > maximumBytes { text.removeLast() }
    return text
}

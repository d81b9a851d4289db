package import Domain
import JSONText
import PostgresDriver
import Store

extension SessionOperations {
    /// The caller's own sessions that still hold, newest first.
    package func list(
        _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Session> {
        let now = environment.clock.now()
        return try await environment.view { connection in
            ListPage(
                try await SessionStore.list(
                    of: caller.ownAccount.user, at: now, page.of(SessionNoun.self), connection))
        }
    }

    /// Ends one of the caller's own sessions.
    package func revoke(_ id: SessionID, by caller: Caller) async throws(OperationError) {
        _ = try await environment.write("sessions.revoke", in: .platform, by: AuditActor(caller)) {
            connection in
            let now = environment.clock.now()
            guard try await SessionStore.revoke(id, of: caller.ownAccount.user, at: now, connection) else {
                throw OperationError.notFound
            }
            return Recorded(id, AuditSubject("session", id, ["reason": "revoked"]))
        }
    }

    /// Ends all of the caller's sessions but this one, or this one too.
    package func revokeAll(includingCurrent: Bool, by caller: Caller) async throws(OperationError) {
        let kept = includingCurrent ? nil : try caller.ownAccount.session
        _ = try await environment.write("sessions.revoke-all", in: .platform, by: AuditActor(caller)) {
            connection in
            let now = environment.clock.now()
            let count = try await SessionStore.revokeAll(
                of: caller.ownAccount.user, except: kept, at: now, connection)
            return Recorded(
                count, AuditSubject("user", try caller.ownAccount.user, ["sessions": .number(.init(count))]))
        }
    }

    /// Another user's sessions.
    package func list(
        of user: UserID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Session> {
        let now = environment.clock.now()
        return try await environment.read(.usersRead, in: .platform, by: caller) { connection in
            _ = try found(try await UserStore.find(user, connection))
            return ListPage(
                try await SessionStore.list(of: user, at: now, page.of(SessionNoun.self), connection))
        }
    }

    /// Signs another user out everywhere.
    package func revokeAll(of user: UserID, by caller: Caller) async throws(OperationError) {
        _ = try await environment.write("users.end-sessions", .usersUpdate, in: .platform, by: caller) {
            connection in
            _ = try found(try await UserStore.find(user, connection))
            let now = environment.clock.now()
            let count = try await SessionStore.revokeAll(of: user, at: now, connection)
            return Recorded(count, AuditSubject("user", user, ["sessions": .number(.init(count))]))
        }
    }
}

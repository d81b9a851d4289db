import Cryptography
import Domain
import HTTPWire
import Operations

enum SessionRoutes {
    static let all: [AdminRoute] = [
        .one(
            .post, "/api/v1/sessions", .public(reason: "it is how one signs in."), "sessions.create",
            "Sign in",
            body: SignInBody.shape, status: 201, answers: .signIn
        ) { call throws(OperationError) in
            try await call.operations.sessions.create(
                email: try call.body[SignInBody.email],
                password: Secret(utf8: try call.body[SignInBody.password]),
                from: call.origin)
        }.openingSession(),
        .one(
            .post, "/api/v1/sessions/refresh", .public(reason: "the refresh token is the credential."),
            "sessions.refresh", "Trade a refresh token for new tokens", body: RefreshBody.shape,
            answers: .signIn
        ) { call throws(OperationError) in
            guard let token = try call.body[RefreshBody.token] ?? call.refreshCookie else {
                throw .unauthenticated(
                    "There is no refresh token: send it as refresh_token, or the cookie that holds it.")
            }
            return .done(try await call.operations.sessions.refresh(token, from: call.origin))
        }.openingSession(),
        .nothing(
            .delete, "/api/v1/sessions/current", .signedIn(reason: "it ends the caller's own session."),
            "sessions.revoke", "Sign out"
        ) { call throws(OperationError) in
            try await call.operations.sessions.revokeCurrent(by: try call.caller)
        }.endingSession(),
        .one(
            .get, "/api/v1/me", .signedIn(reason: "it answers the caller's own profile."), "me.get",
            "Who I am and what I may do", answers: .profile
        ) { call throws(OperationError) in
            try await call.operations.users.profile(of: try call.caller)
        },
        .nothing(
            .put, "/api/v1/me/password", .signedIn(reason: "it changes the caller's own password."),
            "users.change-password", "Change my password; every other session ends", body: PasswordBody.shape
        ) { call throws(OperationError) in
            try await call.operations.sessions.changePassword(
                from: Secret(utf8: try call.body[PasswordBody.current]),
                to: Secret(utf8: try call.body[PasswordBody.new]), by: try call.caller)
        },
        .one(
            .patch, "/api/v1/me", .signedIn(reason: "it changes the caller's own profile."), "me.update",
            "Change my name or language", body: UserChangeBody.shape, answers: .user
        ) { call throws(OperationError) in
            try await call.operations.users.updateOwn(
                try UserChangeBody.value(call.body), by: try call.caller)
        },
        .list(
            "/api/v1/me/sessions", .signedIn(reason: "it lists the caller's own sessions."),
            "sessions.list", "List my sessions", of: .session
        ) { call throws(OperationError) in
            try await call.operations.sessions.list(try call.page, by: try call.caller)
        },
        .nothing(
            .delete, "/api/v1/me/sessions/{session}",
            .signedIn(reason: "it ends one of the caller's own sessions."), "sessions.end",
            "End one of my sessions"
        ) { call throws(OperationError) in
            try await call.operations.sessions.revoke(try call.session, by: try call.caller)
        },
        .nothing(
            .post, "/api/v1/me/sessions/end", .signedIn(reason: "it ends the caller's own sessions."),
            "sessions.end-all", "End all my other sessions, or this one too", body: SessionEndBody.shape
        ) { call throws(OperationError) in
            try await call.operations.sessions.revokeAll(
                includingCurrent: try call.body[SessionEndBody.includesCurrent], by: try call.caller)
        },
    ]
}

enum UserRoutes {

    static let all: [AdminRoute] = [
        .list(
            "/api/v1/users", .needs(.usersRead, in: .platform), "users.list", "List users",
            query: UserQuery.fields, of: .user
        ) { call throws(OperationError) in
            try await call.operations.users.list(
                where: try UserQuery.value(call.query), try call.page, by: try call.caller)
        },
        .one(
            .post, "/api/v1/users", .needs(.usersCreate, in: .platform), "users.create",
            "Create a user with roles", body: UserBody.shape, status: 201, answers: .profile
        ) { call throws(OperationError) in
            try await call.operations.users.create(try UserBody.value(call.body), by: try call.caller)
        },
        .one(
            .get, "/api/v1/users/{user}", .needs(.usersRead, in: .platform), "users.get",
            "Get a user and their roles",
            answers: .profile
        ) { call throws(OperationError) in
            try await call.operations.users.get(try call.user, by: try call.caller)
        },
        .one(
            .post, "/api/v1/users/{user}/disable", .needs(.usersUpdate, in: .platform), "users.disable",
            "Disable a user: every session ends", answers: .user
        ) { call throws(OperationError) in
            try await call.operations.users.disable(try call.user, by: try call.caller)
        },
        .one(
            .patch, "/api/v1/users/{user}", .needs(.usersUpdate, in: .platform), "users.update",
            "Change a user's name or language", body: UserChangeBody.shape, answers: .user
        ) { call throws(OperationError) in
            try await call.operations.users.update(
                try call.user, try UserChangeBody.value(call.body), by: try call.caller)
        },
        .one(
            .post, "/api/v1/users/{user}/enable", .needs(.usersUpdate, in: .platform), "users.enable",
            "Let a disabled user sign in again", answers: .user
        ) { call throws(OperationError) in
            try await call.operations.users.enable(try call.user, by: try call.caller)
        },
        .nothing(
            .delete, "/api/v1/users/{user}", .needs(.usersDelete, in: .platform), "users.delete",
            "Delete a user: memberships, roles and sessions end"
        ) { call throws(OperationError) in
            try await call.operations.users.delete(try call.user, by: try call.caller)
        },
        .list(
            "/api/v1/users/{user}/sessions", .needs(.usersRead, in: .platform), "users.sessions",
            "List a user's sessions", of: .session
        ) { call throws(OperationError) in
            try await call.operations.sessions.list(of: try call.user, try call.page, by: try call.caller)
        },
        .nothing(
            .post, "/api/v1/users/{user}/sessions/end", .needs(.usersUpdate, in: .platform),
            "users.end-sessions", "Sign a user out everywhere"
        ) { call throws(OperationError) in
            try await call.operations.sessions.revokeAll(of: try call.user, by: try call.caller)
        },
    ]
}

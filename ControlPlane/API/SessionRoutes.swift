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
        },
        .one(
            .post, "/api/v1/sessions/refresh", .public(reason: "the refresh token is the credential."),
            "sessions.refresh", "Trade a refresh token for new tokens", body: RefreshBody.shape,
            answers: .signIn
        ) { call throws(OperationError) in
            try await call.operations.sessions.refresh(try call.body[RefreshBody.token], from: call.origin)
        },
        .nothing(
            .delete, "/api/v1/sessions/current", .signedIn(reason: "it ends the caller's own session."),
            "sessions.revoke", "Sign out"
        ) { call throws(OperationError) in
            try await call.operations.sessions.revokeCurrent(by: try call.caller)
        },
        .one(
            .get, "/api/v1/me", .signedIn(reason: "it answers the caller's own profile."), "me.get",
            "Who I am and what I may do", answers: .profile
        ) { call throws(OperationError) in
            try await call.operations.users.profile(of: try call.caller)
        },
        .nothing(
            .put, "/api/v1/me/password", .signedIn(reason: "it changes the caller's own password."),
            "users.change-password", "Change my password; every session ends", body: PasswordBody.shape
        ) { call throws(OperationError) in
            try await call.operations.sessions.changePassword(
                from: Secret(utf8: try call.body[PasswordBody.current]),
                to: Secret(utf8: try call.body[PasswordBody.new]), by: try call.caller)
        },
    ]
}

enum UserRoutes {
    static let all: [AdminRoute] = [
        .list("/api/v1/users", .needs(.usersRead, in: .platform), "users.list", "List users", of: .user) {
            call throws(OperationError) in
            try await call.operations.users.list(try call.page, by: try call.caller)
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
    ]
}

import Cryptography
package import Domain
import PostgresDriver
import Store

/// What a right first step of a sign-in gives.
package enum SignInStep: Sendable {
    case done(SignIn)
    /// A code is asked for: the token of `secondStep`, and until when it counts.
    case challenge(token: String, expires: Timestamp)
}

extension SessionOperations {
    /// How long a code is waited for.
    static let challengeSeconds: Int64 = 300

    /// Goes on after a right first step: a session, or the question for a code when the user has a second
    /// factor. `also` runs in the same transaction.
    func enter(
        _ user: User, only tenant: TenantID? = nil, from origin: RequestOrigin,
        also: (PostgresConnection) async throws -> Void
    ) async throws(OperationError) -> SignInStep {
        let factor = try await environment.viewAcrossTenants { connection in
            try await SecondFactorStore.find(of: user.id, connection)
        }
        guard factor.confirmedAt != nil else {
            return .done(try await begin(user, only: tenant, from: origin, also: also))
        }
        let token = OneTimeToken(.challenge)
        let expires = environment.clock.now().advanced(bySeconds: Self.challengeSeconds)
        do {
            try await environment.database.withTransaction { connection in
                try await also(connection)
                try await SignInChallengeStore.create(
                    token.digest, of: user.id, only: tenant, expires: expires, connection)
            }
        } catch { throw OperationError(error) }
        return .challenge(token: token.reveal(), expires: expires)
    }

    /// The second step: a code of the app, or a recovery code.
    package func secondStep(
        challenge: String, code: String, from origin: RequestOrigin
    ) async throws(OperationError) -> SignInStep {
        let token = sha256(challenge)
        let now = environment.clock.now()
        let waiting = try await environment.view { connection in
            try await SignInChallengeStore.user(token, at: now, connection)
        }
        guard let waiting else { throw OperationError(.linkInvalid, detail: "Sign in again.") }
        try await SecondFactorOperations(environment: environment).check(code, of: waiting.user)
        let user = try await environment.view { connection in
            try found(try await UserStore.find(waiting.user, connection))
        }
        return .done(
            try await begin(user, only: waiting.onlyTenant, from: origin) { connection in
                guard try await SignInChallengeStore.use(token, connection) else {
                    throw OperationError(.linkInvalid, detail: "Sign in again.")
                }
            })
    }
}

import Cryptography
import Domain
import PostgresDriver
import Store

/// Slows guessing down: tries of one account from one address, and of one address alone, are counted in
/// Postgres for all loops and control planes together. A try is counted before anything is looked at, so that
/// tries at once are all counted; a right one is taken back.
struct SignInThrottle {
    /// Tries that cost nothing: people mistype.
    static let freeTriesPerAccount = 5
    static let freeTriesPerAddress = 50
    /// From all addresses together: more wrong ones in a row are an attack from many places (NIST SP 800-63B
    /// §5.2.2).
    static let freeTriesFromEverywhere = 100

    private let account: SHA256Digest
    private let everywhere: SHA256Digest
    private let address: SHA256Digest

    /// - `purpose`: what is tried, so that asking for a message does not count as guessing a password.
    init(_ purpose: String, account: String, from origin: RequestOrigin) {
        self.account = sha256("\(purpose)\n\(account.lowercased())\n\(origin.subscriber)")
        everywhere = sha256("\(purpose)\n\(account.lowercased())\n*")
        address = sha256("\(purpose)\n\n\(origin.subscriber)")
    }

    /// Counts a try; throws `rate_limited` when it may not go on.
    func attempt(_ environment: OperationEnvironment) async throws(OperationError) {
        let now = environment.clock.now()
        let subjects = [
            SignInFailureStore.Subject(digest: account, free: Self.freeTriesPerAccount),
            SignInFailureStore.Subject(digest: everywhere, free: Self.freeTriesFromEverywhere),
            SignInFailureStore.Subject(digest: address, free: Self.freeTriesPerAddress),
        ]
        let until: Timestamp?
        do {
            until = try await environment.database.withCountersApart { connection in
                try await SignInFailureStore.attempt(subjects, at: now, connection)
            }
        } catch { throw OperationError(error) }
        guard let until else { return }
        let seconds = max(1, Int((until.microseconds(since: now) + 999_999) / 1_000_000))
        throw OperationError(.rateLimited, retryAfterSeconds: seconds)
    }

    /// The try was right: the account is cleared, the address loses this one try alone. One's own account
    /// must not buy tries at others'.
    func succeeded(_ connection: PostgresConnection) async throws {
        try await SignInFailureStore.clear(account, connection)
        try await SignInFailureStore.clear(everywhere, connection)
        try await SignInFailureStore.takeBack(address, connection)
    }

    /// The try was never looked at, because there was too much to do.
    func takeBack(_ environment: OperationEnvironment) async {
        _ = try? await environment.database.withCountersApart { connection in
            try await SignInFailureStore.takeBack(account, connection)
            try await SignInFailureStore.takeBack(everywhere, connection)
            try await SignInFailureStore.takeBack(address, connection)
        }
    }
}

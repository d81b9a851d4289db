import Cryptography
import Domain
import EventLoops
import PostgresDriver
import Store

extension OperationEnvironment {
    /// Hashes on the pool; `overloaded` when too many wait already.
    func hash(_ password: Secret) async throws(OperationError) -> PasswordHash {
        let cost = passwordCost
        let result = try await pooled {
            Result { () throws(CryptographyError) in try PasswordHash.make(password, cost: cost) }
        }
        do throws(CryptographyError) { return try result.get() } catch { throw .fault("\(error)") }
    }

    /// Whether it is the password. Without a stored hash a decoy is checked, which takes as long and never
    /// fits.
    func verify(_ password: Secret, _ stored: PasswordHash?) async throws(OperationError) -> Bool {
        let hash = stored ?? decoy
        let fits = try await pooled { hash.verifies(password) }
        return fits && stored != nil
    }

    /// Passes when this is the caller's password: it is they who ask, and not somebody at their unlocked
    /// machine. Counted like a sign-in.
    func verifyPassword(_ password: Secret, of caller: Caller) async throws(OperationError) -> User {
        let throttle = SignInThrottle(
            "password", account: try caller.ownAccount.user.description, from: caller.origin)
        try await throttle.attempt(self)
        let known = try await view { connection in
            let user = try found(try await UserStore.find(caller.ownAccount.user, connection))
            return try found(try await UserStore.credentials(email: user.email, connection))
        }
        let stored = known.passwordHash.flatMap { PasswordHash(text: $0) }
        guard try await verify(password, stored) else {
            throw OperationError(.invalidCredentials, detail: "The password is wrong.")
        }
        do {
            try await database.withTransaction { try await throttle.succeeded($0) }
        } catch { throw OperationError(error) }
        return known.user
    }

    private func pooled<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value
    ) async throws(OperationError) -> Value {
        do throws(BlockingPoolFull) {
            return try await hashing.run(work)
        } catch {
            throw .overloaded("the queue of the password pool is full")
        }
    }
}

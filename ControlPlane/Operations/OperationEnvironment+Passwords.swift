import Cryptography
import EventLoops

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

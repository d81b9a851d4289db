import Cryptography
import Domain
import PostgresDriver
import Store

/// How far the move to a new master key has come.
package struct MasterKeyState: Sendable, Hashable {
    /// Of the key this control plane seals with.
    package let fingerprint: String
    /// Whether this control plane also opens what the key before sealed.
    package let acceptsPrevious: Bool
    package let secrets: Int
    /// Of these, how many are sealed under the key in use.
    package let sealed: Int

    /// The key before is needed by nothing in the database any more.
    package var isComplete: Bool { sealed == secrets }
}

/// The key above all keys: which one is in use, and the move from one to the next.
package struct MasterKeyOperations {
    let environment: OperationEnvironment

    /// Secrets sealed again in one transaction.
    static let batch = 100

    package func state(by caller: Caller) async throws(OperationError) -> MasterKeyState {
        try await environment.read(.masterKeyRead, in: .platform, by: caller) {
            try await Self.state(environment, $0)
        }
    }

    private static func state(
        _ environment: OperationEnvironment, _ connection: PostgresConnection
    ) async throws -> MasterKeyState {
        let key = environment.keys.vault.masterKey
        let count = try await SettingsStore.count(sealedBy: key.fingerprint, connection)
        return MasterKeyState(
            fingerprint: key.fingerprint, acceptsPrevious: key.previous != nil, secrets: count.all,
            sealed: count.sealed)
    }

    /// Seals everything that another master key sealed under the one in use, a batch at a time, and tells
    /// each batch's progress. Each secret moves by itself, so it may be stopped and started at any moment, by
    /// any number of control planes; what does not open is left as it is and told.
    ///
    /// - Returns: the purposes that do not open with either key.
    package func rewrap(
        _ progress: (MasterKeyState) -> Void = { _ in }
    ) async throws(OperationError) -> [String] {
        let key = environment.keys.vault.masterKey
        var unopened: [String] = []
        var place = (purpose: "", keyID: "")
        do {
            while true {
                let start = place
                let found = try await environment.database.withConnection { connection in
                    try await SettingsStore.sealedByOthers(
                        than: key.fingerprint, after: start, limit: Self.batch, connection)
                }
                guard let last = found.last else { break }
                place = (last.purpose, last.keyID)
                let failed = try await environment.database.withTransaction { connection in
                    var failed: [String] = []
                    for secret in found where try await !Self.rewrap(secret, key, connection) {
                        failed.append(secret.purpose)
                    }
                    return failed
                }
                unopened += failed
                progress(
                    try await environment.database.withConnection { try await Self.state(environment, $0) })
            }
        } catch {
            throw OperationError(error)
        }
        return unopened
    }

    /// False when neither key opens it.
    private static func rewrap(
        _ secret: PlatformSecret, _ key: MasterKey, _ connection: PostgresConnection
    ) async throws -> Bool {
        guard let opened = try? key.open(secret.sealed, purpose: secret.purpose, keyID: secret.keyID) else {
            return false
        }
        let sealed = key.seal(opened, purpose: secret.purpose, keyID: secret.keyID)
        // Lost to another control plane that did the same: all the better.
        _ = try await SettingsStore.rewrap(secret, to: sealed, by: key.fingerprint, connection)
        return true
    }
}

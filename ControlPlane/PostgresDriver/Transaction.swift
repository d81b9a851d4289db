import CPostgres

package enum TransactionMode: Sendable {
    /// READ COMMITTED.
    case readWrite
    /// SERIALIZABLE: as if one after the other; expect to be run again.
    case serializable
    /// REPEATABLE READ, READ ONLY: every statement sees the same moment.
    case readOnlySnapshot

    var begin: StaticString {
        switch self {
        case .readWrite: "begin isolation level read committed"
        case .serializable: "begin isolation level serializable"
        case .readOnlySnapshot: "begin isolation level repeatable read read only"
        }
    }
}

/// What holds in one transaction and ends with it; set in the round trip that begins it.
package enum TransactionSetting: Sendable {
    /// Its statements run as this role, which the session's user must be a member of.
    case role(StaticString)
    /// A setting of the application's own, as in `eclusa.tenant`.
    case uuid(StaticString, PostgresUUID)
    /// COMMIT does not wait for the disk: what it wrote is there for everybody, and may be gone after a crash
    /// of the server.
    case commitsEarly

    fileprivate var statement: SQL {
        switch self {
        case .role(let name): "set local role \(fragment: SQL(stringLiteral: name))"
        case .uuid(let name, let value):
            "select set_config('\(fragment: SQL(stringLiteral: name))', \(value)::text, true)"
        case .commitsEarly: "set local synchronous_commit = off"
        }
    }

    fileprivate var text: String {
        switch self {
        case .role(let name): "set local role \(name)"
        case .uuid(let name, let value): "set local \(name) = '\(value.text)'"
        case .commitsEarly: "set local synchronous_commit = off"
        }
    }
}

/// What begins a transaction.
struct TransactionOpening {
    let mode: TransactionMode
    let settings: [TransactionSetting]

    /// These go in front of the first statement, in its round trip.
    var beginning: SQL { SQL(stringLiteral: mode.begin) }
    var settingStatements: [SQL] { settings.map(\.statement) }
    /// To go alone.
    var script: String { ([mode.begin.description] + settings.map(\.text)).joined(separator: "; ") }
}

/// One attempt at a transaction.
enum Transaction {
    static let maximumAttempts = 3

    struct Failure: Error {
        let error: any Error
        /// The server did nothing, for a reason that may be gone the next time.
        let mayRunAgain: Bool
    }

    static func run<T>(
        _ mode: TransactionMode, _ settings: [TransactionSetting], on connection: PostgresConnection,
        _ body: (PostgresConnection) async throws -> T
    ) async -> Result<T, Failure> {
        connection.transactionFailure = nil
        do {
            try connection.checkCancellation()
            connection.opening = TransactionOpening(mode: mode, settings: settings)
            let value = try await body(connection)
            let hasBegun = connection.opening == nil
            connection.opening = nil
            connection.forgetCompanions()
            // COMMIT of a failed transaction would be answered with a silent ROLLBACK.
            if connection.isBroken || connection.isInFailedTransaction
                || (!hasBegun && connection.transactionFailure != nil)
            {
                throw connection.transactionFailure
                    ?? PostgresError(.misuse, privateDetail: "the transaction had failed")
            }
            try connection.checkCancellation()
            if !hasBegun { return .success(value) }
            if mode == .readOnlySnapshot {
                connection.owesCommit = true
            } else {
                try await commit(connection)
            }
            return .success(value)
        } catch {
            connection.opening = nil
            connection.forgetCompanions()
            // The body may have turned the database's error into its own: what the connection saw decides.
            let cause = connection.transactionFailure ?? error as? PostgresError
            let mayRunAgain = cause.map { isTransient($0, connection) } ?? false
            if !connection.isBroken && connection.isInTransaction && !connection.owesCommit {
                try? await connection.command("rollback")  // if this fails, the pool closes the connection
            }
            return .failure(Failure(error: error, mayRunAgain: mayRunAgain))
        }
    }

    private static func commit(_ connection: PostgresConnection) async throws(PostgresError) {
        do {
            try await connection.command("commit")
        } catch {
            var error = error
            error.outcomeIsUnknown = connection.isBroken
            connection.transactionFailure = error
            throw error
        }
    }

    private static func isTransient(_ error: PostgresError, _ connection: PostgresConnection) -> Bool {
        if error.outcomeIsUnknown { return false }
        return error.isRetryable || error.isStalePlan || (connection.isBroken && error.isUnavailable)
    }
}

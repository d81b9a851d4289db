package import Cryptography
package import Domain
import PostgresDriver
import Store

/// What a writing request asks for beside its effect.
package struct RequestTerms: Sendable {
    /// One effect however often the request comes.
    package struct Repetition: Sendable {
        let key: String
        let request: SHA256Digest

        /// - `key`: what the caller calls the request.
        /// - `request`: of everything that makes it this request and no other.
        package init(key: String, request: SHA256Digest) {
            self.key = key
            self.request = request
        }
    }

    /// What nobody else may change while the request runs.
    package enum Lock: Sendable {
        /// A thing with a row of its own, by its ID in parts.
        case thing(prefix: String, high: UInt64, low: UInt64, owner: TenantID?)
        case name(String)

        /// Waits for whoever has it; held to the end of the transaction, which is in the owner's tenant. nil:
        /// such things are not locked.
        var statement: SQL? {
            switch self {
            case .thing(let prefix, let high, let low, let owner):
                NounLock.statement(prefix, PostgresUUID(high: high, low: low), of: owner)
            case .name(let name): NounLock.statement(name)
            }
        }
    }

    package var repetition: Repetition?
    package var lock: Lock?
    /// Everything happens as usual, and then nothing has happened.
    package var isDryRun = false
    /// The answer holds a secret that is shown once.
    package var holdsSecret = false

    package init() {}
}

/// An answer as it is kept for repetitions of its request.
package struct KeptAnswer: Sendable, Hashable {
    package let status: Int
    package let body: [UInt8]
    package let change: ChangeToken?
    package let entityTag: String?

    package init(status: Int, body: [UInt8], change: ChangeToken?, entityTag: String?) {
        self.status = status
        self.body = body
        self.change = change
        self.entityTag = entityTag
    }
}

extension Operations {
    /// The same, for a request that changes one thing: its writes begin by locking it, once their caller is
    /// known to be allowed.
    package func locking(_ lock: RequestTerms.Lock) -> Operations { Operations(environment.locking(lock)) }

    /// How long an answer is kept, and how long one that holds a secret.
    package static let repetitionSeconds: Int64 = 86_400
    package static let shownSecretSeconds: Int64 = 600

    /// How often many changes at once are tried that others' changes get in the way of.
    private static let maximumRounds = 5

    /// What `asOne` gives back.
    package struct Done: Sendable {
        package let answer: KeptAnswer
        /// The request had been served before; nothing was done now.
        package let isRepetition: Bool
    }

    /// Ends a dry run: rolls the transaction back and carries the answer out.
    private struct Rehearsed: Error {
        let done: Done
    }

    /// Runs all of `work` in one transaction, together with what the terms ask for: the key of a repetition
    /// is claimed and its answer kept with the work or not at all; raced repetitions wait for each other.
    ///
    /// `work` may run again when Postgres asks for it. Nothing of it stays when it throws.
    package func asOne(
        _ terms: RequestTerms, by caller: Caller,
        _ work: (Operations) async throws(OperationError) -> KeptAnswer
    ) async throws(OperationError) -> Done {
        let signal = ChangeSignal()
        let done: Done
        do {
            done = try await transaction(isConditional: terms.lock != nil) { connection in
                signal.isRaised = false
                if let repetition = terms.repetition,
                    let kept = try await claim(repetition, by: caller, connection)
                {
                    return Done(answer: kept, isRepetition: true)
                }
                if let lock = terms.lock {
                    if case .thing(_, _, _, let owner) = lock {
                        try await TenantIsolation.enter(owner, connection)
                    }
                    if let statement = lock.statement { _ = try await connection.query(statement) }
                }
                let answer = try await work(Operations(environment.inside(connection, signal)))
                if terms.isDryRun { throw Rehearsed(done: Done(answer: answer, isRepetition: false)) }
                if let repetition = terms.repetition {
                    try await keep(answer, repetition, terms.holdsSecret, by: caller, connection)
                }
                return Done(answer: answer, isRepetition: false)
            }
        } catch let rehearsed as Rehearsed {
            return rehearsed.done
        } catch {
            throw OperationError(error)
        }
        if signal.isRaised { environment.announceChange() }
        return done
    }

    /// Runs all of `work` in one transaction: the request's, if it is in one. As `asOne` otherwise.
    package func together<Value: Sendable>(
        _ work: (Operations) async throws(OperationError) -> Value
    ) async throws(OperationError) -> Value {
        if environment.database.current != nil { return try await work(self) }
        let signal = ChangeSignal()
        let value: Value
        do {
            value = try await transaction(isConditional: false) { connection in
                signal.isRaised = false
                return try await work(Operations(environment.inside(connection, signal)))
            }
        } catch {
            throw OperationError(error)
        }
        if signal.isRaised { environment.announceChange() }
        return value
    }

    /// A transaction; a new one when somebody changed what it was about to write, unless the request says
    /// what it wants to find.
    private func transaction<Value>(
        isConditional: Bool, _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        let pool = environment.database.pool
        for _ in 1..<(isConditional ? 1 : Self.maximumRounds) {
            do {
                return try await pool.withTransaction { try await body($0) }
            } catch let error as OperationError where error.code == .preconditionFailed {
                continue
            }
        }
        return try await pool.withTransaction { try await body($0) }
    }

    // MARK: Repetitions

    private func claim(
        _ repetition: RequestTerms.Repetition, by caller: Caller, _ connection: PostgresConnection
    ) async throws -> KeptAnswer? {
        let now = environment.clock.now()
        let key = IdempotencyStore.Key(caller: caller.countedAs, text: repetition.key)
        let claim = try await IdempotencyStore.claim(
            key, request: repetition.request, at: now, until: now.advanced(bySeconds: Self.repetitionSeconds),
            connection)
        switch claim {
        case .claimed: return nil
        case .mismatch: throw OperationError(.idempotencyMismatch)
        case .vanished: throw OperationError.overloaded("an idempotency key expired while it was claimed")
        case .answered(let answer): return try reopen(answer, key, now)
        }
    }

    private func reopen(
        _ answer: IdempotencyStore.Answer, _ key: IdempotencyStore.Key, _ now: Timestamp
    ) throws -> KeptAnswer {
        var body = answer.body ?? []
        if answer.holdsSecret {
            // Sealed under a master key that was changed since: as gone as if its time were over.
            guard now.microseconds(since: answer.createdAt) <= Self.shownSecretSeconds * 1_000_000,
                let opened = try? environment.keys.vault.masterKey.open(
                    body, purpose: Self.purpose(key), keyID: "1")
            else { throw OperationError(.secretAlreadyShown) }
            body = opened.withBytes { [UInt8]($0) }
        }
        return KeptAnswer(
            status: answer.status, body: body, change: answer.changeToken.flatMap { ChangeToken($0) },
            entityTag: answer.entityTag)
    }

    private func keep(
        _ answer: KeptAnswer, _ repetition: RequestTerms.Repetition, _ holdsSecret: Bool, by caller: Caller,
        _ connection: PostgresConnection
    ) async throws {
        let key = IdempotencyStore.Key(caller: caller.countedAs, text: repetition.key)
        var body = answer.body
        if holdsSecret {
            body = environment.keys.vault.masterKey.seal(
                Secret(body), purpose: Self.purpose(key), keyID: "1")
        }
        let stored = IdempotencyStore.Answer(
            status: answer.status, body: body, changeToken: answer.change?.description,
            entityTag: answer.entityTag, holdsSecret: holdsSecret, createdAt: environment.clock.now())
        try await IdempotencyStore.finish(key, stored, connection)
    }

    /// What a sealed answer is bound to, so that no row can stand in for another.
    private static func purpose(_ key: IdempotencyStore.Key) -> String {
        "idempotency/\(key.caller)/\(sha256(key.text))"
    }
}

/// Whether something was written that the publisher should hear of once it is committed. On its loop.
final class ChangeSignal {
    var isRaised = false
}

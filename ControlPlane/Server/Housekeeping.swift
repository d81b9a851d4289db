import Domain
import EventLoops
import Operations
import PostgresDriver
import Store
import Telemetry

/// Forgets what is over (sessions that ended a week ago, answers kept for repetition) and replaces the key
/// that signs snapshots in time. Runs every hour; any
/// number of control planes may do it at once.
final class Housekeeping {
    private static let periodNanoseconds: Int64 = 3_600 * 1_000_000_000
    private static let endedSessionsSeconds: Int64 = 7 * 86_400
    private static let finishedMailsSeconds: Int64 = 30 * 86_400
    private static let shownSecretsSeconds: Int64 = 600

    private let loop: EventLoop
    private let database: PostgresPool
    private let clock: WallClock
    private let log: Log
    private var timer: Timer?

    private let operations: Operations

    init(loop: EventLoop, database: PostgresPool, clock: WallClock, log: Log, operations: Operations) {
        self.operations = operations
        self.loop = loop
        self.database = database
        self.clock = clock
        self.log = log
        schedule()
    }

    func stop() {
        timer?.cancel()
        timer = nil
    }

    private func schedule() {
        timer = loop.schedule(afterNanoseconds: Self.periodNanoseconds) { [weak self] in
            guard let self else { return }
            loop.spawn { await self.run() }
        }
    }

    func run() async {
        let now = clock.now()
        do {
            try await database.withConnection { connection in
                _ = try await SessionStore.purge(
                    endedBefore: now.advanced(bySeconds: -Self.endedSessionsSeconds), connection)
                _ = try await MailStore.purge(
                    finishedBefore: now.advanced(bySeconds: -Self.finishedMailsSeconds), connection)
                _ = try await IdempotencyStore.purge(
                    at: now, secretsBefore: now.advanced(bySeconds: -Self.shownSecretsSeconds), connection)
                _ = try await SignInFailureStore.purge(at: now, connection)
                _ = try await SignInFlowStore.purge(at: now, connection)
                _ = try await SignInChallengeStore.purge(at: now, connection)
                _ = try await EmailTokenStore.purge(at: now, connection)
            }
        } catch {
            log.warning("housekeeping failed; it runs again in an hour", ["error": LogValue(error)])
        }
        do throws(OperationError) { _ = try await operations.refusals.forgetOld() } catch {
            log.warning("old refusals were not removed", ["error": LogValue(error)])
        }
        do throws(OperationError) {
            if try await operations.trust.renewSnapshotKey() { log.info("replaced the snapshot key in time") }
        } catch {
            log.error("the snapshot key was not replaced", ["error": LogValue(error)])
        }
        if timer != nil { schedule() }
    }
}

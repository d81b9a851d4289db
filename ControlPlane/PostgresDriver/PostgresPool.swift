package import EventLoops
package import Telemetry

/// Connections to one database for one purpose, on one loop; made when needed, at most `size`.
///
/// Who finds no free one waits in line, up to `waitNanoseconds`. A lost server is waited out for two
/// seconds; after that callers fail at once with `.unavailable`, while the pool goes on trying in the
/// background. Loop thread.
package final class PostgresPool {
    package static let connectTimeoutNanoseconds: Int64 = 4_000_000_000
    package static let waitNanoseconds: Int64 = 4_000_000_000
    package static let maximumWaiting = 1024

    package let purpose: String
    private let loop: EventLoop
    private let size: Int
    private let settings: [String: String]
    private let statementTimeoutMilliseconds: Int
    private let resolver: BlockingPool?
    private let log: Log
    private let meters: PoolMeters?

    private var idle: [PostgresConnection] = [] { didSet { meters?.idle.set(Int64(idle.count)) } }
    private var waiters: [Waiter] = [] { didSet { meters?.waiting.set(Int64(waiters.count)) } }
    private var leased = 0 { didSet { meters?.leased.set(Int64(leased)) } }
    private var connecting = 0
    private var backoff = ReconnectBackoff()
    private var retry: Timer?
    private var lastFailure: PostgresError?
    private var isClosed = false
    private var isSettling = false
    private var drained = Wakeup()

    private final class Waiter {
        var continuation: UnsafeContinuation<Void, Never>?
        var timer: Timer?
        var result: Result<PostgresConnection, PostgresError>?
    }

    /// Opens nothing yet.
    ///
    /// - `role`: what every statement runs as, unless a transaction says otherwise; nil: the URL's user.
    /// - `resolver`: looks host names up; without one a host name in the URL blocks the loop for the time of
    ///   the lookup.
    /// - `metrics`: where its connections and waits are shown, by `purpose`.
    package init(
        loop: EventLoop, url: PostgresURL, role: StaticString? = nil, size: Int, purpose: String,
        statementTimeoutMilliseconds: Int, resolver: BlockingPool? = nil, log: Log = .silent,
        metrics: MetricsRegistry? = nil
    ) {
        precondition(size > 0 && statementTimeoutMilliseconds > 0)
        meters = metrics.map { PoolMeters($0, purpose: purpose, size: size) }
        self.loop = loop
        self.size = size
        self.purpose = purpose
        self.statementTimeoutMilliseconds = statementTimeoutMilliseconds
        self.resolver = resolver
        self.log = log.with(["pool": LogValue.text(purpose)])
        settings = url.connectionSettings(
            purpose: purpose, role: role, statementTimeoutMilliseconds: statementTimeoutMilliseconds)
    }

    deinit {
        retry?.cancel()
    }

    /// Runs `body` with a connection of its own, each statement in its own transaction.
    @discardableResult
    package func withConnection<T>(_ body: (PostgresConnection) async throws -> T) async throws -> T {
        let connection = try await acquire()
        defer { release(connection) }
        return try await body(connection)
    }

    /// Runs `body` inside a transaction: committed when it returns, rolled back when it throws or its task
    /// is cancelled. It is run again, at most three times in all, when the server chose it as a victim
    /// (40001, 40P01) or the connection broke before COMMIT was sent; so it must not have effects outside
    /// the database.
    @discardableResult
    package func withTransaction<T>(
        _ mode: TransactionMode = .readWrite, _ settings: [TransactionSetting] = [],
        _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        var attempt = 1
        while true {
            let connection = try await acquire()
            let outcome = await Transaction.run(mode, settings, on: connection, body)
            release(connection)
            switch outcome {
            case .success(let value):
                return value
            case .failure(let failure):
                guard failure.mayRunAgain, attempt < Transaction.maximumAttempts else { throw failure.error }
                attempt += 1
                // Spread what collided, or it collides again.
                await loop.sleep(nanoseconds: Int64.random(in: 1_000_000...10_000_000) * Int64(attempt))
            }
        }
    }

    /// Refuses new work, waits for what is running, closes the connections.
    package func close() async {
        isClosed = true
        retry?.cancel()
        for waiter in waiters { finish(waiter, .failure(Self.closed)) }
        waiters.removeAll()
        for connection in idle { connection.close() }
        idle.removeAll()
        while leased + connecting > 0 { await drained.wait() }
    }

    package struct Statistics: Equatable, Sendable {
        package var idle: Int
        package var leased: Int
        package var waiting: Int
        package var isDown: Bool
    }

    package var statistics: Statistics {
        Statistics(idle: idle.count, leased: leased, waiting: waiters.count, isDown: backoff.isDown)
    }

    private static let closed = PostgresError(.unavailable, privateDetail: "the pool is closed")
}

// MARK: Leasing

extension PostgresPool {
    private func acquire() async throws(PostgresError) -> PostgresConnection {
        if isClosed { throw Self.closed }
        if waiters.isEmpty, let connection = idle.popLast() {
            leased += 1
            return connection
        }
        guard waiters.count < Self.maximumWaiting else {
            throw PostgresError(.unavailable, privateDetail: "\(waiters.count) tasks wait for a connection")
        }
        openIfNeeded(for: waiters.count + 1)
        if !backoff.isWorthWaiting(now: loop.now) {
            throw lastFailure ?? PostgresError(.unavailable, privateDetail: "the server is away")
        }
        let since = loop.now
        defer { meters?.waits.observe((loop.now - since) / 1_000) }
        let waiter = Waiter()
        waiters.append(waiter)
        waiter.timer = loop.schedule(afterNanoseconds: Self.waitNanoseconds) { [unowned self] in
            giveUp(waiter)
        }
        await withUnsafeContinuation { waiter.continuation = $0 }
        guard let result = waiter.result else { throw Self.closed }
        return try result.get()
    }

    private func giveUp(_ waiter: Waiter) {
        guard let index = waiters.firstIndex(where: { $0 === waiter }) else { return }
        waiters.remove(at: index)
        let detail = "all \(size) connections for \(purpose) were busy"
        finish(waiter, .failure(lastFailure ?? PostgresError(.unavailable, privateDetail: detail)))
    }

    private func finish(_ waiter: Waiter, _ result: Result<PostgresConnection, PostgresError>) {
        waiter.timer?.cancel()
        waiter.timer = nil  // its body holds the waiter
        waiter.result = result
        waiter.continuation?.resume()
    }

    private func release(_ connection: PostgresConnection) {
        leased -= 1
        connection.transactionFailure = nil
        let isLeftInside = connection.isInTransaction && !connection.owesCommit
        if isClosed || connection.isBroken || isLeftInside {
            if !isClosed {
                log.warning("database connection given up", ["lost": LogValue(connection.isBroken)])
            }
            connection.close()
            if isClosed { drained.signal() }
            openIfNeeded(for: waiters.count)
        } else {
            offer(connection)
        }
    }

    /// To whom has waited longest, or to the idle ones.
    private func offer(_ connection: PostgresConnection) {
        if waiters.isEmpty {
            idle.append(connection)
            if connection.owesCommit { settleWhenIdle() }
        } else {
            leased += 1
            finish(waiters.removeFirst(), .success(connection))
        }
    }

    /// Ends the snapshots of connections that nobody takes in this moment: one that is taken ends its own.
    private func settleWhenIdle() {
        if isSettling { return }
        isSettling = true
        loop.executeWhenIdle { [weak self] in
            guard let self else { return }
            isSettling = false
            if isClosed { return }
            let owing = idle.filter(\.owesCommit)
            idle.removeAll(where: \.owesCommit)
            leased += owing.count
            for connection in owing {
                loop.spawn { [self] in
                    try? await connection.endSnapshot()
                    release(connection)
                }
            }
        }
    }

    /// Something arrived on a connection nobody uses: usually its end.
    private func idleEvent(_ connection: PostgresConnection) {
        guard connection.isBroken, let index = idle.firstIndex(where: { $0 === connection }) else { return }
        idle.remove(at: index)
        log.warning("idle database connection lost")
        connection.close()
    }
}

// MARK: Connecting

extension PostgresPool {
    /// Starts as many attempts as there are tasks in need, connections allowed, and back-off passed.
    private func openIfNeeded(for demand: Int) {
        guard !isClosed else { return }
        if backoff.isDown {
            // One attempt finds out whether the server is back; the rest follow when it is.
            if connecting == 0 && loop.now >= backoff.nextAttempt { open() }
            return
        }
        // An attempt can fail at once, inside `open`.
        while !backoff.isDown && connecting < demand && idle.count + leased + connecting < size { open() }
    }

    private func open() {
        connecting += 1
        loop.spawn { [self] in
            let result = await attempt()
            connecting -= 1
            switch result {
            case .success(let connection): connected(connection)
            case .failure(let error): connectFailed(error)
            }
            if isClosed { drained.signal() }
        }
    }

    private func attempt() async -> Result<PostgresConnection, PostgresError> {
        do throws(PostgresError) {
            return .success(
                try await PostgresConnection.connect(
                    loop: loop, settings: try await resolvedSettings(),
                    statementTimeoutMilliseconds: statementTimeoutMilliseconds,
                    timeoutNanoseconds: Self.connectTimeoutNanoseconds))
        } catch {
            return .failure(error)
        }
    }

    private func resolvedSettings() async throws(PostgresError) -> [String: String] {
        guard HostResolution.needsLookup(settings) else { return settings }
        guard let resolver else { return try HostResolution.resolve(settings) }
        let settings = settings
        do {
            return try await resolver.run {
                Result { () throws(PostgresError) in try HostResolution.resolve(settings) }
            }.get()
        } catch let error as PostgresError {
            throw error
        } catch {
            throw PostgresError(.unavailable, privateDetail: "too many name lookups are waiting")
        }
    }

    private func connected(_ connection: PostgresConnection) {
        if backoff.isDown { log.info("database is back") }
        backoff.succeeded()
        lastFailure = nil
        retry?.cancel()
        if isClosed { return connection.close() }
        connection.idleEvent = { [unowned self] in idleEvent($0) }
        offer(connection)
        openIfNeeded(for: waiters.count)
    }

    private func connectFailed(_ error: PostgresError) {
        if isClosed { return }
        if lastFailure?.privateDetail != error.privateDetail {  // once for each reason, not for each attempt
            log.error("database unavailable", ["reason": LogValue.text(error.privateDetail)])
        }
        lastFailure = error
        backoff.failed(now: loop.now, jitter: Double.random(in: 0..<1))
        if !backoff.isWorthWaiting(now: loop.now) {
            for waiter in waiters { finish(waiter, .failure(error)) }
            waiters.removeAll()
        }
        retry?.cancel()
        retry = loop.schedule(afterNanoseconds: backoff.nextAttempt - loop.now) { [unowned self] in
            openIfNeeded(for: 1)
        }
    }
}

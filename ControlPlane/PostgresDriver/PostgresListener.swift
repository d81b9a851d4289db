import CPostgres
package import EventLoops

/// Waits for NOTIFY on a connection of its own, which it opens again when it breaks.
///
/// `onSignal` is called for every notification, and once after each (re)connect, because what was sent
/// meanwhile is lost: a notification is a hint to look, never the news itself. Loop thread.
package final class PostgresListener {
    private let loop: EventLoop
    private let pool: PostgresPool
    private let channel: StaticString
    private let onSignal: () -> Void
    private let wakeup = Wakeup()
    private let ended = Wakeup()
    private var isClosed = false
    private var hasStarted = false

    /// `channel` is an SQL identifier, written in the source. Starts with `start()`.
    package init(
        loop: EventLoop, url: PostgresURL, role: StaticString? = nil, channel: StaticString,
        onSignal: @escaping () -> Void
    ) {
        self.loop = loop
        self.channel = channel
        self.onSignal = onSignal
        pool = PostgresPool(
            loop: loop, url: url, role: role, size: 1, purpose: "listen",
            statementTimeoutMilliseconds: 10_000)
    }

    package func start() {
        precondition(!hasStarted)
        hasStarted = true
        loop.spawn { [self] in
            while !isClosed {
                try? await pool.withConnection { try await self.listen($0) }
                if isClosed { break }
                await loop.sleep(nanoseconds: Int64.random(in: 100_000_000...500_000_000))
            }
            ended.signal()
        }
    }

    /// Stops listening; no call of `onSignal` after this returns.
    package func close() async {
        isClosed = true
        wakeup.signal()
        await pool.close()
        if hasStarted { await ended.wait() }
    }

    private func listen(_ connection: PostgresConnection) async throws {
        let previous = connection.idleEvent
        defer { connection.idleEvent = previous }
        connection.idleEvent = { [wakeup] _ in wakeup.signal() }
        try await connection.executeScript("listen \(channel)")
        _ = connection.takeNotifications()
        if !isClosed { onSignal() }
        while !isClosed && !connection.isBroken {
            await wakeup.wait()
            if connection.takeNotifications() && !isClosed { onSignal() }
        }
        connection.close()
    }
}

extension PostgresConnection {
    /// Whether notifications had arrived; they are taken.
    func takeNotifications() -> Bool {
        var any = false
        while let notification = PQnotifies(handle) {
            any = true
            PQfreemem(notification)
        }
        return any
    }
}

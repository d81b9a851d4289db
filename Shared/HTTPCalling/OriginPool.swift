package import EventLoops
import Transport

/// Connections to one origin on one loop: those in use are counted, those at rest are kept. Loop thread.
///
/// Hold on to a pool (``HTTPClient/pool(for:)``) to check out without a lookup.
package final class OriginPool {
    package let origin: Origin
    package let loop: EventLoop
    let limits: ClientLimits
    private let dialer: Dialer
    private var idle: [ClientConnection] = []
    /// Connections open, in use or at rest.
    package private(set) var open = 0
    /// Connections made since the start.
    package private(set) var dialled = 0
    /// Times that a connection at rest was used again.
    package private(set) var reused = 0
    private var sweep: Timer?

    init(_ origin: Origin, loop: EventLoop, dialer: Dialer, limits: ClientLimits) {
        self.origin = origin
        self.loop = loop
        self.dialer = dialer
        self.limits = limits
    }

    /// Connections at rest.
    package var idleCount: Int { idle.count }

    /// A connection at rest that is still good, or nil.
    package func takeIdle() -> ClientConnection? {
        while let candidate = idle.popLast() {
            if candidate.isFresh(now: loop.now) {
                candidate.beginCall(isReused: true)
                reused &+= 1
                return candidate
            }
            candidate.close()
        }
        return nil
    }

    /// A connection for one call; a new one when none is at rest, or when `fresh` asks for it. End it with
    /// ``ClientConnection/finish()``. Throws `.connect`, `.timedOut(.connect)` or `.tooManyConnections`.
    package func checkOut(
        fresh: Bool = false, deadlines: CallDeadlines? = nil
    ) async throws(CallError) -> ClientConnection {
        if !fresh, let idle = takeIdle() {
            if let deadlines { idle.deadlines = deadlines }
            return idle
        }
        guard open < limits.connectionsPerOrigin else { throw .tooManyConnections }
        open += 1
        let deadlines = deadlines ?? limits.deadlines
        let connection: Connection
        do {
            let nanoseconds = deadlines.connectNanoseconds
            connection = try await connect(nanoseconds > 0 ? nanoseconds : 86_400_000_000_000)
        } catch {
            open -= 1
            throw error == .timedOut ? .timedOut(.connect) : .connect(error)
        }
        dialled += 1
        let made = ClientConnection(connection, pool: self)
        made.deadlines = deadlines
        made.beginCall(isReused: false)
        return made
    }

    private func connect(_ nanoseconds: Int64) async throws(TransportError) -> Connection {
        guard let proxy = origin.proxy else {
            return try await dialer.connect(
                host: origin.host, port: origin.port, tls: origin.tls, serverName: origin.serverName,
                timeoutNanoseconds: nanoseconds)
        }
        let tunnel = ProxyTunnel(to: origin)
        return try await dialer.connect(
            host: origin.host, port: origin.port, tls: origin.tls, serverName: origin.serverName,
            through: (proxy.host, proxy.port), timeoutNanoseconds: nanoseconds
        ) { connection throws(TransportError) in try await tunnel.open(over: connection) }
    }

    func give(_ connection: ClientConnection) {
        guard idle.count < limits.idlePerOrigin else { return connection.close() }
        idle.append(connection)
        if sweep == nil { scheduleSweep() }
    }

    func closed() { open -= 1 }

    /// Closes connections at rest that are too old, or whose server has closed them.
    private func scheduleSweep() {
        let interval = min(limits.idleNanoseconds, 1_000_000_000)
        sweep = loop.schedule(afterNanoseconds: interval) { [weak self] in
            guard let self else { return }
            sweep = nil
            let now = loop.now
            for connection in idle where !connection.isFresh(now: now) { connection.close() }
            idle.removeAll { $0.isClosed }
            if !idle.isEmpty { scheduleSweep() }
        }
    }

    func closeIdle() {
        sweep?.cancel()
        sweep = nil
        for connection in idle { connection.close() }
        idle.removeAll()
    }
}

import CEventLoops
package import EventLoops
import Glibc

/// Accepts connections on one loop. Loop thread.
package final class Listener: Channel {
    private static let backlog: Int32 = 1024
    private static let acceptsPerTurn = 64
    /// How long nothing is accepted when the process is out of descriptors or memory.
    static let pauseNanoseconds: Int64 = 100_000_000
    private static let handshakesAtOnce = 1024

    private let loop: EventLoop
    private let descriptor: Int32
    private let tls: TLSContext?
    private let accepted: (Connection) -> Void
    private var registration = Registration.none
    private var pause: Timer?
    private let handshakeNanoseconds: Int64
    private var handshaking: [ObjectIdentifier: Connection] = [:]
    /// What it is bound to; tells the port when that was given as 0.
    package let localAddress: SocketAddress
    /// Times that accepting was paused for want of descriptors or memory.
    package private(set) var timesPaused = 0

    /// Connections dropped because their handshake failed, took too long, or too many were under way.
    package private(set) var handshakesFailed = 0

    /// Listens at `address` and hands every connection to `accepted`; with `tls` once its handshake is
    /// done. With `reusePort` several listeners (one a loop) share the address and the kernel spreads the
    /// connections.
    package init(
        loop: EventLoop, address: SocketAddress, reusePort: Bool = false, tls: TLSContext? = nil,
        handshakeNanoseconds: Int64 = 10_000_000_000, accepted: @escaping (Connection) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.tls = tls
        self.handshakeNanoseconds = handshakeNanoseconds
        self.accepted = accepted
        var raw = address.raw
        descriptor = try SystemError.check(loop_listen(&raw, reusePort ? 1 : 0, Self.backlog), "listen")
        let result = loop_local_address(descriptor, &raw)
        localAddress = SocketAddress(raw)
        do {
            _ = try SystemError.check(result, "getsockname")
            // Level-triggered: what is not accepted in this turn is reported again in the next.
            registration = try loop.register(self, descriptor: descriptor, for: .readable)
        } catch {
            closeDescriptor(descriptor)
            throw error
        }
    }

    deinit { close() }

    /// Stops listening and drops connections whose handshake is under way; those that were handed out are not
    /// affected. Harmless when closed.
    package func close() {
        for connection in handshaking.values { connection.abort() }
        pause?.cancel()
        pause = nil
        loop.close(registration)
        registration = .none
    }

    package func onEvents(_ ready: Readiness) { acceptSome(Self.acceptsPerTurn) }

    /// Accepts what already waits in the kernel's queue, before `close` would reset it. For an orderly end.
    package func acceptQueued() { acceptSome(Int(Self.backlog) * 2) }

    private func acceptSome(_ limit: Int) {
        for _ in 0..<limit where registration != .none {
            var raw = loop_address()
            let result = loop_accept(descriptor, &raw)
            if result >= 0 {
                accept(result, SocketAddress(raw))
                continue
            }
            switch -result {
            case EAGAIN: return
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return pauseAccepting()
            default: continue  // the connection died in the queue: accept(2) says to carry on
            }
        }
    }

    private func accept(_ descriptor: Int32, _ peer: SocketAddress) {
        guard let connection = try? Connection(loop: loop, descriptor: descriptor, peer: peer) else { return }
        guard let tls else { return accepted(connection) }
        guard handshaking.count < Self.handshakesAtOnce else {
            handshakesFailed += 1
            return connection.close()
        }
        handshaking[ObjectIdentifier(connection)] = connection
        loop.spawn { [weak self, handshakeNanoseconds] in
            connection.setDeadline(afterNanoseconds: handshakeNanoseconds)
            let isDone: Bool
            do {
                try await connection.acceptTLS(tls)
                connection.setDeadline(afterNanoseconds: 0)
                isDone = true
            } catch { isDone = false }
            self?.handshakeEnded(connection, isDone: isDone)
        }
    }

    private func handshakeEnded(_ connection: Connection, isDone: Bool) {
        handshaking[ObjectIdentifier(connection)] = nil
        if isDone && registration != .none { return accepted(connection) }
        if !isDone { handshakesFailed += 1 }
        connection.close()
    }

    /// Connections stay in the kernel's queue meanwhile; without this the level-triggered event would spin.
    private func pauseAccepting() {
        timesPaused += 1
        loop.modify(registration, for: [])
        pause = loop.schedule(afterNanoseconds: Self.pauseNanoseconds) { [unowned self] in
            pause = nil
            loop.modify(registration, for: .readable)
        }
    }
}

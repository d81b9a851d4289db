import CEventLoops
package import EventLoops

/// A buffered duplex byte stream on one loop, plain TCP or TLS. All of it is for the loop's thread; one
/// task may receive while another sends, but not two of the same.
///
/// It is ended by `close` (or by its last reference going away). `abort`, an expired deadline, and the
/// hang-up of a connection that is `linked` to this one make waiting and later calls throw; there is no
/// task cancellation.
package final class Connection: Channel, TimerOwner {
    /// Bytes the receive buffer may grow to unless `maximumBuffered` says otherwise.
    package static let defaultMaximumBuffered = 64 * 1024

    enum Fate: UInt8 {
        case open, aborted, timedOut, closed

        var error: TransportError { self == .timedOut ? .timedOut : .aborted }
    }

    package let loop: EventLoop
    /// The other end, as accepted or dialled.
    package let peer: SocketAddress
    let descriptor: Int32
    private var registration = Registration.none
    private let deadline = Timer()
    /// Present from the beginning of a handshake on.
    var tls: TLSSession?

    // The receive buffer: a block of one of the loop's pools, or a larger piece of its own. Received:
    // start..<end.
    var buffer: UnsafeMutableRawPointer?
    var capacity = 0
    /// What the next message begins in: as the last ones needed.
    var blockSize = BlockSize.small
    var start = 0
    var end = 0
    /// Bytes that may be buffered before `fill` throws `.tooLarge`.
    package var maximumBuffered = Connection.defaultMaximumBuffered

    var isReadable = false
    var isWritable: Bool
    private(set) var fate = Fate.open
    private var reader: UnsafeContinuation<Void, Never>?
    private var writer: UnsafeContinuation<Void, Never>?
    /// The task that waits to send also wants to know what arrives.
    private var wakesSenderOnInput = false
    /// Who deals with what arrives while a task waits for it; see `fill(offering:)`.
    unowned(unsafe) var arrivals: (any ArrivalTaker)?
    /// Received for a waiting task that was not told yet.
    var hasArrived = false
    /// What a receive for a waiting task ended with.
    var arrivalFailure: TransportError?
    var fillTurn: UInt64 = 0
    var fillsThisTurn = 0

    /// The peer has closed at least its sending side. Received bytes can still be read. A pooled connection
    /// with this set is not worth using.
    package internal(set) var peerHungUp = false
    /// Something arrived that nobody received yet, or may have. On a pooled connection this is what no
    /// request asked for: such a connection is not worth using either.
    package var mayHaveInput: Bool { isReadable }
    private unowned(unsafe) var link: Connection?
    private unowned(unsafe) var linkedFrom: Connection?

    /// Takes over a non-blocking connected (or connecting) socket and registers it, once and for all.
    package init(
        loop: EventLoop, descriptor: Int32, peer: SocketAddress, isConnected: Bool = true
    ) throws(SystemError) {
        self.loop = loop
        self.descriptor = descriptor
        self.peer = peer
        isWritable = isConnected
        deadline.belong(to: self)
        do {
            registration = try loop.register(self, descriptor: descriptor, for: .stream)
        } catch {
            closeDescriptor(descriptor)
            throw error
        }
    }

    deinit { close() }

    /// The connection to abort when this one's peer hangs up: the upstream of a client. One to one; cleared
    /// by itself when either goes away. Set it when the peer has already hung up and it is aborted at once.
    package var linked: Connection? {
        get { link }
        set {
            if let old = link { old.linkedFrom = nil }
            link = newValue
            guard let newValue else { return }
            precondition(newValue.linkedFrom == nil, "a connection is linked from one other")
            newValue.linkedFrom = self
            if peerHungUp { newValue.abort() }
        }
    }

    /// Ends the link that another connection has to this one.
    package func unlink() {
        linkedFrom?.link = nil
        linkedFrom = nil
    }

    /// Aborted, timed out or closed: nothing can be sent or received any more.
    package var isEnded: Bool { fate != .open }

    /// Nothing is buffered, nothing has arrived since, and the peer is still there, as of this turn: what a
    /// pooled connection must be to be used again. Rarely false when all is well (a receive that exactly
    /// filled the room).
    package var isQuiet: Bool { fate == .open && start == end && !isReadable && !peerHungUp }

    // MARK: Ending

    /// Makes this connection fail with `.timedOut` unless it is set again (or cleared with 0) in time. The
    /// time counts from this turn's `now`; it may come up to 4.2 ms late. Moving it later costs a store.
    package func setDeadline(afterNanoseconds nanoseconds: Int64) {
        if nanoseconds <= 0 { return deadline.clear() }
        guard fate == .open else { return }
        loop.arm(deadline, afterNanoseconds: nanoseconds)
    }

    package func timerFired(_ timer: Timer) { end(.timedOut) }

    /// Takes a passed deadline back, so that its reason can be sent; false: the connection ended otherwise.
    package func resumeAfterTimeout() -> Bool {
        guard fate == .timedOut else { return false }
        fate = .open
        return true
    }

    /// Waiting and later calls throw `.aborted`. The socket stays open until `close`. Harmless when ended.
    package func abort() { end(.aborted) }

    /// Ends the connection now: what is not in the kernel yet is lost, bytes never read turn the goodbye
    /// into a reset. Harmless when closed.
    package func close() {
        guard fate != .closed else { return }
        if let tls {
            if fate == .open {
                tls.sayGoodbye()
                flush(tls)
            }
            tls.cut()
        }
        end(.closed)
        deadline.cancel()
        if let link { link.linkedFrom = nil }
        link = nil
        if let linkedFrom { linkedFrom.link = nil }
        linkedFrom = nil
        loop.close(registration)
        registration = .none
        start = 0
        end = 0
        releaseBuffer()
    }

    private func end(_ fate: Fate) {
        if self.fate == .open || fate == .closed { self.fate = fate }
        isReadable = true
        isWritable = true
        resumeReader()
        resumeWriter()
    }

    // MARK: Readiness

    package func onEvents(_ ready: Readiness) {
        if ready.isGone {
            peerHungUp = true
            if let link { link.abort() }
        }
        if ready.canReceive {
            isReadable = true
            if wakesSenderOnInput { resumeWriter() }
            if reader == nil || !takeArrival() { resumeReader() }
        }
        if ready.canSend {
            isWritable = true
            if let tls { flush(tls) }
            if isWritable { resumeWriter() }
        }
    }

    func waitReadable() async {
        if isReadable { return }
        // A connection that waits with nothing received holds no buffer.
        if start == end { releaseBuffer() }
        await withUnsafeContinuation { continuation in
            precondition(reader == nil, "one task receives at a time")
            reader = continuation
        }
    }

    func waitWritable() async {
        if isWritable { return }
        await withUnsafeContinuation { continuation in
            precondition(writer == nil, "one task sends at a time")
            writer = continuation
        }
    }

    /// Waits for whichever comes first.
    func waitWritableOrReadable() async {
        if isWritable || isReadable { return }
        wakesSenderOnInput = true
        await waitWritable()
        wakesSenderOnInput = false
    }

    private func resumeReader() {
        if let tls { tls.resumeSenderWaitingToRead() }
        guard let continuation = reader else { return }
        reader = nil
        continuation.resume()
    }

    private func resumeWriter() {
        guard let continuation = writer else { return }
        writer = nil
        continuation.resume()
    }
}

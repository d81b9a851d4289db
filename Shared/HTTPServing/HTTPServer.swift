package import EventLoops
package import HTTPWire
package import Transport

/// Serves HTTP/1.1 on one loop: any number of listeners, one handler. Loop thread.
package final class HTTPServer {
    /// Serves one request; the answer must be complete when it returns. What it does not answer becomes a
    /// 500.
    package typealias Handler = (Exchange) async -> Void
    /// What is said to bytes that are no request: the answer's media type and content.
    package typealias Refusal = (RequestFault, RequestID) -> (mediaType: String, content: [UInt8])

    /// What happened since the start; read on the loop's thread.
    package struct Statistics {
        /// Connections handed over by listeners, those refused for the limit included.
        package var accepted = 0
        /// Connections closed at once because `maximumConnections` were open.
        package var overLimit = 0
        /// Requests that reached the handler.
        package var requests = 0
        /// Requests refused before the handler, or whose content broke.
        package var refused = 0
        /// Connections cut for being slow: head, content, idle or not reading.
        package var timedOut = 0
        /// Answers that could not be written because a field held a forbidden byte.
        package var spoiledHeads = 0
    }

    package let loop: EventLoop
    package let limits: ServerLimits
    package internal(set) var statistics = Statistics()
    /// Set by ``drain(withinNanoseconds:)``: answers close their connections.
    package private(set) var isDraining = false
    let handler: Handler
    let refusal: Refusal
    var requestIDs = RequestIDSource()
    private var date = DateText()
    private var listeners: [Listener] = []
    private var exchanges: [ObjectIdentifier: Exchange] = [:]
    private var drained: Wakeup?

    package init(
        loop: EventLoop, limits: ServerLimits = ServerLimits(), refusal: @escaping Refusal = plainRefusal,
        handler: @escaping Handler
    ) {
        self.loop = loop
        self.limits = limits
        self.refusal = refusal
        self.handler = handler
    }

    /// One line that names what is wrong.
    package static func plainRefusal(
        _ fault: RequestFault, _ id: RequestID
    ) -> (mediaType: String, content: [UInt8]) {
        ("text/plain", Array(fault.rawValue.utf8) + [0x0a])
    }

    /// Connections open now.
    package var connectionCount: Int { exchanges.count }

    /// Starts accepting; returns the bound address, which tells the port when 0 was asked for.
    @discardableResult
    package func listen(
        on address: SocketAddress, reusePort: Bool = false, tls: TLSContext? = nil
    ) throws(SystemError) -> SocketAddress {
        let listener = try Listener(loop: loop, address: address, reusePort: reusePort, tls: tls) {
            [weak self] connection in
            guard let self else { return connection.close() }
            serve(connection)
        }
        listeners.append(listener)
        return listener.localAddress
    }

    /// Serves a connection that came from elsewhere than a listener.
    package func serve(_ connection: Connection) {
        statistics.accepted += 1
        guard !isDraining, exchanges.count < limits.maximumConnections else {
            statistics.overLimit += 1
            return connection.close()
        }
        let exchange = Exchange(connection, server: self)
        exchanges[ObjectIdentifier(exchange)] = exchange
        loop.spawn { await exchange.serve() }
    }

    /// Stops accepting, closes idle connections, lets requests under way finish (their answers say
    /// `Connection: close`), and cuts what is left when the time is over. Returns when every connection is
    /// gone, or at the latest one second after cutting.
    package func drain(withinNanoseconds nanoseconds: Int64) async {
        isDraining = true
        for listener in listeners { listener.close() }
        listeners.removeAll()
        for exchange in exchanges.values where exchange.isIdle { exchange.connection.abort() }
        if exchanges.isEmpty { return }
        let wakeup = Wakeup()
        drained = wakeup
        let cut = loop.schedule(afterNanoseconds: nanoseconds) { [weak self] in
            guard let self else { return }
            for exchange in exchanges.values { exchange.connection.abort() }
        }
        // A handler that waits for something else than its connection cannot be ended from here.
        let giveUp = loop.schedule(afterNanoseconds: nanoseconds + 1_000_000_000) { wakeup.signal() }
        await wakeup.wait()
        cut.cancel()
        giveUp.cancel()
        drained = nil
    }

    func remove(_ exchange: Exchange) {
        exchanges[ObjectIdentifier(exchange)] = nil
        if exchanges.isEmpty { drained?.signal() }
    }

    /// The `Date` of an answer sent now; valid until the next call.
    func dateBytes() -> UnsafeRawBufferPointer { date.bytes(loop.now) }
}

/// The text of `Date`, rewritten once a second.
struct DateText: ~Copyable {
    private static let byteCount = 29
    private let storage = UnsafeMutableRawPointer.allocate(byteCount: Self.byteCount, alignment: 1)
    private var validUntil = Int64.min

    deinit { storage.deallocate() }

    mutating func bytes(_ now: Int64) -> UnsafeRawBufferPointer {
        if now >= validUntil {
            let microseconds = wallClockMicroseconds()
            var text = HTTPDate.text(secondsSince1970: microseconds / 1_000_000)
            text.withUTF8 { source in
                storage.copyMemory(from: UnsafeRawPointer(source.baseAddress!), byteCount: Self.byteCount)
            }
            validUntil = now + (1_000_000 - microseconds % 1_000_000) * 1_000
        }
        return UnsafeRawBufferPointer(start: storage, count: Self.byteCount)
    }
}

package import EventLoops
package import HTTPWire
package import Transport

/// An answer received as a whole.
package struct Response: Sendable {
    package let status: Int
    /// Names in lower case.
    package let fields: HeaderFields
    package let body: [UInt8]
}

/// Calls other servers over HTTP/1.1 from one loop, keeping connections for reuse. Loop thread.
///
/// Redirects are not followed and content codings not undone: `accept-encoding: identity` is what it asks
/// for.
package final class HTTPClient {
    package let loop: EventLoop
    package let limits: ClientLimits
    private let dialer: Dialer
    private var pools: [Origin: OriginPool] = [:]

    package init(loop: EventLoop, dialer: Dialer, limits: ClientLimits = ClientLimits()) {
        self.loop = loop
        self.dialer = dialer
        self.limits = limits
    }

    deinit { closeIdle() }

    /// The connections to one origin; made on first use and kept.
    package func pool(for origin: Origin) -> OriginPool {
        if let pool = pools[origin] { return pool }
        // Origins come from configuration, but a busy one changes: forget those that nobody uses any more.
        if pools.count >= 1024 { pools = pools.filter { $0.value.open > 0 } }
        let pool = OriginPool(origin, loop: loop, dialer: dialer, limits: limits)
        pools[origin] = pool
        return pool
    }

    /// A connection for one call; see ``OriginPool/checkOut(fresh:deadlines:)``.
    package func checkOut(
        _ origin: Origin, fresh: Bool = false, deadlines: CallDeadlines? = nil
    ) async throws(CallError) -> ClientConnection {
        try await pool(for: origin).checkOut(fresh: fresh, deadlines: deadlines)
    }

    /// Closes connections at rest; those in use are not touched.
    package func closeIdle() {
        for pool in pools.values { pool.closeIdle() }
    }

    // MARK: In one call

    /// Sends a request and receives the whole answer, whatever its status.
    ///
    /// A dead pooled connection is replaced once for idempotent methods and requests that may be repeated.
    /// `timeoutNanoseconds` covers everything; more content than `maximumBody` bytes is `.tooLarge`. `tls` is
    /// needed for `https`.
    package func request(
        _ method: HTTPMethod, _ url: String, fields: HeaderFields = [:], body: [UInt8] = [],
        tls: TLSContext? = nil, serverName: String? = nil, proxy: ProxyAddress? = nil,
        isRepeatable: Bool = false, timeoutNanoseconds: Int64 = 30_000_000_000, maximumBody: Int = 16 << 20
    ) async throws(CallError) -> Response {
        guard let address = WebAddress(url) else { throw .invalidRequest("not an http or https address") }
        guard let origin = Origin(address, tls: tls, serverName: serverName, proxy: proxy) else {
            throw .invalidRequest("https needs a TLS context")
        }
        let message = try OutgoingRequest(method, address, fields, body)
        let pool = pool(for: origin)
        var deadlines = limits.deadlines
        deadlines.totalNanoseconds = timeoutNanoseconds
        let start = loop.now
        do {
            return try await exchange(message, pool, fresh: false, deadlines, maximumBody)
        } catch {
            guard error.isStaleConnection, isRepeatable || method.isIdempotent else { throw error }
            deadlines.totalNanoseconds = max(1, timeoutNanoseconds - (loop.now - start))
            return try await exchange(message, pool, fresh: true, deadlines, maximumBody)
        }
    }

    /// Sends a request and hands the content of a success to `part` as it comes, whatever its length; the
    /// content of anything else is in the response. No deadline covers it all: each step has its own.
    package func stream(
        _ method: HTTPMethod, _ url: String, fields: HeaderFields = [:], tls: TLSContext? = nil,
        _ part: (UnsafeRawBufferPointer) -> Void
    ) async throws(CallError) -> Response {
        guard let address = WebAddress(url) else { throw .invalidRequest("not an http or https address") }
        guard let origin = Origin(address, tls: tls, serverName: nil) else {
            throw .invalidRequest("https needs a TLS context")
        }
        let message = try OutgoingRequest(method, address, fields, [])
        var deadlines = limits.deadlines
        deadlines.totalNanoseconds = 0
        let call = try await pool(for: origin).checkOut(fresh: true, deadlines: deadlines)
        defer { call.finish() }
        try await call.send(message.bytes)
        try await call.receiveHead(answering: method)
        let status = call.head.status
        let answered = HeaderFields(call.head.fields, in: call.headBytes)
        var content: [UInt8] = []
        while let bytes = try await call.nextBody() {
            if (200..<300).contains(status) {
                part(bytes)
            } else {
                guard bytes.count <= (1 << 20) - content.count else { throw .tooLarge }
                content.append(contentsOf: bytes)
            }
        }
        return Response(status: status, fields: answered, body: content)
    }

    private func exchange(
        _ message: OutgoingRequest, _ pool: OriginPool, fresh: Bool, _ deadlines: CallDeadlines,
        _ maximumBody: Int
    ) async throws(CallError) -> Response {
        var deadlines = deadlines
        if deadlines.totalNanoseconds > 0 {
            deadlines.connectNanoseconds = min(deadlines.connectNanoseconds, deadlines.totalNanoseconds)
        }
        let start = loop.now
        let call = try await pool.checkOut(fresh: fresh, deadlines: deadlines)
        defer { call.finish() }
        if deadlines.totalNanoseconds > 0 {
            call.deadlines.totalNanoseconds = max(1, deadlines.totalNanoseconds - (loop.now - start))
        }
        try await call.send(message.bytes)
        try await call.receiveHead(answering: message.method)
        let status = call.head.status
        let fields = HeaderFields(call.head.fields, in: call.headBytes)
        if case .length(let length) = call.framing, length > maximumBody { throw .tooLarge }
        var content: [UInt8] = []
        while let part = try await call.nextBody() {
            guard part.count <= maximumBody - content.count else { throw .tooLarge }
            content.append(contentsOf: part)
        }
        return Response(status: status, fields: fields, body: content)
    }
}

/// A request in memory that does not move while it is being sent.
private final class OutgoingRequest {
    let method: HTTPMethod
    private var message = GrowableBytes()

    var bytes: UnsafeRawBufferPointer { message.view }

    init(
        _ method: HTTPMethod, _ address: WebAddress, _ fields: HeaderFields, _ body: [UInt8]
    ) throws(CallError) {
        self.method = method
        var writer = HeadWriter()
        writer.beginRequest(method, target: address.target)
        writer.field("host", address.authority)
        for field in fields.all {
            switch KnownField(name: field.name) {
            case .host, .contentLength, .transferEncoding, .connection, .expect, .upgrade: continue
            default: writer.field(name: field.name, field.value)
            }
        }
        if !fields.contains("accept-encoding") { writer.field("accept-encoding", "identity") }
        let expectsBody = method == .post || method == .put || method == .patch
        if expectsBody || !body.isEmpty { writer.field("content-length", number: body.count) }
        guard let head = writer.finish() else { throw .invalidRequest("a field holds a forbidden byte") }
        message.append(head)
        body.withUnsafeBytes { message.append($0) }
    }
}

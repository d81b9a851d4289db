package import HTTPWire
package import Transport

/// One request and its answer. There is one object a connection, used again for each request: nothing of it
/// may be kept beyond the handler's return. Loop thread.
///
/// Views into the request's head are valid until content is read (it may move the bytes); look fields up
/// again after that. The handler answers exactly once: ``respond(status:fields:body:)``, or
/// ``startStreaming(status:fields:)`` … ``finish()``, or raw bytes followed by
/// ``markResponded(keepAlive:)``.
package final class Exchange {
    enum Answer { case none, streaming, done }

    package let connection: Connection
    package private(set) var head: RequestHead
    package private(set) var requestID = RequestID(high: 0, low: 0)
    let server: HTTPServer
    var limits: ServerLimits { server.limits }

    // Content
    var body = BodyProgress()
    /// The head's own copy once content is taken off the connection's buffer before the answer.
    var headCopy = GrowableBytes()
    var isHeadCopied = false
    /// Content that was chunked, put together.
    var gathered = GrowableBytes()
    /// Why content could not be read; the answer ends the connection then.
    var failure: RequestError?

    // Answer
    /// Fields of the answer however it is sent; for senders of raw heads to add. Set before it begins.
    package var everyAnswer: HeaderFields = [:]
    var answer = Answer.none
    var writer = HeadWriter(capacity: 512)
    var chunks = ChunkEncoder()
    var isChunked = false
    /// Whether the answer under way leaves the connection open.
    var leavesOpen = true
    /// Waiting for a request with nothing of it received.
    var isIdle = true
    var isTimedOut = false
    var turn: UInt64 = 0
    var servedThisTurn = 0

    private let idText = UnsafeMutableRawPointer.allocate(byteCount: RequestID.textCount, alignment: 4)
    private var cachedPath: String?
    private var cachedQuery: [QueryItems.Item]?

    init(_ connection: Connection, server: HTTPServer) {
        self.connection = connection
        self.server = server
        head = RequestHead(limits: server.limits.wire)
    }

    deinit { idText.deallocate() }

    // MARK: The request

    package var method: HTTPMethod { head.method }

    /// Where the head's bytes lie now, for the accessors of ``RequestHead`` and ``FieldTable``.
    package var headBytes: UnsafeRawPointer {
        let bytes = isHeadCopied ? headCopy.view : connection.buffered
        // While a request is being served its head is always there; only closing the connection takes it
        // away.
        return bytes.baseAddress!
    }

    /// The target as received.
    package var rawTarget: UnsafeRawBufferPointer { head.rawTarget(in: headBytes) }

    /// Percent-decoded once, dot segments resolved; what to route by.
    package var pathBytes: UnsafeRawBufferPointer { head.path(in: headBytes) }

    /// ``pathBytes`` as a string, made on first use.
    package var path: String {
        if let cachedPath { return cachedPath }
        let path = String(decoding: pathBytes, as: UTF8.self)
        cachedPath = path
        return path
    }

    /// The items of the query, decoded on first use; empty when there is none.
    package var query: [QueryItems.Item] {
        if let cachedQuery { return cachedQuery }
        let items = head.query(in: headBytes).map(QueryItems.parse) ?? []
        cachedQuery = items
        return items
    }

    /// The first value of a field, not copied; `name` is lower-case.
    package func field(_ name: StaticString) -> UnsafeRawBufferPointer? {
        head.fields.value(name, in: headBytes)
    }

    /// The first value of a known field, not copied: no search.
    package func field(_ known: KnownField) -> UnsafeRawBufferPointer? {
        head.fields.value(known, in: headBytes)
    }

    package func fieldText(_ name: StaticString) -> String? {
        field(name).map { String(decoding: $0, as: UTF8.self) }
    }

    package func fieldText(_ known: KnownField) -> String? {
        field(known).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The id as the answer's `x-request-id` gives it.
    package var requestIDBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: idText, count: RequestID.textCount)
    }

    /// The text of `Date` for an answer sent now, for raw heads; `respond` adds it itself.
    package var dateBytes: UnsafeRawBufferPointer { server.dateBytes() }

    // MARK: The next request

    /// Forgets the last request.
    func reset() {
        head.reset()
        isHeadCopied = false
        headCopy.removeAll(keeping: 0)
        gathered.removeAll(keeping: 0)
        failure = nil
        answer = .none
        if !everyAnswer.isEmpty { everyAnswer = [:] }
        isChunked = false
        leavesOpen = true
        cachedPath = nil
        cachedQuery = nil
    }

    func parseHead() -> RequestVerdict { head.parse(connection.buffered) }

    /// Gives the request its id.
    func name() {
        requestID = server.requestIDs.next()
        requestID.write(to: idText)
    }

    /// The head is complete: names the request and looks at what its content will be.
    func begin() {
        name()
        body = BodyProgress(head.framing, expectsContinue: head.expectsContinue, limits: limits.wire)
    }
}

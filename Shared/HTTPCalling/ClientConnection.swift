import EventLoops
package import HTTPWire
package import Transport

/// Is given the content of an answer as it comes.
package protocol ContentTaker: AnyObject {
    /// A piece of the content, chunks decoded; valid until it returns.
    func take(_ content: UnsafeRawBufferPointer)
    /// That was all there is for now. False: no more until the caller asks again. Must not wait.
    func endPart() -> Bool
}

/// One connection to another server for the time of one call: send, ``receiveHead(answering:)``, content,
/// then ``finish()``. Loop thread.
///
/// Views into the head are valid until content is asked for; a part of the content until the next is asked
/// for.
package final class ClientConnection: ArrivalTaker {
    package let connection: Connection
    /// The answer's head, after ``receiveHead(answering:)``.
    package private(set) var head: ResponseHead
    /// The connection had served another call before.
    package private(set) var isReused = false
    /// Limits for this call; from the client's limits unless set.
    package var deadlines: CallDeadlines
    /// When what the caller waits for must have come, however much else has; 0: no such limit. On the loop's
    /// clock, for this call.
    package var awaitedUntil: Int64 = 0
    /// How the content ends; ``BodyFraming/untilClose`` means that a cut cannot be told from the end.
    package private(set) var framing = BodyFraming.length(0)

    private let pool: OriginPool
    private var body = BodyDecoder()
    private var hasHead = false
    private var headLength = 0
    /// Interim answers seen in this call.
    private var interim = 0
    private var lentBytes = 0
    /// Who is given content in the turn it arrives; see ``passContent(to:)``.
    private unowned(unsafe) var taker: (any ContentTaker)?
    private var takerHasEnough = false
    private var arrivalFailure: CallError?
    private var startedAt: Int64 = 0
    private var restsSince: Int64 = 0
    private(set) var isClosed = false
    /// Sending failed or something odd was seen: not for another call.
    private var isSpoiled = false

    init(_ connection: Connection, pool: OriginPool) {
        self.connection = connection
        self.pool = pool
        deadlines = pool.limits.deadlines
        head = ResponseHead(limits: pool.limits.wire)
        connection.maximumBuffered = pool.limits.wire.headBytes + 16 * 1024
    }

    deinit { close() }

    package var origin: Origin { pool.origin }

    /// Where the head's bytes lie, for the accessors of ``ResponseHead`` and ``FieldTable``; until content
    /// is asked for.
    package var headBytes: UnsafeRawPointer {
        precondition(headLength > 0, "the head's bytes are gone")
        return connection.buffered.baseAddress!
    }

    /// All of the content was received.
    package var isBodyComplete: Bool { hasHead && body.isComplete }

    /// Aborts this call when `client` hangs up, until ``finish()``.
    package func abortWhenEnded(_ client: Connection) {
        connection.unlink()
        client.linked = connection
    }

    // MARK: A call's life

    func beginCall(isReused: Bool) {
        self.isReused = isReused
        startedAt = pool.loop.now
        awaitedUntil = 0
        hasHead = false
        headLength = 0
        interim = 0
        lentBytes = 0
        isSpoiled = false
        arrivalFailure = nil
        head.reset()
        body = BodyDecoder()
    }

    func isFresh(now: Int64) -> Bool {
        connection.isQuiet && now &- restsSince < pool.limits.idleNanoseconds
    }

    /// Ends the call. The connection goes back to its pool if the answer was complete and nothing odd was
    /// seen, else it is closed. Harmless when closed; nothing of this object may be used afterwards.
    package func finish() {
        guard !isClosed else { return }
        if connection.isEnded { return close() }
        connection.unlink()
        connection.consume(lentBytes)
        lentBytes = 0
        if hasHead && headLength > 0 { takeHeadOff() }
        // Bytes behind the answer were asked for by nobody.
        let isReusable =
            hasHead && body.isComplete && head.keepAlive && framing != .untilClose && !isSpoiled
            && connection.buffered.isEmpty && !connection.peerHungUp && !connection.isEnded
        guard isReusable else { return close() }
        connection.setDeadline(afterNanoseconds: 0)
        connection.releaseBufferIfEmpty()
        restsSince = pool.loop.now
        deadlines = pool.limits.deadlines
        pool.give(self)
    }

    /// Ends the connection at once.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        connection.unlink()
        connection.close()
        pool.closed()
    }

    // MARK: The request

    /// Sends the request, or a further part of it. A server that stops listening, or that refuses before it
    /// has all of a large one, is not an error yet: ``receiveHead(answering:)`` finds out what it said.
    package func send(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer = .init(start: nil, count: 0)
    ) async throws(CallError) {
        var first = first
        var second = second
        do {
            if first.count &+ second.count <= 64 * 1024 {
                let sent = try connection.sendAtOnce(first, second)
                if sent == first.count &+ second.count { return }
                let ofFirst = min(sent, first.count)
                first = UnsafeRawBufferPointer(rebasing: first[ofFirst...])
                second = UnsafeRawBufferPointer(rebasing: second[(sent &- ofFirst)...])
                setDeadline(deadlines.sendNanoseconds)
                try await connection.send(first, second)
            } else {
                if try await sendUnlessRefused(first) { _ = try await sendUnlessRefused(second) }
            }
            clearDeadline()
        } catch {
            isSpoiled = true
            if error == .reset || error == .endOfStream { return }
            throw CallError(error, stage: stage(.send))
        }
    }

    /// Sends a large part; false when the server has refused the request before it had all of it.
    private func sendUnlessRefused(_ whole: UnsafeRawBufferPointer) async throws(TransportError) -> Bool {
        var rest = whole
        while !rest.isEmpty {
            setDeadline(deadlines.sendNanoseconds)
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(64 * 1024))
            let sent = try await connection.sendOrReceive(piece)
            rest = UnsafeRawBufferPointer(rebasing: rest[sent...])
            if sent == 0, isRefused() {
                // The rest of the request stays unsaid, so nothing can follow it (RFC 9112 §9.3).
                isSpoiled = true
                return false
            }
        }
        return true
    }

    /// Whether what was received already says that the request is in vain; a broken answer does.
    private func isRefused() -> Bool {
        do { return try hasFinalHead() && head.status >= 300 } catch { return true }
    }

    // MARK: The answer

    /// Waits for the head of the final answer; interim ones are skipped, a bounded number of them.
    package func receiveHead(answering method: HTTPMethod) async throws(CallError) {
        while try !hasFinalHead() {
            let isFirst = connection.buffered.isEmpty
            if try await !receive(isFirst ? .firstByte : .betweenReads) {
                throw spoil(isFirst && interim == 0 ? .endedBeforeAnswer(reused: isReused) : .cut)
            }
        }
        framing = head.framing(answering: method)
        body = BodyDecoder(framing, limits: pool.limits.wire)
    }

    /// Looks at what was received; true once the head of the final answer is there. Interim ones are dropped.
    private func hasFinalHead() throws(CallError) -> Bool {
        while !hasHead {
            guard interim <= pool.limits.interimResponses else {
                throw spoil(.malformedHead(.tooManyInterimResponses))
            }
            switch head.parse(connection.buffered) {
            case .incomplete: return false
            case .refused(let fault): throw spoil(.malformedHead(fault))
            case .complete(let length) where !head.isInterim:
                headLength = length
                hasHead = true
            case .complete(let length):
                interim += 1
                connection.consume(length)
                head.reset()
            }
        }
        return true
    }

    /// The next part of the content, chunks decoded; nil at its clean end.
    package func nextBody() async throws(CallError) -> UnsafeRawBufferPointer? {
        while true {
            if let part = try bodyAtHand() { return part }
            if try await !receiveContent() { return nil }
        }
    }

    /// All of the content when its length is known and it came with the head, as small answers do; nil when
    /// it is to be waited for, or longer than the limit.
    package func wholeBodyAtHand(limit: Int) throws(CallError) -> UnsafeRawBufferPointer? {
        guard case .length(let length) = framing, length > 0, length <= limit,
            connection.buffered.count &- headLength >= length
        else { return nil }
        return try bodyAtHand()
    }

    /// What ``nextBody()`` would give without waiting; nil when it would wait or end.
    private func bodyAtHand() throws(CallError) -> UnsafeRawBufferPointer? {
        try releaseLent()
        while !connection.buffered.isEmpty && !body.isComplete {
            let step: ChunkStep
            do {
                step = try body.decode(connection.buffered)
            } catch { throw spoil(.malformedContent(error)) }
            connection.consume(step.framing)
            guard step.content > 0 else { continue }
            lentBytes = step.content
            return UnsafeRawBufferPointer(start: connection.buffered.baseAddress, count: step.content)
        }
        return nil
    }

    /// Gives the content to the taker as it comes, in the turn it comes and without waking the calling task;
    /// returns true once the taker has enough, false at the content's clean end.
    package func passContent(to taker: any ContentTaker) async throws(CallError) -> Bool {
        self.taker = taker
        defer { self.taker = nil }
        takerHasEnough = false
        while true {
            if try giveAtHand(to: taker), !taker.endPart() { return true }
            if body.isComplete { return false }
            let isMore = try await receive(.betweenReads, offering: true)
            if let arrivalFailure { throw arrivalFailure }
            if takerHasEnough { return true }
            if !isMore { return try endOfContent() != nil }
        }
    }

    package func takeArrival() -> Bool {
        guard let taker else { return false }
        do throws(CallError) {
            if try giveAtHand(to: taker) { takerHasEnough = !taker.endPart() }
            if takerHasEnough || body.isComplete { return false }
            connection.consume(lentBytes)
            lentBytes = 0
            setDeadline(deadlines.betweenReadsNanoseconds)
            return true
        } catch {
            arrivalFailure = error
            return false
        }
    }

    /// Gives the content that was received; false when nothing was.
    private func giveAtHand(to taker: any ContentTaker) throws(CallError) -> Bool {
        try releaseLent()
        do {
            lentBytes = try body.scan(connection.buffered) { taker.take($0) }
        } catch { throw spoil(.malformedContent(error)) }
        return lentBytes > 0
    }

    // MARK: Inside

    private func releaseLent() throws(CallError) {
        if connection.isEnded {
            let stage = stage(.betweenReads)
            throw spoil(stage == .betweenReads ? .aborted : .timedOut(stage))
        }
        if headLength > 0 { takeHeadOff() }
        connection.consume(lentBytes)
        lentBytes = 0
    }

    private func takeHeadOff() {
        connection.consume(headLength)
        headLength = 0
    }

    /// Waits for more content; false at its clean end.
    private func receiveContent() async throws(CallError) -> Bool {
        if body.isComplete { return false }
        if try await receive(.betweenReads) { return true }
        return try endOfContent() != nil
    }

    /// The server ended the connection: nil when that is where the content ends, else it was cut.
    private func endOfContent() throws(CallError) -> UnsafeRawBufferPointer? {
        isSpoiled = true
        if body.endOfStream() { return nil }
        throw spoil(.cut)
    }

    /// Waits for bytes; false at the end of the stream.
    private func receive(
        _ stage: CallError.Stage, offering: Bool = false
    ) async throws(CallError) -> Bool {
        let isFirst = stage == .firstByte
        setDeadline(isFirst ? deadlines.firstByteNanoseconds : deadlines.betweenReadsNanoseconds)
        do {
            let isMore = try await offering ? connection.fill(offering: self) : connection.fill()
            clearDeadline()
            return isMore
        } catch {
            if isFirst && error == .reset { return false }
            throw spoil(CallError(error, stage: self.stage(stage)))
        }
    }

    private func spoil(_ error: CallError) -> CallError {
        isSpoiled = true
        return error
    }

    /// The shorter of a stage's limit and what is left of the whole call.
    private func setDeadline(_ stageNanoseconds: Int64) {
        var nanoseconds = stageNanoseconds
        if deadlines.totalNanoseconds > 0 {
            let left = max(1, deadlines.totalNanoseconds &- (pool.loop.now &- startedAt))
            nanoseconds = nanoseconds > 0 ? min(nanoseconds, left) : left
        }
        if awaitedUntil > 0 {
            let left = max(1, awaitedUntil &- pool.loop.now)
            nanoseconds = nanoseconds > 0 ? min(nanoseconds, left) : left
        }
        connection.setDeadline(afterNanoseconds: nanoseconds)
    }

    /// Between two waits only the whole call's time counts: a slow client is not this server's fault.
    private func clearDeadline() {
        if deadlines.totalNanoseconds > 0 {
            setDeadline(0)
        } else {
            connection.setDeadline(afterNanoseconds: 0)
        }
    }

    private func stage(_ stage: CallError.Stage) -> CallError.Stage {
        let total = deadlines.totalNanoseconds
        if total > 0 && pool.loop.now &- startedAt >= total { return .total }
        return awaitedUntil > 0 && pool.loop.now >= awaitedUntil ? .awaited : stage
    }
}

import EventLoops
import HTTPWire
import Transport

extension Exchange {
    /// What ``readBody(limit:)`` gives, when all of it has come with the head, as small content mostly does;
    /// nil when it is to be waited for, or refused.
    package func bodyAtHand(limit: Int) -> UnsafeRawBufferPointer? {
        guard failure == nil, !isHeadCopied, !body.owesContinue, !connection.isEnded,
            let length = body.inPlaceBytes ?? body.decoder.remainingLength, length <= limit,
            connection.buffered.count >= head.length &+ length
        else { return nil }
        body.inPlaceBytes = length
        let start = connection.buffered.baseAddress.unsafelyUnwrapped + head.length
        return UnsafeRawBufferPointer(start: start, count: length)
    }

    /// The whole content in one piece, chunks decoded; valid until the answer is complete.
    ///
    /// Asks for it with `100 Continue` when the client waits for that. Memory follows what is received, at
    /// most twice of it or a block of 64 KiB. Throws ``RequestError/tooLarge`` before reading when the
    /// announced length is above `limit`.
    package func readBody(limit: Int) async throws(RequestError) -> UnsafeRawBufferPointer {
        try checkUsable()
        guard !isHeadCopied, let length = body.inPlaceBytes ?? body.decoder.remainingLength else {
            return try await gatherBody(limit: limit)
        }
        guard length <= limit else { throw fail(.tooLarge) }
        if body.inPlaceBytes == nil {
            let (whole, overflow) = head.length.addingReportingOverflow(length)
            if overflow { throw fail(.tooLarge) }
            try await askForContent()
            connection.maximumBuffered = max(connection.maximumBuffered, whole)
            while connection.buffered.count < whole { try await receiveContent() }
            body.inPlaceBytes = length
        }
        let bytes = connection.buffered
        return UnsafeRawBufferPointer(rebasing: bytes[head.length..<(head.length + length)])
    }

    /// The next part of the content as it comes, chunks decoded; nil at its end. Valid until the next call.
    /// The head's views move once, at the first call.
    package func nextBodyPart() async throws(RequestError) -> UnsafeRawBufferPointer? {
        try checkUsable()
        takeHeadOff()
        connection.consume(body.lentBytes)
        body.lentBytes = 0
        try await askForContent()
        while true {
            if let part = try takePart() { return part }
            if body.decoder.isComplete { return nil }
            try await receiveContent()
        }
    }

    /// Gives back the memory of content that was read, for answers that take long. The head stays readable,
    /// its views move once. Nothing happens while content is outstanding.
    package func releaseContent() {
        guard failure == nil, body.isReceived, !connection.isEnded else { return }
        let spent = lastBytes - (isHeadCopied ? 0 : head.length)
        takeHeadOff()
        connection.consume(spent)
        body.lentBytes = 0
        body.decoder = BodyDecoder()
        gathered.removeAll(keeping: 0)
        connection.releaseBufferIfEmpty()
    }

    /// A failure is for good; a connection that was closed meanwhile has no bytes any more.
    private func checkUsable() throws(RequestError) {
        if let failure { throw failure }
        if connection.isEnded { throw fail(.connection(.aborted)) }
    }

    /// Content of unknown length, or the rest of what was begun in parts.
    private func gatherBody(limit: Int) async throws(RequestError) -> UnsafeRawBufferPointer {
        if body.decoder.isComplete && !gathered.isEmpty { return gathered.view }
        gathered.removeAll()
        while let part = try await nextBodyPart() {
            guard part.count <= limit - gathered.count else { throw fail(.tooLarge) }
            gathered.append(part)
        }
        return gathered.view
    }

    /// The next part among the bytes at hand, nil when more are needed or the content is complete.
    private func takePart() throws(RequestError) -> UnsafeRawBufferPointer? {
        while !connection.buffered.isEmpty && !body.decoder.isComplete {
            let step: ChunkStep
            do {
                step = try body.decoder.decode(connection.buffered)
            } catch { throw fail(.malformed(.chunk(error))) }
            connection.consume(step.framing)
            guard step.content > 0 else { continue }
            body.lentBytes = step.content
            return UnsafeRawBufferPointer(rebasing: connection.buffered[..<step.content])
        }
        return nil
    }

    /// From now on the head lives in its own copy and the connection's buffer holds content.
    private func takeHeadOff() {
        guard !isHeadCopied else { return }
        let bytes = connection.buffered
        headCopy.append(UnsafeRawBufferPointer(rebasing: bytes[..<head.length]))
        isHeadCopied = true
        connection.consume(head.length)
        body.inPlaceBytes = nil
    }

    private func askForContent() async throws(RequestError) {
        guard body.owesContinue else { return }
        body.owesContinue = false
        // A client that has begun to send does not need the invitation (RFC 9110 §10.1.1).
        let received = connection.buffered.count - (isHeadCopied ? 0 : head.length)
        guard received <= 0 else { return }
        let interim: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"
        do {
            try await send(UnsafeRawBufferPointer(start: interim.utf8Start, count: interim.utf8CodeUnitCount))
        } catch { throw fail(.connection(error)) }
    }

    /// Waits for more bytes, no longer than the rate of the content so far allows.
    private func receiveContent() async throws(RequestError) {
        let patience = body.patienceNanoseconds(
            grace: limits.bodyGraceNanoseconds, bytesPerSecond: limits.bodyBytesPerSecond)
        let before = connection.buffered.count
        let start = server.loop.now
        connection.setDeadline(afterNanoseconds: max(patience, 1))
        let isMore: Bool
        do {
            isMore = try await connection.fill()
        } catch {
            noteEnd(error)
            // Too slow is something that can still be said.
            if error == .timedOut, connection.resumeAfterTimeout() {
                throw fail(.malformed(.requestTimedOut))
            }
            throw fail(.connection(error))
        }
        connection.setDeadline(afterNanoseconds: 0)
        guard isMore else { throw fail(.malformed(.bodyCut)) }
        body.receivedBytes += connection.buffered.count - before
        body.waitedNanoseconds += server.loop.now - start
    }

    private func fail(_ error: RequestError) -> RequestError {
        if failure == nil && error.status != nil { server.statistics.refused += 1 }
        failure = error
        return error
    }

    /// Drops what the handler left of the content; false when that is not worth it or not possible.
    func dropContent() async -> Bool {
        if dropContentAtHand() { return true }
        guard isContentSettled else { return false }
        do {
            while try await nextBodyPart() != nil {}
        } catch { return false }
        return true
    }

    /// Drops the request when all of it is here; false when there is more to it.
    func dropContentAtHand() -> Bool {
        guard failure == nil, body.isReceived, body.lentBytes == 0 else { return false }
        connection.consume(lastBytes)
        return true
    }

    /// Whether the content is read, or little enough to be dropped.
    var isContentSettled: Bool {
        if failure != nil { return false }
        if body.isReceived { return true }
        guard !body.owesContinue, let length = body.decoder.remainingLength else { return false }
        return length <= limits.drainedBodyBytes
    }

    /// What the request itself occupies at the front of the connection's buffer.
    var lastBytes: Int { isHeadCopied ? body.lentBytes : head.length + (body.inPlaceBytes ?? 0) }
}

import EventLoops
import HTTPWire
import Transport

extension Exchange {
    /// Serves requests on the connection until it ends.
    func serve() async {
        // Room for the longest head and the beginning of what follows it.
        connection.maximumBuffered = limits.wire.headBytes + BlockPool.blockSize
        do {
            while try await nextRequest() {
                server.statistics.requests += 1
                await server.handler(self)
                let isComplete = answer == .done && leavesOpen && !connection.isEnded && dropContentAtHand()
                if !isComplete {
                    guard try await completeAnswer() else { break }
                }
                if hasHadItsTurn() { await server.loop.yieldTurn() }
            }
        } catch {
            noteEnd(error)
        }
        connection.close()
        server.remove(self)
    }

    /// Counts a connection that was cut for being slow, once.
    func noteEnd(_ error: TransportError) {
        guard error == .timedOut, !isTimedOut else { return }
        isTimedOut = true
        server.statistics.timedOut += 1
    }

    /// Waits for a complete head; false when there will be none.
    private func nextRequest() async throws(TransportError) -> Bool {
        reset()
        connection.maximumBuffered = limits.wire.headBytes + BlockPool.blockSize
        if connection.buffered.isEmpty {
            if server.isDraining { return false }
            isIdle = true
            connection.setDeadline(afterNanoseconds: limits.idleNanoseconds)
            guard try await connection.fill() else { return false }
            isIdle = false
        }
        var isTimed = false
        while true {
            switch parseHead() {
            case .complete:
                connection.setDeadline(afterNanoseconds: 0)
                begin()
                return true
            case .refused(let fault):
                await refuse(fault)
                return false
            case .incomplete:
                // From here on it counts, however often bytes come.
                if !isTimed { connection.setDeadline(afterNanoseconds: limits.headerNanoseconds) }
                isTimed = true
                guard try await fillHead() else { return false }
            }
        }
    }

    /// Waits for more of a head. One that takes too long is told so before the connection ends.
    private func fillHead() async throws(TransportError) -> Bool {
        do {
            return try await connection.fill()
        } catch {
            noteEnd(error)
            guard error == .timedOut, connection.resumeAfterTimeout() else { throw error }
            await refuse(.requestTimedOut)
            return false
        }
    }

    /// Makes sure of an answer and of the end of the request; false when the connection ends here.
    private func completeAnswer() async throws(TransportError) -> Bool {
        switch answer {
        case .done: break
        // Cut where it stands: a client must not take it for complete.
        case .streaming: return false
        case .none: try await answerForHandler()
        }
        // Aborted by a drain, or closed by the handler.
        if connection.isEnded { return false }
        if leavesOpen, await dropContent() { return true }
        let isFullyRead = failure == nil && body.isReceived
        // The client asked for the end and has nothing more to say, so closing loses it nothing.
        if !head.keepAlive && isFullyRead && connection.buffered.count <= lastBytes { return false }
        await linger()
        return false
    }

    private func answerForHandler() async throws(TransportError) {
        switch failure {
        case .connection(let error): throw error
        case .some(let failure): try await respond(status: failure.status ?? 400)
        case .none: try await respond(status: 500)
        }
    }

    /// Answers what is not a request, so that the client can read it, and ends the connection.
    private func refuse(_ fault: RequestFault) async {
        server.statistics.refused += 1
        name()
        let (mediaType, content) = server.refusal(fault, requestID)
        writer.beginResponse(status: fault.status)
        writer.field("content-type", mediaType)
        writer.field("content-length", number: content.count)
        writer.field("date", server.dateBytes())
        writer.field("x-request-id", requestIDBytes)
        writer.field("connection", "close")
        gathered.removeAll()
        content.withUnsafeBytes { gathered.append($0) }
        guard let head = writer.finish() else { return }
        do {
            try await send(head, gathered.view)
        } catch { return }
        await linger()
    }

    private func linger() async {
        await connection.lingerThenClose(
            maximumBytes: limits.lingerBytes, nanoseconds: limits.lingerNanoseconds)
    }

    /// Whether other connections go first now, because this one has pipelined many requests.
    private func hasHadItsTurn() -> Bool {
        let loop = server.loop
        if turn != loop.turn {
            turn = loop.turn
            servedThisTurn = 0
        }
        servedThisTurn += 1
        return servedThisTurn >= limits.requestsPerTurn && !connection.buffered.isEmpty
    }
}

import Admission
import Contract
import Dialects
import Domain
import EventLoops
import HTTPCalling
import HTTPServing
import HTTPWire
import Transport

extension ChatReply: ContentTaker {
    /// Passes a stream on, event by event in the turn it came, up to its terminator.
    func passOnStream(
        _ connection: ClientConnection, from upstream: Upstream, _ call: OpenAIChatRequest
    ) async -> CallOutcome {
        beginStream(call, awaitsToken: connection.awaitedUntil > 0)
        var problem: CallFailure?
        do throws(CallError) {
            while stream.ending == .open {
                let isMore = try await connection.passContent(to: self)
                if !isMore { endLastPart() }
                if let (count, sent) = unsent {
                    unsent = nil
                    guard await forwardEvents(count, sent: sent) else { return clientGone(upstream, call) }
                    dropForwarded(count)
                }
                if !isMore { break }
            }
            problem = streamProblem
        } catch { problem = CallFailure(upstream: error) }
        return conclude(connection, upstream, call, problem)
    }

    @inline(never)
    private func beginStream(_ call: OpenAIChatRequest, awaitsToken: Bool) {
        stream = OpenAIChatStream(wantsUsage: call.asksForUsage, awaitsToken: awaitsToken)
        streamProblem = nil
    }

    /// The last event may lack its blank line.
    @inline(never)
    private func endLastPart() {
        if window.count > stream.heldCount { Self.blankLine { window.append($0) } }
        _ = endPart()
    }

    /// What came of a stream that is over, or broke with a problem.
    @inline(never)
    private func conclude(
        _ connection: ClientConnection, _ upstream: Upstream, _ call: OpenAIChatRequest,
        _ problem: CallFailure?
    ) -> CallOutcome {
        var problem = problem
        if stream.ending == .malformed { problem = CallFailure(.upstreamInvalid) }
        if problem == nil, !stream.isComplete(windowCount: window.count) {
            problem = CallFailure(.upstreamCut)
            problem?.ending = .upstreamCut
        }
        releaseUpstream(connection)
        if let problem { return fail(problem, upstream.target, usage: usage(of: call), isEstimated: true) }
        rest = .terminator
        return outcome(
            .completed, upstream.target, usage: usage(of: call),
            isEstimated: !(stream.usage?.isComplete ?? false))
    }

    func take(_ content: UnsafeRawBufferPointer) { window.append(content) }

    /// Forwards what the new bytes complete; false when the stream is over, or the client must be waited for.
    func endPart() -> Bool {
        let forward = stream.take(window.bytes)
        if forward > 0 { connection?.awaitedUntil = 0 }
        if forward > 0, let sent = forwardAtOnce(forward) {
            unsent = (forward, sent)
            return false
        }
        dropForwarded(forward)
        return stream.ending == .open
    }

    @inline(never)
    private func dropForwarded(_ count: Int) {
        if case .providerError(let place) = stream.ending {
            streamProblem = Self.failure(in: window, at: place, secrets: upstream?.secrets ?? [])
        }
        window.keep(stream.dropForwarded(count, from: window.bytes))
    }

    @inline(never)
    private func clientGone(_ upstream: Upstream, _ call: OpenAIChatRequest) -> CallOutcome {
        connection?.close()
        rest = .nothing
        return outcome(.clientGone, upstream.target, usage: usage(of: call), isEstimated: true)
    }

    /// What the provider reported, with estimates from what went by where it did not.
    private func usage(of call: OpenAIChatRequest) -> TokenUsage {
        let reported = stream.usage ?? ReportedUsage(usage: .zero, hasInput: false, hasOutput: false)
        return reported.completed(
            estimatedInput: Self.tokens(call.promptBytes), estimatedOutput: stream.estimatedOutputTokens)
    }

    /// Sends the first bytes of the window, less those of the chunk that were sent already; false when the
    /// client is gone.
    private func forwardEvents(_ count: Int, sent: Int = 0) async -> Bool {
        guard let exchange else { return false }
        do throws(TransportError) {
            if !hasBegun {
                try await sendFirst(count, exchange)
            } else {
                try await sendNext(count, sent: sent, exchange)
            }
            return true
        } catch { return false }
    }

    /// Sends a chunk with the first bytes of the window as far as the client takes it now, which is nearly
    /// always all of it: nothing waits then. How many bytes of the chunk that was; nil when it was all.
    private func forwardAtOnce(_ count: Int) -> Int? {
        guard hasBegun, isChunked, let exchange else { return 0 }
        let chunk = window.frame(count)
        defer { window.unframe(count) }
        // An error shows again when the rest is sent.
        let sent = (try? exchange.sendRawAtOnce(chunk)) ?? 0
        return sent == chunk.count ? nil : sent
    }

    /// The head waits for the first event, so that what goes wrong before it still has a status of its own.
    private func sendFirst(_ count: Int, _ exchange: Exchange) async throws(TransportError) {
        noteFirstByte()
        guard let head = streamHead(exchange) else { throw .aborted }
        hasBegun = true
        // Nobody asks another target now, and the stream may last.
        exchange.releaseContent()
        body.removeAll(keeping: 0)
        let content = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(window.bytes)[..<count])
        if isChunked {
            let chunk = window.frame(count)
            defer { window.unframe(count) }
            try await exchange.sendRaw(head, chunk)
        } else {
            try await exchange.sendRaw(head, content)
        }
    }

    private func sendNext(
        _ count: Int, sent: Int, _ exchange: Exchange
    ) async throws(TransportError) {
        if isChunked {
            let chunk = window.frame(count)
            defer { window.unframe(count) }
            try await exchange.sendRaw(UnsafeRawBufferPointer(rebasing: chunk[sent...]))
        } else {
            let content = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(window.bytes)[..<count])
            try await exchange.sendRaw(content)
        }
    }

    /// HTTP/1.0 clients know no chunks; for them the connection's end is the end.
    var isChunked: Bool { exchange?.head.minorVersion != 0 }

    /// Lets the provider's connection go as soon as nothing more is wanted from it.
    private func releaseUpstream(_ connection: ClientConnection) {
        self.connection = nil
        guard stream.ending == .done, !connection.isBodyComplete else { return connection.finish() }
        // The terminator is here, the end of the body is still on its way: wait for it aside, so that the
        // connection can serve again without this client waiting for it.
        connection.connection.unlink()
        connection.deadlines.betweenReadsNanoseconds = 1_000_000_000
        gateway.loop.spawn {
            var left = 64 * 1024
            while left > 0, let part = try? await connection.nextBody() { left -= part.count }
            connection.finish()
        }
    }

    private static func failure(
        in window: borrowing StreamWindow, at place: Range<Int>, secrets: [String]
    ) -> CallFailure {
        var failure = CallFailure(.providerError)
        failure.origin = .provider
        let data = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(window.bytes)[place])
        if let error = OpenAIError(provider: data, status: failure.status, secrets: secrets) {
            failure.error = error
        }
        return failure
    }

    private static func blankLine(_ body: (UnsafeRawBufferPointer) -> Void) {
        let text: StaticString = "\n\n"
        body(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}

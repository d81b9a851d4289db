import Contract
import Dialects
import Domain
import HTTPServing
import HTTPWire
import Transport

extension ChatReply {
    /// Sends what waited for the bill: a clean end, or one error. Called once, after the event was recorded.
    ///
    /// An answer whose usage is not durable must not look complete.
    func finish(_ event: UsageEvent, isDurable: Bool) async {
        guard let exchange else { return }
        switch rest {
        case .nothing: return
        case .failure(let failure): await finish(exchange, with: failure)
        case .plain, .terminator, .lastWords, .passed, .replayed:
            guard isDurable else {
                // Of what is passed on nothing can be said once it has begun: it is cut.
                if case .passed = rest, hasBegun { return }
                return await finish(exchange, with: CallFailure(.outboxFull))
            }
            // A client that is gone by now has been billed: it was answered.
            switch rest {
            case .plain(let whole): try? await sendWhole(whole, event, exchange)
            case .lastWords: try? await sendLastWords(event, exchange)
            case .passed(let part): try? await sendPassed(part, isLast: true, exchange)
            case .replayed(let bytes): try? await sendReplayed(bytes, exchange)
            default: try? await sendTerminator(event, exchange)
            }
        }
    }

    private func finish(_ exchange: Exchange, with failure: CallFailure) async {
        if !hasBegun {
            await RefusalEdge.answer(exchange, with: failure, in: work.dialect, fields: failureFields)
        } else if case .some = translation {
            await sendBreak(exchange, with: failure)
        } else {
            await RefusalEdge.endStream(exchange, isChunked: isChunked, with: failure)
        }
    }

    /// Where a call came to that failed.
    private var failureFields: HeaderFields {
        noteAnswered()
        var fields = limitFields
        for field in upstream?.failureFields.all ?? [] { fields.append(field.name, field.value) }
        fields.append("x-eclusa-attempts", "\(attempts)")
        fields.append("x-eclusa-overhead-us", "\(overheadMicroseconds)")
        return fields
    }

    private func sendWhole(
        _ whole: UnsafeRawBufferPointer, _ event: UsageEvent, _ exchange: Exchange
    ) async throws(TransportError) {
        let keepsAlive = exchange.canKeepAlive
        beginHead(status: Int(event.status), exchange)
        if let answerType {
            head.field("content-type", answerType)
        } else {
            head.field("content-type", "application/json")
        }
        head.field("x-eclusa-attempts", number: Int(event.attempts))
        CostText.with(event.cost) { head.field("x-eclusa-cost", $0) }
        head.field("x-eclusa-cost-state", event.costState.headerText)
        head.field("content-length", number: whole.count)
        endHead(exchange, keepsAlive: keepsAlive)
        guard let bytes = head.finish() else { return }
        try await exchange.sendRaw(bytes, whole)
        exchange.markResponded(keepAlive: keepsAlive)
    }

    /// The usage event if the caller asked for it, the terminator, and the end of the chunks: one write.
    private func sendTerminator(_ event: UsageEvent, _ exchange: Exchange) async throws(TransportError) {
        var encoder = ChunkEncoder()
        var content = GrowableBytes()
        writeUsageEvent(event, to: &content)
        content.append("data: [DONE]\n\n")
        body.removeAll()
        if !hasBegun, let head = streamHead(exchange) { body.append(head) }
        body.append(isChunked ? encoder.encode(content.view, isLast: true) : content.view)
        hasBegun = true
        try await exchange.sendRaw(body.view)
        exchange.markResponded(keepAlive: isChunked && keepsStreamAlive)
    }

    /// The held usage event with the cost in it: in a stream the headers are long gone.
    private func writeUsageEvent(_ event: UsageEvent, to output: inout GrowableBytes) {
        let held = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(window.bytes)[..<stream.heldCount])
        // Its data is an object with a member at least; what follows its last bracket is line ends.
        guard let end = held.lastIndex(of: UInt8(ascii: "}")) else { return }
        output.append(UnsafeRawBufferPointer(rebasing: held[..<end]))
        output.append(#","x_eclusa":{"cost":""#)
        CostText.with(event.cost) { output.append($0) }
        output.append(#"","cost_state":""#)
        output.append(event.costState.headerText)
        output.append("\"}}\n\n")
    }

    // MARK: Heads

    /// The head of a stream's answer; nil when it cannot be written.
    func streamHead(_ exchange: Exchange) -> UnsafeRawBufferPointer? {
        keepsStreamAlive = exchange.canKeepAlive && isChunked
        beginHead(status: 200, exchange)
        head.field("content-type", streamType)
        head.field("cache-control", "no-cache")
        head.field("x-eclusa-attempts", number: Int(attempts))
        head.field("x-eclusa-cost-state", "unknown")
        if isChunked { head.field("transfer-encoding", "chunked") }
        endHead(exchange, keepsAlive: keepsStreamAlive)
        return head.finish()
    }

    private var streamType: StaticString {
        guard case .generation(let form) = work else { return "text/event-stream" }
        if case .replayed = rest { return form.streamType }
        return translation == nil ? "text/event-stream" : form.streamType
    }

    func beginHead(status: Int, _ exchange: Exchange) {
        head.beginResponse(status: status)
        if !exchange.everyAnswer.isEmpty { head.fields(exchange.everyAnswer) }
        head.field("date", exchange.dateBytes)
        head.field("x-request-id", exchange.requestIDBytes)
        if let upstream { head.append(upstream.answerFields) }
        if work.dialect != .openAI { head.fieldsOf(work.dialect, exchange) }
        head.field("x-eclusa-overhead-us", number: overheadMicroseconds)
        if let cacheState { head.field("x-eclusa-cache", cacheState) }
        if let dropped { head.field("x-eclusa-dropped", dropped) }
        if !limitFields.isEmpty { head.fields(limitFields) }
    }

    func endHead(_ exchange: Exchange, keepsAlive: Bool) {
        if !keepsAlive {
            head.field("connection", "close")
        } else if exchange.head.minorVersion == 0 {
            head.field("connection", "keep-alive")
        }
    }
}

extension UsageEvent.CostState {
    /// The word of the header; a call without a price has no known cost.
    var headerText: StaticString {
        switch self {
        case .settled: "settled"
        case .estimated: "estimated"
        case .unpriced: "unknown"
        }
    }
}

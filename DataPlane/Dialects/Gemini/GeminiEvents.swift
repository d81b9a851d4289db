import Domain
import JSONText

/// Reads a provider's Gemini stream, one event's data at a time. The format has no terminator: `ended` says
/// whether the stream was whole.
package struct GeminiEventReader: Sendable {
    private var hasStarted = false
    private var callCount = 0
    private(set) var hasFinished = false

    package init() {}

    package mutating func read(_ data: UnsafeRawBufferPointer) -> [CanonicalEvent] {
        guard let frame = try? JSONValue.parse(data, limits: JSONLimits(maximumBytes: data.count)) else {
            return [.failure(ProviderComplaint(message: "The provider sent an event that is not JSON."))]
        }
        if let error = frame["error"] ?? frame[0]?["error"], !error.isNull {
            return [.failure(ProviderComplaint(gemini: error))]
        }
        var events: [CanonicalEvent] = []
        if !hasStarted {
            hasStarted = true
            events.append(.start(id: frame["responseId"]?.string ?? ""))
        }
        let candidate = frame["candidates"]?[0]
        for part in GeminiParts.read(candidate, firstCall: callCount) {
            switch part {
            case .text(let text): events.append(.text(text))
            case .reasoning(let text, _): events.append(.reasoning(text))
            case .toolCall(let call):
                events.append(
                    .toolCall(callCount, id: call.id, name: call.name, signature: call.signature))
                events.append(.toolArguments(callCount, call.arguments))
                callCount += 1
            default: break
            }
        }
        let isBlocked = candidate == nil && frame["promptFeedback"]?["blockReason"] != nil
        if !hasFinished, let reason = isBlocked ? "SAFETY" : candidate?["finishReason"]?.string {
            hasFinished = true
            if let finish = CanonicalFinish(gemini: reason, hasCalls: callCount > 0) {
                events.append(.finish(finish))
            } else {
                let message = "The provider stopped with \(reason)."
                events.append(.failure(ProviderComplaint(message: message, kind: reason)))
            }
        }
        if let usage = ReportedUsage(gemini: frame["usageMetadata"]) { events.append(.usage(usage)) }
        return events
    }

    /// What the end of the connection means.
    package func ended() -> CanonicalEvent {
        hasFinished ? .end : .failure(ProviderComplaint(message: "The provider cut the stream."))
    }
}

/// Writes a streamed answer in Gemini's format: as server-sent events, or as one JSON array in pieces.
package struct GeminiEventWriter: Sendable {
    package enum Framing: Sendable { case events, array }

    private let context: AnswerContext
    private let framing: Framing
    /// Calls whose arguments may still be coming: the format sends calls whole.
    private var calls: [(index: Int, call: CanonicalToolCall)] = []
    private var hasFailed = false
    private var finish: CanonicalFinish?
    private var usage: ReportedUsage?
    private var hasWritten = false

    package init(_ context: AnswerContext, _ framing: Framing) {
        self.context = context
        self.framing = framing
    }

    package var mediaType: String {
        framing == .events ? "text/event-stream; charset=utf-8" : "application/json; charset=utf-8"
    }

    package mutating func write(_ event: CanonicalEvent, to output: inout [UInt8]) {
        if hasFailed { return }
        switch event {
        case .start, .reasoningSignature: break
        case .text(let text):
            sendCalls(&output)
            send([["text": .string(text)]], &output)
        case .reasoning(let text): send([["text": .string(text), "thought": true]], &output)
        case .toolCall(let index, let id, let name, let signature):
            calls.append(
                (index, CanonicalToolCall(id: id, name: name, arguments: "", signature: signature)))
        case .toolArguments(let index, let text):
            guard let position = calls.firstIndex(where: { $0.index == index }) else {
                let message = "The provider sent arguments of a tool call that was over."
                return write(.failure(ProviderComplaint(message: message)), to: &output)
            }
            calls[position].call.arguments += text
        case .finish(let finish):
            sendCalls(&output)
            self.finish = finish
        case .usage(let report): usage = report
        case .end:
            let usage = usage ?? ReportedUsage(usage: .zero)
            frame(GeminiFrame.of([["text": ""]], finish: finish ?? .stop, usage: usage, context), &output)
            if framing == .array { output += Array("]".utf8) }
        case .failure(let complaint):
            hasFailed = true
            frame(GeminiError(status: complaint.status ?? 500, message: complaint.message).value, &output)
            if framing == .array { output += Array("]".utf8) }
        }
    }

    private mutating func sendCalls(_ output: inout [UInt8]) {
        guard !calls.isEmpty else { return }
        let parts = calls.compactMap { entry in
            var call = entry.call
            if call.arguments.isEmpty { call.arguments = "{}" }
            return GeminiParts.write(.toolCall(call))
        }
        calls = []
        send(parts, &output)
    }

    private mutating func send(_ parts: [JSONValue], _ output: inout [UInt8]) {
        frame(GeminiFrame.of(parts, finish: nil, usage: nil, context), &output)
    }

    private mutating func frame(_ value: JSONValue, _ output: inout [UInt8]) {
        switch framing {
        case .events:
            output += Array("data: ".utf8)
            output += value.bytes
            output += Array("\r\n\r\n".utf8)
        case .array:
            output += Array((hasWritten ? ",\r\n" : "[").utf8)
            output += value.bytes
        }
        hasWritten = true
    }
}

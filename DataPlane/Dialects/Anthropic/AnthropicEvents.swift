import Domain
import JSONText

/// Reads a provider's Anthropic stream, one event's data at a time.
package struct AnthropicEventReader: Sendable {
    /// The call of each content block that is one; nil for texts and thoughts.
    private var callOfBlock: [Int64: Int] = [:]
    private var callCount = 0
    private var finish: CanonicalFinish?
    /// The usage so far: later figures replace earlier ones.
    private var usage = JSONObject()

    package init() {}

    package mutating func read(_ data: UnsafeRawBufferPointer) -> [CanonicalEvent] {
        guard let event = try? JSONValue.parse(data, limits: JSONLimits(maximumBytes: data.count)) else {
            return [.failure(ProviderComplaint(message: "The provider sent an event that is not JSON."))]
        }
        let index = event["index"]?.exactInt64 ?? 0
        switch event["type"]?.string {
        case "message_start":
            merge(event["message"]?["usage"])
            return [.start(id: event["message"]?["id"]?.string ?? "")]
        case "content_block_start": return start(index, event["content_block"] ?? .null)
        case "content_block_delta": return delta(index, event["delta"] ?? .null)
        case "message_delta":
            merge(event["usage"])
            var events: [CanonicalEvent] = []
            if finish == nil, let reason = event["delta"]?["stop_reason"]?.string {
                let finish = CanonicalFinish(
                    anthropic: reason, stopSequence: event["delta"]?["stop_sequence"]?.string)
                self.finish = finish
                events.append(.finish(finish))
            }
            if let report = ReportedUsage(anthropic: .object(usage)) { events.append(.usage(report)) }
            return events
        case "message_stop": return [.end]
        case "error": return [.failure(ProviderComplaint(anthropic: event["error"] ?? .null))]
        default: return []  // ping, content_block_stop, and what later versions add
        }
    }

    private mutating func start(_ index: Int64, _ block: JSONValue) -> [CanonicalEvent] {
        switch block["type"]?.string {
        case "tool_use":
            guard let id = block["id"]?.string, let name = block["name"]?.string, callCount < 1024 else {
                return []
            }
            let call = callCount
            callCount += 1
            callOfBlock[index] = call
            return [.toolCall(call, id: id, name: name, signature: nil)]
        case "text":
            guard let text = block["text"]?.string, !text.isEmpty else { return [] }
            return [.text(text)]
        default: return []
        }
    }

    private func delta(_ index: Int64, _ delta: JSONValue) -> [CanonicalEvent] {
        func text(_ name: String) -> String? {
            guard let text = delta[name]?.string, !text.isEmpty else { return nil }
            return text
        }
        switch delta["type"]?.string {
        case "text_delta": return text("text").map { [.text($0)] } ?? []
        case "thinking_delta": return text("thinking").map { [.reasoning($0)] } ?? []
        case "signature_delta": return text("signature").map { [.reasoningSignature($0)] } ?? []
        case "input_json_delta":
            guard let call = callOfBlock[index], let text = text("partial_json") else { return [] }
            return [.toolArguments(call, text)]
        default: return []
        }
    }

    private mutating func merge(_ report: JSONValue?) {
        for member in report?.object?.members ?? [] where !member.value.isNull {
            usage[member.name] = member.value
        }
    }
}

/// Writes a streamed answer in Anthropic's format: blocks are opened and closed as the events ask for.
package struct AnthropicEventWriter: Sendable {
    private enum Block: Equatable { case text, thinking, call(Int) }

    private let context: AnswerContext
    private var hasStarted = false
    private var open: Block?
    private var blockCount = 0
    private var hasFailed = false
    private var finish: CanonicalFinish?
    private var usage: ReportedUsage?

    package init(_ context: AnswerContext) { self.context = context }

    package static let mediaType = "text/event-stream; charset=utf-8"

    package mutating func write(_ event: CanonicalEvent, to output: inout [UInt8]) {
        if hasFailed { return }
        if !hasStarted, case .failure = event {} else { start(&output) }
        switch event {
        case .start: break
        case .text(let text):
            openBlock(.text, ["type": "text", "text": ""], &output)
            delta(["type": "text_delta", "text": .string(text)], &output)
        case .reasoning(let text):
            openBlock(.thinking, ["type": "thinking", "thinking": "", "signature": ""], &output)
            delta(["type": "thinking_delta", "thinking": .string(text)], &output)
        case .reasoningSignature(let signature):
            guard open == .thinking else { return }
            delta(["type": "signature_delta", "signature": .string(signature)], &output)
        case .toolCall(let index, let id, let name, _):
            let block: JSONValue = [
                "type": "tool_use", "id": .string(ToolID.plain(id)), "name": .string(name), "input": [:],
            ]
            openBlock(.call(index), block, &output)
        case .toolArguments(let index, let text):
            guard open == .call(index) else {
                // The format finishes one block before it begins the next; arguments must not be lost.
                let message = "The provider mixed the arguments of several tool calls."
                return write(.failure(ProviderComplaint(message: message)), to: &output)
            }
            delta(["type": "input_json_delta", "partial_json": .string(text)], &output)
        case .finish(let finish): self.finish = finish
        case .usage(let report): usage = report
        case .end: end(&output)
        case .failure(let complaint):
            hasFailed = true
            closeBlock(&output)
            let status = complaint.status ?? 500
            let type = complaint.kind ?? AnthropicError.type(ofStatus: status)
            output += AnthropicError(type: type, message: complaint.message).event
        }
    }

    private mutating func start(_ output: inout [UInt8]) {
        guard !hasStarted else { return }
        hasStarted = true
        let message: JSONValue = [
            "id": .string("msg_\(context.id)"), "type": "message", "role": "assistant",
            "model": .string(context.model), "content": [], "stop_reason": nil, "stop_sequence": nil,
            "usage": ReportedUsage(usage: .zero).anthropic,
        ]
        send("message_start", ["type": "message_start", "message": message], &output)
    }

    private mutating func openBlock(_ block: Block, _ content: JSONValue, _ output: inout [UInt8]) {
        if open == block { return }
        closeBlock(&output)
        open = block
        send(
            "content_block_start",
            ["type": "content_block_start", "index": number(blockCount), "content_block": content], &output)
    }

    private mutating func closeBlock(_ output: inout [UInt8]) {
        guard open != nil else { return }
        send("content_block_stop", ["type": "content_block_stop", "index": number(blockCount)], &output)
        open = nil
        blockCount += 1
    }

    private func delta(_ delta: JSONValue, _ output: inout [UInt8]) {
        send(
            "content_block_delta",
            ["type": "content_block_delta", "index": number(blockCount), "delta": delta], &output)
    }

    private mutating func end(_ output: inout [UInt8]) {
        closeBlock(&output)
        let finish = finish ?? .stop
        let delta: JSONValue = ["stop_reason": .string(finish.anthropic), "stop_sequence": finish.stopText]
        let usage = (usage ?? ReportedUsage(usage: .zero)).anthropic
        send("message_delta", ["type": "message_delta", "delta": delta, "usage": usage], &output)
        send("message_stop", ["type": "message_stop"], &output)
    }

    private func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }

    private func send(_ name: String, _ value: JSONValue, _ output: inout [UInt8]) {
        output += Array("event: \(name)\ndata: ".utf8)
        output += value.bytes
        output += [10, 10]
    }
}

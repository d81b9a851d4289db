import Domain
package import JSONText

extension ReportedUsage {
    /// The figures of a last line; input may be missing when the prompt was cached.
    package init?(ollama line: JSONValue) {
        var figures = UsageFigures(line)
        let report = figures.report(
            input: figures.figure("prompt_eval_count"), output: figures.figure("eval_count"))
        guard let report else { return nil }
        self = report
    }
}

extension CanonicalFinish {
    init(ollama reason: String?, hasCalls: Bool) {
        self = reason == "length" ? .length : hasCalls ? .toolCalls : .stop
    }

    var ollama: String { self == .length ? "length" : "stop" }
}

extension CanonicalAnswer {
    /// A whole answer in Ollama's chat format.
    package init(ollamaChat body: JSONValue) throws(ProviderComplaint) {
        if let error = body["error"]?.string { throw ProviderComplaint(message: error) }
        guard let message = body["message"], message.object != nil else {
            throw ProviderComplaint(message: "The provider's answer has no message.")
        }
        let parts = OllamaLine.parts(message)
        let hasCalls = parts.contains { if case .toolCall = $0 { true } else { false } }
        self.init(
            parts: parts,
            finish: CanonicalFinish(ollama: body["done_reason"]?.string, hasCalls: hasCalls),
            usage: ReportedUsage(ollama: body))
    }

    /// The answer in Ollama's chat format, or its one-prompt format.
    package func ollama(_ context: AnswerContext, _ form: OllamaForm, nanoseconds: Int64) -> JSONValue {
        OllamaLine.last(
            context, form, OllamaLine.message(parts, form), finish, usage, nanoseconds: nanoseconds)
    }
}

/// `/api/chat` or `/api/generate`.
package enum OllamaForm: Sendable, Equatable { case chat, generate }

enum OllamaLine {
    static func parts(_ message: JSONValue, firstCall: Int = 0) -> [CanonicalPart] {
        var parts: [CanonicalPart] = []
        if let thought = message["thinking"]?.string, !thought.isEmpty {
            parts.append(.reasoning(text: thought, signature: nil))
        }
        if let text = message["content"]?.string, !text.isEmpty { parts.append(.text(text)) }
        for (index, call) in (message["tool_calls"]?.array ?? []).enumerated() {
            guard let name = call["function"]?["name"]?.string else { continue }
            parts.append(
                .toolCall(
                    CanonicalToolCall(
                        id: call["id"]?.string ?? "call_\(firstCall + index + 1)", name: name,
                        arguments: (call["function"]?["arguments"] ?? [:]).text)))
        }
        return parts
    }

    /// The members that carry content: `message`, or `response` in the one-prompt form.
    static func message(_ parts: [CanonicalPart], _ form: OllamaForm) -> JSONObject {
        var text = ""
        var thoughts = ""
        var calls: [JSONValue] = []
        for part in parts {
            switch part {
            case .text(let more): text += more
            case .reasoning(let more, _): thoughts += more
            case .toolCall(let call):
                calls.append([
                    "id": .string(call.id),
                    "function": [
                        "name": .string(call.name), "arguments": ToolArguments.object(call.arguments),
                    ],
                ])
            default: break
            }
        }
        var members = JSONObject()
        if form == .generate {
            members["response"] = .string(text)
            if !thoughts.isEmpty { members["thinking"] = .string(thoughts) }
            return members
        }
        var message = JSONObject()
        message["role"] = "assistant"
        message["content"] = .string(text)
        if !thoughts.isEmpty { message["thinking"] = .string(thoughts) }
        if !calls.isEmpty { message["tool_calls"] = .array(calls) }
        members["message"] = .object(message)
        return members
    }

    static func line(_ context: AnswerContext, _ content: JSONObject, isDone: Bool) -> JSONObject {
        var line = JSONObject()
        line["model"] = .string(context.model)
        line["created_at"] = .string(Timestamp(microseconds: context.created * 1_000_000).description)
        for member in content.members { line[member.name] = member.value }
        line["done"] = .boolean(isDone)
        return line
    }

    static func last(
        _ context: AnswerContext, _ form: OllamaForm, _ content: JSONObject, _ finish: CanonicalFinish,
        _ usage: ReportedUsage?, nanoseconds: Int64
    ) -> JSONValue {
        var line = line(context, content, isDone: true)
        line["done_reason"] = .string(finish.ollama)
        line["total_duration"] = .number(JSONNumber(nanoseconds))
        line["prompt_eval_count"] = .number(JSONNumber(usage?.usage.input ?? 0))
        line["eval_count"] = .number(JSONNumber(usage?.usage.output ?? 0))
        return .object(line)
    }
}

/// Reads a provider's Ollama stream, one line at a time.
package struct OllamaLineReader: Sendable {
    private var hasStarted = false
    private var callCount = 0

    package init() {}

    package mutating func read(_ data: UnsafeRawBufferPointer) -> [CanonicalEvent] {
        guard let line = try? JSONValue.parse(data, limits: JSONLimits(maximumBytes: data.count)) else {
            return [.failure(ProviderComplaint(message: "The provider sent a line that is not JSON."))]
        }
        if let error = line["error"]?.string { return [.failure(ProviderComplaint(message: error))] }
        var events: [CanonicalEvent] = []
        if !hasStarted {
            hasStarted = true
            events.append(.start(id: ""))
        }
        for part in OllamaLine.parts(line["message"] ?? .null, firstCall: callCount) {
            switch part {
            case .text(let text): events.append(.text(text))
            case .reasoning(let text, _): events.append(.reasoning(text))
            case .toolCall(let call):
                events.append(.toolCall(callCount, id: call.id, name: call.name, signature: nil))
                events.append(.toolArguments(callCount, call.arguments))
                callCount += 1
            default: break
            }
        }
        if line["done"]?.boolean == true {
            let reason = line["done_reason"]?.string
            events.append(.finish(CanonicalFinish(ollama: reason, hasCalls: callCount > 0)))
            if let usage = ReportedUsage(ollama: line) { events.append(.usage(usage)) }
            events.append(.end)
        }
        return events
    }
}

/// Writes a streamed answer in Ollama's format: one JSON object a line, no blank lines, nothing between.
package struct OllamaLineWriter: Sendable {
    private let context: AnswerContext
    private let form: OllamaForm
    /// Calls whose arguments may still be coming: the format sends calls whole.
    private var calls: [(index: Int, call: CanonicalToolCall)] = []
    private var finish = CanonicalFinish.stop
    private var usage: ReportedUsage?
    private var hasFailed = false
    /// How long the answer took, for the last line.
    package var nanoseconds: Int64 = 0

    package init(_ context: AnswerContext, _ form: OllamaForm) {
        self.context = context
        self.form = form
    }

    package static let mediaType = "application/x-ndjson"

    package mutating func write(_ event: CanonicalEvent, to output: inout [UInt8]) {
        if hasFailed { return }
        switch event {
        case .start, .reasoningSignature: break
        case .text(let text):
            sendCalls(&output)
            send([.text(text)], &output)
        case .reasoning(let text): send([.reasoning(text: text, signature: nil)], &output)
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
            let last = OllamaLine.last(
                context, form, OllamaLine.message([], form), finish, usage, nanoseconds: nanoseconds)
            output += last.bytes + [10]
        case .failure(let complaint):
            hasFailed = true
            let error: JSONValue = ["error": .string(complaint.message)]
            output += error.bytes + [10]
        }
    }

    private mutating func sendCalls(_ output: inout [UInt8]) {
        guard !calls.isEmpty else { return }
        let parts = calls.map { CanonicalPart.toolCall($0.call) }
        calls = []
        send(parts, &output)
    }

    private func send(_ parts: [CanonicalPart], _ output: inout [UInt8]) {
        let line = OllamaLine.line(context, OllamaLine.message(parts, form), isDone: false)
        output += JSONValue.object(line).bytes + [10]
    }
}

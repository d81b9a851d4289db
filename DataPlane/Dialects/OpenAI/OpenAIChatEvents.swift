import JSONText

/// Reads a provider's OpenAI chat stream, one event's data at a time.
package struct OpenAIChatEventReader: Sendable {
    private var hasStarted = false
    private(set) var hasFinished = false
    /// The provider's index of each call, in the order they began; ours is the position.
    private var calls: [Int64] = []

    package init() {}

    /// The events one event's data stands for. `[DONE]` is the end.
    package mutating func read(_ data: UnsafeRawBufferPointer) -> [CanonicalEvent] {
        if data.elementsEqual("[DONE]".utf8) { return [.end] }
        guard let chunk = try? JSONValue.parse(data, limits: JSONLimits(maximumBytes: data.count)) else {
            return [.failure(ProviderComplaint(message: "The provider sent an event that is not JSON."))]
        }
        if let error = chunk["error"], !error.isNull { return [.failure(OpenAIComplaint.read(error))] }
        var events: [CanonicalEvent] = []
        if !hasStarted {
            hasStarted = true
            events.append(.start(id: chunk["id"]?.string ?? ""))
        }
        if let choice = chunk["choices"]?[0] {
            if let delta = choice["delta"] { read(delta, into: &events) }
            if !hasFinished, let reason = choice["finish_reason"]?.string {
                hasFinished = true
                if let finish = CanonicalFinish(openAI: reason) {
                    events.append(.finish(finish == .stop && !calls.isEmpty ? .toolCalls : finish))
                } else {
                    events.append(.failure(ProviderComplaint(message: "The provider stopped with an error.")))
                }
            }
        }
        if let usage = ReportedUsage(openAI: chunk["usage"])
            ?? ReportedUsage(openAI: chunk["x_groq"]?["usage"])
        {
            events.append(.usage(usage))
        }
        return events
    }

    private mutating func read(_ delta: JSONValue, into events: inout [CanonicalEvent]) {
        if let thought = (delta["reasoning_content"] ?? delta["reasoning"])?.string, !thought.isEmpty {
            events.append(.reasoning(thought))
        }
        for part in OpenAIDelta.texts(delta["content"]) {
            switch part {
            case .text(let text): events.append(.text(text))
            case .reasoning(let text, _): events.append(.reasoning(text))
            default: break
            }
        }
        if let refusal = delta["refusal"]?.string, !refusal.isEmpty { events.append(.text(refusal)) }
        for (place, call) in (delta["tool_calls"]?.array ?? []).enumerated() {
            let index = call["index"]?.exactInt64 ?? Int64(place)
            let arguments = OpenAIDelta.arguments(call["function"]?["arguments"], whole: false)
            if let known = calls.firstIndex(of: index) {
                if !arguments.isEmpty { events.append(.toolArguments(known, arguments)) }
                continue
            }
            guard let name = call["function"]?["name"]?.string, calls.count < 1024 else { continue }
            calls.append(index)
            events.append(
                .toolCall(
                    calls.count - 1, id: call["id"]?.string ?? "call_\(index)", name: name,
                    signature: call["extra_content"]?["google"]?["thought_signature"]?.string))
            if !arguments.isEmpty { events.append(.toolArguments(calls.count - 1, arguments)) }
        }
    }
}

/// Writes a streamed answer in OpenAI's chat format.
package struct OpenAIChatEventWriter: Sendable {
    private let context: AnswerContext
    private var usage: ReportedUsage?
    /// What the answer cost, for its last chunk.
    var bill: StreamBill?
    /// Calls that were announced, and whether any argument followed.
    private var hasArguments: [Bool] = []
    private var hasStarted = false

    package init(_ context: AnswerContext) { self.context = context }

    package static let mediaType = "text/event-stream; charset=utf-8"

    /// Appends what an event is on the wire; nothing for those the format holds back.
    package mutating func write(_ event: CanonicalEvent, to output: inout [UInt8]) {
        if !hasStarted, case .failure = event {} else { start(&output) }
        switch event {
        case .start, .reasoningSignature: break
        case .text(let text): chunk(["content": .string(text)], to: &output)
        case .reasoning(let text): chunk(["reasoning_content": .string(text)], to: &output)
        case .toolCall(let index, let id, let name, let signature):
            while hasArguments.count <= index { hasArguments.append(false) }
            let call = CanonicalToolCall(id: id, name: name, arguments: "", signature: signature)
            toolCall(index, CanonicalCall.openAIToolCall(call), to: &output)
        case .toolArguments(let index, let text):
            if hasArguments.indices.contains(index) { hasArguments[index] = true }
            toolCall(index, ["function": ["arguments": .string(text)]], to: &output)
        case .finish(let finish):
            // A call without arguments has an empty object, never an empty text.
            for (index, has) in hasArguments.enumerated() where !has {
                toolCall(index, ["function": ["arguments": "{}"]], to: &output)
            }
            chunk([:], finish: finish.openAI, to: &output)
        case .usage(let report): usage = report
        case .end:
            if context.wantsUsage {
                var last = frame(choices: [], usage: usage?.openAI ?? .null).object ?? JSONObject()
                last["x_eclusa"] = bill.map {
                    ["cost": .string($0.cost), "cost_state": .string($0.state)]
                }
                send(.object(last), to: &output)
            }
            output += Array("data: [DONE]\n\n".utf8)
        case .failure(let complaint):
            let error = OpenAIError(
                message: complaint.message, type: complaint.kind ?? "server_error",
                parameter: complaint.parameter, code: complaint.code)
            output += error.event()
        }
    }

    private mutating func start(_ output: inout [UInt8]) {
        guard !hasStarted else { return }
        hasStarted = true
        chunk(["role": "assistant", "content": ""], to: &output)
    }

    private func toolCall(_ index: Int, _ call: JSONValue, to output: inout [UInt8]) {
        var object = JSONObject()
        object["index"] = .number(JSONNumber(index))
        for member in call.object?.members ?? [] { object[member.name] = member.value }
        chunk(["tool_calls": [.object(object)]], to: &output)
    }

    private func chunk(_ delta: JSONValue, finish: String? = nil, to output: inout [UInt8]) {
        let choice: JSONValue = [
            "index": 0, "delta": delta, "logprobs": nil,
            "finish_reason": finish.map { .string($0) } ?? .null,
        ]
        send(frame(choices: [choice], usage: nil), to: &output)
    }

    private func frame(choices: [JSONValue], usage: JSONValue?) -> JSONValue {
        var frame = JSONObject()
        frame["id"] = .string("chatcmpl-\(context.id)")
        frame["object"] = "chat.completion.chunk"
        frame["created"] = .number(JSONNumber(context.created))
        frame["model"] = .string(context.model)
        frame["choices"] = .array(choices)
        if context.wantsUsage { frame["usage"] = usage ?? .null }
        return .object(frame)
    }

    private func send(_ value: JSONValue, to output: inout [UInt8]) {
        output += Array("data: ".utf8)
        output += value.bytes
        output += [10, 10]
    }
}

import JSONText

/// Reads a provider's Responses stream as far as passing it on needs: usage, errors and the end.
package struct ResponsesEventReader: Sendable {
    package init() {}

    package mutating func read(_ data: UnsafeRawBufferPointer) -> [CanonicalEvent] {
        guard let event = try? JSONValue.parse(data, limits: JSONLimits(maximumBytes: data.count)) else {
            return [.failure(ProviderComplaint(message: "The provider sent an event that is not JSON."))]
        }
        switch event["type"]?.string {
        case "response.created": return [.start(id: event["response"]?["id"]?.string ?? "")]
        case "response.output_text.delta", "response.refusal.delta":
            return event["delta"]?.string.map { [.text($0)] } ?? []
        case "response.function_call_arguments.delta":
            return event["delta"]?.string.map { [.toolArguments(0, $0)] } ?? []
        case "response.reasoning_summary_text.delta":
            return event["delta"]?.string.map { [.reasoning($0)] } ?? []
        case "response.completed", "response.incomplete":
            let usage = ReportedUsage(openAIResponses: event["response"]?["usage"])
            let isWhole = event["type"]?.string == "response.completed"
            return [.finish(isWhole ? .stop : .length)] + (usage.map { [.usage($0)] } ?? []) + [.end]
        case "response.failed":
            return [.failure(OpenAIComplaint.read(event["response"]?["error"] ?? .null))]
        case "error": return [.failure(OpenAIComplaint.read(event["error"] ?? event))]
        default: return []
        }
    }
}

/// Writes a streamed answer in OpenAI's Responses format: items are opened and closed as the events ask for.
package struct ResponsesEventWriter: Sendable {
    private enum Item {
        case message(String)
        case reasoning(String)
        case call(Int, CanonicalToolCall)
    }

    private let context: AnswerContext
    private var number: Int64 = 0
    private var hasStarted = false
    private var hasFailed = false
    private var open: Item?
    private var openID = ""
    private var done: [JSONValue] = []
    private var finish: CanonicalFinish?
    private var usage: ReportedUsage?

    package init(_ context: AnswerContext) { self.context = context }

    package mutating func write(_ event: CanonicalEvent, to output: inout [UInt8]) {
        if hasFailed { return }
        if !hasStarted, case .failure = event {} else { start(&output) }
        switch event {
        case .start, .reasoningSignature: break
        case .text(let text): write(text: text, &output)
        case .reasoning(let text): write(thought: text, &output)
        case .toolCall(let index, let id, let name, _):
            close(&output)
            openID = "fc_\(context.id)\(done.count)"
            let call = CanonicalToolCall(id: id, name: name, arguments: "")
            open = .call(index, call)
            added(ResponseObject.call(openID, call, isDone: false), &output)
        case .toolArguments(let index, let text):
            guard case .call(let current, var call) = open, current == index else {
                let message = "The provider mixed the arguments of several tool calls."
                return write(.failure(ProviderComplaint(message: message)), to: &output)
            }
            call.arguments += text
            open = .call(index, call)
            item("response.function_call_arguments.delta", ["delta": .string(text)], &output)
        case .finish(let finish): self.finish = finish
        case .usage(let report): usage = report
        case .end:
            close(&output)
            let finish = finish ?? .stop
            let isWhole = ResponseObject.incompleteReason(finish) == nil
            let response = ResponseObject.of(context, output: done, finish: finish, usage: usage)
            send(isWhole ? "response.completed" : "response.incomplete", ["response": response], &output)
        case .failure(let complaint):
            hasFailed = true
            send(
                "error",
                [
                    "code": .string(complaint.code ?? complaint.kind ?? "server_error"),
                    "message": .string(complaint.message),
                    "param": complaint.parameter.map { .string($0) } ?? .null,
                ], &output)
        }
    }

    private mutating func start(_ output: inout [UInt8]) {
        guard !hasStarted else { return }
        hasStarted = true
        let response = ResponseObject.of(context, output: [], finish: nil, usage: nil)
        send("response.created", ["response": response], &output)
        send("response.in_progress", ["response": response], &output)
    }

    private mutating func write(text: String, _ output: inout [UInt8]) {
        if case .message(let known) = open {
            open = .message(known + text)
        } else {
            close(&output)
            openID = "msg_\(context.id)\(done.count)"
            open = .message(text)
            added(ResponseObject.message(openID, nil, isDone: false), &output)
            part("response.content_part.added", ["part": ResponseObject.textPart("")], &output)
        }
        part("response.output_text.delta", ["delta": .string(text), "logprobs": []], &output)
    }

    private mutating func write(thought: String, _ output: inout [UInt8]) {
        if case .reasoning(let known) = open {
            open = .reasoning(known + thought)
        } else {
            close(&output)
            openID = "rs_\(context.id)\(done.count)"
            open = .reasoning(thought)
            added(ResponseObject.reasoning(openID, nil), &output)
            summary(
                "response.reasoning_summary_part.added", ["part": ResponseObject.summaryPart("")], &output)
        }
        summary("response.reasoning_summary_text.delta", ["delta": .string(thought)], &output)
    }

    private mutating func close(_ output: inout [UInt8]) {
        let whole: JSONValue
        switch open {
        case nil: return
        case .message(let text):
            part("response.output_text.done", ["text": .string(text), "logprobs": []], &output)
            part("response.content_part.done", ["part": ResponseObject.textPart(text)], &output)
            whole = ResponseObject.message(openID, text, isDone: true)
        case .reasoning(let text):
            summary("response.reasoning_summary_text.done", ["text": .string(text)], &output)
            summary(
                "response.reasoning_summary_part.done", ["part": ResponseObject.summaryPart(text)], &output)
            whole = ResponseObject.reasoning(openID, text)
        case .call(_, var call):
            if call.arguments.isEmpty {
                call.arguments = "{}"
                item("response.function_call_arguments.delta", ["delta": "{}"], &output)
            }
            item(
                "response.function_call_arguments.done",
                ["name": .string(call.name), "arguments": .string(call.arguments)], &output)
            whole = ResponseObject.call(openID, call, isDone: true)
        }
        open = nil
        send("response.output_item.done", ["output_index": index, "item": whole], &output)
        done.append(whole)
    }

    private var index: JSONValue { .number(JSONNumber(done.count)) }

    private mutating func added(_ item: JSONValue, _ output: inout [UInt8]) {
        send("response.output_item.added", ["output_index": index, "item": item], &output)
    }

    private mutating func item(_ type: String, _ members: JSONValue, _ output: inout [UInt8]) {
        send(type, ["item_id": .string(openID), "output_index": index], members, &output)
    }

    private mutating func part(_ type: String, _ members: JSONValue, _ output: inout [UInt8]) {
        send(
            type, ["item_id": .string(openID), "output_index": index, "content_index": 0], members, &output)
    }

    private mutating func summary(_ type: String, _ members: JSONValue, _ output: inout [UInt8]) {
        send(
            type, ["item_id": .string(openID), "output_index": index, "summary_index": 0], members, &output)
    }

    private mutating func send(_ type: String, _ members: JSONValue, _ output: inout [UInt8]) {
        send(type, members, [:], &output)
    }

    private mutating func send(
        _ type: String, _ members: JSONValue, _ more: JSONValue, _ output: inout [UInt8]
    ) {
        var event = JSONObject()
        event["type"] = .string(type)
        event["sequence_number"] = .number(JSONNumber(number))
        number += 1
        for member in (members.object?.members ?? []) + (more.object?.members ?? []) {
            event[member.name] = member.value
        }
        output += Array("event: \(type)\ndata: ".utf8)
        output += JSONValue.object(event).bytes
        output += [10, 10]
    }
}

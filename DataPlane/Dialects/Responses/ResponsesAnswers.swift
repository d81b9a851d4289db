import Domain
package import JSONText

extension ReportedUsage {
    /// The usage of the Responses format and of those that share its names (images, transcriptions).
    package init?(openAIResponses usage: JSONValue?) {
        guard let usage, usage.object != nil else { return nil }
        var figures = UsageFigures(usage)
        let report = figures.report(
            input: figures.figure("input_tokens"),
            cached: figures.figure("input_tokens_details", "cached_tokens"),
            output: figures.figure("output_tokens"),
            reasoning: figures.figure("output_tokens_details", "reasoning_tokens"))
        guard let report else { return nil }
        self = report
    }

    var openAIResponses: JSONValue {
        [
            "input_tokens": .number(JSONNumber(usage.input)),
            "input_tokens_details": ["cached_tokens": .number(JSONNumber(usage.cachedInput))],
            "output_tokens": .number(JSONNumber(usage.output)),
            "output_tokens_details": ["reasoning_tokens": .number(JSONNumber(usage.reasoning))],
            "total_tokens": .number(JSONNumber(usage.total)),
        ]
    }
}

/// The response object, whole or as far as it came.
enum ResponseObject {
    static func of(
        _ context: AnswerContext, output: [JSONValue], finish: CanonicalFinish?, usage: ReportedUsage?
    ) -> JSONValue {
        var object = JSONObject()
        object["id"] = .string("resp_\(context.id)")
        object["object"] = "response"
        object["created_at"] = .number(JSONNumber(context.created))
        let reason = incompleteReason(finish)
        object["status"] = finish == nil ? "in_progress" : reason == nil ? "completed" : "incomplete"
        object["error"] = .null
        object["incomplete_details"] = reason.map { ["reason": .string($0)] } ?? .null
        object["instructions"] = .null
        object["max_output_tokens"] = .null
        object["model"] = .string(context.model)
        object["output"] = .array(output)
        object["parallel_tool_calls"] = true
        object["previous_response_id"] = .null
        object["reasoning"] = ["effort": nil, "summary": nil]
        object["store"] = false
        object["temperature"] = .null
        object["text"] = ["format": ["type": "text"]]
        object["tool_choice"] = "auto"
        object["tools"] = []
        object["top_p"] = .null
        object["truncation"] = "disabled"
        object["usage"] = usage?.openAIResponses ?? .null
        object["metadata"] = [:]
        return .object(object)
    }

    static func incompleteReason(_ finish: CanonicalFinish?) -> String? {
        switch finish {
        case .length: "max_output_tokens"
        case .contentFilter: "content_filter"
        default: nil
        }
    }

    static func message(_ id: String, _ text: String?, isDone: Bool) -> JSONValue {
        [
            "id": .string(id), "type": "message", "status": isDone ? "completed" : "in_progress",
            "role": "assistant", "content": .array(text.map { [textPart($0)] } ?? []),
        ]
    }

    static func textPart(_ text: String) -> JSONValue {
        ["type": "output_text", "text": .string(text), "annotations": [], "logprobs": []]
    }

    static func call(_ id: String, _ call: CanonicalToolCall, isDone: Bool) -> JSONValue {
        [
            "id": .string(id), "type": "function_call", "status": isDone ? "completed" : "in_progress",
            "call_id": .string(call.id), "name": .string(call.name), "arguments": .string(call.arguments),
        ]
    }

    static func reasoning(_ id: String, _ text: String?) -> JSONValue {
        ["id": .string(id), "type": "reasoning", "summary": .array(text.map { [summaryPart($0)] } ?? [])]
    }

    static func summaryPart(_ text: String) -> JSONValue { ["type": "summary_text", "text": .string(text)] }
}

extension CanonicalAnswer {
    /// A whole answer in the Responses format.
    package init(openAIResponses body: JSONValue) throws(ProviderComplaint) {
        if let error = body["error"], !error.isNull { throw OpenAIComplaint.read(error) }
        guard let output = body["output"]?.array else {
            throw ProviderComplaint(message: "The provider's answer has no output.")
        }
        var parts: [CanonicalPart] = []
        for item in output {
            switch item["type"]?.string {
            case "message":
                let texts = (item["content"]?.array ?? []).compactMap { $0["text"] ?? $0["refusal"] }
                parts += texts.compactMap { $0.string.map { .text($0) } }
            case "function_call":
                parts.append(
                    .toolCall(
                        CanonicalToolCall(
                            id: item["call_id"]?.string ?? "", name: item["name"]?.string ?? "",
                            arguments: item["arguments"]?.string ?? "{}")))
            default: continue
            }
        }
        self.init(
            id: body["id"]?.string ?? "", parts: parts,
            finish: body["status"]?.string == "incomplete" ? .length : .stop,
            usage: ReportedUsage(openAIResponses: body["usage"]))
    }

    /// The answer in the Responses format.
    package func openAIResponses(_ context: AnswerContext) -> JSONValue {
        var output: [JSONValue] = []
        if !reasoningText.isEmpty {
            output.append(ResponseObject.reasoning("rs_\(context.id)", reasoningText))
        }
        if !text.isEmpty || toolCalls.isEmpty {
            output.append(ResponseObject.message("msg_\(context.id)", text, isDone: true))
        }
        for (index, call) in toolCalls.enumerated() {
            output.append(ResponseObject.call("fc_\(context.id)\(index)", call, isDone: true))
        }
        return ResponseObject.of(context, output: output, finish: finish, usage: usage)
    }
}

import JSONText

/// Ollama's chat API.
enum ScriptedOllama {
    static func parse(_ body: JSONValue) throws(ScriptedFailure) -> ScriptedCall {
        guard let model = body["model"]?.string else { throw ScriptedFailure(400, "model is required") }
        var call = ScriptedCall()
        call.model = model
        call.isStream = body["stream"]?.boolean ?? true
        call.promptBytes = body["messages"]?.bytes.count ?? 0
        let messages = body["messages"]?.array ?? []
        for message in messages {
            // Missing means empty.
            if let content = message["content"], content.string == nil {
                throw ScriptedFailure(
                    400, "json: cannot unmarshal array into Go struct field ChatRequest.messages.content")
            }
            for made in message["tool_calls"]?.array ?? []
            where made["function"]?["arguments"]?.object == nil {
                throw ScriptedFailure(400, "json: cannot unmarshal string into arguments")
            }
        }
        // Results come as messages of their own, the last ones of the list.
        call.results = messages.reversed().prefix { $0["role"]?.string == "tool" }.reversed().compactMap {
            $0["content"]?.string
        }
        if let last = messages.last, call.results.isEmpty {
            call.text = last["content"]?.string ?? ""
            for picture in last["images"]?.array ?? [] {
                guard let data = picture.string, !data.hasPrefix("data:") else {
                    throw ScriptedFailure(400, "illegal base64 data at input byte 4")
                }
                call.addPicture("image", data)
            }
        }
        for tool in body["tools"]?.array ?? [] {
            guard let name = tool["function"]?["name"]?.string else {
                throw ScriptedFailure(400, "a tool needs a name")
            }
            call.tools.append(
                ScriptedCall.Tool(name: name, schema: tool["function"]?["parameters"] ?? [:]))
        }
        if let format = body["format"], format.object != nil { call.schema = format }
        call.wantsThoughts = body["think"].map { $0 != .boolean(false) && !$0.isNull } ?? false
        return call
    }

    private static func line(
        _ call: ScriptedCall, text: String = "", thought: String? = nil, calls: [ScriptedAnswer.Call] = []
    ) -> JSONObject {
        var message = JSONObject()
        message["role"] = "assistant"
        message["content"] = .string(text)
        message["thinking"] = thought.map { .string($0) }
        if !calls.isEmpty {
            message["tool_calls"] = .array(
                calls.map { ["function": ["name": .string($0.name), "arguments": $0.arguments]] })
        }
        var line = JSONObject()
        line["model"] = .string(call.model)
        line["created_at"] = "2026-11-20T12:00:00Z"
        line["message"] = .object(message)
        line["done"] = false
        return line
    }

    private static func end(_ line: inout JSONObject, _ answer: ScriptedAnswer, _ kind: Behaviour.Usage) {
        line["done"] = true
        line["done_reason"] = "stop"
        line["total_duration"] = 5_000_000
        switch kind {
        case .none: break
        case .null:
            line["prompt_eval_count"] = .null
            line["eval_count"] = .null
        case .hostile:
            line["prompt_eval_count"] = -5
            line["eval_count"] = "many"
        case .honest:
            line["prompt_eval_count"] = ScriptedDialect.number(answer.promptTokens)
            line["eval_count"] = ScriptedDialect.number(answer.completionTokens)
        }
    }

    static func plain(_ answer: ScriptedAnswer, _ call: ScriptedCall, _ kind: Behaviour.Usage) -> JSONValue {
        var line = line(call, text: answer.text, thought: answer.thought, calls: answer.calls)
        end(&line, answer, kind)
        return .object(line)
    }

    static func stream(
        _ answer: ScriptedAnswer, _ call: ScriptedCall, _ kind: Behaviour.Usage
    ) -> ScriptedDialect.Stream {
        var lines: [JSONObject] = []
        if let thought = answer.thought { lines.append(line(call, thought: thought)) }
        lines += answer.pieces.map { line(call, text: $0) }
        lines += answer.calls.map { line(call, calls: [$0]) }
        var last = line(call)
        end(&last, answer, kind)
        lines.append(last)
        return (lines.map { JSONValue.object($0).bytes + [10] }, 1)
    }
}

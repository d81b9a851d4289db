import JSONText

/// OpenAI's chat API where more than a text is asked for: tools, pictures, schemas, thoughts.
enum ScriptedOpenAI {
    static func parse(_ body: JSONValue) throws(ScriptedFailure) -> ScriptedCall {
        guard let model = body["model"]?.string else {
            throw ScriptedFailure(400, "Missing required parameter: 'model'.")
        }
        var call = ScriptedCall()
        call.model = model
        call.isStream = body["stream"]?.boolean ?? false
        call.includesUsage = !call.isStream || body["stream_options"]?["include_usage"]?.boolean ?? false
        call.promptBytes = body["messages"]?.bytes.count ?? 0
        let messages = body["messages"]?.array ?? []
        call.results = messages.reversed().prefix { $0["role"]?.string == "tool" }.reversed().map {
            $0["content"]?.string
                ?? ($0["content"]?.array ?? []).compactMap { $0["text"]?.string }.joined()
        }
        if call.results.isEmpty, let content = messages.last?["content"] {
            call.text = content.string ?? ""
            for part in content.array ?? [] {
                if let text = part["text"]?.string { call.text += text }
                if let url = part["image_url"]?["url"]?.string { call.addPicture(url: url) }
            }
        }
        for tool in body["tools"]?.array ?? [] {
            guard let name = tool["function"]?["name"]?.string else {
                throw ScriptedFailure(400, "Missing required parameter: 'tools[0].function'.")
            }
            call.tools.append(ScriptedCall.Tool(name: name, schema: tool["function"]?["parameters"] ?? [:]))
        }
        if call.tools.isEmpty, body["tool_choice"] != nil {
            throw ScriptedFailure(400, "'tool_choice' is only allowed when 'tools' are specified.")
        }
        call.mayCall = body["tool_choice"]?.string != "none"
        call.schema = body["response_format"]?["json_schema"]?["schema"]
        call.wantsThoughts = body["reasoning_effort"].map { $0.string != "none" } ?? false
        return call
    }

    private static func usage(_ answer: ScriptedAnswer, _ kind: Behaviour.Usage) -> JSONValue? {
        switch kind {
        case .none: return nil
        case .null: return .null
        case .hostile: return ["prompt_tokens": -5, "completion_tokens": "many"]
        case .honest: break
        }
        return [
            "prompt_tokens": ScriptedDialect.number(answer.promptTokens),
            "completion_tokens": ScriptedDialect.number(answer.completionTokens),
            "total_tokens": ScriptedDialect.number(answer.promptTokens + answer.completionTokens),
            "prompt_tokens_details": ["cached_tokens": ScriptedDialect.number(answer.cachedTokens)],
            "completion_tokens_details": [
                "reasoning_tokens": ScriptedDialect.number(answer.reasoningTokens)
            ],
        ]
    }

    private static func toolCall(_ made: ScriptedAnswer.Call) -> JSONValue {
        [
            "id": .string(made.id), "type": "function",
            "function": ["name": .string(made.name), "arguments": .string(made.arguments.text)],
        ]
    }

    private static func frame(_ object: String, _ call: ScriptedCall, _ choices: [JSONValue]) -> JSONObject {
        var frame = JSONObject()
        frame["id"] = "chatcmpl-standin"
        frame["object"] = .string(object)
        frame["created"] = 1_700_000_000
        frame["model"] = .string(call.model)
        frame["choices"] = .array(choices)
        return frame
    }

    private static func finish(_ answer: ScriptedAnswer) -> JSONValue {
        answer.calls.isEmpty ? "stop" : "tool_calls"
    }

    static func plain(_ answer: ScriptedAnswer, _ call: ScriptedCall, _ kind: Behaviour.Usage) -> JSONValue {
        var message = JSONObject()
        message["role"] = "assistant"
        message["content"] = answer.calls.isEmpty ? .string(answer.text) : .null
        message["reasoning_content"] = answer.thought.map { .string($0) }
        if !answer.calls.isEmpty { message["tool_calls"] = .array(answer.calls.map(toolCall)) }
        let choice: JSONValue = [
            "index": 0, "message": .object(message), "logprobs": nil, "finish_reason": finish(answer),
        ]
        var body = frame("chat.completion", call, [choice])
        body["usage"] = usage(answer, kind)
        return .object(body)
    }

    static func stream(
        _ answer: ScriptedAnswer, _ call: ScriptedCall, _ kind: Behaviour.Usage
    ) -> ScriptedDialect.Stream {
        var frames: [[UInt8]] = []
        func send(_ delta: JSONValue, finish: JSONValue = .null) {
            let choice: JSONValue = ["index": 0, "delta": delta, "logprobs": nil, "finish_reason": finish]
            var chunk = frame("chat.completion.chunk", call, [choice])
            if call.includesUsage { chunk["usage"] = .null }
            frames.append(ScriptedDialect.event(.object(chunk)))
        }
        send(["role": "assistant", "content": ""])
        if let thought = answer.thought { send(["reasoning_content": .string(thought)]) }
        for piece in answer.pieces { send(["content": .string(piece)]) }
        for (index, made) in answer.calls.enumerated() {
            let text = made.arguments.text
            let half = text.index(text.startIndex, offsetBy: text.count / 2)
            let number = ScriptedDialect.number(index)
            send([
                "tool_calls": [
                    [
                        "index": number, "id": .string(made.id), "type": "function",
                        "function": ["name": .string(made.name), "arguments": ""],
                    ]
                ]
            ])
            for part in [text[..<half], text[half...]] {
                send([
                    "tool_calls": [["index": number, "function": ["arguments": .string(String(part))]]]
                ])
            }
        }
        send([:], finish: finish(answer))
        var closing = 2
        if call.includesUsage, kind != .none {
            var chunk = frame("chat.completion.chunk", call, [])
            chunk["usage"] = usage(answer, kind)
            frames.append(ScriptedDialect.event(.object(chunk)))
            closing = 3
        }
        frames.append(Array("data: [DONE]\n\n".utf8))
        return (frames, closing)
    }
}

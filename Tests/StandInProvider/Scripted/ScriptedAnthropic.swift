import JSONText

/// Anthropic's Messages API.
enum ScriptedAnthropic {
    private static let names = [
        "model", "messages", "system", "max_tokens", "metadata", "stop_sequences", "stream", "temperature",
        "top_k", "top_p", "tools", "tool_choice", "thinking", "output_config", "service_tier",
        "cache_control",
    ]

    static func errorType(_ status: Int) -> String {
        switch status {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 529: "overloaded_error"
        case 500...: "api_error"
        default: "invalid_request_error"
        }
    }

    static func parse(_ body: JSONValue) throws(ScriptedFailure) -> ScriptedCall {
        try ScriptedDialect.check(body, names)
        var call = ScriptedCall()
        guard let model = body["model"]?.string else { throw ScriptedFailure(400, "model: Field required") }
        guard body["max_tokens"]?.exactInt64 ?? 0 > 0 else {
            throw ScriptedFailure(400, "max_tokens: Field required")
        }
        guard let messages = body["messages"]?.array, let last = messages.last else {
            throw ScriptedFailure(400, "messages: Field required")
        }
        guard messages.first?["role"]?.string == "user" else {
            throw ScriptedFailure(400, "messages: first message must use the \"user\" role")
        }
        call.model = model
        call.isStream = body["stream"]?.boolean ?? false
        call.promptBytes = body["messages"]?.bytes.count ?? 0
        if let text = last["content"]?.string { call.text = text }
        for block in last["content"]?.array ?? [] { try read(block, into: &call) }
        for tool in body["tools"]?.array ?? [] {
            guard let name = tool["name"]?.string, let schema = tool["input_schema"] else {
                throw ScriptedFailure(400, "tools.0.input_schema: Field required")
            }
            call.tools.append(ScriptedCall.Tool(name: name, schema: schema))
        }
        call.mayCall = body["tool_choice"]?["type"]?.string != "none"
        call.schema = body["output_config"]?["format"]?["schema"]
        call.wantsThoughts = body["thinking"].map { $0["type"]?.string != "disabled" } ?? false
        return call
    }

    private static func read(_ block: JSONValue, into call: inout ScriptedCall) throws(ScriptedFailure) {
        switch block["type"]?.string {
        case "text":
            guard let text = block["text"]?.string, !text.isEmpty else {
                throw ScriptedFailure(400, "messages: text content blocks must be non-empty")
            }
            call.text += text
        case "image":
            let source = block["source"]
            if source?["type"]?.string == "url" {
                call.addPicture("url", source?["url"]?.string)
            } else {
                call.addPicture(source?["media_type"]?.string, source?["data"]?.string)
            }
        case "tool_result":
            guard let id = block["tool_use_id"]?.string, id.utf8.allSatisfy(isIDByte) else {
                throw ScriptedFailure(400, "tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            }
            call.results.append(
                block["content"]?.string
                    ?? (block["content"]?.array ?? []).compactMap { $0["text"]?.string }.joined())
        case "tool_use", "thinking", "document": break
        default: throw ScriptedFailure(400, "messages: unknown block")
        }
    }

    private static func isIDByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == 0x5F || byte == 0x2D
    }

    private static func usage(_ answer: ScriptedAnswer, _ kind: Behaviour.Usage) -> JSONValue? {
        switch kind {
        case .none: return nil
        case .null: return .null
        case .hostile:
            return ["input_tokens": -5, "output_tokens": .number(JSONNumber(1e300) ?? JSONNumber(0))]
        case .honest: break
        }
        var usage = JSONObject()
        usage["input_tokens"] = ScriptedDialect.number(answer.promptTokens - answer.cachedTokens)
        usage["cache_read_input_tokens"] = ScriptedDialect.number(answer.cachedTokens)
        usage["cache_creation_input_tokens"] = 0
        usage["output_tokens"] = ScriptedDialect.number(answer.completionTokens)
        if answer.reasoningTokens > 0 {
            usage["output_tokens_details"] = [
                "thinking_tokens": ScriptedDialect.number(answer.reasoningTokens)
            ]
        }
        return .object(usage)
    }

    private static func message(_ call: ScriptedCall, _ blocks: [JSONValue], _ stop: JSONValue) -> JSONObject
    {
        var message = JSONObject()
        message["id"] = "msg_standin"
        message["type"] = "message"
        message["role"] = "assistant"
        message["model"] = .string(call.model)
        message["content"] = .array(blocks)
        message["stop_reason"] = stop
        message["stop_sequence"] = .null
        return message
    }

    private static func stop(_ answer: ScriptedAnswer) -> JSONValue {
        answer.calls.isEmpty ? "end_turn" : "tool_use"
    }

    static func plain(_ answer: ScriptedAnswer, _ call: ScriptedCall, _ kind: Behaviour.Usage) -> JSONValue {
        var blocks: [JSONValue] = []
        if let thought = answer.thought {
            blocks.append([
                "type": "thinking", "thinking": .string(thought),
                "signature": .string(ScriptedAnswer.signature),
            ])
        }
        if !answer.text.isEmpty { blocks.append(["type": "text", "text": .string(answer.text)]) }
        for made in answer.calls {
            blocks.append([
                "type": "tool_use", "id": .string("toolu_" + made.id), "name": .string(made.name),
                "input": made.arguments,
            ])
        }
        var message = message(call, blocks, stop(answer))
        message["usage"] = usage(answer, kind)
        return .object(message)
    }

    static func stream(
        _ answer: ScriptedAnswer, _ call: ScriptedCall, _ kind: Behaviour.Usage
    ) -> ScriptedDialect.Stream {
        var frames: [[UInt8]] = []
        var index = 0
        func send(_ type: String, _ members: JSONObject) {
            var event = JSONObject()
            event["type"] = .string(type)
            for member in members.members { event[member.name] = member.value }
            frames.append(ScriptedDialect.event(.object(event), named: type))
        }
        func block(_ start: JSONValue, _ deltas: [JSONValue]) {
            let number = ScriptedDialect.number(index)
            send("content_block_start", object(["index": number, "content_block": start]))
            for delta in deltas { send("content_block_delta", object(["index": number, "delta": delta])) }
            send("content_block_stop", object(["index": number]))
            index += 1
        }
        var message = message(call, [], .null)
        var early = usage(answer, kind)?.object
        if kind == .honest { early?["output_tokens"] = 1 }
        message["usage"] = early.map { .object($0) }
        send("message_start", object(["message": .object(message)]))
        send("ping", JSONObject())
        if let thought = answer.thought {
            block(
                ["type": "thinking", "thinking": "", "signature": ""],
                [
                    ["type": "thinking_delta", "thinking": .string(thought)],
                    ["type": "signature_delta", "signature": .string(ScriptedAnswer.signature)],
                ])
        }
        if !answer.text.isEmpty {
            block(
                ["type": "text", "text": ""],
                answer.pieces.map { ["type": "text_delta", "text": .string($0)] })
        }
        for made in answer.calls {
            let text = made.arguments.text
            let half = text.index(text.startIndex, offsetBy: text.count / 2)
            block(
                [
                    "type": "tool_use", "id": .string("toolu_" + made.id), "name": .string(made.name),
                    "input": [:],
                ],
                ["", String(text[..<half]), String(text[half...])].map {
                    ["type": "input_json_delta", "partial_json": .string($0)]
                })
        }
        var delta = JSONObject()
        delta["delta"] = ["stop_reason": stop(answer), "stop_sequence": nil]
        delta["usage"] = usage(answer, kind)
        send("message_delta", delta)
        send("message_stop", JSONObject())
        return (frames, 2)
    }

    private static func object(_ value: JSONValue) -> JSONObject { value.object ?? JSONObject() }
}

package import JSONText

/// What differs between servers that speak OpenAI's chat format.
package struct OpenAIChatStyle: Sendable, Equatable {
    /// The name of the limit: OpenAI's newer models refuse `max_tokens`, most other servers know only that.
    package var outputLimitName: String
    /// Whether tool calls carry `parallel_tool_calls`.
    package var knowsParallelTools: Bool

    package static let openAI = OpenAIChatStyle(
        outputLimitName: "max_completion_tokens", knowsParallelTools: true)
    package static let compatible = OpenAIChatStyle(outputLimitName: "max_tokens", knowsParallelTools: false)
}

extension CanonicalCall {
    /// The request in OpenAI's chat format for the provider's model of this name. Usage is always asked for.
    package func openAIChat(model: String, style: OpenAIChatStyle = .openAI) -> JSONValue {
        var body = JSONObject()
        body["model"] = .string(model)
        body["messages"] = .array(openAIMessages)
        if !tools.isEmpty {
            body["tools"] = .array(tools.map(Self.openAITool))
            body["tool_choice"] = toolChoice.map(Self.openAIChoice)
            if style.knowsParallelTools {
                body["parallel_tool_calls"] = allowsParallelTools.map { .boolean($0) }
            }
        }
        body[style.outputLimitName] = maximumOutput.map { .number(JSONNumber($0)) }
        body["temperature"] = .double(sampling.temperature)
        body["top_p"] = .double(sampling.topP)
        body["seed"] = sampling.seed.map { .number(JSONNumber($0)) }
        body["presence_penalty"] = .double(sampling.presencePenalty)
        body["frequency_penalty"] = .double(sampling.frequencyPenalty)
        if !stop.isEmpty { body["stop"] = .array(stop.prefix(4).map { .string($0) }) }
        body["response_format"] = openAIFormat
        body["reasoning_effort"] = reasoning.map { .string($0.openAIEffort) }
        body["user"] = user.map { .string($0) }
        if isStream {
            body["stream"] = true
            body["stream_options"] = ["include_usage": true]
        }
        return .object(body)
    }

    private var openAIMessages: [JSONValue] {
        var list: [JSONValue] = system.map { ["role": "system", "content": .string($0)] }
        for message in messages {
            switch message.role {
            case .assistant: list.append(Self.openAIAssistant(message.parts))
            case .user:
                var content: [JSONValue] = []
                for part in message.parts {
                    if case .toolResult(let result) = part {
                        list.append([
                            "role": "tool", "tool_call_id": .string(OpenAIToolID.of(result.call)),
                            "content": .string(result.isError ? "Error: \(result.text)" : result.text),
                        ])
                        // A tool message holds text alone; pictures follow in the user's own.
                        content += result.parts.compactMap { part in
                            if case .text = part { nil } else { Self.openAIPart(part) }
                        }
                    } else if let part = Self.openAIPart(part) {
                        content.append(part)
                    }
                }
                if content.count == 1, let text = content[0]["text"] {
                    list.append(["role": "user", "content": text])
                } else if !content.isEmpty {
                    list.append(["role": "user", "content": .array(content)])
                }
            }
        }
        return list
    }

    private static func openAIAssistant(_ parts: [CanonicalPart]) -> JSONValue {
        let text = parts.reduce(into: "") { if case .text(let text) = $1 { $0 += text } }
        let calls: [JSONValue] = parts.compactMap { part in
            guard case .toolCall(let call) = part else { return nil }
            return openAIToolCall(call)
        }
        var message = JSONObject()
        message["role"] = "assistant"
        message["content"] = text.isEmpty && !calls.isEmpty ? .null : .string(text)
        if !calls.isEmpty { message["tool_calls"] = .array(calls) }
        return .object(message)
    }

    static func openAIToolCall(_ call: CanonicalToolCall) -> JSONValue {
        var value = JSONObject()
        value["id"] = .string(OpenAIToolID.of(call.id))
        value["type"] = "function"
        value["function"] = ["name": .string(call.name), "arguments": .string(call.arguments)]
        if let signature = call.signature {
            value["extra_content"] = ["google": ["thought_signature": .string(signature)]]
        }
        return .object(value)
    }

    private static func openAIPart(_ part: CanonicalPart) -> JSONValue? {
        switch part {
        case .text(let text): return ["type": "text", "text": .string(text)]
        case .image(let media):
            return [
                "type": "image_url",
                "image_url": ["url": .string(DataURL.text(media, otherwise: "image/png"))],
            ]
        case .document(let media):
            return [
                "type": "file",
                "file": [
                    "filename": .string(media.name ?? "document.pdf"),
                    "file_data": .string(DataURL.text(media, otherwise: "application/pdf")),
                ],
            ]
        case .audio(let media):
            guard case .base64(let data) = media.source else { return nil }
            let format = media.mediaType == "audio/mpeg" ? "mp3" : "wav"
            return [
                "type": "input_audio", "input_audio": ["data": .string(data), "format": .string(format)],
            ]
        case .toolCall, .toolResult, .reasoning: return nil
        }
    }

    private static func openAITool(_ tool: CanonicalTool) -> JSONValue {
        var function = JSONObject()
        function["name"] = .string(tool.name)
        function["description"] = tool.description.map { .string($0) }
        function["parameters"] = tool.parameters
        function["strict"] = tool.isStrict.map { .boolean($0) }
        return ["type": "function", "function": .object(function)]
    }

    private static func openAIChoice(_ choice: CanonicalToolChoice) -> JSONValue {
        switch choice {
        case .automatic: "auto"
        case .none: "none"
        case .required: "required"
        case .named(let name): ["type": "function", "function": ["name": .string(name)]]
        }
    }

    private var openAIFormat: JSONValue? {
        switch format {
        case nil: return nil
        case .json: return ["type": "json_object"]
        case .schema(let name, let schema, let isStrict):
            var inner = JSONObject()
            inner["name"] = .string(name)
            inner["schema"] = schema
            inner["strict"] = isStrict.map { .boolean($0) }
            return ["type": "json_schema", "json_schema": .object(inner)]
        }
    }
}

extension CanonicalReasoning {
    /// In OpenAI's words; budgets of other dialects by the size OpenAI's efforts are about.
    var openAIEffort: String {
        switch self {
        case .off: "none"
        case .effort(let effort): effort.rawValue
        case .budget(let tokens): tokens <= 2_048 ? "low" : tokens <= 12_288 ? "medium" : "high"
        }
    }

    /// As a number of tokens, for dialects that take a budget; 0 means none.
    var budget: Int64 {
        switch self {
        case .off: 0
        case .budget(let tokens): tokens
        case .effort(.minimal): 1_024
        case .effort(.low): 2_048
        case .effort(.medium): 8_192
        case .effort(.high): 24_576
        case .effort(.xhigh): 32_768
        }
    }
}

/// Ids of tool calls where they travel between dialects: OpenAI takes at most 40 characters.
enum OpenAIToolID {
    /// The same id for the same call wherever it stands in a conversation.
    static func of(_ id: String) -> String {
        id.utf8.count <= 40 ? id : ToolID.folded(id, prefix: "call_", length: 24)
    }
}

/// Deterministic ids for dialects with a narrower alphabet.
enum ToolID {
    private static let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

    /// `prefix` and `length` letters and digits that depend on all of `id` (two FNV-1a sums).
    static func folded(_ id: String, prefix: String, length: Int) -> String {
        var text = prefix
        var round: UInt64 = 0
        var state: UInt64 = 0
        for position in 0..<length {
            if position % 12 == 0 {
                state = 0xCBF2_9CE4_8422_2325 &+ round &* 0x9E37_79B9_7F4A_7C15
                for byte in id.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
                state ^= state >> 31
                round += 1
            }
            text.unicodeScalars.append(Unicode.Scalar(alphabet[Int(state % 36)]))
            state /= 36
        }
        return text
    }

    /// The id itself when it is of letters, digits, `_` and `-` and not too long; else a folded one.
    static func plain(_ id: String, maximum: Int = 64) -> String {
        let isPlain = id.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == 0x5F
                || byte == 0x2D
        }
        return isPlain && (1...maximum).contains(id.utf8.count) ? id : folded(id, prefix: "call_", length: 24)
    }
}

extension JSONValue {
    /// A number, or nil for nil and for what JSON cannot say.
    static func double(_ value: Double?) -> JSONValue? { value.flatMap(JSONNumber.init).map { .number($0) } }
}

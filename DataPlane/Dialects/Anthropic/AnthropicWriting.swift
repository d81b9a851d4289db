package import JSONText

/// What differs between generations of Anthropic's models.
package struct AnthropicStyle: Sendable, Equatable {
    /// Newer models take `thinking: adaptive` with an effort and refuse budgets; older ones the other way.
    package var thinksAdaptively: Bool
    /// Newer API versions and models refuse temperature, top_p and top_k.
    package var takesSampling: Bool
    /// Sent when the caller gave no limit, since the format requires one.
    package var defaultMaximumOutput: Int64

    package init(
        thinksAdaptively: Bool = false, takesSampling: Bool = true, defaultMaximumOutput: Int64 = 8_192
    ) {
        self.thinksAdaptively = thinksAdaptively
        self.takesSampling = takesSampling
        self.defaultMaximumOutput = defaultMaximumOutput
    }
}

extension CanonicalCall {
    /// The request in Anthropic's Messages format for the provider's model of this name.
    ///
    /// Only what the format has is written: it refuses members it does not know.
    package func anthropic(model: String, style: AnthropicStyle = AnthropicStyle()) -> JSONValue {
        var body = JSONObject()
        body["model"] = .string(model)
        let thinking = anthropicThinking(style)
        body["max_tokens"] = .number(JSONNumber(thinking.limit))
        if !system.isEmpty { body["system"] = .string(system.joined(separator: "\n\n")) }
        body["messages"] = .array(anthropicMessages(withThinking: thinking.value != nil))
        if !tools.isEmpty { body["tools"] = .array(tools.map(Self.anthropicTool)) }
        body["tool_choice"] = anthropicChoice
        if style.takesSampling, thinking.value == nil {
            body["temperature"] = .double(sampling.temperature.map { min(max($0, 0), 1) })
            // Models of the later generations take one of the two.
            if sampling.temperature == nil { body["top_p"] = .double(sampling.topP) }
            body["top_k"] = sampling.topK.map { .number(JSONNumber($0)) }
        }
        let stops = stop.filter { !$0.allSatisfy(\.isWhitespace) }
        if !stops.isEmpty { body["stop_sequences"] = .array(stops.map { .string($0) }) }
        body["thinking"] = thinking.value
        var output = JSONObject()
        if case .schema(_, let schema, _) = format {
            output["format"] = ["type": "json_schema", "schema": ClosedSchema.closing(schema)]
        }
        if style.thinksAdaptively, case .effort(let effort) = reasoning {
            output["effort"] = .string(effort == .minimal ? "low" : effort.rawValue)
        }
        if !output.isEmpty { body["output_config"] = .object(output) }
        body["metadata"] = user.map { ["user_id": .string($0)] }
        if isStream { body["stream"] = true }
        return .object(body)
    }

    /// The member `thinking`, and an output limit that leaves room for it.
    func anthropicThinking(_ style: AnthropicStyle) -> (value: JSONValue?, limit: Int64) {
        let limit = maximumOutput ?? style.defaultMaximumOutput
        guard let reasoning, reasoning.budget > 0, !endsInForeignToolLoop else { return (nil, limit) }
        if style.thinksAdaptively { return (["type": "adaptive"], limit) }
        switch toolChoice {
        case .required, .named: return (nil, limit)  // forced tools and thinking exclude each other
        default: break
        }
        // A budget is at least 1,024 and below the limit.
        let budget = max(1_024, maximumOutput.map { min(reasoning.budget, $0 - 1) } ?? reasoning.budget)
        let value: JSONValue = ["type": "enabled", "budget_tokens": .number(JSONNumber(budget))]
        return (value, max(limit, budget + (maximumOutput == nil ? style.defaultMaximumOutput : 1)))
    }

    /// The last turn of the model called tools without the signed thoughts that must come back with them, so
    /// thinking has to rest until the loop is over.
    private var endsInForeignToolLoop: Bool {
        guard let turn = messages.last(where: { $0.role == .assistant }) else { return false }
        var calls = false
        for part in turn.parts {
            if case .reasoning(_, .some) = part { return false }
            if case .toolCall = part { calls = true }
        }
        guard calls, let last = messages.last, last.role == .user else { return false }
        return last.parts.contains { if case .toolResult = $0 { true } else { false } }
    }

    private func anthropicMessages(withThinking: Bool) -> [JSONValue] {
        var list: [JSONValue] = []
        if messages.first?.role != .user {
            list.append(["role": "user", "content": [["type": "text", "text": "."]]])
        }
        for message in messages {
            let blocks = message.parts.compactMap { AnthropicBlock.of($0, withThinking: withThinking) }
            guard !blocks.isEmpty else { continue }
            let role = message.role == .user ? "user" : "assistant"
            list.append(["role": .string(role), "content": .array(blocks)])
        }
        return list
    }

    private static func anthropicTool(_ tool: CanonicalTool) -> JSONValue {
        var value = JSONObject()
        value["name"] = .string(tool.name)
        value["description"] = tool.description.map { .string($0) }
        var schema = tool.parameters.object ?? JSONObject()
        if schema["type"] == nil { schema["type"] = "object" }
        value["input_schema"] = .object(schema)
        return .object(value)
    }

    private var anthropicChoice: JSONValue? {
        guard !tools.isEmpty else { return nil }
        var value = JSONObject()
        switch toolChoice {
        case nil:
            if allowsParallelTools != false { return nil }
            value["type"] = "auto"
        case .automatic: value["type"] = "auto"
        case .some(.none): return ["type": "none"]
        case .required: value["type"] = "any"
        case .named(let name):
            value["type"] = "tool"
            value["name"] = .string(name)
        }
        if allowsParallelTools == false { value["disable_parallel_tool_use"] = true }
        return .object(value)
    }
}

enum AnthropicBlock {
    static func of(_ part: CanonicalPart, withThinking: Bool) -> JSONValue? {
        switch part {
        case .text(let text):
            // Blank blocks are refused.
            return text.allSatisfy(\.isWhitespace) ? nil : ["type": "text", "text": .string(text)]
        case .image(let media): return ["type": "image", "source": source(media, "image/png")]
        case .document(let media): return ["type": "document", "source": source(media, "application/pdf")]
        case .audio: return nil
        case .toolCall(let call):
            return [
                "type": "tool_use", "id": .string(ToolID.plain(call.id)), "name": .string(call.name),
                "input": ToolArguments.object(call.arguments),
            ]
        case .toolResult(let result):
            var value = JSONObject()
            value["type"] = "tool_result"
            value["tool_use_id"] = .string(ToolID.plain(result.call))
            value["content"] = .array(result.parts.compactMap { of($0, withThinking: false) })
            if result.isError { value["is_error"] = true }
            return .object(value)
        case .reasoning(let text, let signature):
            guard withThinking, let signature else { return nil }
            return ["type": "thinking", "thinking": .string(text), "signature": .string(signature)]
        }
    }

    private static func source(_ media: CanonicalMedia, _ type: String) -> JSONValue {
        switch media.source {
        case .url(let url): ["type": "url", "url": .string(url)]
        case .base64(let data):
            ["type": "base64", "media_type": .string(media.mediaType ?? type), "data": .string(data)]
        }
    }
}

/// Anthropic's structured output wants every object of a schema closed.
enum ClosedSchema {
    static func closing(_ schema: JSONValue) -> JSONValue {
        switch schema {
        case .array(let elements): return .array(elements.map(closing))
        case .object(let object):
            var result = JSONObject()
            for member in object.members { result[member.name] = closing(member.value) }
            if result["type"]?.string == "object", result["properties"]?.object != nil {
                result["additionalProperties"] = false
            }
            return .object(result)
        default: return schema
        }
    }
}

extension AnthropicStyle {
    /// The style of a model by its name: from 4.7 on, models think adaptively and refuse sampling settings.
    package init(model: String) {
        let words = model.split { !$0.isLetter && !$0.isNumber }
        // Dates have eight digits, generations one or two.
        let numbers = words.compactMap { $0.utf8.count <= 2 ? Int($0) : nil }
        let generation = (numbers.first ?? 0, numbers.dropFirst().first ?? 0)
        let isNew = words.contains("claude") && generation >= (4, 7)
        self.init(thinksAdaptively: isNew, takesSampling: !isNew)
    }
}

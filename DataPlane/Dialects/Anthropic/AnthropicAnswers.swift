import Domain
package import JSONText

extension ReportedUsage {
    /// Anthropic counts cached and written input beside `input_tokens`; ours holds everything that was read.
    package init?(anthropic usage: JSONValue?) {
        guard let usage, usage.object != nil else { return nil }
        var figures = UsageFigures(usage)
        let plain = figures.figure("input_tokens")
        let cached = figures.figure("cache_read_input_tokens")
        let written = figures.figure("cache_creation_input_tokens")
        let input = plain.map { min($0 + (cached ?? 0) + (written ?? 0), TokenUsage.maximumTokens) }
        let report = figures.report(
            input: input, cached: cached, written: written, output: figures.figure("output_tokens"),
            reasoning: figures.figure("output_tokens_details", "thinking_tokens"))
        guard let report else { return nil }
        self = report
    }

    package var anthropic: JSONValue {
        [
            "input_tokens": .number(JSONNumber(usage.plainInput)),
            "cache_creation_input_tokens": .number(JSONNumber(usage.cacheWrite)),
            "cache_read_input_tokens": .number(JSONNumber(usage.cachedInput)),
            "output_tokens": .number(JSONNumber(usage.output)),
        ]
    }
}

extension CanonicalFinish {
    package init(anthropic reason: String, stopSequence: String?) {
        switch reason {
        case "max_tokens", "model_context_window_exceeded": self = .length
        case "tool_use": self = .toolCalls
        case "refusal": self = .contentFilter
        case "stop_sequence": self = stopSequence.map { .stopSequence($0) } ?? .stop
        default: self = .stop
        }
    }

    package var anthropic: String {
        switch self {
        case .stop: "end_turn"
        case .stopSequence: "stop_sequence"
        case .length: "max_tokens"
        case .toolCalls: "tool_use"
        case .contentFilter: "refusal"
        }
    }

    var stopText: JSONValue { if case .stopSequence(let text) = self { .string(text) } else { .null } }
}

extension ProviderComplaint {
    /// Anthropic's `error` member.
    package init(anthropic error: JSONValue) {
        let kind = error["type"]?.string
        self.init(
            message: error["message"]?.string ?? "The provider reported an error.", kind: kind,
            status: kind.flatMap { AnthropicError.status(of: $0) })
    }
}

extension CanonicalAnswer {
    /// A whole answer in Anthropic's format.
    package init(anthropic body: JSONValue) throws(ProviderComplaint) {
        if body["type"]?.string == "error" { throw ProviderComplaint(anthropic: body["error"] ?? .null) }
        guard let content = body["content"]?.array else {
            throw ProviderComplaint(message: "The provider's answer has no content.")
        }
        self.init(
            id: body["id"]?.string ?? "", parts: content.compactMap(Self.anthropicPart),
            finish: CanonicalFinish(
                anthropic: body["stop_reason"]?.string ?? "end_turn",
                stopSequence: body["stop_sequence"]?.string),
            usage: ReportedUsage(anthropic: body["usage"]))
    }

    private static func anthropicPart(_ block: JSONValue) -> CanonicalPart? {
        switch block["type"]?.string {
        case "text":
            guard let text = block["text"]?.string, !text.isEmpty else { return nil }
            return .text(text)
        case "thinking":
            return .reasoning(
                text: block["thinking"]?.string ?? "", signature: block["signature"]?.string)
        case "tool_use":
            guard let id = block["id"]?.string, let name = block["name"]?.string else { return nil }
            return .toolCall(CanonicalToolCall(id: id, name: name, arguments: (block["input"] ?? [:]).text))
        default: return nil
        }
    }

    /// The answer in Anthropic's format.
    package func anthropic(_ context: AnswerContext) -> JSONValue {
        let blocks = parts.compactMap { part -> JSONValue? in
            if case .reasoning(let text, let signature) = part {
                return ["type": "thinking", "thinking": .string(text), "signature": .string(signature ?? "")]
            }
            return AnthropicBlock.of(part, withThinking: true)
        }
        return [
            "id": .string("msg_\(context.id)"), "type": "message", "role": "assistant",
            "model": .string(context.model), "content": .array(blocks),
            "stop_reason": .string(finish.anthropic), "stop_sequence": finish.stopText,
            "usage": (usage ?? ReportedUsage(usage: .zero)).anthropic,
        ]
    }
}

/// Errors as Anthropic's clients expect them: `{"type":"error","error":{"type","message"}}`.
package struct AnthropicError: Equatable, Sendable {
    package var type: String
    package var message: String

    package init(type: String, message: String) {
        self.type = type
        self.message = message
    }

    package init(status: Int, message: String) {
        self.init(type: Self.type(ofStatus: status), message: message)
    }

    package var value: JSONValue {
        ["type": "error", "error": ["type": .string(type), "message": .string(message)]]
    }

    /// The event that ends a stream which went wrong.
    package var event: [UInt8] { Array("event: error\ndata: ".utf8) + value.bytes + [10, 10] }

    package static func type(ofStatus status: Int) -> String {
        switch status {
        case 401: "authentication_error"
        case 402: "billing_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 504: "timeout_error"
        case 503, 529: "overloaded_error"
        case 500...: "api_error"
        default: "invalid_request_error"
        }
    }

    static func status(of type: String) -> Int? {
        let statuses = [400, 401, 402, 403, 404, 413, 429, 500, 504, 529]
        return statuses.first { self.type(ofStatus: $0) == type }
    }
}

import Domain
package import JSONText

extension ReportedUsage {
    /// The usage of an OpenAI `usage` object; nil for one without figures.
    package init?(openAI usage: JSONValue?) {
        guard let usage, usage.object != nil else { return nil }
        var figures = UsageFigures(usage)
        let (input, output) = (figures.figure("prompt_tokens"), figures.figure("completion_tokens"))
        // DeepSeek's name for the same figure comes second.
        let cached =
            figures.figure("prompt_tokens_details", "cached_tokens")
            ?? figures.figure("prompt_cache_hit_tokens")
        let written = figures.figure("prompt_tokens_details", "cache_write_tokens")
        let reasoning = figures.figure("completion_tokens_details", "reasoning_tokens")
        guard
            let report = figures.report(
                input: input, cached: cached, written: written, output: output, reasoning: reasoning)
        else { return nil }
        self = report
    }

    /// As a `usage` object of OpenAI's chat format.
    package var openAI: JSONValue {
        [
            "prompt_tokens": .number(JSONNumber(usage.input)),
            "completion_tokens": .number(JSONNumber(usage.output)),
            "total_tokens": .number(JSONNumber(usage.total)),
            "prompt_tokens_details": [
                "cached_tokens": .number(JSONNumber(usage.cachedInput)),
                "cache_write_tokens": .number(JSONNumber(usage.cacheWrite)),
            ],
            "completion_tokens_details": ["reasoning_tokens": .number(JSONNumber(usage.reasoning))],
        ]
    }
}

extension CanonicalFinish {
    /// The finish of an OpenAI-type provider's word; nil for words of errors.
    package init?(openAI reason: String) {
        switch reason {
        case "stop", "eos", "eos_token": self = .stop
        case "length", "model_length": self = .length
        case "tool_calls", "function_call": self = .toolCalls
        case "content_filter": self = .contentFilter
        case "error", "insufficient_system_resource": return nil
        default: self = .stop
        }
    }

    package var openAI: String {
        switch self {
        case .stop, .stopSequence: "stop"
        case .length: "length"
        case .toolCalls: "tool_calls"
        case .contentFilter: "content_filter"
        }
    }
}

extension CanonicalAnswer {
    /// A whole answer in OpenAI's chat format. Throws what the provider complains of when the body is an
    /// error, or is no answer at all.
    package init(openAIChat body: JSONValue) throws(ProviderComplaint) {
        if let error = body["error"], !error.isNull { throw OpenAIComplaint.read(error) }
        guard let choice = body["choices"]?[0], let message = choice["message"], message.object != nil else {
            throw ProviderComplaint(message: "The provider's answer has no choices.")
        }
        guard let finish = CanonicalFinish(openAI: choice["finish_reason"]?.string ?? "stop") else {
            throw ProviderComplaint(message: "The provider stopped with an error.")
        }
        var parts: [CanonicalPart] = []
        if let thought = (message["reasoning_content"] ?? message["reasoning"])?.string, !thought.isEmpty {
            parts.append(.reasoning(text: thought, signature: nil))
        }
        parts += OpenAIDelta.texts(message["content"])
        if let refusal = message["refusal"]?.string, !refusal.isEmpty { parts.append(.text(refusal)) }
        for (index, call) in (message["tool_calls"]?.array ?? []).enumerated() {
            guard let function = call["function"], let name = function["name"]?.string else { continue }
            parts.append(
                .toolCall(
                    CanonicalToolCall(
                        id: call["id"]?.string ?? "call_\(index)", name: name,
                        arguments: OpenAIDelta.arguments(function["arguments"], whole: true),
                        signature: call["extra_content"]?["google"]?["thought_signature"]?.string)))
        }
        let hasCalls = parts.contains { if case .toolCall = $0 { true } else { false } }
        self.init(
            id: body["id"]?.string ?? "", parts: parts,
            // Some servers say `stop` beside tool calls.
            finish: hasCalls && finish == .stop ? .toolCalls : finish,
            usage: ReportedUsage(openAI: body["usage"]))
    }

    /// The answer in OpenAI's chat format.
    package func openAIChat(_ context: AnswerContext) -> JSONValue {
        var message = JSONObject()
        message["role"] = "assistant"
        let calls = toolCalls
        message["content"] = text.isEmpty && !calls.isEmpty ? .null : .string(text)
        message["refusal"] = .null
        if !reasoningText.isEmpty { message["reasoning_content"] = .string(reasoningText) }
        if !calls.isEmpty { message["tool_calls"] = .array(calls.map(CanonicalCall.openAIToolCall)) }
        var answer = JSONObject()
        answer["id"] = .string("chatcmpl-\(context.id)")
        answer["object"] = "chat.completion"
        answer["created"] = .number(JSONNumber(context.created))
        answer["model"] = .string(context.model)
        answer["choices"] = [
            [
                "index": 0, "message": .object(message), "logprobs": nil,
                "finish_reason": .string(finish.openAI),
            ]
        ]
        answer["usage"] = usage?.openAI
        return .object(answer)
    }
}

enum OpenAIDelta {
    /// Texts of a content that is a string, or a list of parts as Mistral sends.
    static func texts(_ content: JSONValue?) -> [CanonicalPart] {
        if let text = content?.string { return text.isEmpty ? [] : [.text(text)] }
        return (content?.array ?? []).compactMap { part in
            if part["type"]?.string == "thinking" {
                let thought = (part["thinking"]?.array ?? []).compactMap { $0["text"]?.string }.joined()
                return thought.isEmpty ? nil : .reasoning(text: thought, signature: nil)
            }
            guard let text = part["text"]?.string, !text.isEmpty else { return nil }
            return .text(text)
        }
    }

    /// Arguments are JSON text; old TGI sends an object. A whole call without any has an empty object.
    static func arguments(_ value: JSONValue?, whole: Bool) -> String {
        guard let value, !value.isNull else { return whole ? "{}" : "" }
        guard let text = value.string else { return value.text }
        return text.isEmpty && whole ? "{}" : text
    }
}

enum OpenAIComplaint {
    /// An `error` member: an object with a message, or a text.
    static func read(_ error: JSONValue) -> ProviderComplaint {
        func text(_ name: String) -> String? {
            guard let member = error[name] else { return nil }
            return member.string ?? member.number?.text
        }
        let status = error["code"]?.exactInt64.flatMap { (400...599).contains($0) ? Int($0) : nil }
        return ProviderComplaint(
            message: error.string ?? text("message") ?? "The provider reported an error.",
            kind: text("type"), code: text("code"), parameter: text("param"), status: status)
    }
}

import Domain
package import JSONText

extension ReportedUsage {
    /// Thoughts are counted beside the candidates' tokens; ours holds everything that was written.
    package init?(gemini usage: JSONValue?) {
        guard let usage, usage.object != nil else { return nil }
        var figures = UsageFigures(usage)
        let thoughts = figures.figure("thoughtsTokenCount")
        let input = figures.sum("promptTokenCount", "toolUsePromptTokenCount")
        let output = figures.sum("candidatesTokenCount", "thoughtsTokenCount")
        let report = figures.report(
            input: input, cached: figures.figure("cachedContentTokenCount"), output: output,
            reasoning: thoughts)
        guard let report else { return nil }
        self = report
    }

    package var gemini: JSONValue {
        var value = JSONObject()
        value["promptTokenCount"] = .number(JSONNumber(usage.input))
        value["candidatesTokenCount"] = .number(JSONNumber(usage.output - usage.reasoning))
        if usage.reasoning > 0 { value["thoughtsTokenCount"] = .number(JSONNumber(usage.reasoning)) }
        if usage.cachedInput > 0 { value["cachedContentTokenCount"] = .number(JSONNumber(usage.cachedInput)) }
        value["totalTokenCount"] = .number(JSONNumber(usage.total))
        return .object(value)
    }
}

extension CanonicalFinish {
    /// The finish of a Gemini word; nil for words of errors.
    package init?(gemini reason: String, hasCalls: Bool) {
        switch reason {
        case "STOP", "FINISH_REASON_UNSPECIFIED": self = hasCalls ? .toolCalls : .stop
        case "MAX_TOKENS": self = .length
        case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE", "OTHER": return nil
        default: self = .contentFilter  // SAFETY, RECITATION, BLOCKLIST, …
        }
    }

    package var gemini: String {
        switch self {
        case .stop, .stopSequence, .toolCalls: "STOP"
        case .length: "MAX_TOKENS"
        case .contentFilter: "SAFETY"
        }
    }
}

extension ProviderComplaint {
    /// Google's `error` member.
    package init(gemini error: JSONValue) {
        let code = error["code"]?.exactInt64
        self.init(
            message: error["message"]?.string ?? "The provider reported an error.",
            kind: error["status"]?.string, code: code.map { "\($0)" },
            status: code.flatMap { (400...599).contains($0) ? Int($0) : nil })
    }
}

enum GeminiParts {
    /// The parts of a candidate; `content` and its `parts` may both be missing.
    static func read(_ candidate: JSONValue?, firstCall: Int = 0) -> [CanonicalPart] {
        var count = firstCall
        return (candidate?["content"]?["parts"]?.array ?? []).compactMap { part in
            let signature = part["thoughtSignature"]?.string
            if let call = part["functionCall"], let name = call["name"]?.string {
                count += 1
                // The format has no ids of its own; the caller's dialect may need unique ones.
                let id = call["id"]?.string ?? "call_\(count)"
                return .toolCall(
                    CanonicalToolCall(
                        id: id, name: name, arguments: (call["args"] ?? [:]).text, signature: signature))
            }
            guard let text = part["text"]?.string, !text.isEmpty else { return nil }
            return part["thought"]?.boolean == true
                ? .reasoning(text: text, signature: signature) : .text(text)
        }
    }

    static func write(_ part: CanonicalPart) -> JSONValue? {
        switch part {
        case .text(let text): return ["text": .string(text)]
        case .reasoning(let text, _): return ["text": .string(text), "thought": true]
        case .toolCall(let call):
            var value = JSONObject()
            value["functionCall"] = [
                "id": .string(call.id), "name": .string(call.name),
                "args": ToolArguments.object(call.arguments),
            ]
            value["thoughtSignature"] = call.signature.map { .string($0) }
            return .object(value)
        default: return nil
        }
    }
}

extension CanonicalAnswer {
    /// A whole answer in Gemini's format.
    package init(gemini body: JSONValue) throws(ProviderComplaint) {
        if let error = body["error"] ?? body[0]?["error"], !error.isNull {
            throw ProviderComplaint(gemini: error)
        }
        let usage = ReportedUsage(gemini: body["usageMetadata"])
        guard let candidate = body["candidates"]?[0] else {
            guard body["promptFeedback"]?["blockReason"] != nil else {
                throw ProviderComplaint(message: "The provider's answer has no candidates.")
            }
            self.init(id: body["responseId"]?.string ?? "", finish: .contentFilter, usage: usage)
            return
        }
        let parts = GeminiParts.read(candidate)
        let hasCalls = parts.contains { if case .toolCall = $0 { true } else { false } }
        let reason = candidate["finishReason"]?.string ?? "STOP"
        guard let finish = CanonicalFinish(gemini: reason, hasCalls: hasCalls) else {
            throw ProviderComplaint(message: "The provider stopped with \(reason).", kind: reason)
        }
        self.init(id: body["responseId"]?.string ?? "", parts: parts, finish: finish, usage: usage)
    }

    /// The answer in Gemini's format.
    package func gemini(_ context: AnswerContext) -> JSONValue {
        GeminiFrame.of(
            parts.compactMap(GeminiParts.write), finish: finish,
            usage: usage ?? ReportedUsage(usage: .zero), context)
    }
}

/// One `GenerateContentResponse`.
enum GeminiFrame {
    static func of(
        _ parts: [JSONValue], finish: CanonicalFinish?, usage: ReportedUsage?, _ context: AnswerContext
    ) -> JSONValue {
        var candidate = JSONObject()
        candidate["content"] = ["role": "model", "parts": .array(parts)]
        candidate["finishReason"] = finish.map { .string($0.gemini) }
        candidate["index"] = 0
        var frame = JSONObject()
        frame["candidates"] = [.object(candidate)]
        frame["usageMetadata"] = usage?.gemini
        frame["modelVersion"] = .string(context.model)
        frame["responseId"] = .string(context.id)
        return .object(frame)
    }
}

/// Errors as Google's clients expect them; the text must begin with `{"error":`.
package struct GeminiError: Equatable, Sendable {
    package var status: Int
    package var message: String

    package init(status: Int, message: String) {
        self.status = status
        self.message = message
    }

    package var value: JSONValue {
        [
            "error": [
                "code": .number(JSONNumber(status)), "message": .string(message),
                "status": .string(Self.name(ofStatus: status)),
            ]
        ]
    }

    /// Google's names of statuses (google.rpc.Code).
    static func name(ofStatus status: Int) -> String {
        switch status {
        case 401: "UNAUTHENTICATED"
        case 403: "PERMISSION_DENIED"
        case 404: "NOT_FOUND"
        case 409: "ABORTED"
        case 402, 429: "RESOURCE_EXHAUSTED"
        case 499: "CANCELLED"
        case 501: "UNIMPLEMENTED"
        case 503: "UNAVAILABLE"
        case 504: "DEADLINE_EXCEEDED"
        case 500...: "INTERNAL"
        default: "INVALID_ARGUMENT"
        }
    }
}

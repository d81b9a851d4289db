import Domain
package import JSONText

extension ReportedUsage {
    /// Bedrock counts cached and written input beside `inputTokens`; ours holds everything that was read.
    package init?(bedrock usage: JSONValue?) {
        guard let usage, usage.object != nil else { return nil }
        var figures = UsageFigures(usage)
        let plain = figures.figure("inputTokens")
        let cached = figures.figure("cacheReadInputTokens")
        let written = figures.figure("cacheWriteInputTokens")
        let input = plain.map { min($0 + (cached ?? 0) + (written ?? 0), TokenUsage.maximumTokens) }
        let report = figures.report(
            input: input, cached: cached, written: written, output: figures.figure("outputTokens"))
        guard let report else { return nil }
        self = report
    }
}

extension ProviderComplaint {
    /// An exception inside a stream, by its name and payload.
    init(bedrock name: String, _ payload: UnsafeRawBufferPointer) {
        let body = try? JSONValue.parse(payload)
        let statuses = [
            "throttlingException": 429, "validationException": 400, "serviceUnavailableException": 503,
            "internalServerException": 500, "modelStreamErrorException": 424, "modelTimeoutException": 408,
        ]
        self.init(
            message: body?["message"]?.string ?? body?["Message"]?.string
                ?? "The provider broke the stream off.",
            code: name.isEmpty ? nil : name, status: statuses[name])
    }
}

extension CanonicalFinish {
    /// nil for reasons that are failures.
    init?(bedrock reason: String) {
        switch reason {
        case "max_tokens", "model_context_window_exceeded": self = .length
        case "tool_use": self = .toolCalls
        case "content_filtered", "guardrail_intervened": self = .contentFilter
        case "malformed_model_output", "malformed_tool_use": return nil
        default: self = .stop
        }
    }
}

extension CanonicalAnswer {
    /// A whole answer of Converse.
    package init(bedrock body: JSONValue) throws(ProviderComplaint) {
        guard let content = body["output"]?["message"]?["content"]?.array else {
            throw ProviderComplaint(
                message: body["message"]?.string ?? "The provider's answer has no content.")
        }
        let reason = body["stopReason"]?.string ?? "end_turn"
        guard let finish = CanonicalFinish(bedrock: reason) else {
            throw ProviderComplaint(message: "The provider stopped with \(reason).", code: reason)
        }
        self.init(
            parts: content.compactMap(Self.bedrockPart), finish: finish,
            usage: ReportedUsage(bedrock: body["usage"]))
    }

    private static func bedrockPart(_ block: JSONValue) -> CanonicalPart? {
        if let text = block["text"]?.string { return text.isEmpty ? nil : .text(text) }
        if let thought = block["reasoningContent"]?["reasoningText"] {
            return .reasoning(text: thought["text"]?.string ?? "", signature: thought["signature"]?.string)
        }
        guard let call = block["toolUse"], let id = call["toolUseId"]?.string,
            let name = call["name"]?.string
        else { return nil }
        return .toolCall(CanonicalToolCall(id: id, name: name, arguments: (call["input"] ?? [:]).text))
    }
}

/// Reads a stream of ConverseStream, one message's payload at a time, by the event its frame names.
package struct BedrockEventReader: Sendable {
    /// The call of each content block that is one.
    private var callOfBlock: [Int64: Int] = [:]
    private var callCount = 0
    private(set) var hasFinished = false

    package init() {}

    package mutating func read(_ data: UnsafeRawBufferPointer, named name: String) -> [CanonicalEvent] {
        guard let event = try? JSONValue.parse(data, limits: JSONLimits(maximumBytes: max(1, data.count)))
        else {
            return [.failure(ProviderComplaint(message: "The provider sent an event that is not JSON."))]
        }
        let index = event["contentBlockIndex"]?.exactInt64 ?? 0
        switch name {
        case "messageStart": return [.start(id: "")]
        case "contentBlockStart": return start(index, event["start"]?["toolUse"])
        case "contentBlockDelta": return delta(index, event["delta"])
        case "messageStop":
            let reason = event["stopReason"]?.string ?? "end_turn"
            guard let finish = CanonicalFinish(bedrock: reason) else {
                return [
                    .failure(
                        ProviderComplaint(message: "The provider stopped with \(reason).", code: reason))
                ]
            }
            hasFinished = true
            return [.finish(finish)]
        case "metadata":
            // The last message; before the reason to stop it would be a stream that was cut.
            let usage = ReportedUsage(bedrock: event["usage"]).map { [CanonicalEvent.usage($0)] } ?? []
            return hasFinished ? usage + [.end] : usage
        default: return []  // contentBlockStop, and what later versions add
        }
    }

    private mutating func start(_ index: Int64, _ call: JSONValue?) -> [CanonicalEvent] {
        guard let call, let id = call["toolUseId"]?.string, let name = call["name"]?.string, callCount < 1024
        else { return [] }
        callOfBlock[index] = callCount
        callCount += 1
        return [.toolCall(callCount - 1, id: id, name: name, signature: nil)]
    }

    private func delta(_ index: Int64, _ delta: JSONValue?) -> [CanonicalEvent] {
        func text(_ value: JSONValue?) -> String? {
            guard let text = value?.string, !text.isEmpty else { return nil }
            return text
        }
        if let text = text(delta?["text"]) { return [.text(text)] }
        if let text = text(delta?["reasoningContent"]?["text"]) { return [.reasoning(text)] }
        if let text = text(delta?["reasoningContent"]?["signature"]) { return [.reasoningSignature(text)] }
        guard let call = callOfBlock[index], let text = text(delta?["toolUse"]?["input"]) else { return [] }
        return [.toolArguments(call, text)]
    }
}

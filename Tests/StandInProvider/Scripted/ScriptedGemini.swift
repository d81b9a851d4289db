import JSONText

/// Google's Gemini API.
enum ScriptedGemini {
    private static let names = [
        "contents", "systemInstruction", "system_instruction", "tools", "toolConfig", "tool_config",
        "generationConfig", "generation_config", "safetySettings", "safety_settings", "cachedContent",
        "labels",
        "serviceTier",
    ]

    static func parse(
        _ body: JSONValue, model: String, isStream: Bool
    ) throws(ScriptedFailure) -> ScriptedCall {
        try ScriptedDialect.check(body, names)
        guard let contents = body["contents"]?.array, let last = contents.last else {
            throw ScriptedFailure(400, "* GenerateContentRequest.contents: contents is not specified")
        }
        var call = ScriptedCall()
        call.model = model
        call.isStream = isStream
        call.promptBytes = body["contents"]?.bytes.count ?? 0
        guard let parts = last["parts"]?.array, !parts.isEmpty else {
            throw ScriptedFailure(400, "* GenerateContentRequest.contents.parts: must not be empty")
        }
        for part in parts { try read(part, into: &call) }
        for group in body["tools"]?.array ?? [] {
            for tool in (group["functionDeclarations"] ?? group["function_declarations"])?.array ?? [] {
                let schema =
                    tool["parametersJsonSchema"] ?? tool["parameters_json_schema"] ?? tool["parameters"]
                guard let name = tool["name"]?.string else { throw ScriptedFailure(400, "tools: no name") }
                call.tools.append(ScriptedCall.Tool(name: name, schema: schema ?? [:]))
            }
        }
        let calling = (body["toolConfig"] ?? body["tool_config"])?["functionCallingConfig"]
        call.mayCall = calling?["mode"]?.string != "NONE"
        let config = body["generationConfig"] ?? body["generation_config"]
        call.schema =
            config?["responseJsonSchema"] ?? config?["response_json_schema"] ?? config?["responseSchema"]
        let thinking = config?["thinkingConfig"] ?? config?["thinking_config"]
        call.wantsThoughts = (thinking?["includeThoughts"] ?? thinking?["include_thoughts"])?.boolean ?? false
        return call
    }

    private static func read(_ part: JSONValue, into call: inout ScriptedCall) throws(ScriptedFailure) {
        if let text = part["text"]?.string {
            call.text += text
        } else if let data = part["inlineData"] ?? part["inline_data"] {
            let type = data["mimeType"] ?? data["mime_type"]
            call.addPicture(type?.string, data["data"]?.string)
        } else if let response = (part["functionResponse"] ?? part["function_response"])?["response"] {
            guard let object = response.object else {
                throw ScriptedFailure(400, "function_response.response must be an object")
            }
            call.results.append((object["result"] ?? object["output"])?.string ?? response.text)
        } else if part["functionCall"] == nil, part["function_call"] == nil {
            throw ScriptedFailure(400, "contents.parts: required oneof field 'data' must have one set")
        }
    }

    private static func usage(_ answer: ScriptedAnswer, _ kind: Behaviour.Usage) -> JSONValue? {
        switch kind {
        case .none: return nil
        case .null: return .null
        case .hostile: return ["promptTokenCount": -5, "candidatesTokenCount": "many"]
        case .honest: break
        }
        var usage = JSONObject()
        usage["promptTokenCount"] = ScriptedDialect.number(answer.promptTokens)
        usage["candidatesTokenCount"] = ScriptedDialect.number(
            answer.completionTokens - answer.reasoningTokens)
        if answer.reasoningTokens > 0 {
            usage["thoughtsTokenCount"] = ScriptedDialect.number(answer.reasoningTokens)
        }
        if answer.cachedTokens > 0 {
            usage["cachedContentTokenCount"] = ScriptedDialect.number(answer.cachedTokens)
        }
        usage["totalTokenCount"] = ScriptedDialect.number(answer.promptTokens + answer.completionTokens)
        return .object(usage)
    }

    private static func frame(
        _ parts: [JSONValue], _ call: ScriptedCall, finish: String? = nil, usage: JSONValue?
    ) -> JSONValue {
        var candidate = JSONObject()
        candidate["content"] = ["parts": .array(parts), "role": "model"]
        candidate["finishReason"] = finish.map { .string($0) }
        candidate["index"] = 0
        var frame = JSONObject()
        frame["candidates"] = [.object(candidate)]
        frame["usageMetadata"] = usage
        frame["modelVersion"] = .string(call.model)
        frame["responseId"] = "standin"
        return .object(frame)
    }

    private static func thought(_ answer: ScriptedAnswer) -> [JSONValue] {
        answer.thought.map { [["text": .string($0), "thought": true]] } ?? []
    }

    private static func calls(_ answer: ScriptedAnswer) -> [JSONValue] {
        answer.calls.enumerated().map { index, made in
            var part = JSONObject()
            part["functionCall"] = ["name": .string(made.name), "args": made.arguments]
            if index == 0 { part["thoughtSignature"] = .string(ScriptedAnswer.signature) }
            return .object(part)
        }
    }

    static func plain(_ answer: ScriptedAnswer, _ call: ScriptedCall, _ kind: Behaviour.Usage) -> JSONValue {
        var parts = thought(answer)
        if !answer.text.isEmpty { parts.append(["text": .string(answer.text)]) }
        return frame(parts + calls(answer), call, finish: "STOP", usage: usage(answer, kind))
    }

    static func stream(
        _ answer: ScriptedAnswer, _ call: ScriptedCall, _ kind: Behaviour.Usage
    ) -> ScriptedDialect.Stream {
        var frames: [JSONValue] = []
        let usage = usage(answer, kind)
        for part in thought(answer) { frames.append(frame([part], call, usage: nil)) }
        for piece in answer.pieces { frames.append(frame([["text": .string(piece)]], call, usage: nil)) }
        let made = calls(answer)
        if !made.isEmpty { frames.append(frame(made, call, usage: nil)) }
        frames.append(frame([["text": ""]], call, finish: "STOP", usage: usage))
        return (frames.map { Array("data: ".utf8) + $0.bytes + Array("\r\n\r\n".utf8) }, 1)
    }
}

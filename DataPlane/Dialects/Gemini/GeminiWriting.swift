package import JSONText

extension CanonicalCall {
    /// The request in Gemini's format; the model and whether to stream go into the path.
    ///
    /// Throws for pictures given by address: Gemini fetches only its own files, and this gateway fetches
    /// nothing a caller names.
    package func gemini() throws(RequestProblem) -> JSONValue {
        var body = JSONObject()
        if !system.isEmpty {
            body["systemInstruction"] = ["parts": .array(system.map { ["text": .string($0)] })]
        }
        var contents: [JSONValue] = []
        for (index, message) in messages.enumerated() {
            let parts = try Self.geminiParts(of: message, at: index)
            guard !parts.isEmpty else { continue }
            let role = message.role == .user ? "user" : "model"
            contents.append(["role": .string(role), "parts": .array(parts)])
        }
        body["contents"] = .array(contents)
        if !tools.isEmpty {
            body["tools"] = [["functionDeclarations": .array(tools.map(Self.geminiTool))]]
            body["toolConfig"] = toolChoice.map { ["functionCallingConfig": Self.geminiChoice($0)] }
        }
        let config = geminiConfig
        if !config.isEmpty { body["generationConfig"] = .object(config) }
        return .object(body)
    }

    private static func geminiParts(
        of message: CanonicalMessage, at index: Int
    ) throws(RequestProblem) -> [JSONValue] {
        var parts: [JSONValue] = []
        var isFirstCall = true
        for part in message.parts {
            switch part {
            case .text(let text):
                if !text.isEmpty { parts.append(["text": .string(text)]) }
            case .reasoning: continue
            case .image(let media): parts.append(try geminiMedia(media, "image/png", at: index))
            case .document(let media): parts.append(try geminiMedia(media, "application/pdf", at: index))
            case .audio(let media): parts.append(try geminiMedia(media, "audio/wav", at: index))
            case .toolCall(let call):
                var value = JSONObject()
                value["functionCall"] = [
                    "name": .string(call.name), "args": ToolArguments.object(call.arguments),
                ]
                // The first call of a step must carry the signature it came with; histories of other models
                // have none, and this is the documented stand-in.
                let stand = isFirstCall ? "skip_thought_signature_validator" : nil
                value["thoughtSignature"] = (call.signature ?? stand).map { .string($0) }
                isFirstCall = false
                parts.append(.object(value))
            case .toolResult(let result):
                let text = result.text
                let value = try? JSONValue.parse(Array(text.utf8))
                let response: JSONValue =
                    value?.object != nil
                    ? value ?? nil : [result.isError ? "error" : "result": .string(text)]
                parts.append(["functionResponse": ["name": .string(result.name), "response": response]])
            }
        }
        return parts
    }

    private static func geminiMedia(
        _ media: CanonicalMedia, _ type: String, at index: Int
    ) throws(RequestProblem) -> JSONValue {
        guard case .base64(let data) = media.source else {
            throw .unsupported(
                "messages.\(index).content", "this model's provider takes pictures and files as base64 only")
        }
        return ["inlineData": ["mimeType": .string(media.mediaType ?? type), "data": .string(data)]]
    }

    private static func geminiTool(_ tool: CanonicalTool) -> JSONValue {
        var value = JSONObject()
        value["name"] = .string(tool.name)
        value["description"] = tool.description.map { .string($0) }
        value["parametersJsonSchema"] = tool.parameters
        return .object(value)
    }

    private static func geminiChoice(_ choice: CanonicalToolChoice) -> JSONValue {
        switch choice {
        case .automatic: ["mode": "AUTO"]
        case .none: ["mode": "NONE"]
        case .required: ["mode": "ANY"]
        case .named(let name): ["mode": "ANY", "allowedFunctionNames": [.string(name)]]
        }
    }

    private var geminiConfig: JSONObject {
        var config = JSONObject()
        config["maxOutputTokens"] = maximumOutput.map { .number(JSONNumber($0)) }
        config["temperature"] = .double(sampling.temperature)
        config["topP"] = .double(sampling.topP)
        config["topK"] = sampling.topK.map { .number(JSONNumber($0)) }
        config["seed"] = sampling.seed.map { .number(JSONNumber($0)) }
        config["presencePenalty"] = .double(sampling.presencePenalty)
        config["frequencyPenalty"] = .double(sampling.frequencyPenalty)
        if !stop.isEmpty { config["stopSequences"] = .array(stop.prefix(5).map { .string($0) }) }
        switch format {
        case nil: break
        case .json: config["responseMimeType"] = "application/json"
        case .schema(_, let schema, _):
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = schema
        }
        if let reasoning {
            var thinking = JSONObject()
            thinking["thinkingBudget"] = .number(JSONNumber(reasoning.budget))
            if reasoning != .off { thinking["includeThoughts"] = true }
            config["thinkingConfig"] = .object(thinking)
        }
        return config
    }
}

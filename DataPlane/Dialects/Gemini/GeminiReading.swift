package import JSONText

extension CanonicalCall {
    /// A call in Gemini's format; the model and whether to stream stand in the path. Members are taken in
    /// both spellings, `maxOutputTokens` and `max_output_tokens`, as protobuf's JSON rule says. Source:
    /// Gemini API reference, "models.generateContent".
    package init(gemini body: JSONValue, model: String, isStream: Bool) throws(RequestProblem) {
        var request = try RequestReader(body)
        self.init(model: model, isStream: isStream, asksForUsage: true)
        var conversation = ConversationBuilder()
        if let instruction = request.value("systemInstruction", "system_instruction") {
            try GeminiContents.readSystem(instruction, into: &conversation)
        }
        guard let contents = request.value("contents") else { throw .missing("contents") }
        try GeminiContents.read(contents, into: &conversation)
        system = conversation.system
        messages = conversation.messages
        tools = try GeminiTools.read(try request.list("tools") ?? [])
        if var config = try request.object("toolConfig", "tool_config"),
            var calling = try config.object("functionCallingConfig", "function_calling_config")
        {
            toolChoice = try GeminiTools.choice(&calling)
        }
        if var config = try request.object("generationConfig", "generation_config") {
            try readGemini(&config)
            untranslated += config.unread()
        }
        untranslated += request.unread()
    }

    private mutating func readGemini(_ config: inout RequestReader) throws(RequestProblem) {
        maximumOutput = try config.count("maxOutputTokens", "max_output_tokens")
        sampling = CanonicalSampling(
            temperature: try config.number("temperature"), topP: try config.number("topP", "top_p"),
            topK: try config.integer("topK", "top_k"), seed: try config.integer("seed"),
            presencePenalty: try config.number("presencePenalty", "presence_penalty"),
            frequencyPenalty: try config.number("frequencyPenalty", "frequency_penalty"))
        stop = try config.texts("stopSequences", "stop_sequences")
        if let count = try config.count("candidateCount", "candidate_count"), count > 1 {
            throw .unsupported(
                "generationConfig.candidateCount", "this model's provider gives one answer a call")
        }
        let type = try config.text("responseMimeType", "response_mime_type")
        let schema = config.value(
            "responseJsonSchema", "response_json_schema", "responseSchema", "response_schema")
        if let schema {
            format = .schema(name: "answer", schema: GeminiSchema.standard(schema), isStrict: nil)
        } else if type == "application/json" {
            format = .json
        }
        guard var thinking = try config.object("thinkingConfig", "thinking_config") else { return }
        thinking.ignore("includeThoughts", "include_thoughts")
        if let budget = try thinking.integer("thinkingBudget", "thinking_budget") {
            // -1 lets the model decide.
            if budget >= 0 { reasoning = budget == 0 ? .off : .budget(budget) }
        } else if let level = try thinking.text("thinkingLevel", "thinking_level") {
            reasoning = CanonicalReasoning.Effort(rawValue: level.lowercased()).map { .effort($0) }
        }
    }
}

enum GeminiContents {
    static func readSystem(
        _ value: JSONValue, into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        if let text = value.string { return conversation.addSystem(text) }
        var reader = try RequestReader(value, at: "systemInstruction")
        for (index, part) in (try reader.list("parts") ?? []).enumerated() {
            var part = try RequestReader(part, at: "systemInstruction.parts.\(index)")
            conversation.addSystem(try part.requiredText("text"))
        }
    }

    static func read(
        _ value: JSONValue, into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        // One content may stand without its list, and a text for a content.
        let list = value.array ?? [value]
        var calls = OpenCalls()
        for (index, value) in list.enumerated() {
            let place = "contents.\(index)"
            if let text = value.string {
                conversation.add(.text(text), by: .user)
                continue
            }
            var content = try RequestReader(value, at: place)
            let role: CanonicalMessage.Role
            switch try content.text("role") {
            case nil, "user", "function": role = .user
            case "model": role = .assistant
            default: throw .wrongType(content.place("role"), "user or model")
            }
            for (position, part) in (try content.list("parts") ?? []).enumerated() {
                var part = try RequestReader(part, at: "\(place).parts.\(position)")
                try readPart(&part, by: role, &calls, into: &conversation)
            }
        }
    }

    private static func readPart(
        _ part: inout RequestReader, by role: CanonicalMessage.Role, _ calls: inout OpenCalls,
        into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        let signature = try part.text("thoughtSignature", "thought_signature")
        let isThought = try part.flag("thought") ?? false
        if let text = try part.text("text") {
            if isThought {
                return conversation.add(.reasoning(text: text, signature: signature), by: role)
            }
            return conversation.add(.text(text), by: role)
        }
        if var data = try part.object("inlineData", "inline_data") {
            let type = try data.requiredText("mimeType", "mime_type")
            let bytes = GeminiBase64.standard(try data.requiredText("data"))
            let media = CanonicalMedia(
                mediaType: type, source: .base64(bytes), name: try data.text("displayName", "display_name"))
            return conversation.add(Self.part(of: media, type), by: role)
        }
        if var file = try part.object("fileData", "file_data") {
            let type = try file.text("mimeType", "mime_type")
            let media = CanonicalMedia(
                mediaType: type, source: .url(try file.requiredText("fileUri", "file_uri")))
            return conversation.add(Self.part(of: media, type ?? "image/*"), by: role)
        }
        if var call = try part.object("functionCall", "function_call") {
            let name = try call.requiredText("name")
            let arguments = call.value("args") ?? [:]
            guard arguments.object != nil else { throw .wrongType(call.place("args"), "an object") }
            let id = calls.begin(name, id: try call.text("id"))
            return conversation.add(
                .toolCall(
                    CanonicalToolCall(id: id, name: name, arguments: arguments.text, signature: signature)),
                by: .assistant)
        }
        if var response = try part.object("functionResponse", "function_response") {
            let name = try response.requiredText("name")
            let value = response.value("response") ?? [:]
            // {"result": …} and {"output": …} are how SDKs wrap what is no object.
            let inner = value.object?.members.count == 1 ? value["result"] ?? value["output"] : nil
            let id = calls.answer(name, id: try response.text("id"))
            return conversation.addResult(
                of: id, name: name, parts: [.text(inner?.string ?? (inner ?? value).text)],
                isError: value["error"] != nil)
        }
        throw .unsupported(
            part.unread().first ?? part.path,
            "this kind of part does not exist in the dialect of this model's provider")
    }

    private static func part(of media: CanonicalMedia, _ type: String) -> CanonicalPart {
        if type.hasPrefix("image/") { return .image(media) }
        return type.hasPrefix("audio/") ? .audio(media) : .document(media)
    }
}

enum GeminiTools {
    static func read(_ list: [JSONValue]) throws(RequestProblem) -> [CanonicalTool] {
        var tools: [CanonicalTool] = []
        for (index, value) in list.enumerated() {
            var group = try RequestReader(value, at: "tools.\(index)")
            let declared = try group.list("functionDeclarations", "function_declarations") ?? []
            if let other = group.unread().first {
                throw .unsupported(other, "it runs at Google alone; this model's provider has no such tool")
            }
            for (position, value) in declared.enumerated() {
                var tool = try RequestReader(value, at: "tools.\(index).functionDeclarations.\(position)")
                let schema = tool.value("parametersJsonSchema", "parameters_json_schema", "parameters")
                tools.append(
                    CanonicalTool(
                        name: try tool.requiredText("name"), description: try tool.text("description"),
                        parameters: schema.map(GeminiSchema.standard) ?? CanonicalTool.noParameters))
            }
        }
        return tools
    }

    static func choice(_ calling: inout RequestReader) throws(RequestProblem) -> CanonicalToolChoice? {
        let names = try calling.texts("allowedFunctionNames", "allowed_function_names")
        switch try calling.text("mode") {
        case nil, "AUTO", "MODE_UNSPECIFIED": return .automatic
        case "NONE": return CanonicalToolChoice.none
        case "ANY", "VALIDATED": return names.count == 1 ? .named(names[0]) : .required
        default: throw .wrongType(calling.place("mode"), "AUTO, ANY or NONE")
        }
    }
}

enum GeminiSchema {
    /// Gemini's OpenAPI-like schemas name types in capitals; JSON schema in small letters.
    static func standard(_ schema: JSONValue) -> JSONValue {
        switch schema {
        case .array(let elements): return .array(elements.map(standard))
        case .object(let object):
            var result = JSONObject()
            for member in object.members {
                if member.name == "type", let type = member.value.string {
                    result["type"] = .string(type.lowercased())
                } else {
                    result[member.name] = standard(member.value)
                }
            }
            return .object(result)
        default: return schema
        }
    }
}

enum GeminiBase64 {
    /// google-genai writes the URL-safe alphabet without padding; everybody else wants the standard one.
    static func standard(_ text: String) -> String {
        var bytes = text.utf8.map { $0 == 0x2D ? 0x2B : $0 == 0x5F ? 0x2F : $0 }
        while bytes.count % 4 != 0 { bytes.append(UInt8(ascii: "=")) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

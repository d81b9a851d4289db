package import JSONText

extension CanonicalCall {
    /// A call in OpenAI's chat format. Source: OpenAI API reference, "Create chat completion".
    package init(openAIChat body: JSONValue) throws(RequestProblem) {
        var request = try RequestReader(body)
        self.init(model: try request.requiredText("model"))
        var conversation = ConversationBuilder()
        guard let list = try request.list("messages") else { throw .missing("messages") }
        for (index, message) in list.enumerated() {
            var reader = try RequestReader(message, at: "messages.\(index)")
            try OpenAIChatMessages.read(&reader, into: &conversation)
        }
        system = conversation.system
        messages = conversation.messages
        tools = try OpenAIChatTools.read(try request.list("tools") ?? [])
        toolChoice = try OpenAIChatTools.choice(request.value("tool_choice"))
        allowsParallelTools = try request.flag("parallel_tool_calls")
        let limits = (try request.count("max_completion_tokens"), try request.count("max_tokens"))
        maximumOutput = limits.0 ?? limits.1
        sampling = CanonicalSampling(
            temperature: try request.number("temperature"), topP: try request.number("top_p"),
            topK: try request.count("top_k"), seed: try request.integer("seed"),
            presencePenalty: try request.number("presence_penalty"),
            frequencyPenalty: try request.number("frequency_penalty"))
        stop = try request.texts("stop")
        format = try OpenAIChatTools.format(&request)
        reasoning = try Self.reasoning(try request.text("reasoning_effort"))
        let users = (try request.text("safety_identifier"), try request.text("user"))
        user = users.0 ?? users.1
        isStream = try request.flag("stream") ?? false
        if var options = try request.object("stream_options") {
            asksForUsage = isStream ? try options.flag("include_usage") ?? false : false
        }
        if let count = try request.count("n"), count > 1 {
            throw .unsupported("n", "this model's provider gives one answer a call; leave it out or say 1")
        }
        untranslated = request.unread()
    }

    private static func reasoning(_ effort: String?) throws(RequestProblem) -> CanonicalReasoning? {
        guard let effort else { return nil }
        if effort == "none" { return .off }
        guard let known = CanonicalReasoning.Effort(rawValue: effort) else {
            throw .wrongType("reasoning_effort", "none, minimal, low, medium, high or xhigh")
        }
        return .effort(known)
    }
}

enum OpenAIChatMessages {
    static func read(
        _ message: inout RequestReader, into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        let role = try message.requiredText("role")
        switch role {
        case "system", "developer":
            for case .text(let text) in try parts(&message) { conversation.addSystem(text) }
        case "user":
            for part in try parts(&message) { conversation.add(part, by: .user) }
        case "assistant": try readAssistant(&message, into: &conversation)
        case "tool":
            conversation.addResult(
                of: try message.requiredText("tool_call_id"), parts: try parts(&message))
        default:
            throw .wrongType(message.place("role"), "system, developer, user, assistant or tool")
        }
    }

    private static func readAssistant(
        _ message: inout RequestReader, into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        if let thought = try message.text("reasoning_content", "reasoning"), !thought.isEmpty {
            conversation.add(.reasoning(text: thought, signature: nil), by: .assistant)
        }
        for part in try parts(&message, required: false) { conversation.add(part, by: .assistant) }
        if let refusal = try message.text("refusal") { conversation.add(.text(refusal), by: .assistant) }
        for (index, value) in (try message.list("tool_calls") ?? []).enumerated() {
            let place = message.place("tool_calls.\(index)")
            var call = try RequestReader(value, at: place)
            guard var function = try call.object("function") else { throw .missing("\(place).function") }
            var extra = try call.object("extra_content")
            var google = try extra?.object("google")
            let arguments = try function.text("arguments") ?? ""
            conversation.add(
                .toolCall(
                    CanonicalToolCall(
                        id: try call.requiredText("id"), name: try function.requiredText("name"),
                        arguments: arguments.isEmpty ? "{}" : arguments,
                        signature: try google?.text("thought_signature"))),
                by: .assistant)
        }
    }

    private static func parts(
        _ message: inout RequestReader, required: Bool = true
    ) throws(RequestProblem) -> [CanonicalPart] {
        guard let content = message.value("content") else {
            if required { throw .missing(message.place("content")) }
            return []
        }
        if let text = content.string { return [.text(text)] }
        guard let list = content.array else {
            throw .wrongType(message.place("content"), "a string or a list of parts")
        }
        var parts: [CanonicalPart] = []
        for (index, value) in list.enumerated() {
            var reader = try RequestReader(value, at: message.place("content.\(index)"))
            parts.append(try part(&reader))
        }
        return parts
    }

    private static func part(_ part: inout RequestReader) throws(RequestProblem) -> CanonicalPart {
        switch try part.requiredText("type") {
        case "text": return .text(try part.requiredText("text"))
        case "refusal": return .text(try part.requiredText("refusal"))
        case "image_url":
            // Some clients send the URL itself instead of an object.
            let url: String
            if let text = part.value("image_url")?.string {
                url = text
            } else if var image = try part.object("image_url") {
                url = try image.requiredText("url")
            } else {
                throw .missing(part.place("image_url"))
            }
            guard let media = DataURL.media(url) else {
                throw .wrongType(part.place("image_url.url"), "an https URL or a base64 data URL")
            }
            return .image(media)
        case "input_audio":
            guard var audio = try part.object("input_audio") else {
                throw .missing(part.place("input_audio"))
            }
            let format = try audio.requiredText("format")
            let type = format == "mp3" ? "audio/mpeg" : "audio/\(format)"
            return .audio(
                CanonicalMedia(mediaType: type, source: .base64(try audio.requiredText("data"))))
        case "file":
            guard var file = try part.object("file") else { throw .missing(part.place("file")) }
            guard let data = try file.text("file_data") else {
                throw .unsupported(
                    part.place("file.file_id"), "files kept at one provider cannot be read by another")
            }
            guard let media = DataURL.media(data, name: try file.text("filename")),
                case .base64 = media.source
            else { throw .wrongType(part.place("file.file_data"), "a base64 data URL") }
            return .document(media)
        case let type:
            throw .unsupported(
                part.place("type"), "'\(type)' parts do not exist in the dialect of this model's provider")
        }
    }
}

enum OpenAIChatTools {
    static func read(_ list: [JSONValue]) throws(RequestProblem) -> [CanonicalTool] {
        var tools: [CanonicalTool] = []
        for (index, value) in list.enumerated() {
            var tool = try RequestReader(value, at: "tools.\(index)")
            let type = try tool.requiredText("type")
            guard type == "function" else {
                throw .unsupported(
                    "tools.\(index).type", "this model's provider has no '\(type)' tools; use functions")
            }
            guard var function = try tool.object("function") else {
                throw .missing("tools.\(index).function")
            }
            tools.append(
                CanonicalTool(
                    name: try function.requiredText("name"), description: try function.text("description"),
                    parameters: function.value("parameters") ?? CanonicalTool.noParameters,
                    isStrict: try function.flag("strict")))
        }
        return tools
    }

    static func choice(_ value: JSONValue?) throws(RequestProblem) -> CanonicalToolChoice? {
        guard let value else { return nil }
        switch value.string {
        case "auto": return .automatic
        case "none": return CanonicalToolChoice.none
        case "required": return .required
        default: break
        }
        // {"type":"function","function":{"name":…}}, and flat in the Responses format.
        guard value["type"]?.string == "function",
            let name = value["function"]?["name"]?.string ?? value["name"]?.string
        else { throw .wrongType("tool_choice", "auto, none, required or one function") }
        return .named(name)
    }

    static func format(_ request: inout RequestReader) throws(RequestProblem) -> CanonicalFormat? {
        guard var format = try request.object("response_format") else { return nil }
        switch try format.requiredText("type") {
        case "text": return nil
        case "json_object": return .json
        case "json_schema":
            guard var schema = try format.object("json_schema") else {
                throw .missing("response_format.json_schema")
            }
            guard let text = schema.value("schema") else {
                throw .missing("response_format.json_schema.schema")
            }
            return .schema(
                name: try schema.text("name") ?? "answer", schema: text, isStrict: try schema.flag("strict"))
        default: throw .wrongType("response_format.type", "text, json_object or json_schema")
        }
    }
}

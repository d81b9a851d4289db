package import JSONText

extension CanonicalCall {
    /// A call in OpenAI's Responses format. The gateway keeps no conversations, so what refers to one kept
    /// at a provider cannot be translated. Source: OpenAI API reference, "Create a model response".
    package init(openAIResponses body: JSONValue) throws(RequestProblem) {
        var request = try RequestReader(body)
        self.init(model: try request.requiredText("model"))
        for name in ["previous_response_id", "conversation", "prompt"] where request.value([name]) != nil {
            throw .unsupported(name, "what is kept at one provider cannot be read by another; send it whole")
        }
        if try request.flag("background") == true {
            throw .unsupported("background", "this model's provider answers at once")
        }
        var conversation = ConversationBuilder()
        if let text = try request.text("instructions") { conversation.addSystem(text) }
        guard let input = request.value("input") else { throw .missing("input") }
        try ResponsesInput.read(input, into: &conversation)
        system = conversation.system
        messages = conversation.messages
        tools = try ResponsesInput.tools(try request.list("tools") ?? [])
        toolChoice = try OpenAIChatTools.choice(request.value("tool_choice"))
        allowsParallelTools = try request.flag("parallel_tool_calls")
        maximumOutput = try request.count("max_output_tokens")
        sampling = CanonicalSampling(
            temperature: try request.number("temperature"), topP: try request.number("top_p"))
        if var text = try request.object("text") { format = try ResponsesInput.format(&text) }
        if var options = try request.object("reasoning"), let effort = try options.text("effort") {
            reasoning =
                effort == "none" ? .off : CanonicalReasoning.Effort(rawValue: effort).map { .effort($0) }
        }
        let users = (try request.text("safety_identifier"), try request.text("user"))
        user = users.0 ?? users.1
        isStream = try request.flag("stream") ?? false
        asksForUsage = true
        // Nothing is stored, nothing cut short, and these change no answer.
        request.ignore("store", "metadata", "include", "truncation", "service_tier", "stream_options")
        untranslated = request.unread()
    }
}

enum ResponsesInput {
    static func read(
        _ input: JSONValue, into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        if let text = input.string { return conversation.add(.text(text), by: .user) }
        guard let items = input.array else { throw .wrongType("input", "a string or a list of items") }
        for (index, value) in items.enumerated() {
            var item = try RequestReader(value, at: "input.\(index)")
            switch try item.text("type") ?? "message" {
            case "message": try readMessage(&item, into: &conversation)
            case "function_call":
                let arguments = try item.text("arguments") ?? ""
                conversation.add(
                    .toolCall(
                        CanonicalToolCall(
                            id: try item.requiredText("call_id"), name: try item.requiredText("name"),
                            arguments: arguments.isEmpty ? "{}" : arguments)),
                    by: .assistant)
            case "function_call_output":
                guard let output = item.value("output") else { throw .missing(item.place("output")) }
                conversation.addResult(
                    of: try item.requiredText("call_id"), parts: try parts(output, at: item.place("output")))
            case "reasoning":
                // Thoughts belong to the model that had them; their proof is not the canonical one.
                continue
            case let type:
                throw .unsupported(
                    item.place("type"), "'\(type)' items stay with the provider that made them")
            }
        }
    }

    private static func readMessage(
        _ item: inout RequestReader, into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        guard let content = item.value("content") else { throw .missing(item.place("content")) }
        let parts = try parts(content, at: item.place("content"))
        switch try item.requiredText("role") {
        case "system", "developer":
            for case .text(let text) in parts { conversation.addSystem(text) }
        case "user": for part in parts { conversation.add(part, by: .user) }
        case "assistant": for part in parts { conversation.add(part, by: .assistant) }
        default: throw .wrongType(item.place("role"), "system, developer, user or assistant")
        }
    }

    private static func parts(
        _ content: JSONValue, at place: String
    ) throws(RequestProblem) -> [CanonicalPart] {
        if let text = content.string { return [.text(text)] }
        guard let list = content.array else { throw .wrongType(place, "a string or a list of parts") }
        var parts: [CanonicalPart] = []
        for (index, value) in list.enumerated() {
            var part = try RequestReader(value, at: "\(place).\(index)")
            switch try part.requiredText("type") {
            case "input_text", "output_text": parts.append(.text(try part.requiredText("text")))
            case "refusal": parts.append(.text(try part.requiredText("refusal")))
            case "input_image":
                guard let url = try part.text("image_url"), let media = DataURL.media(url) else {
                    throw .unsupported(part.place("file_id"), "send the picture as a URL or a data URL")
                }
                parts.append(.image(media))
            case "input_file":
                guard let data = try part.text("file_data"),
                    let media = DataURL.media(data, name: try part.text("filename"))
                else { throw .unsupported(part.place("file_id"), "send the file as a data URL") }
                parts.append(.document(media))
            case let type:
                throw .unsupported(
                    part.place("type"), "'\(type)' parts do not exist in the dialect of this model's provider"
                )
            }
        }
        return parts
    }

    static func tools(_ list: [JSONValue]) throws(RequestProblem) -> [CanonicalTool] {
        var tools: [CanonicalTool] = []
        for (index, value) in list.enumerated() {
            var tool = try RequestReader(value, at: "tools.\(index)")
            let type = try tool.requiredText("type")
            guard type == "function" else {
                throw .unsupported(
                    "tools.\(index).type", "this model's provider has no '\(type)' tools; use functions")
            }
            tools.append(
                CanonicalTool(
                    name: try tool.requiredText("name"), description: try tool.text("description"),
                    parameters: tool.value("parameters") ?? CanonicalTool.noParameters,
                    isStrict: try tool.flag("strict")))
        }
        return tools
    }

    static func format(_ text: inout RequestReader) throws(RequestProblem) -> CanonicalFormat? {
        guard var format = try text.object("format") else { return nil }
        switch try format.requiredText("type") {
        case "text": return nil
        case "json_object": return .json
        case "json_schema":
            guard let schema = format.value("schema") else { throw .missing("text.format.schema") }
            return .schema(
                name: try format.text("name") ?? "answer", schema: schema, isStrict: try format.flag("strict")
            )
        default: throw .wrongType("text.format.type", "text, json_object or json_schema")
        }
    }
}

package import JSONText

extension CanonicalCall {
    /// A call in Anthropic's Messages format. Source: Anthropic API reference, "Create a Message".
    package init(anthropic body: JSONValue) throws(RequestProblem) {
        var request = try RequestReader(body)
        self.init(model: try request.requiredText("model"))
        var conversation = ConversationBuilder()
        try AnthropicMessages.readSystem(&request, into: &conversation)
        guard let list = try request.list("messages") else { throw .missing("messages") }
        for (index, message) in list.enumerated() {
            var reader = try RequestReader(message, at: "messages.\(index)")
            try AnthropicMessages.read(&reader, into: &conversation)
        }
        system = conversation.system
        messages = conversation.messages
        tools = try AnthropicTools.read(try request.list("tools") ?? [])
        if var choice = try request.object("tool_choice") {
            toolChoice = try AnthropicTools.choice(&choice)
            allowsParallelTools = try choice.flag("disable_parallel_tool_use").map { !$0 }
        }
        guard let limit = try request.count("max_tokens") else { throw .missing("max_tokens") }
        maximumOutput = limit
        sampling = CanonicalSampling(
            temperature: try request.number("temperature"), topP: try request.number("top_p"),
            topK: try request.count("top_k"))
        stop = try request.texts("stop_sequences")
        reasoning = try Self.anthropicReasoning(&request)
        if var output = try request.object("output_config") {
            if var format = try output.object("format") {
                guard let schema = format.value("schema") else {
                    throw .missing("output_config.format.schema")
                }
                self.format = .schema(name: "answer", schema: schema, isStrict: nil)
            }
            if let effort = try output.text("effort"), reasoning != .off {
                reasoning = .effort(effort == "max" ? .xhigh : .init(rawValue: effort) ?? .high)
            }
        }
        if var metadata = try request.object("metadata") { user = try metadata.text("user_id") }
        isStream = try request.flag("stream") ?? false
        asksForUsage = true
        untranslated = request.unread()
    }

    private static func anthropicReasoning(
        _ request: inout RequestReader
    ) throws(RequestProblem) -> CanonicalReasoning? {
        guard var thinking = try request.object("thinking") else { return nil }
        switch try thinking.requiredText("type") {
        case "disabled": return .off
        case "adaptive": return .effort(.high)
        case "enabled":
            guard let budget = try thinking.count("budget_tokens") else {
                throw .missing("thinking.budget_tokens")
            }
            return .budget(budget)
        default: throw .wrongType("thinking.type", "enabled, disabled or adaptive")
        }
    }
}

enum AnthropicMessages {
    static func readSystem(
        _ request: inout RequestReader, into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        guard let system = request.value("system") else { return }
        if let text = system.string { return conversation.addSystem(text) }
        guard let blocks = system.array else {
            throw .wrongType("system", "a string or a list of text blocks")
        }
        for (index, block) in blocks.enumerated() {
            var reader = try RequestReader(block, at: "system.\(index)")
            conversation.addSystem(try reader.requiredText("text"))
        }
    }

    static func read(
        _ message: inout RequestReader, into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        let name = try message.requiredText("role")
        if name == "system" {
            for case .text(let text) in try blocks(&message) { conversation.addSystem(text) }
            return
        }
        guard name == "user" || name == "assistant" else {
            throw .wrongType(message.place("role"), "user or assistant")
        }
        for part in try blocks(&message) {
            if case .toolResult(let result) = part {
                conversation.addResult(of: result.call, parts: result.parts, isError: result.isError)
            } else {
                conversation.add(part, by: name == "user" ? .user : .assistant)
            }
        }
    }

    private static func blocks(_ message: inout RequestReader) throws(RequestProblem) -> [CanonicalPart] {
        guard let content = message.value("content") else { throw .missing(message.place("content")) }
        return try blocks(content, at: message.place("content"))
    }

    private static func blocks(
        _ content: JSONValue, at place: String
    ) throws(RequestProblem) -> [CanonicalPart] {
        if let text = content.string { return [.text(text)] }
        guard let list = content.array else { throw .wrongType(place, "a string or a list of blocks") }
        var parts: [CanonicalPart] = []
        for (index, value) in list.enumerated() {
            var reader = try RequestReader(value, at: "\(place).\(index)")
            if let part = try block(&reader) { parts.append(part) }
        }
        return parts
    }

    private static func block(_ block: inout RequestReader) throws(RequestProblem) -> CanonicalPart? {
        switch try block.requiredText("type") {
        case "text": return .text(try block.requiredText("text"))
        case "image": return .image(try media(&block))
        case "document": return .document(try media(&block))
        case "thinking":
            return .reasoning(
                text: try block.requiredText("thinking"), signature: try block.text("signature"))
        case "redacted_thinking": return nil
        case "tool_use":
            let input = block.value("input") ?? [:]
            guard input.object != nil else { throw .wrongType(block.place("input"), "an object") }
            return .toolCall(
                CanonicalToolCall(
                    id: try block.requiredText("id"), name: try block.requiredText("name"),
                    arguments: input.text))
        case "tool_result":
            let id = try block.requiredText("tool_use_id")
            let content = try block.value("content").map { content throws(RequestProblem) in
                try blocks(content, at: block.place("content"))
            }
            return .toolResult(
                CanonicalToolResult(
                    call: id, name: id, parts: content ?? [], isError: try block.flag("is_error") ?? false))
        case let type:
            throw .unsupported(
                block.place("type"), "'\(type)' blocks do not exist in the dialect of this model's provider")
        }
    }

    private static func media(_ block: inout RequestReader) throws(RequestProblem) -> CanonicalMedia {
        guard var source = try block.object("source") else { throw .missing(block.place("source")) }
        let name = try block.text("title")
        switch try source.requiredText("type") {
        case "base64":
            return CanonicalMedia(
                mediaType: try source.requiredText("media_type"),
                source: .base64(try source.requiredText("data")), name: name)
        case "url":
            return CanonicalMedia(mediaType: nil, source: .url(try source.requiredText("url")), name: name)
        case let type:
            throw .unsupported(source.place("type"), "'\(type)' sources stay with one provider; send base64")
        }
    }
}

enum AnthropicTools {
    static func read(_ list: [JSONValue]) throws(RequestProblem) -> [CanonicalTool] {
        var tools: [CanonicalTool] = []
        for (index, value) in list.enumerated() {
            var tool = try RequestReader(value, at: "tools.\(index)")
            if let type = try tool.text("type"), type != "custom" {
                throw .unsupported(
                    "tools.\(index).type",
                    "'\(type)' runs at Anthropic alone; this model's provider has no such tool")
            }
            tools.append(
                CanonicalTool(
                    name: try tool.requiredText("name"), description: try tool.text("description"),
                    parameters: tool.value("input_schema") ?? CanonicalTool.noParameters,
                    isStrict: try tool.flag("strict")))
        }
        return tools
    }

    static func choice(_ choice: inout RequestReader) throws(RequestProblem) -> CanonicalToolChoice {
        switch try choice.requiredText("type") {
        case "auto": return .automatic
        case "none": return .none
        case "any": return .required
        case "tool": return .named(try choice.requiredText("name"))
        default: throw .wrongType("tool_choice.type", "auto, any, tool or none")
        }
    }
}

package import JSONText

extension CanonicalCall {
    /// A call in Ollama's chat format. Streaming is what it does unless told otherwise. Source: Ollama API
    /// documentation, "Generate a chat completion".
    package init(ollamaChat body: JSONValue) throws(RequestProblem) {
        var request = try RequestReader(body)
        self.init(model: try request.requiredText("model"))
        var conversation = ConversationBuilder()
        var calls = OpenCalls()
        for (index, message) in (try request.list("messages") ?? []).enumerated() {
            var reader = try RequestReader(message, at: "messages.\(index)")
            try OllamaMessages.read(&reader, &calls, into: &conversation)
        }
        system = conversation.system
        messages = conversation.messages
        tools = try OpenAIChatTools.read(try request.list("tools") ?? [])
        try readOllama(&request)
    }

    /// A call in Ollama's one-prompt format.
    package init(ollamaGenerate body: JSONValue) throws(RequestProblem) {
        var request = try RequestReader(body)
        self.init(model: try request.requiredText("model"))
        var conversation = ConversationBuilder()
        if let text = try request.text("system") { conversation.addSystem(text) }
        if let suffix = try request.text("suffix"), !suffix.isEmpty {
            throw .unsupported("suffix", "this model's provider does not fill in the middle")
        }
        conversation.add(.text(try request.text("prompt") ?? ""), by: .user)
        for image in try request.texts("images") { conversation.add(OllamaMessages.image(image), by: .user) }
        system = conversation.system
        messages = conversation.messages
        try readOllama(&request)
    }

    private mutating func readOllama(_ request: inout RequestReader) throws(RequestProblem) {
        isStream = try request.flag("stream") ?? true
        asksForUsage = true
        if let value = request.value("format") {
            if value.object != nil {
                format = .schema(name: "answer", schema: value, isStrict: nil)
            } else if value.string == "json" {
                format = .json
            } else if value.string != "" {
                throw .wrongType("format", "json or a JSON schema")
            }
        }
        if let think = request.value("think") {
            if let flag = think.boolean {
                reasoning = flag ? .effort(.medium) : .off
            } else if let level = think.string.flatMap(CanonicalReasoning.Effort.init(rawValue:)) {
                reasoning = .effort(level)
            } else {
                throw .wrongType("think", "true, false, low, medium or high")
            }
        }
        request.ignore("keep_alive")
        if var options = try request.object("options") {
            // -1 and -2 mean "as much as there is room for".
            if let limit = try options.integer("num_predict"), limit > 0 { maximumOutput = limit }
            sampling = CanonicalSampling(
                temperature: try options.number("temperature"), topP: try options.number("top_p"),
                topK: try options.integer("top_k"), seed: try options.integer("seed"),
                presencePenalty: try options.number("presence_penalty"),
                frequencyPenalty: try options.number("frequency_penalty"))
            stop = try options.texts("stop")
            untranslated += options.unread()
        }
        untranslated += request.unread()
    }
}

enum OllamaMessages {
    static func read(
        _ message: inout RequestReader, _ calls: inout OpenCalls,
        into conversation: inout ConversationBuilder
    ) throws(RequestProblem) {
        let content = try message.text("content") ?? ""
        switch try message.requiredText("role") {
        case "system": conversation.addSystem(content)
        case "user":
            conversation.add(.text(content), by: .user)
            for data in try message.texts("images") { conversation.add(image(data), by: .user) }
        case "assistant":
            if let thought = try message.text("thinking"), !thought.isEmpty {
                conversation.add(.reasoning(text: thought, signature: nil), by: .assistant)
            }
            conversation.add(.text(content), by: .assistant)
            for (index, value) in (try message.list("tool_calls") ?? []).enumerated() {
                let place = message.place("tool_calls.\(index)")
                var call = try RequestReader(value, at: place)
                guard var function = try call.object("function") else { throw .missing("\(place).function") }
                let name = try function.requiredText("name")
                let arguments = function.value("arguments") ?? [:]
                guard arguments.object != nil else {
                    throw .wrongType("\(place).function.arguments", "an object")
                }
                let id = calls.begin(name, id: try call.text("id"))
                conversation.add(
                    .toolCall(CanonicalToolCall(id: id, name: name, arguments: arguments.text)),
                    by: .assistant)
            }
        case "tool":
            let id = try message.text("tool_call_id")
            let name = try message.text("tool_name", "name") ?? id.flatMap(conversation.toolName) ?? "tool"
            conversation.addResult(of: calls.answer(name, id: id), name: name, parts: [.text(content)])
        default: throw .wrongType(message.place("role"), "system, user, assistant or tool")
        }
    }

    /// Pictures come as bare base64; their kind shows in the first bytes.
    static func image(_ data: String) -> CanonicalPart {
        let type =
            data.hasPrefix("/9j/")
            ? "image/jpeg"
            : data.hasPrefix("R0lG") ? "image/gif" : data.hasPrefix("UklGR") ? "image/webp" : "image/png"
        return .image(CanonicalMedia(mediaType: type, source: .base64(data)))
    }
}

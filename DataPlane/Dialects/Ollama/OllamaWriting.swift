package import JSONText

extension CanonicalCall {
    /// The request in Ollama's chat format for the provider's model of this name.
    ///
    /// Throws for what the format has no place for: pictures by address, files, audio.
    package func ollamaChat(model: String) throws(RequestProblem) -> JSONValue {
        var body = JSONObject()
        body["model"] = .string(model)
        var list: [JSONValue] = system.map { ["role": "system", "content": .string($0)] }
        for (index, message) in messages.enumerated() { list += try Self.ollamaMessages(message, at: index) }
        body["messages"] = .array(list)
        if !tools.isEmpty, toolChoice != CanonicalToolChoice.none {
            body["tools"] = .array(
                tools.map { tool in
                    [
                        "type": "function",
                        "function": [
                            "name": .string(tool.name), "description": .string(tool.description ?? ""),
                            "parameters": tool.parameters,
                        ],
                    ]
                })
        }
        // Missing means true here.
        body["stream"] = .boolean(isStream)
        switch format {
        case nil: break
        case .json: body["format"] = "json"
        case .schema(_, let schema, _): body["format"] = schema
        }
        body["think"] = reasoning.map { .boolean($0 != .off) }
        let options = ollamaOptions
        if !options.isEmpty { body["options"] = .object(options) }
        return .object(body)
    }

    private var ollamaOptions: JSONObject {
        var options = JSONObject()
        options["num_predict"] = maximumOutput.map { .number(JSONNumber($0)) }
        options["temperature"] = .double(sampling.temperature)
        options["top_p"] = .double(sampling.topP)
        options["top_k"] = sampling.topK.map { .number(JSONNumber($0)) }
        options["seed"] = sampling.seed.map { .number(JSONNumber($0)) }
        options["presence_penalty"] = .double(sampling.presencePenalty)
        options["frequency_penalty"] = .double(sampling.frequencyPenalty)
        if !stop.isEmpty { options["stop"] = .array(stop.map { .string($0) }) }
        return options
    }

    private static func ollamaMessages(
        _ message: CanonicalMessage, at index: Int
    ) throws(RequestProblem) -> [JSONValue] {
        var list: [JSONValue] = []
        var texts: [String] = []
        var images: [JSONValue] = []
        var calls: [JSONValue] = []
        var thoughts = ""
        for part in message.parts {
            switch part {
            case .text(let text): texts.append(text)
            case .image(let media):
                guard case .base64(let data) = media.source else {
                    throw .unsupported(
                        "messages.\(index).content", "this model's provider takes pictures as base64 only")
                }
                images.append(.string(data))
            case .document, .audio:
                throw .unsupported(
                    "messages.\(index).content", "this model's provider takes texts and pictures only")
            case .reasoning(let text, _): thoughts += text
            case .toolCall(let call):
                calls.append([
                    "function": [
                        "name": .string(call.name), "arguments": ToolArguments.object(call.arguments),
                    ]
                ])
            case .toolResult(let result):
                list.append([
                    "role": "tool", "tool_name": .string(result.name), "content": .string(result.text),
                ])
            }
        }
        guard !(texts.isEmpty && images.isEmpty && calls.isEmpty) else { return list }
        var value = JSONObject()
        value["role"] = message.role == .user ? "user" : "assistant"
        value["content"] = .string(texts.joined(separator: "\n"))
        if !thoughts.isEmpty { value["thinking"] = .string(thoughts) }
        if !images.isEmpty { value["images"] = .array(images) }
        if !calls.isEmpty { value["tool_calls"] = .array(calls) }
        return list + [.object(value)]
    }
}

package import JSONText

extension CanonicalCall {
    /// The request in the format of Bedrock's Converse; the model and whether to stream go into the path.
    /// Source: Amazon Bedrock API reference, "Converse".
    ///
    /// Throws for pictures and files given by address, and for sounds: this gateway fetches nothing a caller
    /// names, and the format has no sounds.
    package func bedrock(model: String) throws(RequestProblem) -> JSONValue {
        var body = JSONObject()
        let claude = model.contains("claude") ? AnthropicStyle(model: model) : nil
        let thinking = claude.map { anthropicThinking($0) }
        body["messages"] = .array(try bedrockMessages(withThinking: thinking?.value != nil))
        if !system.isEmpty { body["system"] = .array(system.map { ["text": .string($0)] }) }
        let config = bedrockConfig(claude, thinking)
        if !config.isEmpty { body["inferenceConfig"] = .object(config) }
        body["toolConfig"] = bedrockTools
        var more = JSONObject()
        if let topK = sampling.topK, thinking?.value == nil, claude?.takesSampling ?? true {
            more["top_k"] = .number(JSONNumber(topK))
        }
        more["thinking"] = thinking?.value
        if claude?.thinksAdaptively == true, case .effort(let effort) = reasoning {
            more["output_config"] = ["effort": .string(effort == .minimal ? "low" : effort.rawValue)]
        }
        if !more.isEmpty { body["additionalModelRequestFields"] = .object(more) }
        if case .schema(let name, let schema, _) = format {
            let closed = claude == nil ? schema : ClosedSchema.closing(schema)
            body["outputConfig"] = [
                "textFormat": [
                    "type": "json_schema",
                    "structure": ["jsonSchema": ["schema": .string(closed.text), "name": .string(name)]],
                ]
            ]
        }
        return .object(body)
    }

    private func bedrockConfig(
        _ claude: AnthropicStyle?, _ thinking: (value: JSONValue?, limit: Int64)?
    ) -> JSONObject {
        var config = JSONObject()
        let isThinking = thinking?.value != nil
        // The service has a generous default of its own, but a budget of thoughts must lie below the limit.
        let limit = isThinking ? thinking?.limit : maximumOutput
        config["maxTokens"] = limit.map { .number(JSONNumber($0)) }
        if !isThinking, claude?.takesSampling ?? true {
            config["temperature"] = .double(sampling.temperature.map { min(max($0, 0), 1) })
            // Claude's later generations take one of the two.
            if claude == nil || sampling.temperature == nil { config["topP"] = .double(sampling.topP) }
        }
        let stops = stop.filter { !$0.allSatisfy(\.isWhitespace) }
        if !stops.isEmpty { config["stopSequences"] = .array(stops.map { .string($0) }) }
        return config
    }

    /// Turns of the two sides alternate, the user's first; a turn that says nothing is left out.
    private func bedrockMessages(withThinking: Bool) throws(RequestProblem) -> [JSONValue] {
        var turns: [(role: CanonicalMessage.Role, blocks: [JSONValue])] = []
        var files = 0
        if messages.first?.role != .user { turns.append((.user, [["text": "."]])) }
        for (index, message) in messages.enumerated() {
            var blocks: [JSONValue] = []
            for part in message.parts {
                let block = try BedrockBlock.of(part, &files, withThinking: withThinking, at: index)
                if let block { blocks.append(block) }
            }
            guard !blocks.isEmpty else { continue }
            if turns.last?.role == message.role {
                turns[turns.count - 1].blocks += blocks
            } else {
                turns.append((message.role, blocks))
            }
        }
        return turns.map { turn in
            [
                "role": turn.role == .user ? "user" : "assistant",
                "content": .array(turn.blocks),
            ]
        }
    }

    /// Tools that a conversation has used must be declared, also when they may not be called any more.
    private var bedrockTools: JSONValue? {
        var declared = tools
        for part in messages.lazy.flatMap(\.parts) {
            guard case .toolCall(let call) = part, !declared.contains(where: { $0.name == call.name }) else {
                continue
            }
            declared.append(CanonicalTool(name: call.name, parameters: CanonicalTool.noParameters))
        }
        let isUsed =
            declared.count > tools.count
            || messages.lazy.flatMap(\.parts).contains {
                if case .toolCall = $0 { true } else { false }
            }
        if declared.isEmpty || (toolChoice == CanonicalToolChoice.none && !isUsed) { return nil }
        var config = JSONObject()
        config["tools"] = .array(declared.map(Self.bedrockTool))
        switch toolChoice {
        case nil, .some(.none): break
        case .automatic: config["toolChoice"] = ["auto": [:]]
        case .required: config["toolChoice"] = ["any": [:]]
        case .named(let name): config["toolChoice"] = ["tool": ["name": .string(name)]]
        }
        return .object(config)
    }

    private static func bedrockTool(_ tool: CanonicalTool) -> JSONValue {
        var value = JSONObject()
        value["name"] = .string(tool.name)
        if let description = tool.description, !description.isEmpty {
            value["description"] = .string(description)
        }
        var schema = tool.parameters.object ?? JSONObject()
        if schema["type"] == nil { schema["type"] = "object" }
        value["inputSchema"] = ["json": .object(schema)]
        return ["toolSpec": .object(value)]
    }
}

private enum BedrockBlock {
    /// nil for what the format leaves out: blank texts, thoughts without a proof. `files` counts documents,
    /// whose names must differ.
    static func of(
        _ part: CanonicalPart, _ files: inout Int, withThinking: Bool, at index: Int
    ) throws(RequestProblem) -> JSONValue? {
        switch part {
        case .text(let text): return text.allSatisfy(\.isWhitespace) ? nil : ["text": .string(text)]
        case .image(let media):
            let type = media.mediaType?.split(separator: "/").last ?? "png"
            return [
                "image": [
                    "format": .string(type == "jpg" ? "jpeg" : String(type)),
                    "source": try source(media, at: index),
                ]
            ]
        case .document(let media):
            files += 1
            return [
                "document": [
                    "format": .string(documentFormat(media)), "name": .string(name(media, files)),
                    "source": try source(media, at: index),
                ]
            ]
        case .audio:
            throw .unsupported("messages.\(index).content", "this model's provider takes no sounds")
        case .toolCall(let call):
            return [
                "toolUse": [
                    "toolUseId": .string(ToolID.plain(call.id)), "name": .string(call.name),
                    "input": ToolArguments.object(call.arguments),
                ]
            ]
        case .toolResult(let result):
            var content: [JSONValue] = []
            for part in result.parts {
                let block = try of(part, &files, withThinking: false, at: index)
                if let block { content.append(block) }
            }
            if content.isEmpty { content = [["json": ["result": ""]]] }
            return [
                "toolResult": [
                    "toolUseId": .string(ToolID.plain(result.call)), "content": .array(content),
                    "status": result.isError ? "error" : "success",
                ]
            ]
        case .reasoning(let text, let signature):
            guard withThinking, let signature else { return nil }
            return [
                "reasoningContent": [
                    "reasoningText": ["text": .string(text), "signature": .string(signature)]
                ]
            ]
        }
    }

    private static func source(_ media: CanonicalMedia, at index: Int) throws(RequestProblem) -> JSONValue {
        guard case .base64(let data) = media.source else {
            throw .unsupported(
                "messages.\(index).content", "this model's provider takes pictures and files as base64 only")
        }
        return ["bytes": .string(data)]
    }

    private static func documentFormat(_ media: CanonicalMedia) -> String {
        switch media.mediaType {
        case "text/csv": "csv"
        case "text/html": "html"
        case "text/markdown": "md"
        case "text/plain": "txt"
        case "application/msword": "doc"
        case "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx"
        case "application/vnd.ms-excel": "xls"
        case "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx"
        default: "pdf"
        }
    }

    /// The format takes letters, digits, single blanks, hyphens and brackets.
    private static func name(_ media: CanonicalMedia, _ number: Int) -> String {
        let words = (media.name ?? "document").split { character in
            !(character.isASCII && (character.isLetter || character.isNumber)) && character != "-"
        }
        return words.joined(separator: " ").prefix(180) + (words.isEmpty ? "document" : "") + " \(number)"
    }
}

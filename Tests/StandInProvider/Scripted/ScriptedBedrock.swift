import Cryptography
import HTTPServing
import HTTPWire
import JSONText

/// Amazon Bedrock's Converse and ConverseStream.
enum ScriptedBedrock {
    private static let names = [
        "messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig",
        "additionalModelRequestFields",
        "additionalModelResponseFieldPaths", "promptVariables", "requestMetadata", "performanceConfig",
        "serviceTier", "outputConfig",
    ]

    /// A model is `stand-in…` behind whatever stands before it, so that names can look like real ones.
    static func parse(
        _ body: JSONValue, model: String, isStream: Bool
    ) throws(ScriptedFailure) -> ScriptedCall {
        try ScriptedDialect.check(body, names)
        var call = ScriptedCall()
        call.model = model.firstRange(of: "stand-in").map { String(model[$0.lowerBound...]) } ?? model
        call.isStream = isStream
        guard let messages = body["messages"]?.array, let last = messages.last else {
            throw ScriptedFailure(400, "The conversation must have messages.")
        }
        for (index, message) in messages.enumerated()
        where message["role"]?.string != (index % 2 == 0 ? "user" : "assistant") {
            throw ScriptedFailure(
                400, "A conversation must start with a user message, and roles must alternate.")
        }
        call.promptBytes = body["messages"]?.bytes.count ?? 0
        var usesTools = false
        for message in messages {
            for block in message["content"]?.array ?? [] {
                if block["toolUse"] != nil || block["toolResult"] != nil { usesTools = true }
                if let text = block["text"]?.string, text.allSatisfy(\.isWhitespace) {
                    throw ScriptedFailure(400, "The text field in the ContentBlock object is blank.")
                }
            }
        }
        if usesTools, body["toolConfig"] == nil {
            throw ScriptedFailure(400, "The toolConfig field must be defined when using toolUse blocks.")
        }
        for block in last["content"]?.array ?? [] { try read(block, into: &call) }
        for tool in body["toolConfig"]?["tools"]?.array ?? [] {
            guard let spec = tool["toolSpec"], let name = spec["name"]?.string,
                let schema = spec["inputSchema"]?["json"]
            else { throw ScriptedFailure(400, "toolConfig.tools: toolSpec is not complete") }
            call.tools.append(ScriptedCall.Tool(name: name, schema: schema))
        }
        if let temperature = body["inferenceConfig"]?["temperature"]?.double, temperature > 1 {
            throw ScriptedFailure(400, "temperature: must be at most 1")
        }
        if let text = body["outputConfig"]?["textFormat"]?["structure"]?["jsonSchema"]?["schema"]?.string {
            call.schema = try? JSONValue.parse(Array(text.utf8))
        }
        let thinking = body["additionalModelRequestFields"]?["thinking"]
        call.wantsThoughts = thinking.map { $0["type"]?.string != "disabled" } ?? false
        return call
    }

    private static func read(_ block: JSONValue, into call: inout ScriptedCall) throws(ScriptedFailure) {
        if let text = block["text"]?.string {
            call.text += text
        } else if let image = block["image"] {
            guard let format = image["format"]?.string, ["png", "jpeg", "gif", "webp"].contains(format) else {
                throw ScriptedFailure(400, "image.format: not one of png, jpeg, gif, webp")
            }
            call.addPicture("image/\(format)", image["source"]?["bytes"]?.string)
        } else if let result = block["toolResult"] {
            guard let content = result["content"]?.array, !content.isEmpty else {
                throw ScriptedFailure(400, "toolResult.content: must not be empty")
            }
            call.results.append(content.compactMap { $0["text"]?.string }.joined())
        } else if block.object?.names(notIn: ["toolUse", "document", "reasoningContent"]).isEmpty != true {
            throw ScriptedFailure(400, "content: unknown block")
        }
    }

    private static func usage(_ answer: ScriptedAnswer, _ kind: Behaviour.Usage) -> JSONValue? {
        switch kind {
        case .none: return nil
        case .null: return .null
        case .hostile:
            return ["inputTokens": -5, "outputTokens": .number(JSONNumber(1e300) ?? JSONNumber(0))]
        case .honest:
            return [
                "inputTokens": ScriptedDialect.number(answer.promptTokens - answer.cachedTokens),
                "outputTokens": ScriptedDialect.number(answer.completionTokens),
                "totalTokens": ScriptedDialect.number(answer.promptTokens + answer.completionTokens),
                "cacheReadInputTokens": ScriptedDialect.number(answer.cachedTokens),
                "cacheWriteInputTokens": 0,
            ]
        }
    }

    private static func stop(_ answer: ScriptedAnswer) -> JSONValue {
        answer.calls.isEmpty ? "end_turn" : "tool_use"
    }

    private static func toolUse(_ made: ScriptedAnswer.Call) -> JSONObject {
        var value = JSONObject()
        value["toolUseId"] = .string("tooluse_" + made.id)
        value["name"] = .string(made.name)
        return value
    }

    static func plain(_ answer: ScriptedAnswer, _ kind: Behaviour.Usage) -> JSONValue {
        var blocks: [JSONValue] = []
        if let thought = answer.thought {
            let text: JSONValue = ["text": .string(thought), "signature": .string(ScriptedAnswer.signature)]
            blocks.append(["reasoningContent": ["reasoningText": text]])
        }
        if !answer.text.isEmpty { blocks.append(["text": .string(answer.text)]) }
        for made in answer.calls {
            var value = toolUse(made)
            value["input"] = made.arguments
            blocks.append(["toolUse": .object(value)])
        }
        var body = JSONObject()
        body["output"] = ["message": ["role": "assistant", "content": .array(blocks)]]
        body["stopReason"] = stop(answer)
        body["usage"] = usage(answer, kind)
        body["metrics"] = ["latencyMs": 7]
        return .object(body)
    }

    static func stream(_ answer: ScriptedAnswer, _ kind: Behaviour.Usage) -> ScriptedDialect.Stream {
        var frames: [[UInt8]] = []
        var index = 0
        func send(_ name: String, _ payload: JSONValue) {
            frames.append(message([("event-type", name), ("message-type", "event")], payload.bytes))
        }
        func block(_ start: JSONValue?, _ deltas: [JSONValue]) {
            let number = ScriptedDialect.number(index)
            if let start { send("contentBlockStart", ["contentBlockIndex": number, "start": start]) }
            for delta in deltas {
                // Padding against who guesses from lengths.
                send("contentBlockDelta", ["contentBlockIndex": number, "delta": delta, "p": "abcdef"])
            }
            send("contentBlockStop", ["contentBlockIndex": number])
            index += 1
        }
        send("messageStart", ["role": "assistant"])
        if let thought = answer.thought {
            block(
                nil,
                [
                    ["reasoningContent": ["text": .string(thought)]],
                    ["reasoningContent": ["signature": .string(ScriptedAnswer.signature)]],
                ])
        }
        if !answer.text.isEmpty { block(nil, answer.pieces.map { ["text": .string($0)] }) }
        for made in answer.calls {
            let text = made.arguments.text
            let half = text.index(text.startIndex, offsetBy: text.count / 2)
            block(
                ["toolUse": .object(toolUse(made))],
                ["", String(text[..<half]), String(text[half...])].map { ["toolUse": ["input": .string($0)]] }
            )
        }
        send("messageStop", ["stopReason": stop(answer)])
        var metadata = JSONObject()
        metadata["usage"] = usage(answer, kind)
        metadata["metrics"] = ["latencyMs": 7]
        send("metadata", .object(metadata))
        return (frames, 2)
    }

    static func exception(_ text: String) -> [UInt8] {
        message(
            [("exception-type", "modelStreamErrorException"), ("message-type", "exception")],
            (["message": .string(text)] as JSONValue).bytes)
    }

    /// A message whose last checksum is wrong.
    static var damaged: [UInt8] {
        var bytes = message([("event-type", "contentBlockDelta"), ("message-type", "event")], [0x7B, 0x7D])
        bytes[bytes.count - 1] ^= 1
        return bytes
    }

    private static func message(_ headers: [(name: String, value: String)], _ payload: [UInt8]) -> [UInt8] {
        var fields: [UInt8] = []
        for header in headers + [("content-type", "application/json")] {
            fields += [UInt8(header.name.utf8.count + 1)] + Array(":\(header.name)".utf8)
            fields += [7, 0, UInt8(header.value.utf8.count)] + Array(header.value.utf8)
        }
        var bytes = number(16 + fields.count + payload.count) + number(fields.count)
        bytes += number(Int(crc32(bytes)))
        bytes += fields + payload
        return bytes + number(Int(crc32(bytes)))
    }

    private static func number(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    // MARK: Who calls

    /// The stand-in's only access key; a call may also carry `sessionToken`.
    static let accessKey = "AKIDSTANDIN:stand-in/secret+key"
    static let sessionToken = "stand-in/session+token=="

    /// Why a call is not signed as it must be; nil when it is.
    static func refusal(_ exchange: Exchange, body: UnsafeRawBufferPointer) -> ScriptedFailure? {
        let invalid = ScriptedFailure(403, "The request signature we calculated does not match yours.")
        let fields = HeaderFields(exchange.head.fields, in: exchange.headBytes)
        if fields["authorization"]?.hasPrefix("Bearer ") == true { return nil }
        guard let authorization = fields["authorization"], let date = fields["x-amz-date"] else {
            return ScriptedFailure(403, "Missing Authentication Token")
        }
        let words = authorization.split { $0 == " " || $0 == "," || $0 == "=" || $0 == "/" }.map(String.init)
        // AWS4-HMAC-SHA256 Credential=ID/day/region/service/aws4_request, SignedHeaders=…, Signature=…
        guard words.count == 11, let key = AWSAccessKey(Secret(utf8: accessKey)) else { return invalid }
        let names = words[8].split(separator: ";").map(String.init)
        var needed = ["host", "x-amz-date"]
        if let token = fields["x-amz-security-token"] {
            guard token == sessionToken else { return invalid }
            needed.append("x-amz-security-token")
        }
        guard needed.allSatisfy(names.contains) else { return invalid }
        let signer = AWSRequestSigner(key: key, region: words[4], service: words[5])
        let expected = signer.authorization(
            method: "\(exchange.method)", target: String(decoding: exchange.rawTarget, as: UTF8.self),
            fields: names.map { (name: $0, value: fields[$0] ?? "") }, payload: sha256(body), date: date)
        return words[5] == "bedrock" && expected == authorization ? nil : invalid
    }
}

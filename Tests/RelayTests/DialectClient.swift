import Domain
import HTTPCalling
import HTTPWire
import JSONText
import Testing

/// A client of one dialect, as far as tests need it: written from the vendors' documents, not from the
/// gateway's code.
enum DialectClient: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case openAI, responses, azure, anthropic, gemini, geminiArray, ollama, ollamaGenerate

    var testDescription: String { rawValue }

    func path(stream: Bool) -> String {
        switch self {
        case .openAI: "/v1/chat/completions"
        case .responses: "/v1/responses"
        case .azure: "/openai/deployments/gpt-test/chat/completions?api-version=2024-10-21"
        case .anthropic: "/v1/messages"
        case .gemini:
            "/v1/models/gpt-test:" + (stream ? "streamGenerateContent?alt=sse" : "generateContent")
        case .geminiArray:
            "/v1beta/models/gpt-test:" + (stream ? "streamGenerateContent" : "generateContent")
        case .ollama: "/api/chat"
        case .ollamaGenerate: "/api/generate"
        }
    }

    func fields(_ key: String) -> HeaderFields {
        switch self {
        case .azure: ["api-key": key]
        case .openAI, .responses, .ollama, .ollamaGenerate: ["authorization": "Bearer \(key)"]
        case .anthropic: ["x-api-key": key, "anthropic-version": "2023-06-01"]
        case .gemini, .geminiArray: ["x-goog-api-key": key]
        }
    }

    /// A call with one text, and what else it asks for as members of the body.
    func body(_ text: String, stream: Bool = false, more: JSONObject = JSONObject()) -> String {
        var body = JSONObject()
        switch self {
        case .responses:
            body["model"] = "gpt-test"
            body["input"] = .string(text)
            body["stream"] = .boolean(stream)
        case .openAI, .azure, .anthropic, .ollama:
            body["model"] = "gpt-test"
            body["messages"] = [["role": "user", "content": .string(text)]]
            if self == .anthropic { body["max_tokens"] = 500 }
            body["stream"] = .boolean(stream)
            if self == .openAI || self == .azure, stream { body["stream_options"] = ["include_usage": true] }
        case .gemini, .geminiArray:
            body["contents"] = [["role": "user", "parts": [["text": .string(text)]]]]
        case .ollamaGenerate:
            body["model"] = "gpt-test"
            body["prompt"] = .string(text)
            body["stream"] = .boolean(stream)
        }
        for member in more.members { body[member.name] = member.value }
        return JSONValue.object(body).text
    }

    func call(
        _ bench: GatewayBench, _ text: String, stream: Bool = false, more: JSONObject = JSONObject()
    ) async throws -> Said {
        let answer = try await bench.post(
            path(stream: stream), body(text, stream: stream, more: more), fields: fields(bench.key))
        return try Said(answer, by: self, stream: stream)
    }
}

/// What an answer of any dialect said.
struct Said {
    var status: Int
    var text = ""
    var thought = ""
    /// Names and arguments of the calls, in order.
    var calls: [(name: String, arguments: JSONValue)] = []
    var input: Int64?
    var output: Int64?
    /// The word for why it stopped; nil: the answer never said that it is whole.
    var stop: String?
    var error: String?
    let response: Response

    init(_ response: Response, by client: DialectClient, stream: Bool) throws {
        status = response.status
        self.response = response
        guard status == 200 else {
            let value = try response.json
            error = value["error"]?.string ?? value["error"]?["message"]?.string
            return
        }
        switch client {
        case .openAI, .azure: try readOpenAI(stream)
        case .responses: try readResponses(stream)
        case .anthropic: try readAnthropic(stream)
        case .gemini, .geminiArray: try readGemini(isEvents: stream && client == .gemini, stream)
        case .ollama, .ollamaGenerate: try readOllama()
        }
    }

    private static func values(_ response: Response) throws -> [JSONValue] {
        let lines = response.text.split(whereSeparator: { $0 == "\n" || $0 == "\r\n" })
        return try lines.filter { $0.hasPrefix("data: {") }.map {
            try JSONValue.parse(Array($0.dropFirst(6).utf8))
        }
    }

    private mutating func readOpenAI(_ stream: Bool) throws {
        var arguments: [Int64: String] = [:]
        var names: [Int64: String] = [:]
        for value in stream ? try Self.values(response) : [try response.json] {
            if let error = value["error"] { self.error = error["message"]?.string }
            let choice = value["choices"]?[0]
            let message = choice?["delta"] ?? choice?["message"]
            text += message?["content"]?.string ?? ""
            thought += message?["reasoning_content"]?.string ?? ""
            for (place, call) in (message?["tool_calls"]?.array ?? []).enumerated() {
                let index = call["index"]?.exactInt64 ?? Int64(place)
                if let name = call["function"]?["name"]?.string { names[index] = name }
                arguments[index, default: ""] += call["function"]?["arguments"]?.string ?? ""
            }
            if let reason = choice?["finish_reason"]?.string { stop = reason }
            if let usage = value["usage"], !usage.isNull {
                input = usage["prompt_tokens"]?.exactInt64
                output = usage["completion_tokens"]?.exactInt64
            }
        }
        if stream, !response.text.hasSuffix("data: [DONE]\n\n") { stop = nil }
        calls = try names.keys.sorted().map {
            (names[$0] ?? "", try JSONValue.parse(Array((arguments[$0] ?? "").utf8)))
        }
    }

    private mutating func readResponses(_ stream: Bool) throws {
        var whole: JSONValue? = stream ? .none : .some(try response.json)
        var heard = ""
        var last: Int64 = -1
        for event in stream ? try Self.values(response) : [] {
            let number = event["sequence_number"]?.exactInt64 ?? -1
            #expect(number == last + 1, "\(event.text)")
            last = number
            switch event["type"]?.string {
            case "response.output_text.delta": heard += event["delta"]?.string ?? ""
            case "response.completed": whole = event["response"]
            case "error": error = event["message"]?.string
            default: break
            }
        }
        for item in whole?["output"]?.array ?? [] {
            for part in item["content"]?.array ?? [] { text += part["text"]?.string ?? "" }
            for part in item["summary"]?.array ?? [] { thought += part["text"]?.string ?? "" }
            if let name = item["name"]?.string {
                calls.append((name, try JSONValue.parse(Array((item["arguments"]?.string ?? "").utf8))))
            }
        }
        if stream { #expect(heard == text) }
        stop = whole?["status"]?.string
        input = whole?["usage"]?["input_tokens"]?.exactInt64
        output = whole?["usage"]?["output_tokens"]?.exactInt64
    }

    private mutating func readAnthropic(_ stream: Bool) throws {
        if !stream {
            let value = try response.json
            for block in value["content"]?.array ?? [] {
                text += block["text"]?.string ?? ""
                thought += block["thinking"]?.string ?? ""
                if let name = block["name"]?.string { calls.append((name, block["input"] ?? .null)) }
            }
            stop = value["stop_reason"]?.string
            readAnthropicUsage(value["usage"])
            return
        }
        var arguments = ""
        var isWhole = false
        for event in try Self.values(response) {
            let delta = event["delta"]
            text += delta?["text"]?.string ?? ""
            thought += delta?["thinking"]?.string ?? ""
            arguments += delta?["partial_json"]?.string ?? ""
            switch event["type"]?.string {
            case "content_block_start":
                arguments = ""
                if let name = event["content_block"]?["name"]?.string { calls.append((name, .null)) }
            case "content_block_stop":
                if !arguments.isEmpty, !calls.isEmpty {
                    calls[calls.count - 1].arguments = try JSONValue.parse(Array(arguments.utf8))
                }
                arguments = ""
            case "message_delta":
                stop = delta?["stop_reason"]?.string
                readAnthropicUsage(event["usage"])
            case "message_stop": isWhole = true
            case "error": error = event["error"]?["message"]?.string
            default: break
            }
        }
        if !isWhole { stop = nil }
    }

    private mutating func readAnthropicUsage(_ usage: JSONValue?) {
        let names = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
        let figures = names.compactMap { usage?[$0]?.exactInt64 }
        if !figures.isEmpty { input = figures.reduce(0, +) }
        output = usage?["output_tokens"]?.exactInt64
    }

    private mutating func readGemini(isEvents: Bool, _ stream: Bool) throws {
        let values =
            isEvents
            ? try Self.values(response) : stream ? try response.json.array ?? [] : [try response.json]
        for value in values {
            if let error = value["error"] { self.error = error["message"]?.string }
            let candidate = value["candidates"]?[0]
            for part in candidate?["content"]?["parts"]?.array ?? [] {
                if let call = part["functionCall"] {
                    calls.append((call["name"]?.string ?? "", call["args"] ?? .null))
                } else if part["thought"]?.boolean == true {
                    thought += part["text"]?.string ?? ""
                } else {
                    text += part["text"]?.string ?? ""
                }
            }
            if let reason = candidate?["finishReason"]?.string { stop = reason }
            guard let usage = value["usageMetadata"] else { continue }
            input = usage["promptTokenCount"]?.exactInt64
            output =
                (usage["candidatesTokenCount"]?.exactInt64 ?? 0)
                + (usage["thoughtsTokenCount"]?.exactInt64 ?? 0)
        }
    }

    private mutating func readOllama() throws {
        for line in response.text.split(separator: "\n") {
            let value = try JSONValue.parse(Array(line.utf8))
            if let error = value["error"]?.string { self.error = error }
            text += value["response"]?.string ?? value["message"]?["content"]?.string ?? ""
            thought += value["message"]?["thinking"]?.string ?? value["thinking"]?.string ?? ""
            for call in value["message"]?["tool_calls"]?.array ?? [] {
                let function = call["function"]
                calls.append((function?["name"]?.string ?? "", function?["arguments"] ?? .null))
            }
            guard value["done"]?.boolean == true else { continue }
            stop = value["done_reason"]?.string
            input = value["prompt_eval_count"]?.exactInt64
            output = value["eval_count"]?.exactInt64
        }
    }
}

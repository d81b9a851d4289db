import HTTPWire
import JSONText

/// The dialects the stand-in speaks besides OpenAI's fast path, each as strict as the real service.
enum ScriptedDialect {
    /// `vertex` is Gemini for callers of Google Cloud.
    case openAI, responses, anthropic, gemini, vertex, ollama, bedrock

    /// A stream's pieces, and how many of the last ones say that it is whole.
    typealias Stream = (frames: [[UInt8]], closing: Int)

    /// What a request asks for. `model` and `isStream` come from the path in dialects that put them there.
    func parse(_ body: JSONValue, model: String, isStream: Bool) throws(ScriptedFailure) -> ScriptedCall {
        switch self {
        case .openAI: try ScriptedOpenAI.parse(body)
        case .responses: try ScriptedResponses.parse(body)
        case .anthropic: try ScriptedAnthropic.parse(body)
        case .gemini, .vertex: try ScriptedGemini.parse(body, model: model, isStream: isStream)
        case .ollama: try ScriptedOllama.parse(body)
        case .bedrock: try ScriptedBedrock.parse(body, model: model, isStream: isStream)
        }
    }

    func plain(_ answer: ScriptedAnswer, _ call: ScriptedCall, _ usage: Behaviour.Usage) -> JSONValue {
        switch self {
        case .openAI: ScriptedOpenAI.plain(answer, call, usage)
        case .responses: ScriptedResponses.plain(answer, call)
        case .anthropic: ScriptedAnthropic.plain(answer, call, usage)
        case .gemini, .vertex: ScriptedGemini.plain(answer, call, usage)
        case .ollama: ScriptedOllama.plain(answer, call, usage)
        case .bedrock: ScriptedBedrock.plain(answer, usage)
        }
    }

    func stream(_ answer: ScriptedAnswer, _ call: ScriptedCall, _ usage: Behaviour.Usage) -> Stream {
        switch self {
        case .openAI: ScriptedOpenAI.stream(answer, call, usage)
        case .responses: ScriptedResponses.stream(answer, call)
        case .anthropic: ScriptedAnthropic.stream(answer, call, usage)
        case .gemini, .vertex: ScriptedGemini.stream(answer, call, usage)
        case .ollama: ScriptedOllama.stream(answer, call, usage)
        case .bedrock: ScriptedBedrock.stream(answer, usage)
        }
    }

    var streamType: String {
        switch self {
        case .ollama: "application/x-ndjson"
        case .bedrock: "application/vnd.amazon.eventstream"
        default: "text/event-stream"
        }
    }

    /// The frame of an error in the middle of a stream.
    func errorFrame(_ message: String) -> [UInt8] {
        let error = errorBody(ScriptedFailure(500, message))
        switch self {
        case .openAI, .gemini, .vertex: return Self.event(error)
        case .bedrock: return ScriptedBedrock.exception(message)
        case .responses:
            return Self.event(
                ["type": "error", "code": "server_error", "message": .string(message), "param": nil],
                named: "error")
        case .anthropic: return Self.event(error, named: "error")
        case .ollama: return error.bytes + [10]
        }
    }

    var malformedFrame: [UInt8] {
        switch self {
        case .ollama: Array("{\"model\": oops}\n".utf8)
        case .bedrock: ScriptedBedrock.damaged
        default: Array("data: {\"id\": oops}\n\n".utf8)
        }
    }

    func errorBody(_ failure: ScriptedFailure) -> JSONValue {
        let message = JSONValue.string(failure.message)
        switch self {
        case .openAI, .responses: return ["error": ["message": message, "type": "server_error", "code": nil]]
        case .anthropic:
            return [
                "type": "error",
                "error": ["type": .string(ScriptedAnthropic.errorType(failure.status)), "message": message],
                "request_id": "req_standin",
            ]
        case .gemini, .vertex:
            var error = JSONObject()
            error["code"] = .number(JSONNumber(failure.status))
            error["message"] = message
            error["status"] = .string(failure.status == 429 ? "RESOURCE_EXHAUSTED" : "FAILED")
            if failure.status == 429 {
                error["details"] = [
                    ["@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "6.2s"]
                ]
            }
            if failure.message.hasPrefix("API key not valid") {
                error["details"] = [
                    ["@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"]
                ]
            }
            return ["error": .object(error)]
        case .ollama: return ["error": message]
        case .bedrock: return ["message": message]
        }
    }

    func errorFields(_ failure: ScriptedFailure) -> HeaderFields {
        var fields: HeaderFields = ["content-type": "application/json"]
        if self == .bedrock { fields.append("x-amzn-errortype", "StandInException:http://internal") }
        let isSilent = [.gemini, .vertex, .ollama, .bedrock].contains(self)
        if failure.status == 429 || failure.status == 503, !isSilent {
            fields.append("retry-after", "7")
        }
        return fields
    }

    static func event(_ value: JSONValue, named name: String? = nil) -> [UInt8] {
        Array(((name.map { "event: \($0)\n" } ?? "") + "data: ").utf8) + value.bytes + [10, 10]
    }

    static func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }

    /// Refuses members the service does not know, as the real ones do.
    static func check(_ body: JSONValue, _ allowed: [String]) throws(ScriptedFailure) {
        guard let object = body.object else { throw ScriptedFailure(400, "The body must be an object.") }
        if let name = object.names(notIn: allowed).first { throw .unknownName(name) }
    }
}

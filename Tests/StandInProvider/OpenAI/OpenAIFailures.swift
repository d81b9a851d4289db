import HTTPWire
import JSONText

/// The errors the stand-in can be asked for, in OpenAI's words.
struct OpenAIFailure {
    let status: Int
    let fields: HeaderFields
    let body: [UInt8]

    /// The failure a model name with `-error-<status>` stands for. Texts quote the key, as some providers
    /// do.
    static func asked(_ status: Int, key: String) -> OpenAIFailure {
        switch status {
        case 401: wrongKey(key)
        case 404: unknownModel("stand-in-error-404")
        case 429:
            OpenAIFailure(
                429, "Rate limit reached for stand-in in organization org-standin12345 on requests per min.",
                type: "requests", code: "rate_limit_exceeded",
                fields: [
                    "retry-after": "7", "retry-after-ms": "7000", "x-ratelimit-remaining-requests": "0",
                ])
        case 502:
            // What stands in front of a provider speaks HTML.
            OpenAIFailure(
                status: 502, fields: ["content-type": "text/html"],
                body: Array("<html><body>502 Bad Gateway</body></html>".utf8))
        case 503:
            OpenAIFailure(
                503, "The stand-in is overloaded.", type: "server_error", fields: ["retry-after": "3"])
        case 500...: OpenAIFailure(status, "The stand-in had an error.", type: "server_error")
        default:
            OpenAIFailure(
                status, "Invalid value for 'temperature'.", type: "invalid_request_error",
                parameter: "temperature", code: "invalid_value")
        }
    }

    /// A prompt beyond the model's window, or one its maker does not want.
    static func asked(_ kind: Behaviour.ErrorKind) -> OpenAIFailure {
        switch kind {
        case .long:
            OpenAIFailure(
                400, "This model's maximum context length is 8192 tokens.", type: "invalid_request_error",
                parameter: "messages", code: "context_length_exceeded")
        case .policy:
            OpenAIFailure(
                400, "The response was filtered.", type: "invalid_request_error", code: "content_filter")
        case .quota:
            OpenAIFailure(
                429, "You exceeded your current quota, please check your plan and billing details.",
                type: "insufficient_quota", code: "insufficient_quota")
        }
    }

    static func wrongKey(_ key: String) -> OpenAIFailure {
        OpenAIFailure(
            401, "Incorrect API key provided: \(key). You can find your API key in your account.",
            type: "invalid_request_error", code: "invalid_api_key")
    }

    static let noKey = OpenAIFailure(
        401, "You didn't provide an API key.", type: "invalid_request_error", code: nil)

    static func unknownModel(_ name: String) -> OpenAIFailure {
        OpenAIFailure(
            404, "The model `\(name)` does not exist or you do not have access to it.",
            type: "invalid_request_error", code: "model_not_found")
    }

    static func unreadable(_ problem: OpenAICallProblem) -> OpenAIFailure {
        switch problem {
        case .notJSON:
            OpenAIFailure(
                400, "We could not parse the JSON body of your request.", type: "invalid_request_error")
        case .missing(let name):
            OpenAIFailure(
                400, "Missing required parameter: '\(name)'.", type: "invalid_request_error",
                parameter: "\(name)", code: "missing_required_parameter")
        }
    }

    static func unknownPath(_ path: String) -> OpenAIFailure {
        OpenAIFailure(404, "Invalid URL (\(path))", type: "invalid_request_error")
    }

    private init(status: Int, fields: HeaderFields, body: [UInt8]) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    private init(
        _ status: Int, _ message: String, type: String, parameter: String? = nil, code: String? = nil,
        fields: HeaderFields = [:]
    ) {
        var writer = JSONWriter()
        writer.object { writer in
            writer.objectField("error") { writer in
                writer.field("message", message)
                writer.field("type", type)
                writer.field("param", parameter)
                writer.field("code", code)
            }
        }
        var fields = fields
        fields.append("content-type", "application/json")
        self.init(status: status, fields: fields, body: writer.bytes)
    }
}

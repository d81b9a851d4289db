package import JSONText

/// The wire format a client speaks: its calls are read from it, and answers and errors are written in it.
package enum ClientDialect: Sendable, Equatable, CaseIterable {
    case openAI, anthropic, gemini, ollama

    /// The body of an error answer.
    package func errorBody(_ error: OpenAIError, status: Int) -> [UInt8] {
        switch self {
        case .openAI: error.body()
        case .anthropic: Self.anthropic(error, status: status).value.bytes
        case .gemini: GeminiError(status: status, message: error.message).value.bytes
        case .ollama: JSONValue.object(Self.ollama(error)).bytes
        }
    }

    private static func anthropic(_ error: OpenAIError, status: Int) -> AnthropicError {
        // A word of Anthropic's own stays; every other dialect's is said by the status.
        AnthropicError.status(of: error.type) != nil
            ? AnthropicError(type: error.type, message: error.message)
            : AnthropicError(status: status, message: error.message)
    }

    private static func ollama(_ error: OpenAIError) -> JSONObject {
        var body = JSONObject()
        body["error"] = .string(error.message)
        return body
    }
}

/// What kind of generation a client asks for: its dialect, and which of the dialect's shapes its answer has.
package enum CallForm: Sendable, Equatable {
    case openAIChat
    case openAIResponses
    case anthropic
    /// Streams travel as server-sent events, or as one JSON array in pieces.
    case gemini(GeminiEventWriter.Framing)
    case ollama(OllamaForm)

    package var dialect: ClientDialect {
        switch self {
        case .openAIChat, .openAIResponses: .openAI
        case .anthropic: .anthropic
        case .gemini: .gemini
        case .ollama: .ollama
        }
    }

    /// The media type of a stream.
    package var streamType: StaticString {
        switch self {
        case .openAIChat, .openAIResponses, .anthropic, .gemini(.events): "text/event-stream; charset=utf-8"
        case .gemini(.array): "application/json; charset=utf-8"
        case .ollama: "application/x-ndjson"
        }
    }

    /// A call of this form, as the canonical one. `model` and `isStream` count for forms that say them in
    /// the path.
    package func canonical(
        _ body: JSONValue, model: String, isStream: Bool
    ) throws(RequestProblem) -> CanonicalCall {
        switch self {
        case .openAIChat: try CanonicalCall(openAIChat: body)
        case .openAIResponses: try CanonicalCall(openAIResponses: body)
        case .anthropic: try CanonicalCall(anthropic: body)
        case .gemini: try CanonicalCall(gemini: body, model: model, isStream: isStream)
        case .ollama(.chat): try CanonicalCall(ollamaChat: body)
        case .ollama(.generate): try CanonicalCall(ollamaGenerate: body)
        }
    }

    /// A whole answer in this form. `nanoseconds`: how long it took.
    package func answer(
        _ answer: CanonicalAnswer, _ context: AnswerContext, nanoseconds: Int64
    ) -> JSONValue {
        switch self {
        case .openAIChat: answer.openAIChat(context)
        case .openAIResponses: answer.openAIResponses(context)
        case .anthropic: answer.anthropic(context)
        case .gemini: answer.gemini(context)
        case .ollama(let form): answer.ollama(context, form, nanoseconds: nanoseconds)
        }
    }

    package func eventWriter(_ context: AnswerContext) -> EventWriter {
        switch self {
        case .openAIChat: .openAIChat(OpenAIChatEventWriter(context))
        case .openAIResponses: .openAIResponses(ResponsesEventWriter(context))
        case .anthropic: .anthropic(AnthropicEventWriter(context))
        case .gemini(let framing): .gemini(GeminiEventWriter(context, framing))
        case .ollama(let form): .ollama(OllamaLineWriter(context, form))
        }
    }
}

/// What an answer cost, in the words of the headers: in a stream those are long gone.
package struct StreamBill: Sendable, Equatable {
    package let cost: String
    package let state: String

    package init(cost: String, state: String) {
        self.cost = cost
        self.state = state
    }
}

/// Writes a streamed answer in any form.
package enum EventWriter: Sendable {
    case openAIChat(OpenAIChatEventWriter)
    case openAIResponses(ResponsesEventWriter)
    case anthropic(AnthropicEventWriter)
    case gemini(GeminiEventWriter)
    case ollama(OllamaLineWriter)

    /// Appends what an event is on the wire; nothing for those the form holds back.
    package mutating func write(_ event: CanonicalEvent, to output: inout [UInt8]) {
        switch self {
        case .openAIChat(var writer):
            writer.write(event, to: &output)
            self = .openAIChat(writer)
        case .openAIResponses(var writer):
            writer.write(event, to: &output)
            self = .openAIResponses(writer)
        case .anthropic(var writer):
            writer.write(event, to: &output)
            self = .anthropic(writer)
        case .gemini(var writer):
            writer.write(event, to: &output)
            self = .gemini(writer)
        case .ollama(var writer):
            writer.write(event, to: &output)
            self = .ollama(writer)
        }
    }

    /// What the answer cost, for the form that says so in its stream.
    package mutating func note(_ bill: StreamBill) {
        guard case .openAIChat(var writer) = self else { return }
        writer.bill = bill
        self = .openAIChat(writer)
    }

    /// How long the answer took so far, for the form that says so.
    package mutating func note(nanoseconds: Int64) {
        guard case .ollama(var writer) = self else { return }
        writer.nanoseconds = nanoseconds
        self = .ollama(writer)
    }
}

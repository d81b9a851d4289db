package import JSONText

/// The wire format a provider is spoken to in.
package enum ProviderFormat: Sendable, Equatable {
    case openAIChat(OpenAIChatStyle)
    case anthropic(AnthropicStyle)
    case gemini
    case ollama
    /// Converse and ConverseStream.
    case bedrock
    /// What Gemini's models at Google Cloud take for embeddings, and nothing else.
    case vertexPredictions
    /// OpenAI's own servers, asked in the Responses format: only ever for callers who ask in it.
    case openAIResponses

    /// Whether the client's bytes can be passed on as they are, but for the model's name.
    package func isNative(to work: CallWork) -> Bool {
        switch work {
        case .generation(let form): isNative(to: form)
        case .embeddings(let form): isNative(to: form)
        case .plain: if case .openAIChat = self { true } else { false }
        }
    }

    /// Whether a call of the form can be passed on with its bytes as they are, but for the model's name.
    package func isNative(to form: CallForm) -> Bool {
        switch (self, form) {
        case (.openAIChat, .openAIChat), (.anthropic, .anthropic), (.ollama, .ollama(.chat)),
            (.openAIResponses, .openAIResponses):
            true
        // An array of answers is asked for as events and put together here.
        case (.gemini, .gemini(let framing)): framing == .events
        default: false
        }
    }

    /// The request for the provider's model of this name.
    package func request(_ call: CanonicalCall, model: String) throws(RequestProblem) -> JSONValue {
        switch self {
        case .openAIChat(let style): call.openAIChat(model: model, style: style)
        case .anthropic(let style): call.anthropic(model: model, style: style)
        case .gemini: try call.gemini()
        case .ollama: try call.ollamaChat(model: model)
        case .bedrock: try call.bedrock(model: model)
        case .openAIResponses, .vertexPredictions:
            throw .unsupported("input", "it is passed on as it is, or not at all")
        }
    }

    /// A whole answer. Throws what the provider complains of.
    package func answer(_ body: JSONValue) throws(ProviderComplaint) -> CanonicalAnswer {
        switch self {
        case .openAIChat: try CanonicalAnswer(openAIChat: body)
        case .anthropic: try CanonicalAnswer(anthropic: body)
        case .gemini: try CanonicalAnswer(gemini: body)
        case .ollama: try CanonicalAnswer(ollamaChat: body)
        case .bedrock: try CanonicalAnswer(bedrock: body)
        case .openAIResponses: try CanonicalAnswer(openAIResponses: body)
        case .vertexPredictions: throw ProviderComplaint(message: "The provider's answer has no content.")
        }
    }

    var eventReader: EventReader {
        switch self {
        case .openAIChat: .openAIChat(OpenAIChatEventReader())
        case .anthropic: .anthropic(AnthropicEventReader())
        case .gemini, .vertexPredictions: .gemini(GeminiEventReader())
        case .ollama: .ollama(OllamaLineReader())
        case .bedrock: .bedrock(BedrockEventReader())
        case .openAIResponses: .openAIResponses(ResponsesEventReader())
        }
    }

    /// How the events of a stream are told apart.
    var framing: StreamFraming {
        switch self {
        case .ollama: .lines
        case .bedrock: .messages
        default: .events
        }
    }
}

enum StreamFraming {
    /// Server-sent events.
    case events
    /// Lines of JSON.
    case lines
    /// Amazon's event stream.
    case messages
}

/// Reads a provider's stream in any format, one event's or line's data at a time.
enum EventReader: Sendable {
    case openAIChat(OpenAIChatEventReader)
    case anthropic(AnthropicEventReader)
    case gemini(GeminiEventReader)
    case ollama(OllamaLineReader)
    case bedrock(BedrockEventReader)
    case openAIResponses(ResponsesEventReader)

    /// - Parameter name: the event's, for the format that says it outside its data.
    mutating func read(_ data: UnsafeRawBufferPointer, named name: String = "") -> [CanonicalEvent] {
        switch self {
        case .openAIChat(var reader):
            defer { self = .openAIChat(reader) }
            return reader.read(data)
        case .anthropic(var reader):
            defer { self = .anthropic(reader) }
            return reader.read(data)
        case .gemini(var reader):
            defer { self = .gemini(reader) }
            return reader.read(data)
        case .ollama(var reader):
            defer { self = .ollama(reader) }
            return reader.read(data)
        case .bedrock(var reader):
            defer { self = .bedrock(reader) }
            return reader.read(data, named: name)
        case .openAIResponses(var reader):
            defer { self = .openAIResponses(reader) }
            return reader.read(data)
        }
    }

    /// Whether a stream that ends here without a terminator was whole all the same.
    var isWholeWithoutTerminator: Bool {
        switch self {
        case .openAIChat(let reader): reader.hasFinished
        case .gemini(let reader): reader.hasFinished
        case .bedrock(let reader): reader.hasFinished
        case .anthropic, .ollama, .openAIResponses: false
        }
    }

    /// Formats whose streams have no terminator: what follows the reason to stop still belongs to them.
    var lacksTerminator: Bool {
        if case .gemini = self { true } else { false }
    }
}

extension ProviderComplaint {
    /// The complaint without anything that looks like a credential.
    package func scrubbed(_ secrets: [String]) -> ProviderComplaint {
        let scrub = SecretScrub(secrets: secrets)
        var clean = self
        clean.message = scrub.clean(message)
        clean.kind = kind.map(scrub.clean)
        clean.code = code.map(scrub.clean)
        clean.parameter = parameter.map(scrub.clean)
        return clean
    }
}

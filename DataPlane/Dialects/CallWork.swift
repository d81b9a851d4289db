package import Domain

/// What a client wants done.
package enum CallWork: Sendable, Equatable {
    case generation(CallForm)
    case embeddings(EmbeddingForm)
    /// One of OpenAI's endpoints that only OpenAI's dialect has: passed on as it is.
    case plain(OpenAIOperation)

    package var dialect: ClientDialect {
        switch self {
        case .generation(let form): form.dialect
        case .embeddings(let form): form.dialect
        case .plain: .openAI
        }
    }

    /// What a key must be allowed to use.
    package var endpoint: Endpoint {
        switch self {
        case .generation: .chat
        case .embeddings: .embeddings
        case .plain(let operation): operation.endpoint
        }
    }
}

/// OpenAI's endpoints beside generations and embeddings, by their paths below the version.
package enum OpenAIOperation: String, Sendable, CaseIterable {
    case completions
    case moderations
    case imageGenerations = "images/generations"
    case imageEdits = "images/edits"
    case imageVariations = "images/variations"
    case speech = "audio/speech"
    case transcriptions = "audio/transcriptions"
    case translations = "audio/translations"

    package var endpoint: Endpoint {
        switch self {
        case .completions: .completions
        case .moderations: .moderations
        case .imageGenerations, .imageEdits, .imageVariations: .images
        case .speech, .transcriptions, .translations: .audio
        }
    }

    /// The request is a form with files in it.
    package var isForm: Bool {
        switch self {
        case .imageEdits, .imageVariations, .transcriptions, .translations: true
        case .completions, .moderations, .imageGenerations, .speech: false
        }
    }
}

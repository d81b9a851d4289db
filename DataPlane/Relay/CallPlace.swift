import Dialects
import HTTPServing
import HTTPWire

/// What a path asks the gateway for.
enum CallPlace {
    /// The model and whether to stream are given where the path says them.
    case work(CallWork, model: String?, isStream: Bool)
    case tokenCount(ClientDialect, model: String?)
    /// The models a key may name; one of them when the path names it.
    case models(ClientDialect, name: String?)
    /// Ollama's description of one model, named in the body.
    case modelDescription
    case ollamaVersion
    case nothing

    /// The dialect an answer at this place is written in.
    var dialect: ClientDialect? {
        switch self {
        case .work(let work, _, _): work.dialect
        case .tokenCount(let dialect, _), .models(let dialect, _): dialect
        case .modelDescription, .ollamaVersion: .ollama
        case .nothing: nil
        }
    }

    /// Methods that do at this place.
    var methods: String {
        switch self {
        case .models, .ollamaVersion: "GET, HEAD"
        default: "POST"
        }
    }

    func takes(_ method: HTTPMethod) -> Bool {
        switch self {
        case .models, .ollamaVersion: method == .get || method == .head
        default: method == .post
        }
    }

    /// The place of a path; several dialects share `/v1/models`, and the request's fields tell them apart.
    init(_ exchange: Exchange) {
        var path = exchange.path
        if path.hasPrefix("/openai/") {
            if let place = Self.azure(path) {
                self = place
                return
            }
            // The v1 API of Azure has OpenAI's paths.
            path = String(path.dropFirst("/openai".utf8.count))
            if path == "/responses" { path = "/v1/responses" }
        }
        if path.hasPrefix("/v1/"), let operation = OpenAIOperation(rawValue: String(path.dropFirst(4))) {
            self = .work(.plain(operation), model: nil, isStream: false)
            return
        }
        switch path {
        case "/v1/chat/completions": self = .generation(.openAIChat)
        case "/v1/responses": self = .generation(.openAIResponses)
        case "/v1/embeddings": self = .work(.embeddings(.openAI), model: nil, isStream: false)
        case "/v1/messages": self = .generation(.anthropic)
        case "/v1/messages/count_tokens": self = .tokenCount(.anthropic, model: nil)
        case "/api/chat": self = .generation(.ollama(.chat))
        case "/api/generate": self = .generation(.ollama(.generate))
        case "/api/embed": self = .work(.embeddings(.ollama), model: nil, isStream: false)
        case "/api/tags": self = .models(.ollama, name: nil)
        case "/api/show": self = .modelDescription
        case "/api/version": self = .ollamaVersion
        case "/v1/models": self = .models(Self.speaker(exchange), name: nil)
        case "/v1beta/models": self = .models(.gemini, name: nil)
        default: self = Self.named(path, exchange)
        }
    }

    private static func generation(_ form: CallForm) -> CallPlace {
        .work(.generation(form), model: nil, isStream: false)
    }

    /// Azure's paths name the deployment, which is the route here: `/openai/deployments/{model}/…`.
    private static func azure(_ path: String) -> CallPlace? {
        let prefix = "/openai/deployments/"
        guard path.hasPrefix(prefix) else { return nil }
        let rest = path.dropFirst(prefix.utf8.count)
        guard let slash = rest.firstIndex(of: "/"), slash > rest.startIndex else { return .nothing }
        let model = String(rest[..<slash])
        let work: CallWork
        switch rest[rest.index(after: slash)...] {
        case "chat/completions": work = .generation(.openAIChat)
        case "embeddings": work = .embeddings(.openAI)
        case let name:
            guard let operation = OpenAIOperation(rawValue: String(name)) else { return .nothing }
            work = .plain(operation)
        }
        return .work(work, model: model, isStream: false)
    }

    private static func named(_ path: String, _ exchange: Exchange) -> CallPlace {
        let prefixes = ["/v1/models/", "/v1beta/models/", "/v1beta/tunedModels/"]
        guard let prefix = prefixes.first(where: path.hasPrefix) else { return .nothing }
        let rest = path.dropFirst(prefix.utf8.count)
        guard !rest.isEmpty else { return .nothing }
        if exchange.method == .post, let colon = rest.lastIndex(of: ":") {
            let model = String(rest[..<colon])
            switch rest[rest.index(after: colon)...] {
            case "generateContent":
                return .work(.generation(.gemini(.events)), model: model, isStream: false)
            case "embedContent": return .work(.embeddings(.geminiOne), model: model, isStream: false)
            case "batchEmbedContents":
                return .work(.embeddings(.geminiMany), model: model, isStream: false)
            case "streamGenerateContent":
                let isEvents = exchange.query.contains { $0.name == "alt" && $0.value == "sse" }
                return .work(
                    .generation(.gemini(isEvents ? .events : .array)), model: model, isStream: true)
            case "countTokens": return .tokenCount(.gemini, model: model)
            default: return .nothing
            }
        }
        let dialect = prefix == "/v1/models/" ? speaker(exchange) : .gemini
        return .models(dialect, name: String(rest))
    }

    /// The dialect of a request whose path does not tell: by the fields only its clients send.
    static func speaker(_ exchange: Exchange) -> ClientDialect {
        if exchange.field(.anthropicVersion) != nil { return .anthropic }
        if exchange.field(.xGoogAPIKey) != nil || exchange.query.contains(where: { $0.name == "key" }) {
            return .gemini
        }
        let path = exchange.path
        if path.hasPrefix("/v1beta/") { return .gemini }
        if path.hasPrefix("/v1/messages") { return .anthropic }
        return path.hasPrefix("/api/") ? .ollama : .openAI
    }
}

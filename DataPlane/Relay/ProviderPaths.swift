import Contract
import Dialects
import Domain
import HTTPWire
import Policy

extension ProviderFormat {
    /// How a provider of this kind is spoken to.
    init(_ kind: ProviderKind, model: String) {
        switch kind {
        case .openAI, .azureOpenAI: self = .openAIChat(.openAI)
        case .openAICompatible: self = .openAIChat(.compatible)
        case .anthropic: self = .anthropic(AnthropicStyle(model: model))
        case .gemini: self = .gemini
        case .ollama: self = .ollama
        case .bedrock: self = .bedrock
        case .vertex: self = .gemini
        }
    }

    /// Where the provider of a target takes chat completions in OpenAI's format; nil when it does not.
    func chatPath(of target: CompiledTarget) -> String? { Self.openAIPath(of: target, "chat/completions") }

    /// Where the provider of a target has one of OpenAI's endpoints; nil when it does not speak that format.
    static func openAIPath(of target: CompiledTarget, _ endpoint: String) -> String? {
        let provider = target.provider.entry
        let base = provider.baseURL.path
        switch provider.kind {
        case .openAI, .openAICompatible: return "\(base)/\(endpoint)"
        case .ollama: return "\(base)/v1/\(endpoint)"
        case .azureOpenAI:
            guard let version = provider.options["api_version"] else {
                return "\(base)/openai/v1/\(endpoint)"
            }
            let query = "?api-version=" + QueryItems.escape(version)
            // Only this one is not below a deployment.
            if endpoint == "responses" { return base + "/openai/responses" + query }
            let deployment = QueryItems.escape(target.entry.upstreamModel)
            return base + "/openai/deployments/\(deployment)/\(endpoint)" + query
        case .anthropic, .gemini, .bedrock, .vertex: return nil
        }
    }

    /// The request target of a work.
    func path(of target: CompiledTarget, for work: CallWork, isStream: Bool) -> String {
        let base = target.provider.entry.baseURL.path
        switch (self, work) {
        case (.openAIChat, .generation): return openAI(target, "chat/completions")
        case (.openAIChat, .embeddings): return openAI(target, "embeddings")
        case (.openAIChat, .plain(let operation)): return openAI(target, operation.rawValue)
        case (.openAIResponses, _): return openAI(target, "responses")
        case (.anthropic, _): return base.withoutVersion + "/v1/messages"
        case (.ollama, .embeddings): return base + "/api/embed"
        case (.ollama, _): return base + "/api/chat"
        case (.bedrock, _):
            let model = QueryItems.escape(target.entry.upstreamModel)
            return base + "/model/\(model)/" + (isStream ? "converse-stream" : "converse")
        case (.gemini, .embeddings): return Self.geminiModel(target) + ":batchEmbedContents"
        case (.vertexPredictions, _): return Self.geminiModel(target) + ":predict"
        case (.gemini, _):
            let verb = isStream ? ":streamGenerateContent?alt=sse" : ":generateContent"
            return Self.geminiModel(target) + verb
        }
    }

    private func openAI(_ target: CompiledTarget, _ endpoint: String) -> String {
        // Chosen only for providers that speak it.
        Self.openAIPath(of: target, endpoint) ?? target.provider.entry.baseURL.path + "/" + endpoint
    }

    /// A Gemini model with its collection, which its name may say itself.
    static func geminiName(_ target: CompiledTarget) -> String {
        let name = target.entry.upstreamModel
        return name.hasPrefix("models/") || name.hasPrefix("tunedModels/") ? name : "models/" + name
    }

    /// The path of a Gemini model.
    static func geminiModel(_ target: CompiledTarget) -> String {
        let base = target.provider.entry.baseURL.path
        if target.provider.entry.kind == .vertex { return base.withoutVersion + vertexModel(target) }
        let path = geminiName(target).split(separator: "/").map { QueryItems.escape(String($0)) }.joined(
            separator: "/")
        let hasVersion = base.hasSuffix("/v1") || base.hasSuffix("/v1beta")
        return base + (hasVersion ? "/" : "/v1beta/") + path
    }

    /// A model of Google Cloud below its project and location; names that say where they are stay.
    private static func vertexModel(_ target: CompiledTarget) -> String {
        let options = target.provider.entry.options
        let name = target.entry.upstreamModel
        let place = "projects/\(options["project"] ?? "")/locations/\(options["location"] ?? "")/"
        let full =
            name.hasPrefix("projects/")
            ? name : place + (name.contains("/") ? name : "publishers/google/models/" + name)
        let path = full.split(separator: "/").map { QueryItems.escape(String($0)) }
        return "/v1/" + path.joined(separator: "/")
    }
}

extension String {
    /// A base path that ends with the API's version already.
    fileprivate var withoutVersion: String { hasSuffix("/v1") ? String(dropLast(3)) : self }
}

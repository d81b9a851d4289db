import Contract
import Dialects
import Domain
import HTTPWire
import Policy

extension ProviderFormat {
    /// How a provider of this kind is spoken to; nil for kinds this node cannot call.
    init?(_ kind: ProviderKind, model: String) {
        switch kind {
        case .openAI, .azureOpenAI: self = .openAIChat(.openAI)
        case .openAICompatible: self = .openAIChat(.compatible)
        case .anthropic: self = .anthropic(AnthropicStyle(model: model))
        case .gemini: self = .gemini
        case .ollama: self = .ollama
        case .bedrock, .vertex: return nil
        }
    }

    /// Where the provider of a target takes chat completions in OpenAI's format; nil when it does not.
    func chatPath(of target: CompiledTarget) -> String? {
        let provider = target.provider.entry
        let base = provider.baseURL.path
        switch provider.kind {
        case .openAI, .openAICompatible: return base + "/chat/completions"
        case .ollama: return base + "/v1/chat/completions"
        case .azureOpenAI:
            guard let version = provider.options["api_version"] else {
                return base + "/openai/v1/chat/completions"
            }
            let deployment = QueryItems.escape(target.entry.upstreamModel)
            return base + "/openai/deployments/\(deployment)/chat/completions?api-version="
                + QueryItems.escape(version)
        case .anthropic, .gemini, .bedrock, .vertex: return nil
        }
    }

    /// The request target of a generation.
    func generationPath(of target: CompiledTarget, isStream: Bool) -> String {
        let base = target.provider.entry.baseURL.path
        switch self {
        case .openAIChat: return chatPath(of: target) ?? base + "/chat/completions"
        case .anthropic: return base.withoutVersion + "/v1/messages"
        case .ollama: return base + "/api/chat"
        case .gemini:
            let verb = isStream ? ":streamGenerateContent?alt=sse" : ":generateContent"
            return Self.geminiModel(target) + verb
        }
    }

    /// The path of a Gemini model; its name may say its collection itself.
    static func geminiModel(_ target: CompiledTarget) -> String {
        let base = target.provider.entry.baseURL.path
        let name = target.entry.upstreamModel
        let full = name.hasPrefix("models/") || name.hasPrefix("tunedModels/") ? name : "models/" + name
        let path = full.split(separator: "/").map { QueryItems.escape(String($0)) }.joined(separator: "/")
        let hasVersion = base.hasSuffix("/v1") || base.hasSuffix("/v1beta")
        return base + (hasVersion ? "/" : "/v1beta/") + path
    }
}

extension String {
    /// A base path that ends with the API's version already.
    fileprivate var withoutVersion: String { hasSuffix("/v1") ? String(dropLast(3)) : self }
}

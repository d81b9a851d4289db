/// Which wire format an upstream speaks.
package enum ProviderKind: String, Sendable, CaseIterable {
    case openAI = "openai"
    case anthropic
    case gemini
    case ollama
    case azureOpenAI = "azure_openai"
    case bedrock
    case vertex
    case openAICompatible = "openai_compatible"

    /// How a credential goes with a call.
    package enum Authentication: String, Sendable {
        /// `Authorization: Bearer …`
        case bearer
        /// In the header of this kind, see `credentialHeader`.
        case header
        /// Every call is signed (AWS Signature Version 4).
        case signature
        /// A service account's key, exchanged for short-lived tokens.
        case serviceAccount = "service_account"
    }

    /// Something a kind asks for besides an address and a credential.
    package struct Option: Hashable, Sendable {
        package let name: String
        package let isRequired: Bool
        package let summary: String
    }

    package var displayName: String {
        switch self {
        case .openAI: "OpenAI"
        case .anthropic: "Anthropic"
        case .gemini: "Google Gemini"
        case .ollama: "Ollama"
        case .azureOpenAI: "Azure OpenAI"
        case .bedrock: "Amazon Bedrock"
        case .vertex: "Google Vertex AI"
        case .openAICompatible: "OpenAI-compatible"
        }
    }

    /// Where the vendor's public service is; `{…}` stands for an option. nil when every customer has an
    /// address of their own.
    package var defaultBaseURL: String? {
        switch self {
        case .openAI: "https://api.openai.com/v1"
        case .anthropic: "https://api.anthropic.com"
        case .gemini: "https://generativelanguage.googleapis.com"
        case .ollama: "http://127.0.0.1:11434"
        case .bedrock: "https://bedrock-runtime.{region}.amazonaws.com"
        case .vertex: "https://{location}-aiplatform.googleapis.com"
        case .azureOpenAI, .openAICompatible: nil
        }
    }

    /// The default address with the options in it; nil when there is none, or an option is missing.
    package func baseURL(_ options: [String: String]) -> String? {
        guard var text = defaultBaseURL else { return nil }
        // Vertex has one address without a location in front.
        if self == .vertex, options["location"] == "global" { return "https://aiplatform.googleapis.com" }
        for option in self.options {
            guard let value = options[option.name] else { continue }
            text.replace("{\(option.name)}", with: value)
        }
        return text.contains("{") ? nil : text
    }

    package var options: [Option] {
        switch self {
        case .azureOpenAI:
            [
                Option(
                    name: "api_version", isRequired: false,
                    summary: "The api-version of calls; nothing: the v1 API, which has none.")
            ]
        case .bedrock:
            [Option(name: "region", isRequired: true, summary: "The AWS region, as in eu-central-1.")]
        case .vertex:
            [
                Option(name: "project", isRequired: true, summary: "The Google Cloud project's ID."),
                Option(
                    name: "location", isRequired: true,
                    summary: "Where the models run, as in europe-west4, or global."),
            ]
        case .openAI, .anthropic, .gemini, .ollama, .openAICompatible: []
        }
    }

    package var authentication: Authentication {
        switch self {
        case .openAI, .openAICompatible, .ollama: .bearer
        case .anthropic, .gemini, .azureOpenAI: .header
        case .bedrock: .signature
        case .vertex: .serviceAccount
        }
    }

    /// The header a credential stands in, with `Authentication.header`.
    package var credentialHeader: String? {
        switch self {
        case .anthropic: "x-api-key"
        case .gemini: "x-goog-api-key"
        case .azureOpenAI: "api-key"
        case .openAI, .openAICompatible, .ollama, .bedrock, .vertex: nil
        }
    }

    /// Whether it can be called without a credential.
    package var isOpen: Bool { self == .ollama || self == .openAICompatible }

    /// What a credential looks like, in words.
    package var credentialForm: String {
        switch authentication {
        case .bearer, .header: "an API key: visible ASCII characters"
        case .signature:
            "an AWS access key as ID:SECRET or ID:SECRET:SESSION_TOKEN, or an API key of Bedrock"
        case .serviceAccount: "the JSON text of a service account's key"
        }
    }

    /// Where its list of models is, below `modelsURL`.
    package func modelsPath(_ options: [String: String]) -> String {
        switch self {
        case .openAI, .openAICompatible: "/models"
        case .anthropic: "/v1/models?limit=1000"
        case .gemini: "/v1beta/models?pageSize=1000"
        case .ollama: "/api/tags"
        case .azureOpenAI:
            options["api_version"].map { "/openai/models?api-version=\($0)" } ?? "/openai/v1/models"
        case .bedrock: "/foundation-models"
        case .vertex: "/v1beta1/publishers/google/models?pageSize=100"
        }
    }

    /// The server that has the list of models, for a provider at this address: Bedrock's calls go to another
    /// one than its questions.
    package func modelsURL(_ base: BaseURL) -> BaseURL {
        let prefix = "bedrock-runtime."
        guard self == .bedrock, base.host.hasPrefix(prefix) else { return base }
        return BaseURL(base.description.replacing("//" + prefix, with: "//bedrock.", maxReplacements: 1))
            ?? base
    }

    /// What is wrong with the options of a provider of this kind.
    package func problems(_ given: [String: String]) -> [ValidationError] {
        var found: [ValidationError] = []
        for option in options where option.isRequired && given[option.name] == nil {
            found.append(
                ValidationError("/options/\(option.name)", .required, "is required: \(option.summary)"))
        }
        for (name, value) in given.sorted(by: { $0.key < $1.key }) {
            guard options.contains(where: { $0.name == name }) else {
                found.append(
                    ValidationError(
                        "/options", .unknownField, "may not have \(name.prefix(64)) for this kind"))
                continue
            }
            if let problem = TextRule.label.check(value, at: "/options/\(name)") { found.append(problem) }
        }
        return found
    }
}

/// One of a provider's credentials, without its secret.
package struct ProviderCredential: Hashable, Sendable {
    package let id: CredentialID
    package let provider: ProviderID
    /// A word for people.
    package var name: String
    /// Its last four characters; empty when it is too short to show any.
    package var hint: String
    /// Its share of the calls: 1…1000.
    package var weight: Int32
    package var isEnabled: Bool
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: CredentialID, provider: ProviderID, name: String, hint: String, weight: Int32 = 100,
        isEnabled: Bool = true, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.provider = provider
        self.name = name
        self.hint = hint
        self.weight = weight
        self.isEnabled = isEnabled
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package static let weights: ClosedRange<Int32> = 1...1000
    /// Of one provider.
    package static let maximumCount = 32
}

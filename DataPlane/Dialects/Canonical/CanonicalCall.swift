package import JSONText

/// A generation call free of any dialect: what every inbound dialect is read into and every provider's
/// request is written from when the two differ. A value; pure.
package struct CanonicalCall: Sendable, Equatable {
    /// The route's name, as the caller asked for it.
    package var model: String
    /// What the model is told before the conversation, in order; never empty texts.
    package var system: [String]
    package var messages: [CanonicalMessage]
    package var tools: [CanonicalTool]
    package var toolChoice: CanonicalToolChoice?
    /// Whether the model may call several tools in one turn; nil: the provider's default.
    package var allowsParallelTools: Bool?
    /// Output tokens at most, reasoning included.
    package var maximumOutput: Int64?
    package var sampling: CanonicalSampling
    package var stop: [String]
    package var format: CanonicalFormat?
    package var reasoning: CanonicalReasoning?
    /// The caller's own name for its end user.
    package var user: String?
    package var isStream: Bool
    /// The caller wants usage at the end of a stream; dialects that always send it read true.
    package var asksForUsage: Bool
    /// Members of the request that mean nothing to a canonical call: dropped or refused, as the route says.
    package var untranslated: [String]

    package init(
        model: String, system: [String] = [], messages: [CanonicalMessage] = [], tools: [CanonicalTool] = [],
        toolChoice: CanonicalToolChoice? = nil, allowsParallelTools: Bool? = nil, maximumOutput: Int64? = nil,
        sampling: CanonicalSampling = CanonicalSampling(), stop: [String] = [],
        format: CanonicalFormat? = nil,
        reasoning: CanonicalReasoning? = nil, user: String? = nil, isStream: Bool = false,
        asksForUsage: Bool = false, untranslated: [String] = []
    ) {
        self.model = model
        self.system = system
        self.messages = messages
        self.tools = tools
        self.toolChoice = toolChoice
        self.allowsParallelTools = allowsParallelTools
        self.maximumOutput = maximumOutput
        self.sampling = sampling
        self.stop = stop
        self.format = format
        self.reasoning = reasoning
        self.user = user
        self.isStream = isStream
        self.asksForUsage = asksForUsage
        self.untranslated = untranslated
    }
}

/// One turn. Tool results are parts of a user's turn, whatever the dialect calls their role.
package struct CanonicalMessage: Sendable, Equatable {
    package enum Role: Sendable, Equatable { case user, assistant }

    package var role: Role
    package var parts: [CanonicalPart]

    package init(_ role: Role, _ parts: [CanonicalPart]) {
        self.role = role
        self.parts = parts
    }
}

package enum CanonicalPart: Sendable, Equatable {
    case text(String)
    case image(CanonicalMedia)
    case document(CanonicalMedia)
    case audio(CanonicalMedia)
    case toolCall(CanonicalToolCall)
    case toolResult(CanonicalToolResult)
    /// What the model thought aloud, with the provider's proof that it did.
    case reasoning(text: String, signature: String?)
}

/// Bytes that are not text, inside the request or where a provider may fetch them.
package struct CanonicalMedia: Sendable, Equatable {
    package enum Source: Sendable, Equatable {
        /// Standard base64 with padding.
        case base64(String)
        case url(String)
    }

    /// `image/png`; nil when only the URL is known.
    package var mediaType: String?
    package var source: Source
    /// A file's name, where the dialect has one.
    package var name: String?

    package init(mediaType: String?, source: Source, name: String? = nil) {
        self.mediaType = mediaType
        self.source = source
        self.name = name
    }
}

package struct CanonicalTool: Sendable, Equatable {
    package var name: String
    package var description: String?
    /// A JSON schema of type object.
    package var parameters: JSONValue
    package var isStrict: Bool?

    package init(name: String, description: String? = nil, parameters: JSONValue, isStrict: Bool? = nil) {
        self.name = name
        self.description = description
        self.parameters = parameters
        self.isStrict = isStrict
    }

    /// The schema of a tool that takes nothing.
    package static let noParameters: JSONValue = ["type": "object", "properties": [:]]
}

package enum CanonicalToolChoice: Sendable, Equatable {
    case automatic, none, required
    case named(String)
}

/// A model's wish to have a tool called.
package struct CanonicalToolCall: Sendable, Equatable {
    package var id: String
    package var name: String
    /// A JSON object as text; `{}` when there are none.
    package var arguments: String
    /// Gemini's thought signature, which must come back with the call.
    package var signature: String?

    package init(id: String, name: String, arguments: String, signature: String? = nil) {
        self.id = id
        self.name = name
        self.arguments = arguments
        self.signature = signature
    }
}

package struct CanonicalToolResult: Sendable, Equatable {
    /// The `id` of the call it answers.
    package var call: String
    /// The tool's name, found through the call.
    package var name: String
    /// Texts and images.
    package var parts: [CanonicalPart]
    package var isError: Bool

    package init(call: String, name: String, parts: [CanonicalPart], isError: Bool = false) {
        self.call = call
        self.name = name
        self.parts = parts
        self.isError = isError
    }

    /// All its texts, for dialects that take only text.
    package var text: String {
        parts.compactMap { if case .text(let text) = $0 { text } else { nil } }.joined(separator: "\n")
    }
}

package struct CanonicalSampling: Sendable, Equatable {
    package var temperature: Double?
    package var topP: Double?
    package var topK: Int64?
    package var seed: Int64?
    package var presencePenalty: Double?
    package var frequencyPenalty: Double?

    package init(
        temperature: Double? = nil, topP: Double? = nil, topK: Int64? = nil, seed: Int64? = nil,
        presencePenalty: Double? = nil, frequencyPenalty: Double? = nil
    ) {
        self.temperature = temperature
        self.topP = topP
        self.topK = topK
        self.seed = seed
        self.presencePenalty = presencePenalty
        self.frequencyPenalty = frequencyPenalty
    }
}

/// The shape the answer's text must have.
package enum CanonicalFormat: Sendable, Equatable {
    case json
    case schema(name: String, schema: JSONValue, isStrict: Bool?)
}

/// How much a model should think before it answers.
package enum CanonicalReasoning: Sendable, Equatable {
    case off
    case effort(Effort)
    /// Tokens.
    case budget(Int64)

    package enum Effort: String, Sendable, Equatable, CaseIterable {
        case minimal, low, medium, high, xhigh
    }
}

/// A whole answer free of any dialect.
package struct CanonicalAnswer: Sendable, Equatable {
    /// The provider's own id of the answer; empty when it has none.
    package var id: String
    /// Texts, tool calls and reasoning, in the order they were made.
    package var parts: [CanonicalPart]
    package var finish: CanonicalFinish
    package var usage: ReportedUsage?

    package init(
        id: String = "", parts: [CanonicalPart] = [], finish: CanonicalFinish = .stop,
        usage: ReportedUsage? = nil
    ) {
        self.id = id
        self.parts = parts
        self.finish = finish
        self.usage = usage
    }

    package var text: String {
        parts.reduce(into: "") { if case .text(let text) = $1 { $0 += text } }
    }

    /// For estimates when there is no usage. Unit: bytes of text, names and arguments.
    package var contentBytes: Int {
        parts.reduce(0) { sum, part in
            switch part {
            case .text(let text), .reasoning(let text, _): sum + text.utf8.count
            case .toolCall(let call): sum + call.name.utf8.count + call.arguments.utf8.count
            default: sum
            }
        }
    }

    package var toolCalls: [CanonicalToolCall] {
        parts.compactMap { if case .toolCall(let call) = $0 { call } else { nil } }
    }

    package var reasoningText: String {
        parts.reduce(into: "") { if case .reasoning(let text, _) = $1 { $0 += text } }
    }
}

/// Why a model stopped.
package enum CanonicalFinish: Sendable, Equatable {
    case stop
    /// It met one of the caller's stop texts; the provider said which.
    case stopSequence(String)
    case length
    case toolCalls
    case contentFilter
}

/// One step of a streamed answer, free of any dialect, in this grammar:
/// `start (reasoning | reasoningSignature | text | toolCall | toolArguments)* finish usage? end`, usage
/// possibly earlier and more than once (the last counts); `failure` ends it anywhere.
package enum CanonicalEvent: Sendable, Equatable {
    /// The provider's own id, empty when it has none.
    case start(id: String)
    case text(String)
    case reasoning(String)
    case reasoningSignature(String)
    /// Calls are numbered 0, 1, 2 … in the order they begin.
    case toolCall(Int, id: String, name: String, signature: String?)
    /// More of a call's arguments, as JSON text.
    case toolArguments(Int, String)
    case finish(CanonicalFinish)
    case usage(ReportedUsage)
    /// The provider's terminator: the answer is complete.
    case end
    case failure(ProviderComplaint)
}

/// What a provider says went wrong, in any dialect, already free of anything that looks like a credential.
package struct ProviderComplaint: Error, Sendable, Equatable {
    package var message: String
    /// The provider's own word for the kind of error; nil when it has none.
    package var kind: String?
    package var code: String?
    package var parameter: String?
    /// What the provider's HTTP status would have been; nil when it is unknown.
    package var status: Int?

    package init(
        message: String, kind: String? = nil, code: String? = nil, parameter: String? = nil,
        status: Int? = nil
    ) {
        self.message = message
        self.kind = kind
        self.code = code
        self.parameter = parameter
        self.status = status
    }
}

extension ProviderComplaint {
    /// An error of the gateway as a stream of the dialect ends with it.
    package init(_ error: OpenAIError, status: Int, for dialect: ClientDialect) {
        // Anthropic's clients know Anthropic's words alone; the status has one for every case.
        let isForeign = dialect == .anthropic && AnthropicError.status(of: error.type) == nil
        self.init(
            message: error.message, kind: isForeign ? nil : error.type, code: error.code,
            parameter: error.parameter, status: status)
    }
}

import Admission
import Dialects
import Domain
import HTTPWire

/// What a provider is told of how long an answer may be, so that what was held for a call binds it.
struct ToldBound {
    static let none = ToldBound()

    /// For a request that says nothing. Unit: tokens.
    private(set) var imposed: Int64?
    /// What the request says in OpenAI's newer word alone, which most servers that follow OpenAI pass over.
    private var newer: Int64?

    private init() {}

    init(_ claims: CallClaims, _ bound: OutputBound) {
        imposed = claims.imposedOutput
        if claims.bindsOutput, bound.isInNewerWordAlone { newer = bound.maximumTokens }
    }

    /// The member to add to a body in OpenAI's chat format, with the comma before it; nil when it says
    /// enough.
    func member(for kind: ProviderKind, of work: CallWork) -> String? {
        guard work == .generation(.openAIChat) || work == .plain(.completions) else { return nil }
        // OpenAI's newer models know no `max_tokens`; most servers that follow OpenAI know nothing else.
        let knowsNewer = kind == .openAI || kind == .azureOpenAI
        if let imposed {
            // Completions know the older word alone.
            let isNewer = knowsNewer && work == .generation(.openAIChat)
            return #","\#(isNewer ? "max_completion_tokens" : "max_tokens")":\#(imposed)"#
        }
        return knowsNewer ? nil : newer.map { #","max_tokens":\#($0)"# }
    }
}

extension ChatReply {
    /// The member that tells a provider of this kind how long an answer may be; valid for the attempt.
    func boundMember(for kind: ProviderKind) -> UnsafeRawBufferPointer? {
        guard var text = told.member(for: kind, of: work) else { return nil }
        boundText.removeAll()
        text.withUTF8 { boundText.append(UnsafeRawBufferPointer($0)) }
        return boundText.view
    }
}

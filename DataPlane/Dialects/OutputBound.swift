import JSONText

/// How long the answers of a request may be, by the members that say so; read only for calls that limits of
/// tokens or money bind.
package struct OutputBound: Sendable, Hashable {
    /// Tokens an answer; nil: the request does not say, or not in a way that can be relied on.
    package private(set) var maximumTokens: Int64?
    /// Answers asked for.
    package private(set) var choices: Int64 = 1
    /// The request says it as `max_completion_tokens`, and not also as `max_tokens`.
    package private(set) var isInNewerWordAlone = false

    /// Of a call that nobody has to bound.
    package static let none = OutputBound(maximumTokens: nil)

    /// Of a chat completion in OpenAI's format. A body that is no JSON bounds nothing.
    package init(openAIChat body: UnsafeRawBufferPointer) {
        var isCertain = true
        var (older, newer) = (false, false)
        guard var members = try? JSONMembers(body) else { return }
        while let member = try? members.next() {
            if member.isNamed("max_tokens") || member.isNamed("max_completion_tokens") {
                guard let tokens = member.value.exactInt64, tokens >= 0 else {
                    isCertain = false
                    continue
                }
                maximumTokens = max(maximumTokens ?? 0, tokens)
                if member.isNamed("max_tokens") { older = true } else { newer = true }
            } else if member.isNamed("n"), let count = member.value.exactInt64 {
                choices = max(1, count)
            }
        }
        if !isCertain { maximumTokens = nil }
        isInNewerWordAlone = newer && !older
    }

    init(maximumTokens: Int64?) { self.maximumTokens = maximumTokens }

    /// Counts the answers a call in Gemini's format asks for.
    mutating func countCandidates(in body: UnsafeRawBufferPointer) {
        guard var members = try? JSONMembers(body) else { return }
        while let member = try? members.next() {
            guard member.isNamed("generationConfig") || member.isNamed("generation_config"),
                member.value.kind == .object, var inner = try? member.value.members()
            else { continue }
            while let option = try? inner.next() {
                guard option.isNamed("candidateCount") || option.isNamed("candidate_count"),
                    let count = option.value.exactInt64
                else { continue }
                choices = max(choices, count)
            }
        }
    }
}

extension ClientCall {
    /// How long its answers may be, as far as it says so.
    package var outputBound: OutputBound {
        switch work {
        case .generation(.openAIChat), .plain(.completions): return OutputBound(openAIChat: body)
        case .generation(let form):
            guard let value = try? value() else { return OutputBound(maximumTokens: nil) }
            let canonical = try? form.canonical(value, model: pathModel, isStream: isStream)
            var bound = OutputBound(maximumTokens: canonical?.maximumOutput)
            bound.countCandidates(in: body)
            return bound
        case .embeddings, .plain(.moderations): return OutputBound(maximumTokens: 0)
        // Pictures and sounds cannot be told a bound; few take more.
        case .plain: return OutputBound(maximumTokens: 16_384)
        }
    }
}

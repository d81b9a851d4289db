import Domain
package import JSONText

/// What the gateway needs of a whole (not streamed) answer in OpenAI's format.
package struct OpenAIChatAnswer {
    package let usage: ReportedUsage?
    /// A body with an `error` member under a status of success: OpenRouter and others do that.
    package let holdsError: Bool
    /// For estimates when there is no usage. Unit: bytes of JSON text.
    package let choicesBytes: Int

    /// Checks the whole body (strict JSON, an object).
    package init(parsing body: UnsafeRawBufferPointer) throws(JSONError) {
        var members = try JSONMembers(body)
        var usage: ReportedUsage?
        var holdsError = false
        var choicesBytes = 0
        while let member = try members.next() {
            if member.isNamed("usage") {
                usage = ReportedUsage(openAI: member.value)
            } else if member.isNamed("choices") {
                choicesBytes = member.value.range.count
            } else if member.isNamed("error") {
                holdsError = !member.value.isNull
            }
        }
        self.usage = usage
        self.holdsError = holdsError
        self.choicesBytes = choicesBytes
    }
}

extension ReportedUsage {
    /// The usage of an OpenAI `usage` object; nil for anything but an object, and for one without figures.
    ///
    /// Figures are hostile: one that is no whole number of 0…10⁹ counts as absent and marks the whole as
    /// doubtful, so that it is estimated instead; nothing here can lower a bill below zero or overflow.
    package init?(openAI value: JSONFragment) {
        guard value.kind == .object, var members = try? value.members() else { return nil }
        var reader = FigureReader()
        var input: Int64?
        var output: Int64?
        var cached: Int64 = 0
        var written: Int64 = 0
        var reasoning: Int64 = 0
        while let member = try? members.next() {
            if member.isNamed("prompt_tokens") || member.isNamed("input_tokens") {
                input = reader.figure(member.value)
            } else if member.isNamed("completion_tokens") || member.isNamed("output_tokens") {
                output = reader.figure(member.value)
            } else if member.isNamed("prompt_tokens_details") {
                let found = reader.figures("cached_tokens", "cache_write_tokens", in: member.value)
                (cached, written) = (found.0 ?? cached, found.1 ?? written)
            } else if member.isNamed("completion_tokens_details") {
                reasoning = reader.figures("reasoning_tokens", in: member.value).0 ?? 0
            } else if member.isNamed("prompt_cache_hit_tokens") {
                // DeepSeek's name for the same figure.
                cached = reader.figure(member.value) ?? cached
            }
        }
        if input == nil && output == nil && !reader.isDoubtful { return nil }
        self.init(
            usage: TokenUsage(
                input: input ?? 0, cachedInput: cached, cacheWrite: written, output: output ?? 0,
                reasoning: reasoning),
            hasInput: input != nil, hasOutput: output != nil, isDoubtful: reader.isDoubtful)
    }
}

private struct FigureReader {
    var isDoubtful = false

    mutating func figure(_ value: JSONFragment) -> Int64? {
        if value.isNull { return nil }
        guard let figure = value.exactInt64, (0...TokenUsage.maximumTokens).contains(figure) else {
            isDoubtful = true
            return nil
        }
        return figure
    }

    mutating func figures(
        _ first: StaticString, _ second: StaticString? = nil, in details: JSONFragment
    ) -> (Int64?, Int64?) {
        var found: (Int64?, Int64?) = (nil, nil)
        guard details.kind == .object, var members = try? details.members() else { return found }
        while let member = try? members.next() {
            if member.isNamed(first) {
                found.0 = figure(member.value)
            } else if let second, member.isNamed(second) {
                found.1 = figure(member.value)
            }
        }
        return found
    }
}

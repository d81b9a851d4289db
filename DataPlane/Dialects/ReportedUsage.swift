package import Domain

/// Usage as a provider claims it, brought into range.
package struct ReportedUsage: Sendable, Equatable {
    /// What was claimed; zero where nothing usable was.
    package let usage: TokenUsage
    /// Whether the whole of the input, and of the output, was claimed with a usable figure.
    package let hasInput: Bool
    package let hasOutput: Bool
    /// Some figure was negative, too large, not whole or not a number.
    package let isDoubtful: Bool

    package init(usage: TokenUsage, hasInput: Bool = true, hasOutput: Bool = true, isDoubtful: Bool = false) {
        self.usage = usage
        self.hasInput = hasInput
        self.hasOutput = hasOutput
        self.isDoubtful = isDoubtful
    }

    /// Every figure was there and usable: the bill can be settled with them.
    package var isComplete: Bool { hasInput && hasOutput && !isDoubtful }

    /// The report of a work that writes nothing, so that no figure is missed.
    package var withoutOutput: ReportedUsage {
        ReportedUsage(usage: usage, hasInput: hasInput, hasOutput: true, isDoubtful: isDoubtful)
    }

    /// The claimed figures, with estimates where none was usable. A doubtful claim never lowers a bill below
    /// the estimate.
    package func completed(estimatedInput: Int64, estimatedOutput: Int64) -> TokenUsage {
        if isComplete { return usage }
        let input = hasInput ? usage.input : max(usage.input, estimatedInput)
        let output = hasOutput ? usage.output : max(usage.output, estimatedOutput)
        return TokenUsage(
            input: input, cachedInput: isDoubtful ? 0 : usage.cachedInput,
            cacheWrite: isDoubtful ? 0 : usage.cacheWrite, output: output, reasoning: usage.reasoning)
    }
}

package import Domain

/// Usage as a provider claims it, brought into range.
package struct ReportedUsage: Sendable, Equatable {
    package let usage: TokenUsage
    /// A figure was negative, too large, not whole or not a number: what it should have been is a guess.
    package let isDoubtful: Bool

    package init(usage: TokenUsage, isDoubtful: Bool) {
        self.usage = usage
        self.isDoubtful = isDoubtful
    }
}

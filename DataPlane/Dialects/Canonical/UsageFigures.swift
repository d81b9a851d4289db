import Domain
import JSONText

/// Reads a provider's usage figures, which are hostile: one that is no whole number of 0…10⁹ counts as absent
/// and marks the whole as doubtful, so that it is estimated instead; nothing here can lower a bill below zero
/// or overflow.
struct UsageFigures {
    private(set) var isDoubtful = false
    private let object: JSONValue

    init(_ object: JSONValue) { self.object = object }

    /// The figure at a path of members; nil when it is missing, null or unusable.
    mutating func figure(_ path: String...) -> Int64? {
        var value: JSONValue? = object
        for name in path { value = value?[name] }
        guard let value, !value.isNull else { return nil }
        guard let figure = value.exactInt64, (0...TokenUsage.maximumTokens).contains(figure) else {
            isDoubtful = true
            return nil
        }
        return figure
    }

    /// The sum of figures that are there; nil when none is.
    mutating func sum(_ names: String...) -> Int64? {
        var sum: Int64?
        for name in names {
            if let figure = figure(name) { sum = (sum ?? 0) + figure }
        }
        return sum
    }

    /// The report; nil when neither side was claimed at all.
    func report(
        input: Int64?, cached: Int64? = nil, written: Int64? = nil, output: Int64?, reasoning: Int64? = nil
    ) -> ReportedUsage? {
        if input == nil && output == nil && !isDoubtful { return nil }
        return ReportedUsage(
            usage: TokenUsage(
                input: input ?? 0, cachedInput: cached ?? 0, cacheWrite: written ?? 0, output: output ?? 0,
                reasoning: reasoning ?? 0),
            hasInput: input != nil, hasOutput: output != nil, isDoubtful: isDoubtful)
    }
}

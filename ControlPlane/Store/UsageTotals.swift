package import Contract
package import Domain

/// Sums over calls; saturates instead of overflowing.
package struct UsageTotals: Hashable, Sendable {
    package var calls: Int64 = 0
    /// Calls the client saw fail.
    package var failedCalls: Int64 = 0
    /// Calls whose figures are not the provider's own.
    package var estimatedCalls: Int64 = 0
    package var inputTokens: Int64 = 0
    package var cachedInputTokens: Int64 = 0
    package var cacheWriteTokens: Int64 = 0
    package var outputTokens: Int64 = 0
    package var reasoningTokens: Int64 = 0
    package var cost = NanoUSD.zero
    /// Divide by `calls` for the mean.
    package var latencyMicroseconds: Int64 = 0
    package var firstByteMicroseconds: Int64 = 0

    package init() {}

    package mutating func add(_ event: UsageEvent) {
        func plus(_ left: Int64, _ right: Int64) -> Int64 {
            let (sum, overflow) = left.addingReportingOverflow(right)
            return overflow ? .max : sum
        }
        // A second target of a call costs, and is no call.
        if event.purpose == .call {
            calls += 1
            if event.errorCode != nil || event.status >= 400 { failedCalls += 1 }
            if event.costState == .estimated { estimatedCalls += 1 }
            latencyMicroseconds = plus(latencyMicroseconds, Int64(event.latencyMicroseconds))
            firstByteMicroseconds = plus(firstByteMicroseconds, Int64(event.firstByteMicroseconds))
        }
        inputTokens = plus(inputTokens, event.usage.input)
        cachedInputTokens = plus(cachedInputTokens, event.usage.cachedInput)
        cacheWriteTokens = plus(cacheWriteTokens, event.usage.cacheWrite)
        outputTokens = plus(outputTokens, event.usage.output)
        reasoningTokens = plus(reasoningTokens, event.usage.reasoning)
        cost = NanoUSD(nanos: plus(cost.nanos, event.cost.nanos))
    }
}

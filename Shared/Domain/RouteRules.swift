/// How a route chooses among targets of the same priority.
package enum RouteStrategy: String, Sendable, CaseIterable {
    /// At random, by weight.
    case weighted
    /// In the order they are listed.
    case priority
    /// In turn, by weight.
    case roundRobin = "round_robin"
    /// The quicker of two drawn by weight.
    case leastLatency = "least_latency"
    /// The one with the fewest calls under way on the node.
    case leastBusy = "least_busy"
    /// The one the call costs least at; those without a price come last.
    case cheapest
    /// Always the same for the same session or prompt, so that the provider's prompt cache is of use.
    case affinity
}

/// What calls have in common that `RouteStrategy.affinity` keeps together.
package enum RouteAffinity: String, Sendable, CaseIterable {
    /// The caller's word for its session.
    case session
    /// The beginning of the prompt.
    case promptPrefix = "prompt_prefix"
}

/// What becomes of members of a request that are translated into a dialect without words for them.
package enum UntranslatedFields: String, Sendable, CaseIterable {
    /// Left out, and named in the answer's `x-eclusa-dropped`.
    case drop
    /// Such a target does not answer the call; when none does, the call is refused.
    case reject
}

/// How a route treats its calls.
package struct RouteRules: Hashable, Sendable {
    package var strategy: RouteStrategy
    package var affinity: RouteAffinity
    package var retries: RetryRules
    package var timeouts: RouteTimeouts
    /// nil: every call goes to a provider.
    package var cache: RouteCache?
    package var untranslated: UntranslatedFields

    package static let standard = RouteRules()

    package init(
        strategy: RouteStrategy = .weighted, affinity: RouteAffinity = .session,
        retries: RetryRules = .standard, timeouts: RouteTimeouts = .none, cache: RouteCache? = nil,
        untranslated: UntranslatedFields = .drop
    ) {
        self.strategy = strategy
        self.affinity = affinity
        self.retries = retries
        self.timeouts = timeouts
        self.cache = cache
        self.untranslated = untranslated
    }

    package var problems: [ValidationError] {
        retries.problems + timeouts.problems + (cache?.problems ?? [])
    }
}

/// Whole answers that are given again to the same call of the same tenant.
package struct RouteCache: Hashable, Sendable {
    /// How long: up to a week.
    package var seconds: Int32
    /// Answers above are not kept: 1 KiB to 1 MiB.
    package var maximumBytes: Int32

    package static let allowedSeconds: ClosedRange<Int32> = 1...604_800
    package static let allowedBytes: ClosedRange<Int32> = 1024...1_048_576
    package static let usualBytes: Int32 = 65_536

    package init(seconds: Int32, maximumBytes: Int32 = Self.usualBytes) {
        self.seconds = seconds
        self.maximumBytes = maximumBytes
    }

    package var problems: [ValidationError] {
        let figures = [
            ("seconds", seconds, Self.allowedSeconds), ("maximum_bytes", maximumBytes, Self.allowedBytes),
        ]
        return figures.filter { !$0.2.contains($0.1) }.map { name, _, range in
            ValidationError(
                "/cache/\(name)", .outOfRange, "must be \(range.lowerBound) to \(range.upperBound)")
        }
    }
}

/// How often a call is tried; only ever before its first byte went to the caller.
package struct RetryRules: Hashable, Sendable {
    /// Of one call in all, the first one included: 1…10.
    package var attempts: Int32
    /// Of one call at one target: 1…5.
    package var attemptsPerTarget: Int32
    /// The mean wait before the second attempt at a target, doubling from then on, in milliseconds: up to
    /// 10,000.
    package var backoff: Int32
    /// A second target is asked as well when the first has not answered after so many milliseconds; 0: never.
    package var hedgeAfter: Int32
    /// Of the first target's own times to the first byte: a second one is asked once so many per cent of its
    /// calls of late would have begun to answer, but not before `hedgeAfter`; 0: only `hedgeAfter` counts.
    package var hedgePercentile: Int32

    package static let standard = RetryRules(attempts: 3, attemptsPerTarget: 2, backoff: 250, hedgeAfter: 0)
    package static let attemptCounts: ClosedRange<Int32> = 1...10
    package static let attemptCountsPerTarget: ClosedRange<Int32> = 1...5
    package static let backoffs: ClosedRange<Int32> = 0...10_000
    package static let hedges: ClosedRange<Int32> = 0...600_000
    package static let hedgePercentiles: ClosedRange<Int32> = 50...99

    package init(
        attempts: Int32, attemptsPerTarget: Int32, backoff: Int32, hedgeAfter: Int32,
        hedgePercentile: Int32 = 0
    ) {
        self.attempts = attempts
        self.attemptsPerTarget = attemptsPerTarget
        self.backoff = backoff
        self.hedgeAfter = hedgeAfter
        self.hedgePercentile = hedgePercentile
    }

    /// Whether second targets are ever asked.
    package var isHedged: Bool { hedgeAfter > 0 || hedgePercentile > 0 }

    package var problems: [ValidationError] {
        let figures = [
            ("attempts", attempts, Self.attemptCounts),
            ("attempts_per_target", attemptsPerTarget, Self.attemptCountsPerTarget),
            ("backoff_ms", backoff, Self.backoffs), ("hedge_after_ms", hedgeAfter, Self.hedges),
        ]
        let percentiles = Self.hedgePercentiles
        let isPercentile = hedgePercentile == 0 || percentiles.contains(hedgePercentile)
        return figures.filter { !$0.2.contains($0.1) }.map { name, _, range in
            ValidationError(
                "/retries/\(name)", .outOfRange, "must be \(range.lowerBound) to \(range.upperBound)")
        }
            + (isPercentile
                ? []
                : [
                    ValidationError(
                        "/retries/hedge_percentile", .outOfRange,
                        "must be 0, or \(percentiles.lowerBound) to \(percentiles.upperBound)")
                ])
    }
}

/// How long a call of a route may take, in milliseconds; nil: as its provider says.
package struct RouteTimeouts: Hashable, Sendable {
    package var connect: Int32?
    /// From the end of the request to the first byte of the answer.
    package var firstByte: Int32?
    /// From the end of the request to the first token; the provider has no such limit.
    package var firstToken: Int32?
    /// Between two pieces of a stream.
    package var betweenChunks: Int32?
    package var total: Int32?

    package static let none = RouteTimeouts()

    package init(
        connect: Int32? = nil, firstByte: Int32? = nil, firstToken: Int32? = nil,
        betweenChunks: Int32? = nil, total: Int32? = nil
    ) {
        self.connect = connect
        self.firstByte = firstByte
        self.firstToken = firstToken
        self.betweenChunks = betweenChunks
        self.total = total
    }

    /// A provider's timeouts with these in their places.
    package func over(_ provider: ProviderTimeouts) -> ProviderTimeouts {
        ProviderTimeouts(
            connect: connect ?? provider.connect, firstByte: firstByte ?? provider.firstByte,
            betweenChunks: betweenChunks ?? provider.betweenChunks, total: total ?? provider.total)
    }

    package var problems: [ValidationError] {
        let figures = [
            ("connect_ms", connect), ("first_byte_ms", firstByte), ("first_token_ms", firstToken),
            ("between_chunks_ms", betweenChunks), ("total_ms", total),
        ]
        let range = ProviderTimeouts.allowed
        return figures.filter { $0.1.map { !range.contains($0) } ?? false }.map { name, _ in
            ValidationError("/timeouts/\(name)", .outOfRange, "must be 1 to \(range.upperBound) milliseconds")
        }
    }
}

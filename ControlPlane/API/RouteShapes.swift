import Domain
import JSONText
import Operations

extension Representation<Domain.Route> {
    static let route = Representation(
        "Route",
        [
            .init("id", .id(Domain.Route.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Whose it is.") { .text($0.tenant) },
            .init("name", .text(1...128), "The model name applications ask for.") { .string($0.name) },
            .init(
                "targets",
                .list(.object(TargetBody.shape.schema), maximumCount: Domain.Route.maximumTargets),
                "What can answer."
            ) { .array($0.targets.map(TargetBody.json)) },
            .init(
                "strategy", .words(RouteStrategy.allCases.map(\.rawValue)),
                "How it chooses among targets of the same priority."
            ) { .string($0.rules.strategy.rawValue) },
            .init(
                "affinity", .words(RouteAffinity.allCases.map(\.rawValue)),
                "What calls have in common that the strategy 'affinity' keeps together."
            ) { .string($0.rules.affinity.rawValue) },
            .init("retries", .object(RouteRulesBody.retriesShape.schema), "How often a call is tried.") {
                RouteRulesBody.json($0.rules.retries)
            },
            .init("timeouts", .object(RouteRulesBody.timeoutsShape.schema), "How long a call may take.") {
                RouteRulesBody.json($0.rules.timeouts)
            },
            .init(
                "cache", .nullable(.object(RouteRulesBody.cacheShape.schema)),
                "Answers given again to the same call; null: none."
            ) { $0.rules.cache.map(RouteRulesBody.json) ?? .null },
            .init(
                "untranslated_fields", .words(UntranslatedFields.allCases.map(\.rawValue)),
                RouteBody.untranslatedSummary
            ) { .string($0.rules.untranslated.rawValue) },
            .init("enabled", .boolean, "Whether applications can use it.") { .boolean($0.isEnabled) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

/// The bodies that make and change a route.
enum RouteBody {
    private static let targetsReader = Reader<[Target]>.list(
        of: TargetBody.reader, 1...Domain.Route.maximumTargets)

    private static let name = Field<String>.required(
        "name", .text(.modelName, example: "gpt-4o-mini"), "The model name applications ask for.")
    private static let targets = Field<[Target]>.required(
        "targets", targetsReader, "What can answer: at least one, in the order of the strategy 'priority'.")
    private static let strategy = Field<RouteStrategy>.defaulted(
        "strategy", .word(), to: RouteRules.standard.strategy, strategySummary)
    private static let affinity = Field<RouteAffinity>.defaulted(
        "affinity", .word(), to: RouteRules.standard.affinity,
        "What calls have in common that the strategy 'affinity' keeps together.")
    private static let retries = Field<RetryRules>.defaulted(
        "retries", RouteRulesBody.retries, to: .standard, "How often a call is tried.")
    private static let timeouts = Field<RouteTimeouts>.defaulted(
        "timeouts", RouteRulesBody.timeouts, to: .none,
        "How long a call may take, in place of what its provider says.")
    private static let enabled = Field<Bool>.defaulted(
        "enabled", .flag, to: true, "Whether applications can use it.")
    private static let cache = Field<RouteCache?>.optional(
        "cache", RouteRulesBody.cache,
        "Gives whole answers again to the same call of the tenant; missing: never.")
    private static let untranslated = Field<UntranslatedFields>.defaulted(
        "untranslated_fields", .word(), to: RouteRules.standard.untranslated, untranslatedSummary)
    static let new = BodyShape(
        "NewRoute", [name, targets, strategy, affinity, retries, timeouts, cache, untranslated, enabled])

    static let untranslatedSummary =
        "What becomes of members of a request that the provider's dialect has no words for: they are left "
        + "out and named in x-eclusa-dropped, or ('reject') such a target does not answer the call."

    private static let strategySummary =
        "How it chooses among targets of the same priority: at random by weight, in the listed order "
        + "('priority'), in turn, the quicker of two, the one with the fewest calls under way, the cheapest, "
        + "or always the same for the same session or prompt."

    private static let newName = Field<String?>.change(
        "name", .text(.modelName), "The name applications ask for.")
    private static let newTargets = Field<[Target]?>.change(
        "targets", targetsReader, "All targets, in place of those before.")
    private static let newStrategy = Field<RouteStrategy?>.change("strategy", .word(), strategySummary)
    private static let newAffinity = Field<RouteAffinity?>.change(
        "affinity", .word(), "What calls have in common that the strategy 'affinity' keeps together.")
    private static let newRetries = Field<RetryRules?>.change(
        "retries", RouteRulesBody.retries, "All of them; what is missing becomes as usual.")
    private static let newTimeouts = Field<RouteTimeouts?>.change(
        "timeouts", RouteRulesBody.timeouts, "All of them; what is missing becomes as the provider says.")
    private static let newEnabled = Field<Bool?>.change("enabled", .flag, "Whether applications can use it.")
    private static let newCache = Field<Edit<RouteCache>>.edit(
        "cache", RouteRulesBody.cache, "Answers given again to the same call; null: none.")
    private static let newUntranslated = Field<UntranslatedFields?>.change(
        "untranslated_fields", .word(), untranslatedSummary)
    static let change = BodyShape(
        "RouteChange",
        [
            newName, newTargets, newStrategy, newAffinity, newRetries, newTimeouts, newCache,
            newUntranslated, newEnabled,
        ])

    static func new(_ body: BodyValues) throws(OperationError) -> NewRoute {
        NewRoute(
            name: try body[name], targets: try body[targets],
            rules: RouteRules(
                strategy: try body[strategy], affinity: try body[affinity], retries: try body[retries],
                timeouts: try body[timeouts], cache: try body[cache],
                untranslated: try body[untranslated]),
            isEnabled: try body[enabled])
    }

    static func change(_ body: BodyValues) throws(OperationError) -> RouteChange {
        var change = RouteChange()
        change.name = try body[newName]
        change.targets = try body[newTargets]
        change.strategy = try body[newStrategy]
        change.affinity = try body[newAffinity]
        change.retries = try body[newRetries]
        change.timeouts = try body[newTimeouts]
        change.cache = try body[newCache]
        change.untranslated = try body[newUntranslated]
        change.isEnabled = try body[newEnabled]
        return change
    }
}

/// The filters of a list of routes.
enum RouteQuery {
    private static let name = Field<String?>.optional(
        "name", .text(.modelName), "Only the route of this name.")
    private static let enabled = Field<Bool?>.optional("enabled", .flag, "Only routes in this state.")
    private static let model = Field<ModelID?>.optional(
        "model", .id(), "Only routes that have this model as a target of their own.")
    private static let strategy = Field<RouteStrategy?>.optional(
        "strategy", .word(), "Only routes that choose so.")
    static let fields: [any AnyField] = [name, enabled, strategy, model, Paging.namePrefix]

    static func value(_ query: BodyValues) throws(OperationError) -> RouteFilter {
        RouteFilter(
            name: try query[name], isEnabled: try query[enabled], strategy: try query[strategy],
            model: try query[model])
    }
}

/// Retries and timeouts of a route.
enum RouteRulesBody {
    private static let usual = RetryRules.standard
    private static let attempts = Field<Int32>.defaulted(
        "attempts", .integer(RetryRules.attemptCounts), to: usual.attempts,
        "Attempts of one call in all, the first one included.")
    private static let attemptsPerTarget = Field<Int32>.defaulted(
        "attempts_per_target", .integer(RetryRules.attemptCountsPerTarget), to: usual.attemptsPerTarget,
        "Attempts of one call at one target.")
    private static let backoff = Field<Int32>.defaulted(
        "backoff_ms", .integer(RetryRules.backoffs), to: usual.backoff,
        "The mean wait before the second attempt at a target, doubling from then on. Milliseconds.")
    private static let hedgeAfter = Field<Int32>.defaulted(
        "hedge_after_ms", .integer(RetryRules.hedges), to: usual.hedgeAfter,
        "A second target is asked as well when the first has not answered after so long; 0: never. "
            + "Milliseconds.")
    private static let hedgePercentile = Field<Int32>.defaulted(
        "hedge_percentile", .integer(0...RetryRules.hedgePercentiles.upperBound), to: usual.hedgePercentile,
        "A second target is asked as well once so many per cent of the first one's calls of late would have "
            + "begun to answer (50 to 99), but not before hedge_after_ms; 0: only that counts.")
    static let retriesShape = BodyShape(
        "RouteRetries", [attempts, attemptsPerTarget, backoff, hedgeAfter, hedgePercentile])
    static let retries = Reader<RetryRules>.object(retriesShape) { values throws(OperationError) in
        RetryRules(
            attempts: try values[attempts], attemptsPerTarget: try values[attemptsPerTarget],
            backoff: try values[backoff], hedgeAfter: try values[hedgeAfter],
            hedgePercentile: try values[hedgePercentile])
    }

    private static func timeout(_ name: String, _ summary: String) -> Field<Int32?> {
        .optional(name, .integer(ProviderTimeouts.allowed), "\(summary). Milliseconds.")
    }
    private static let connect = timeout("connect_ms", "Until the connection stands")
    private static let firstByte = timeout("first_byte_ms", "From the request to the answer's first byte")
    private static let firstToken = timeout("first_token_ms", "From the request to the first token")
    private static let betweenChunks = timeout("between_chunks_ms", "Between two pieces of a stream")
    private static let total = timeout("total_ms", "The whole call")
    static let timeoutsShape = BodyShape(
        "RouteTimeouts", [connect, firstByte, firstToken, betweenChunks, total])
    static let timeouts = Reader<RouteTimeouts>.object(timeoutsShape) { values throws(OperationError) in
        RouteTimeouts(
            connect: try values[connect], firstByte: try values[firstByte],
            firstToken: try values[firstToken], betweenChunks: try values[betweenChunks],
            total: try values[total])
    }

    private static let seconds = Field<Int32>.required(
        "seconds", .integer(RouteCache.allowedSeconds), "How long an answer is kept. Seconds.")
    private static let maximumBytes = Field<Int32>.defaulted(
        "maximum_bytes", .integer(RouteCache.allowedBytes), to: RouteCache.usualBytes,
        "Longer answers are not kept. Bytes.")
    static let cacheShape = BodyShape("RouteCache", [seconds, maximumBytes])
    static let cache = Reader<RouteCache>.object(cacheShape) { values throws(OperationError) in
        RouteCache(seconds: try values[seconds], maximumBytes: try values[maximumBytes])
    }

    static func json(_ cache: RouteCache) -> JSONValue {
        [seconds.name: .integer(cache.seconds), maximumBytes.name: .integer(cache.maximumBytes)]
    }

    static func json(_ retries: RetryRules) -> JSONValue {
        [
            attempts.name: .integer(retries.attempts),
            attemptsPerTarget.name: .integer(retries.attemptsPerTarget),
            backoff.name: .integer(retries.backoff), hedgeAfter.name: .integer(retries.hedgeAfter),
            hedgePercentile.name: .integer(retries.hedgePercentile),
        ]
    }

    static func json(_ timeouts: RouteTimeouts) -> JSONValue {
        [
            connect.name: .optional(timeouts.connect), firstByte.name: .optional(timeouts.firstByte),
            firstToken.name: .optional(timeouts.firstToken),
            betweenChunks.name: .optional(timeouts.betweenChunks), total.name: .optional(timeouts.total),
        ]
    }
}

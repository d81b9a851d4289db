import Domain
import JSONText
import Operations

extension Representation<LimitView> {
    static let limit = Representation(
        "Limit",
        [
            .init("id", .id(Limit.self), "Never changes.") { .text($0.limit.id) },
            .init("tenant", .id(Tenant.self), "Whose it is.") { .text($0.limit.tenant) },
            .init("name", .text(1...200), "Told to callers that are refused; unique for its subject.") {
                .string($0.limit.name)
            },
            .init(
                "kind", .words(LimitKind.allCases.map(\.rawValue)),
                "A rate refills, concurrency is held while calls run, a budget is spent in a window."
            ) { .string($0.limit.kind.rawValue) },
            .init("subject", .object(LimitBody.subjectShape.schema), "Whom it binds.") {
                LimitBody.json($0.limit.subject)
            },
            .init("match", .object(LimitBody.matchShape.schema), "Which calls of the subject count.") {
                LimitBody.json($0.limit.match)
            },
            .init(
                "partition_by", .words(LimitPartition.allCases.map(\.name)),
                "Whether the subject shares one amount, or each part has its own."
            ) { .string($0.limit.partition.name) },
            .init("metric", .words(LimitMetric.allCases.map(\.name)), "What is counted.") {
                .string($0.limit.metric.name)
            },
            .init("amount", LimitBody.amountSchema, "Dollars for cost, else a whole number.") {
                .string($0.limit.metric.text($0.limit.amount))
            },
            .init(
                "amount_now", LimitBody.amountSchema, "With the temporary increase, while it lasts.",
                isMoving: true
            ) { .string($0.limit.metric.text($0.amountNow)) },
            .init("period", .words(LimitPeriod.allCases.map(\.name)), "Of the amount; open for concurrency.")
            { .string($0.limit.period.name) },
            .init("time_zone", .text(1...64), "Whose calendar a budget follows.") {
                .string($0.limit.timeZone)
            },
            .init(
                "mode", .words(LimitMode.allCases.map(\.name)),
                "enforce refuses; soft holds what calls usually cost and may overshoot; shadow only counts."
            ) { .string($0.limit.mode.name) },
            .init(
                "thresholds", .list(.integer(1...100), maximumCount: Limit.maximumThresholds),
                "Per cent of a budget at which an alert is recorded."
            ) { .array($0.limit.thresholds.map { .integer($0) }) },
            .init("increase", .nullable(.object(LimitBody.increaseShape.schema)), "More for a while.") {
                view in
                view.limit.increase.map {
                    [
                        LimitBody.increaseAmount.name: .string(view.limit.metric.text($0.amount)),
                        LimitBody.increaseExpires.name: .text($0.expires),
                    ]
                } ?? .null
            },
            .init("created_at", .time, "When it was made.") { .text($0.limit.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.limit.updatedAt) },
        ])
}

extension Representation<LimitState> {
    private static func amount(
        _ name: String, _ summary: String, _ amount: @escaping @Sendable (LimitState) -> Int64
    ) -> Member {
        .init(name, LimitBody.amountSchema, summary, isMoving: true) {
            .string($0.limit.metric.text(amount($0)))
        }
    }

    static let limitState = Representation(
        "LimitState",
        [
            .init("limit", .id(Limit.self), "Of which limit.") { .text($0.limit.id) },
            .init("part", .nullable(.text(1...64)), "Of which part of it; null: it is not parted.") {
                .optional($0.part)
            },
            .init("window_starts_at", .nullable(.time), "Of a budget.", isMoving: true) {
                $0.limit.kind == .budget && $0.limit.period != .lifetime ? .text($0.window.start) : .null
            },
            .init("resets_at", .nullable(.time), "When the next window begins.", isMoving: true) {
                .optional($0.window.end)
            },
            amount("amount", "What may be used in all.") { $0.amount },
            amount("settled", "Used, by usage that has come in.") { $0.settled },
            amount("used", "Used, by usage and by the word of nodes.") { $0.used },
            amount("reserved", "Lent to nodes beyond what is used: of a rate, what they may use a period.") {
                $0.reserved
            },
            amount("remaining", "The amount less what is used.") { $0.remaining },
            .init(
                "forecast", .nullable(LimitBody.amountSchema),
                "Of a budget: what will be used when its window ends, at its mean pace so far.",
                isMoving: true
            ) { state in state.forecast.map { .string(state.limit.metric.text($0)) } ?? .null },
            .init(
                "grants",
                .list(.object(LimitGrantShape.schema), maximumCount: LimitOperations.maximumGrants),
                "Where it is: what each node was lent.", isMoving: true
            ) { state in .array(state.grants.map { LimitGrantShape.json($0, state.limit.metric) }) },
        ])
}

/// What one node was lent, as the state of a limit shows it.
private enum LimitGrantShape {
    private static let representation = Representation<(LimitGrant, LimitMetric)>(
        "LimitGrant",
        [
            .init("node", .id(Node.self), "Which node.") { .text($0.0.node) },
            .init("lent", LimitBody.amountSchema, "What it may use in all.") {
                .string($0.1.text($0.0.lent))
            },
            .init("used", LimitBody.amountSchema, "What it used.") { .string($0.1.text($0.0.used)) },
            .init("held", LimitBody.amountSchema, "Reserved by its calls under way.") {
                .string($0.1.text($0.0.held))
            },
            .init("orphan", .boolean, "The node has no record of it: it is not spent, and stays counted.") {
                .boolean($0.0.isOrphan)
            },
            .init("written_off", .boolean, "Given up: only what was used stays counted.") {
                .boolean($0.0.isWrittenOff)
            },
            .init("seen_at", .time, "When the node last spoke of it.") { .text($0.0.seenAt) },
        ])

    static var schema: ObjectSchema {
        ObjectSchema(name: representation.name, members: representation.members.map(\.schema))
    }

    static func json(_ grant: LimitGrant, _ metric: LimitMetric) -> JSONValue {
        representation.json((grant, metric))
    }
}

extension Representation<LimitHistory> {
    static let limitHistory = Representation(
        "LimitHistory",
        [
            .init("limit", .id(Limit.self), "Of which limit.") { .text($0.limit.id) },
            .init(
                "windows", .list(window.schema, maximumCount: LimitOperations.maximumWindows),
                "The one that is now first. Windows in which nothing was asked for are left out."
            ) { .array($0.windows.map(window.json)) },
        ])

    private static let window = Representation<LimitHistory.Window>(
        "LimitWindowUse",
        [
            .init("starts_at", .nullable(.time), "Where it begins; null: it is a lifetime.") {
                .optional($0.start)
            },
            .init("ends_at", .nullable(.time), "Where the next one begins; null: it has no end.") {
                .optional($0.end)
            },
            .init("used", LimitBody.amountSchema, "Of all parts together.") {
                .string($0.metric.text($0.used))
            },
            .init("settled", LimitBody.amountSchema, "Of it, by usage that has come in.") {
                .string($0.metric.text($0.settled))
            },
        ])
}

extension Representation<LimitPartState> {
    private static func amount(
        _ name: String, _ summary: String, _ amount: @escaping @Sendable (LimitPartState) -> Int64
    ) -> Member {
        .init(name, LimitBody.amountSchema, summary) { .string($0.limit.metric.text(amount($0))) }
    }

    static let limitPart = Representation(
        "LimitPart",
        [
            .init("part", .text(1...64), "An ID, or the tag; nobody: the keys without an owner.") {
                .string($0.part)
            },
            amount("amount", "What may be used of each part.") { $0.amount },
            amount("settled", "Used, by usage that has come in.") { $0.settled },
            amount("used", "Used, by usage and by the word of nodes.") { $0.used },
            amount("reserved", "Lent to nodes beyond what is used.") { $0.reserved },
            amount("remaining", "The amount less what is used.") { $0.remaining },
        ])
}

extension Representation<LimitAlert> {
    static let limitAlert = Representation(
        "LimitAlert",
        [
            .init("id", .id(LimitAlertNoun.self), "Never changes.") { .text($0.id) },
            .init("limit", .id(Limit.self), "Of which budget.") { .text($0.limit) },
            .init("name", .text(1...200), "The budget's name.") { .string($0.name) },
            .init("part", .nullable(.text(1...64)), "Of which part; null: it is not parted.") {
                .optional($0.part)
            },
            .init("window_starts_at", .nullable(.time), "In which window; null: of a lifetime.") {
                .optional($0.windowStart)
            },
            .init("threshold", .integer(1...100), "Per cent.") { .integer($0.threshold) },
            .init("used", LimitBody.amountSchema, "At that moment.") {
                .string($0.metric.text($0.used))
            },
            .init("amount", LimitBody.amountSchema, "Of the budget at that moment.") {
                .string($0.metric.text($0.amount))
            },
            .init("crossed_at", .time, "When.") { .text($0.crossedAt) },
        ])
}

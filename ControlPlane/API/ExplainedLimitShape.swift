import Domain
import JSONText
import Operations

/// A limit as an explained call meets it.
enum ExplainedLimitShape {
    static let schema = Schema.object(
        ObjectSchema(name: representation.name, members: representation.members.map(\.schema)))

    static func json(_ limit: ExplainedLimit) -> JSONValue { representation.json(limit) }

    private typealias Member = Representation<ExplainedLimit>.Member

    private static let representation = Representation<ExplainedLimit>("ExplainedLimit", rule + state)

    private static let rule: [Member] = [
        .init("limit", .id(Limit.self), "The limit.") { .text($0.limit.id) },
        .init("name", .text(1...200), "What refused callers are told.") { .string($0.limit.name) },
        .init("kind", .words(LimitKind.allCases.map(\.rawValue)), "Whether it is a rate or a budget.") {
            .string($0.limit.kind.rawValue)
        },
        .init("subject", .words(LimitSubject.Kind.allCases.map(\.rawValue)), "Whom it binds.") {
            .string($0.limit.subject.kind.rawValue)
        },
        .init(
            "part", .nullable(.text(1...64)),
            "The part of it the call counts in: an ID, or the tag; null: it is not parted."
        ) { .optional($0.state.part) },
        .init("metric", .words(LimitMetric.allCases.map(\.name)), "What is counted.") {
            .string($0.limit.metric.name)
        },
        .init(
            "amount", LimitBody.amountSchema,
            "In force now, a temporary increase included: dollars for the metric 'cost', else a count."
        ) { text($0, $0.state.amount) },
        .init("period", .words(LimitPeriod.allCases.map(\.name)), "Of what time.") {
            .string($0.limit.period.name)
        },
        .init("mode", .words(LimitMode.allCases.map(\.name)), "Whether it refuses; a shadow never does.") {
            .string($0.limit.mode.name)
        },
    ]

    private static let state: [Member] = [
        budget("settled", "Used, by usage that has come in") { $0.settled },
        budget("used", "Used, by usage and by the word of nodes") { $0.used },
        budget("reserved", "Lent to nodes beyond what is used") { $0.reserved },
        budget("remaining", "The amount less what is used") { $0.remaining },
        .init("resets_at", .nullable(.time), "When the next window of a budget begins.") {
            .optional($0.state.window.end)
        },
        .init(
            "asks", LimitBody.amountSchema,
            "What the call asks of it until it is answered: its worst case of a budget that enforces; of the "
                + "others what is usual, at nodes that have not learned how long the key's answers are."
        ) { text($0, $0.asks) },
        .init(
            "fits", .nullable(.boolean),
            "Whether what is used and the call stay inside a budget; unless it is a shadow, a call that does "
                + "not is refused. null for rates and concurrency: what is free of them, only nodes know."
        ) { $0.fits.map { .boolean($0) } ?? .null },
    ]

    private static func budget(
        _ name: String, _ summary: String, _ amount: @escaping @Sendable (LimitState) -> Int64
    ) -> Member {
        .init(
            name, .nullable(LimitBody.amountSchema),
            "\(summary); null: not a budget, or the caller lacks \(Permission.limitsRead.rawValue)."
        ) { explained in
            guard explained.isShown, explained.limit.kind == .budget else { return .null }
            return text(explained, amount(explained.state))
        }
    }

    private static func text(_ explained: ExplainedLimit, _ amount: Int64) -> JSONValue {
        .string(explained.limit.metric.text(amount))
    }
}

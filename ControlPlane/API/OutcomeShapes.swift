import Domain
import JSONText
import Operations
import Store

/// The parameters of a report about how calls ended and how long they took.
enum OutcomeParameters {
    static let from = Field<Timestamp?>.optional(
        "from", .time, "Where the period begins; missing: a day before its end.")
    static let to = Field<Timestamp?>.optional("to", .time, "Where it ends; missing: the end of this hour.")
    static let groupBy = Field<[OutcomeQuery.Dimension]>.defaulted(
        "group_by", .list(of: .word(), 1...OutcomeQuery.Dimension.allCases.count), to: [],
        "One line for each of these, such as `route,status`.")
    static let all: [any AnyField] = [
        from, to, UsageParameters.step, groupBy, UsageParameters.route, UsageParameters.provider,
        UsageParameters.model,
    ]

    static func request(_ query: BodyValues) throws(OperationError) -> OutcomeRequest {
        var request = OutcomeRequest()
        request.from = try query[from]
        request.to = try query[to]
        request.step = try query[UsageParameters.step]
        request.groupBy = try query[groupBy]
        request.route = try query[UsageParameters.route]
        request.provider = try query[UsageParameters.provider]
        request.model = try query[UsageParameters.model]
        return request
    }
}

extension Representation<OutcomeLine> {
    private static func id<Noun>(_ id: ID<Noun>?) -> JSONValue {
        // Calls that did not come so far are counted under the zero id.
        guard let id, id.high != 0 || id.low != 0 else { return .null }
        return .text(id)
    }

    private static func time(
        _ name: String, _ percent: Int, _ what: String,
        _ histogram: @escaping @Sendable (OutcomeLine) -> LatencyHistogram
    ) -> Member {
        .init(name, .count, "\(what) of \(percent) % of the calls took at most so long. Milliseconds.") {
            .integer(histogram($0).percentile(percent) / 1000)
        }
    }

    static let outcomeLine = Representation("UsageOutcome", identities + figures)

    private static let identities: [Member] = [
        .init("starts_at", .nullable(.time), "Where the step begins.") { .optional($0.group.startsAt) },
        .init("route", .nullable(.id(Domain.Route.self)), "When grouped by it.") { id($0.group.route) },
        .init("provider", .nullable(.id(Provider.self)), "When grouped by it.") { id($0.group.provider) },
        .init("model", .nullable(.id(Model.self)), "When grouped by it.") { id($0.group.model) },
        .init("status", .nullable(.integer(0...999)), "The HTTP status, when grouped by it.") {
            .optional($0.group.status)
        },
    ]

    private static let figures: [Member] = [
        .init("calls", .count, "Calls.") { .integer($0.latency.calls) },
        .init("failed_calls", .count, "Calls that failed.") { .integer($0.failedCalls) },
        .init(
            "errors", .dictionary(.count, maximumCount: 200),
            "How many failed, by code; an empty one: the provider's own error."
        ) { line in
            var errors = JSONObject()
            for (code, calls) in line.errors.sorted(by: { $0.value > $1.value }).prefix(200) {
                errors[code] = .integer(calls)
            }
            return .object(errors)
        },
        time("p50_ms", 50, "The whole", \.latency), time("p90_ms", 90, "The whole", \.latency),
        time("p95_ms", 95, "The whole", \.latency), time("p99_ms", 99, "The whole", \.latency),
        time("first_byte_p50_ms", 50, "The first byte", \.firstByte),
        time("first_byte_p95_ms", 95, "The first byte", \.firstByte),
        time("first_byte_p99_ms", 99, "The first byte", \.firstByte),
    ]
}

extension Representation<OutcomeStatement> {
    static let outcomeStatement = Representation(
        "UsageOutcomes",
        [
            .init("from", .time, "Where the period begins: whole hours.") { .text($0.from) },
            .init("to", .time, "Where it ends.") { .text($0.to) },
            .init(
                "data",
                .list(
                    Representation<OutcomeLine>.outcomeLine.schema,
                    maximumCount: UsageReportRequest.maximumLimit),
                "By step, those with most calls first."
            ) {
                .array(
                    $0.lines.prefix(UsageReportRequest.maximumLimit)
                        .map(Representation<OutcomeLine>.outcomeLine.json))
            },
        ])
}

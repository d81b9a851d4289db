import Domain
import HTTPWire
import JSONText
import Operations
import Store

/// The log of single calls.
enum UsageEventRoutes {
    static let all: [AdminRoute] = [
        .list(
            base, .needs(.usageRead, in: .workspace), "usage-events.list",
            "A tenant's calls, the newest first",
            isByCreation: false, query: CallParameters.filters, of: .loggedCall
        ) { call throws(OperationError) in
            try await call.operations.callLog.list(
                in: try call.tenant, try CallParameters.query(call.query), try call.page,
                by: try call.caller)
        },
        .stream(
            "\(base)/export", .needs(.usageRead, in: .workspace), "usage-events.export",
            "A tenant's calls, the newest first, streamed", query: CallParameters.filters,
            formats: [.ndjson, .csv]
        ) { call throws(OperationError) in
            let export = try await call.operations.callLog.export(
                in: try call.tenant, try CallParameters.query(call.query), by: try call.caller)
            let rows = RowEncoder(.loggedCall, as: try call.format)
            return StreamedAnswer(fileName: "usage-events") { () throws(OperationError) in
                try await export.next().map(rows.encode)
            }
        },
    ]

    private static let base = "/api/v1/tenants/{tenant}/usage-events"
}

enum CallParameters {
    static let from = Field<Timestamp?>.optional("from", .time, "Only calls that began from this time on.")
    static let to = Field<Timestamp?>.optional("to", .time, "Only calls that began before this time.")
    static let errorCode = Field<String?>.optional(
        "error_code", .anyText(1...64), "Only calls that ended with this code of docs/errors.md.")
    static let node = Field<NodeID?>.optional("node", .id(), "Only calls that this node carried.")
    static let endpoint = Field<String?>.optional(
        "endpoint", .anyText(1...64), "Only calls of this kind, such as chat.")
    static let streamed = Field<Bool?>.optional(
        "streamed", .flag, "Only calls whose answer was streamed; false: the others.")
    static let costState = Field<CallFilter.CostState?>.optional(
        "cost_state", .word(), "Only calls whose cost is known so.")
    static let failed = Field<Bool?>.optional("failed", .flag, "Only calls that failed; false: the others.")
    static let filters: [any AnyField] = [
        from, to, UsageParameters.workspace, UsageParameters.key, UsageParameters.route,
        UsageParameters.provider, UsageParameters.model, node, endpoint, streamed, costState, errorCode,
        failed,
    ]

    static func query(_ values: BodyValues) throws(OperationError) -> CallLogQuery {
        var query = CallLogQuery()
        query.filter.from = try values[from]
        query.filter.to = try values[to]
        query.filter.workspace = try values[UsageParameters.workspace]
        query.filter.key = try values[UsageParameters.key]
        query.filter.route = try values[UsageParameters.route]
        query.filter.provider = try values[UsageParameters.provider]
        query.filter.model = try values[UsageParameters.model]
        query.filter.node = try values[node]
        query.filter.endpoint = try values[endpoint]
        query.filter.isStream = try values[streamed]
        query.filter.costState = try values[costState]
        query.filter.errorCode = try values[errorCode]
        query.filter.hasFailed = try values[failed]
        return query
    }
}

extension Representation<LoggedCall> {
    static let loggedCall = Representation("UsageEvent", identities + figures)

    private static let identities: [Member] = [
        .init("id", .id(UsageEventNoun.self), "Never changes.") { .text($0.id) },
        .init("started_at", .time, "When the call began.") { .text($0.startedAt) },
        .init("workspace", .id(Workspace.self), "The key's workspace.") { .text($0.workspace) },
        .init("key", .id(Key.self), "What it was made with.") { .text($0.key) },
        .init("route", .nullable(.id(Domain.Route.self)), "What it asked for.") { .optional($0.route) },
        .init("provider", .nullable(.id(Provider.self)), "Who answered; null: it did not come so far.") {
            .optional($0.provider)
        },
        .init("model", .nullable(.id(Model.self)), "The model that answered.") { .optional($0.model) },
        .init("node", .id(Node.self), "The gateway node that carried it.") { .text($0.node) },
        .init("endpoint", .text(1...64), "What was called, such as chat.") { .string($0.endpoint) },
    ]

    private static let figures: [Member] = [
        .init("status", .integer(0...999), "The HTTP status the application got.") {
            .integer(Int64($0.status))
        },
        .init("error_code", .nullable(.text(1...64)), "Why it failed; null: it did not.") {
            .optional($0.errorCode)
        },
        .init("ending", .text(1...64), "How it ended: completed, client_gone, upstream_cut …") {
            .string($0.ending)
        },
        .init("streamed", .boolean, "Whether the answer was streamed.") { .boolean($0.isStream) },
        .init("attempts", .count, "How many targets were asked.") { .integer(Int64($0.attempts)) },
        .init("latency_ms", .count, "From the request to the end of the answer. Milliseconds.") {
            .integer($0.latencyMicroseconds / 1000)
        },
        .init("first_byte_ms", .count, "To the first byte of the answer. Milliseconds.") {
            .integer($0.firstByteMicroseconds / 1000)
        },
        .init("input_tokens", .count, "Tokens read, cached ones too.") { .integer($0.inputTokens) },
        .init("cached_input_tokens", .count, "Of these, from a provider's cache.") {
            .integer($0.cachedInputTokens)
        },
        .init("output_tokens", .count, "Tokens written.") { .integer($0.outputTokens) },
        .init("cost", .money, "What it cost. US dollars.") { .text($0.cost) },
        .init(
            "cost_state", .words(CallFilter.CostState.allCases.map(\.rawValue)),
            "Whether the figures are the provider's own, or there was no price."
        ) { .string($0.costState) },
        .init(
            "purpose", .words(["call", "hedge", "mirror"]),
            "A call; a second target asked for one and not waited for; or a copy, which nobody pays."
        ) { .string($0.purpose) },
        .init("from_cache", .boolean, "Whether an answer of before was given again.") {
            .boolean($0.isCached)
        },
        .init("has_content", .boolean, "Whether what was said is kept and can be read.") {
            .boolean($0.hasContent)
        },
        .init(
            "guardrails", .list(mark, maximumCount: 8), "What guardrails did: which, how, and how often."
        ) { $0.guardrailMarks.flatMap { try? JSONValue.parse(Array($0.utf8)) } ?? .array([]) },
    ]

    private static let mark = Schema.object(
        ObjectSchema(
            name: "GuardrailMark",
            members: [
                MemberSchema(
                    name: "guardrail", schema: .id(Guardrail.self), isRequired: true, summary: "Which one."),
                MemberSchema(
                    name: "effect", schema: .words(["observed", "redacted", "blocked", "unanswered"]),
                    isRequired: true,
                    summary: "What it did."),
                MemberSchema(
                    name: "count", schema: .count, isRequired: true, summary: "How often it found it."),
            ]))
}

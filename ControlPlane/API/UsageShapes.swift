import Domain
import JSONText
import Operations

/// The parameters of a usage report.
enum UsageParameters {
    static let from = Field<Timestamp?>.optional(
        "from", .time, "Where the period begins; missing: 30 days before its end.")
    static let to = Field<Timestamp?>.optional("to", .time, "Where it ends; missing: the end of today, UTC.")
    static let step = Field<UsageStep?>.optional(
        "step", .word(), "One line a step; missing: one for the period.")
    static let groupBy = Field<[UsageDimension]>.defaulted(
        "group_by", .list(of: .word(ofOneTenant), 1...ofOneTenant.count), to: [],
        "One line for each of these, such as `key,model`.")
    private static let ofOneTenant = UsageDimension.allCases.filter { $0 != .tenant }
        .map { ($0.rawValue, $0) }
    /// Owners, groups, tags and single calls are each tenant's own.
    private static let ofAllTenants: [(String, UsageDimension)] = [
        .tenant, .workspace, .key, .route, .provider, .model,
    ].map { ($0.rawValue, $0) }
    static let groupByAll = Field<[UsageDimension]>.defaulted(
        "group_by", .list(of: .word(ofAllTenants), 1...ofAllTenants.count), to: [],
        "One line for each of these, such as `tenant,model`.")
    static let workspace = Field<WorkspaceID?>.optional("workspace", .id(), "Only of this workspace.")
    static let key = Field<KeyID?>.optional("key", .id(), "Only of this key.")
    static let route = Field<RouteID?>.optional("route", .id(), "Only of this route.")
    static let provider = Field<ProviderID?>.optional("provider", .id(), "Only of this provider.")
    static let model = Field<ModelID?>.optional("model", .id(), "Only of this model.")
    static let limit = Field<Int>.defaulted(
        "limit", .integer(1...UsageReportRequest.maximumLimit), to: 1000,
        "At most so many lines, those first in order.")
    private static let exportLimit = Field<Int>.defaulted(
        "limit", .integer(1...UsageReportRequest.maximumLimit), to: UsageReportRequest.maximumLimit,
        "At most so many lines, those first in order; missing: all. More than "
            + "\(UsageReportRequest.maximumLimit) are refused, not cut.")
    static let order = Field<UsageOrder>.defaulted(
        "order_by", .word(), to: .cost, "What the lines of a step are ordered by, the most first.")
    static let compare = Field<Bool>.defaulted(
        "compare", .flag, to: false, "Sum the time of the same length before, too.")
    static let all: [any AnyField] = [
        from, to, step, groupBy, workspace, key, route, provider, model, limit, order, compare,
    ]
    static let ofPlatform: [any AnyField] = [from, to, step, groupByAll, limit, order, compare]

    /// The same of an export, which nobody takes for whole when it is not.
    static func exported(_ fields: [any AnyField]) -> [any AnyField] {
        fields.map { $0.name == limit.name ? exportLimit : $0 }
    }

    static func platformRequest(_ query: BodyValues) throws(OperationError) -> UsageReportRequest {
        var request = UsageReportRequest()
        request.from = try query[from]
        request.to = try query[to]
        request.step = try query[step]
        request.groupBy = try query[groupByAll]
        request.limit = try query[limit]
        request.order = try query[order]
        request.isCompared = try query[compare]
        return request
    }

    static func request(_ query: BodyValues) throws(OperationError) -> UsageReportRequest {
        var request = UsageReportRequest()
        request.from = try query[from]
        request.to = try query[to]
        request.step = try query[step]
        request.groupBy = try query[groupBy]
        request.workspace = try query[workspace]
        request.key = try query[key]
        request.route = try query[route]
        request.provider = try query[provider]
        request.model = try query[model]
        request.limit = try query[limit]
        request.order = try query[order]
        request.isCompared = try query[compare]
        return request
    }
}

extension Representation<UsageFigures> {
    static let usageTotals = Representation("UsageTotals", members { $0 })

    /// The sums of anything that has totals.
    static func members<Owner>(
        _ totals: @escaping @Sendable (Owner) -> UsageFigures
    ) -> [Representation<Owner>.Member] {
        func count(
            _ name: String, _ summary: String, _ figure: @escaping @Sendable (UsageFigures) -> Int64
        ) -> Representation<Owner>.Member {
            .init(name, .count, summary) { .integer(figure(totals($0))) }
        }
        return [
            count("calls", "Calls.") { $0.calls },
            count("failed_calls", "Calls that failed.") { $0.failedCalls },
            count("estimated_calls", "Calls whose figures are not the provider's own.") { $0.estimatedCalls },
            count("input_tokens", "Tokens read by models, cached ones too.") { $0.inputTokens },
            count("cached_input_tokens", "Of these, served from a provider's cache.") {
                $0.cachedInputTokens
            },
            count("cache_write_tokens", "Of these, written into a provider's cache.") { $0.cacheWriteTokens },
            count("output_tokens", "Tokens written by models, reasoning too.") { $0.outputTokens },
            count("reasoning_tokens", "Of these, spent on reasoning.") { $0.reasoningTokens },
            .init("cost", .money, "What the calls cost. US dollars.") { .text(totals($0).cost) },
            count("average_latency_ms", "The mean time of a call. Milliseconds.") {
                $0.calls == 0 ? 0 : $0.latencyMicroseconds / $0.calls / 1000
            },
        ]
    }
}

extension Representation<UsageLine> {
    static let usageLine = Representation(
        "UsageLine",
        [
            .init("starts_at", .nullable(.time), "Where the step begins.") { .optional($0.startsAt) },
            id("tenant", Tenant.self) { $0.tenant },
            id("workspace", Workspace.self) { $0.workspace },
            id("key", Key.self) { $0.key },
            id("route", Domain.Route.self) { $0.route },
            id("provider", Provider.self) { $0.provider },
            id("model", Model.self) { $0.model },
            id("user", User.self) { $0.user },
            id("group", Group.self) { $0.group },
            .init("tag", .nullable(.text(1...64)), "The tag, when the report is grouped by it.") {
                .optional($0.tag)
            },
            .init(
                "status", .nullable(.integer(0...999)), "The HTTP status, when the report is grouped by it."
            ) { .optional($0.status) },
            .init(
                "previous_calls", .nullable(.count), "Of the time before, when that was asked for."
            ) { .optional($0.previous?.calls) },
            .init("previous_cost", .nullable(.money), "Of the time before. US dollars.") {
                .optional($0.previous?.cost)
            },
        ] + Representation<UsageFigures>.members { $0.figures })

    private static func id<Noun: Identified>(
        _ name: String, _ noun: Noun.Type, _ id: @escaping @Sendable (UsageLine) -> ID<Noun>?
    ) -> Member {
        Member(
            name, .nullable(.id(noun)), "The \(name), when the report is grouped by it and the calls had one."
        ) {
            .optional(id($0))
        }
    }
}

extension Representation<UsageStatement> {
    static let usageStatement = Representation(
        "UsageReport",
        [
            .init("from", .time, "Where the summed period begins: whole steps.") { .text($0.from) },
            .init("to", .time, "Where it ends.") { .text($0.to) },
            .init("currency", .words(["USD"]), "Of all amounts.") { _ in "USD" },
            .init(
                "data",
                .list(
                    Representation<UsageLine>.usageLine.schema,
                    maximumCount: UsageReportRequest.maximumLimit),
                "By step, in the order that was asked for."
            ) { .array($0.lines.map(Representation<UsageLine>.usageLine.json)) },
            .init("truncated", .boolean, "There were more lines than the limit.") { .boolean($0.isCut) },
            .init(
                "total", Representation<UsageFigures>.usageTotals.schema, "Over the whole period, all lines."
            ) {
                Representation<UsageFigures>.usageTotals.json($0.total)
            },
            .init(
                "previous_total", .nullable(Representation<UsageFigures>.usageTotals.schema),
                "Over the time of the same length before, when that was asked for."
            ) { $0.previousTotal.map(Representation<UsageFigures>.usageTotals.json) ?? .null },
        ])
}

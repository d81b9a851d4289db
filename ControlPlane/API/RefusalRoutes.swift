import Domain
import HTTPWire
import JSONText
import Operations
import Store

/// Calls that nodes refused.
enum RefusalRoutes {
    static let all: [AdminRoute] = [
        .one(
            .get, "/api/v1/tenants/{tenant}/refusals", .needs(.usageRead, in: .workspace), "refusals.report",
            "Which calls were refused, and why", query: RefusalParameters.all, answers: .refusalStatement
        ) { call throws(OperationError) in
            try await call.operations.refusals.report(
                try RefusalParameters.request(call.query), in: try call.tenant, by: try call.caller)
        }
    ]
}

enum RefusalParameters {
    private static let from = Field<Timestamp?>.optional(
        "from", .time, "Only calls of this minute on; missing: a day before the end.")
    private static let to = Field<Timestamp?>.optional("to", .time, "Only calls before this time.")
    private static let code = Field<String?>.optional(
        "code", .anyText(1...64), "Only calls refused with this code of docs/errors.md.")
    private static let limit = Field<Int>.defaulted(
        "limit", .integer(1...999), to: 100, "At most so many lines, and so many calls.")
    static let all: [any AnyField] = [
        from, to, UsageParameters.workspace, UsageParameters.key, code, limit,
    ]

    static func request(_ query: BodyValues) throws(OperationError) -> RefusalRequest {
        var request = RefusalRequest()
        request.from = try query[from]
        request.to = try query[to]
        request.workspace = try query[UsageParameters.workspace]
        request.key = try query[UsageParameters.key]
        request.code = try query[code]
        request.limit = try query[limit]
        return request
    }
}

extension Representation<RefusalLine> {
    static let refusalLine = Representation(
        "RefusalLine",
        [
            .init("workspace", .id(Workspace.self), "The key's workspace.") { .text($0.workspace) },
            .init("key", .id(Key.self), "What the calls were made with.") { .text($0.key) },
            .init("code", .text(1...64), "Why they were refused.") { .string($0.code) },
            .init("calls", .count, "How many.") { .integer($0.calls) },
            .init("first_at", .time, "The minute of the first one in the period.") { .text($0.firstMinute) },
            .init("last_at", .time, "The minute of the last one in the period.") { .text($0.lastMinute) },
        ])
}

extension Representation<RefusedCall> {
    static let refusedCall = Representation(
        "RefusedCall",
        [
            .init("at", .time, "When it was refused.") { .text($0.at) },
            .init("request_id", .text(1...64), "The x-request-id the application got.") {
                .string($0.request)
            },
            .init("workspace", .id(Workspace.self), "The key's workspace.") { .text($0.workspace) },
            .init("key", .id(Key.self), "What it was made with.") { .text($0.key) },
            .init("node", .id(Node.self), "The gateway node that refused it.") { .text($0.node) },
            .init("code", .text(1...64), "Why it was refused.") { .string($0.code) },
            .init("status", .integer(0...999), "The HTTP status the application got.") {
                .integer(Int64($0.status))
            },
        ])
}

extension Representation<RefusalStatement> {
    static let refusalStatement = Representation(
        "RefusalReport",
        [
            .init("from", .time, "Where the period begins.") { .text($0.from) },
            .init("to", .time, "Where it ends.") { .text($0.to) },
            .init(
                "data",
                .list(
                    Representation<RefusalLine>.refusalLine.schema,
                    maximumCount: RefusalRequest.maximumLimit),
                "By key and reason, the most frequent first."
            ) { .array($0.lines.map(Representation<RefusalLine>.refusalLine.json)) },
            .init("truncated", .boolean, "There were more lines than the limit.") { .boolean($0.isCut) },
            .init("total", .count, "Refused calls of the period, all lines.") { .integer($0.total) },
            .init(
                "samples",
                .list(
                    Representation<RefusedCall>.refusedCall.schema,
                    maximumCount: RefusalRequest.maximumLimit),
                "Some of the calls, the newest first: nodes send a few of many."
            ) { .array($0.samples.map(Representation<RefusedCall>.refusedCall.json)) },
        ])
}

import Contract
import Domain
import HTTPWire
import JSONText
import Operations

/// What was said in single calls, of tenants that keep that.
enum ContentRoutes {
    private static let path = "/api/v1/tenants/{tenant}/usage-events/{usage_event}/content"

    static let all: [AdminRoute] = [
        .one(
            .get, path, .needs(.contentsRead, in: .tenant), "contents.get",
            "Read what was said in a call; the audit log says who did", answers: .callContent
        ) { call throws(OperationError) in
            try await call.operations.contents.read(
                try call.usageEvent, in: try call.tenant, by: try call.caller)
        },
        .nothing(
            .delete, path, .needs(.contentsDelete, in: .tenant), "contents.delete",
            "Erase what was said in a call; its usage stays"
        ) { call throws(OperationError) in
            try await call.operations.contents.delete(
                try call.usageEvent, in: try call.tenant, by: try call.caller)
        },
    ]
}

extension Representation<CallContent> {
    static let callContent = Representation(
        "CallContent",
        [
            .init("call", .id(UsageEventNoun.self), "The call.") { .text($0.call) },
            .init("started_at", .time, "When the call began.") { .text($0.startedAt) },
            .init(
                "request", .nullable(side.schema), "What the application sent; null: a form with files."
            ) { $0.request.map(side.json) ?? .null },
            .init(
                "answer", .nullable(side.schema),
                "What it got, of a stream the whole that it amounts to; null: nothing, or no text."
            ) { $0.answer.map(side.json) ?? .null },
        ])

    private static let side = Representation<CallContent.Side>(
        "CallContentSide",
        [
            .init(
                "text", .text(0...CallContent.maximumTextBytes),
                "JSON in the application's dialect, with marks in the places of what is redacted."
            ) { .string($0.text) },
            .init("bytes", .count, "How long it was before anything was redacted or left out.") {
                .integer($0.byteCount)
            },
            .init("truncated", .boolean, "Whether its end is missing.") { .boolean($0.isTruncated) },
            .init("redactions", .count, "How many places have a mark.") { .integer($0.redactions) },
        ])
}

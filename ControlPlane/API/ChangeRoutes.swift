import Contract
import Domain
import HTTPWire
import JSONText
import Operations

enum ChangeRoutes {
    static let all: [AdminRoute] = [
        .one(
            .get, "/api/v1/changes/{change}",
            .signedIn(reason: "a change token says nothing about what changed."),
            "changes.get", "How far a change has travelled to the nodes", query: [ChangeParameters.wait],
            answers: .change
        ) { call throws(OperationError) in
            try await call.operations.changes.wait(
                for: try call.change, nanoseconds: try call.query[ChangeParameters.wait] ?? 0,
                by: try call.caller)
        }.within(seconds: Int(ChangeParameters.longestWaitSeconds) + 10)
    ]
}

enum ChangeParameters {
    static let longestWaitSeconds: Int64 = 60
    static let wait = Field<Int64?>.optional(
        "wait", .wait(upToSeconds: longestWaitSeconds),
        "How long to wait until the change is complete, such as 5s or 500ms; the answer then says how far it "
            + "came.")
}

extension Reader where Value == Int64 {
    /// A time to wait, `5s` or `500ms`, read as nanoseconds.
    static func wait(upToSeconds longest: Int64) -> Reader {
        Reader(.text(TextSchema(2...7, pattern: "^(0|[1-9][0-9]{0,4})(ms|s)$", example: "5s"))) {
            json throws(InvalidInput) in
            let text = json.string ?? ""
            let isMilliseconds = text.hasSuffix("ms")
            guard text.hasSuffix("s"), let count = Int64(text.dropLast(isMilliseconds ? 2 : 1)), count >= 0,
                text.first?.isASCII == true, text.first?.isNumber == true
            else { throw InvalidInput(.invalidFormat, "must be a time such as 5s or 500ms") }
            let nanoseconds = count.multipliedReportingOverflow(
                by: isMilliseconds ? 1_000_000 : 1_000_000_000)
            guard !nanoseconds.overflow, nanoseconds.partialValue <= longest * 1_000_000_000 else {
                throw InvalidInput(.outOfRange, "must be at most \(longest)s")
            }
            return nanoseconds.partialValue
        }
    }
}

extension Representation<ChangeProgress> {
    static let change = Representation(
        "Change",
        [
            .init("change", .text(23...23), "The token.") { .text($0.token) },
            .init("version", .nullable(.text(3...40)), "The first snapshot with it; null: not published yet.")
            {
                .optional($0.version)
            },
            .init("nodes", .count, "Nodes that are connected.") { .integer($0.connectedNodes) },
            .init("nodes_current", .count, "Those that run that snapshot or a later one.") {
                .integer($0.currentNodes)
            },
            .init("complete", .boolean, "Published, and no connected node is behind.") {
                .boolean($0.isComplete)
            },
        ])
}

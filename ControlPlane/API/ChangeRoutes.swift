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
            "changes.get", "How far a change has travelled to the nodes", answers: .change
        ) { call throws(OperationError) in
            try await call.operations.changes.get(try call.change, by: try call.caller)
        }
    ]
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

import Contract
import Domain
import HTTPWire
import JSONText
import Operations

enum RolloutRoutes {
    static let all: [AdminRoute] = [
        .one(
            .get, "/api/v1/rollout", .needs(.snapshotsRead, in: .platform), "rollout.get",
            "How far the newest settings have got among the nodes", answers: .rollout
        ) { call throws(OperationError) in try await call.operations.rollout.get(by: try call.caller) },
        .write(
            .post, "/api/v1/rollout/freeze", .needs(.snapshotsPublish, in: .platform), "rollout.freeze",
            "Keep the settings nodes run now; keys and credentials stay current", answers: .rollout
        ) { call throws(OperationError) in try await call.operations.rollout.freeze(by: try call.caller) },
        .write(
            .post, "/api/v1/rollout/resume", .needs(.snapshotsPublish, in: .platform), "rollout.resume",
            "Let the newest settings go out again, to a few nodes first", answers: .rollout
        ) { call throws(OperationError) in try await call.operations.rollout.resume(by: try call.caller) },
        .write(
            .post, "/api/v1/rollout/rollback", .needs(.snapshotsPublish, in: .platform), "rollout.rollback",
            "Give every node the settings of an older version", body: RollbackBody.shape, answers: .rollout
        ) { call throws(OperationError) in
            try await call.operations.rollout.rollBack(
                to: try version(try call.body[RollbackBody.version]), by: try call.caller)
        },
        .one(
            .get, "/api/v1/snapshots", .needs(.snapshotsRead, in: .platform), "snapshots.list",
            "List the versions that are kept, newest first", answers: .snapshots
        ) { call throws(OperationError) in try await call.operations.rollout.versions(by: try call.caller) },
        .one(
            .get, "/api/v1/snapshots/{snapshot}/difference", .needs(.snapshotsRead, in: .platform),
            "snapshots.difference", "What a version has that another has not", query: [since],
            answers: .difference
        ) { call throws(OperationError) in
            let to = try call.snapshot
            let text = try call.query[since]
            return try await call.operations.rollout.difference(
                from: text.isEmpty ? to : try version(text), to: to, by: try call.caller)
        },
    ]

    private static let since = Field<String>.defaulted(
        "since", .anyText(0...41), to: "", "The version to compare with, such as 1.41.")

    private static func version(_ text: String) throws(OperationError) -> SnapshotVersion {
        guard let version = SnapshotVersion(text) else { throw .notFound }
        return version
    }
}

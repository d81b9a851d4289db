import Domain
import HTTPWire
import JSONText
import Operations

enum TrustRoutes {
    static let all: [AdminRoute] = [
        .one(
            .get, "/api/v1/trust", .needs(.snapshotsRead, in: .platform), "trust.get",
            "Get the keys that nodes trust", answers: .trust
        ) { call throws(OperationError) in try await call.operations.trust.get(by: try call.caller) },
        .write(
            .post, "/api/v1/trust/rotate-snapshot-key", .needs(.snapshotsPublish, in: .platform),
            "trust.rotate-snapshot-key", "Replace the keys that sign snapshots and grants", answers: .trust
        ) { call throws(OperationError) in
            try await call.operations.trust.rotateSnapshotKey(by: try call.caller)
        },
        .write(
            .post, "/api/v1/trust/rotate-root-key", .needs(.snapshotsPublish, in: .platform),
            "trust.rotate-root-key", "Replace the root key; nodes walk over by themselves", answers: .trust
        ) { call throws(OperationError) in
            try await call.operations.trust.rotateRootKey(by: try call.caller)
        },
        .write(
            .post, "/api/v1/trust/rotate-fleet-key", .needs(.snapshotsPublish, in: .platform),
            "trust.rotate-fleet-key", "Replace the key that seals provider credentials for nodes",
            answers: .trust
        ) { call throws(OperationError) in
            try await call.operations.trust.rotateFleetKey(by: try call.caller)
        },
        .write(
            .post, "/api/v1/trust/raise-epoch", .needs(.snapshotsPublish, in: .platform),
            "trust.raise-epoch", "Begin the next epoch, after the database was restored from a backup",
            answers: .trust
        ) { call throws(OperationError) in try await call.operations.trust.raiseEpoch(by: try call.caller) },
    ]
}

extension Representation<TrustState> {
    static let trust = Representation(
        "Trust",
        [
            .init("epoch", .count, "Nodes accept snapshots of this epoch alone.") {
                .integer(Int64($0.epoch))
            },
            .init("key_set_version", .count, "Rises by one with every change of these keys.") {
                .integer(Int64($0.keySetVersion))
            },
            .init(
                "root_keys", .list(.text(64...64), maximumCount: 32), "Ed25519 public keys, in hexadecimal."
            ) {
                .array($0.rootKeys.map { .string($0) })
            },
            .init("threshold", .count, "How many root keys must sign.") { .integer(Int64($0.threshold)) },
            .init("snapshot_key", .text(64...64), "What signs snapshots, in hexadecimal.") {
                .string($0.snapshotKey)
            },
            .init(
                "snapshot_key_expires_at", .nullable(.time),
                "Rotate it before; after it nodes go on, and an alarm is raised."
            ) { .optional($0.snapshotKeyExpires) },
            .init("fleet_key", .text(4...64), "Names the key that seals provider credentials for nodes.") {
                .text($0.fleetKey)
            },
        ])
}

import Contract
import Domain
import JSONText
import Operations

extension Representation<RolloutState> {
    static let rollout = Representation(
        "Rollout",
        [
            .init("version", .text(3...40), "The newest snapshot.") { .text($0.version) },
            .init(
                "stage", .words(RolloutState.stages),
                "Who runs the newest settings: all (done), the first node (canary), a tenth of the nodes, or "
                    + "none, because one refused them (stopped) or by order (frozen)."
            ) { .string($0.stage) },
            .init("since", .nullable(.time), "When the stage began.") { .optional($0.since) },
            .init(
                "held_version", .nullable(.text(3...40)), "The snapshot of those that wait; null: none do."
            ) { .optional($0.held) },
            .init(
                "settings_of", .nullable(.text(3...40)), "The version whose settings those that wait run."
            ) { .optional($0.base) },
            .init("pinned_version", .nullable(.text(3...40)), "The version asked for; null: the newest.") {
                .optional($0.pinned)
            },
            .init("reason", .nullable(.text(0...4096)), "Why it was stopped.") {
                .optional($0.reason)
            },
        ])
}

extension Representation<[SnapshotSummary]> {
    static let snapshots = Representation(
        "Snapshots",
        [
            .init(
                "data",
                .list(
                    .object(
                        ObjectSchema(
                            name: "Snapshot",
                            members: [
                                MemberSchema(
                                    name: "version", schema: .text(3...40), isRequired: true,
                                    summary: "Epoch and counter."),
                                MemberSchema(
                                    name: "published_at", schema: .time, isRequired: true,
                                    summary: "When it was published."),
                            ])), maximumCount: 200), "Newest first."
            ) {
                .array(
                    $0.map { ["version": .text($0.version), "published_at": .text($0.publishedAt)] })
            }
        ])
}

extension Representation<SnapshotDifference> {
    static let difference = Representation(
        "SnapshotDifference",
        [
            .init("from", .text(3...40), "The version compared with.") { .text($0.from) },
            .init("to", .text(3...40), "The version asked for.") { .text($0.to) },
            .init("added", entries, "Ids that are new.") { .array($0.added.map { .string($0) }) },
            .init("removed", entries, "Ids that are gone.") { .array($0.removed.map { .string($0) }) },
            .init("changed", entries, "Ids of what says something else.") {
                .array($0.changed.map { .string($0) })
            },
            .init("truncated", .boolean, "Whether there is more than a list has room for.") {
                .boolean($0.isTruncated)
            },
        ])

    private static let entries = Schema.list(
        .text(4...64), maximumCount: SnapshotDifference.maximumEntries)
}

/// The body that rolls back.
enum RollbackBody {
    static let version = Field<String>.required(
        "version", .anyText(3...41), "The version whose settings every node is to run, such as 1.41.")
    static let shape = BodyShape("Rollback", [version])
}

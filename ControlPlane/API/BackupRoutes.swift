import Domain
import HTTPWire
import JSONText
import Operations

enum BackupRoutes {
    private static let base = "/api/v1/backups"
    private static let status = Field<String?>.optional(
        "status", .word(BackupState.statuses.map { ($0, $0) }), "Only backups of this status.")
    private static let scheduled = Field<Bool?>.optional(
        "scheduled", .flag, "Only those the schedule asked for; false: those that people asked for.")

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.backupsRead, in: .platform), "backups.list",
            "List backups of the database, the newest first", query: [status, scheduled], of: .backup
        ) { call throws(OperationError) in
            try await call.operations.backups.list(
                status: try call.query[status], isScheduled: try call.query[scheduled], try call.page,
                by: try call.caller)
        },
        .write(
            .post, base, .needs(.backupsCreate, in: .platform), "backups.create",
            "Make a backup now, besides the scheduled ones", status: 201, answers: .backup
        ) { call throws(OperationError) in
            try await call.operations.backups.create(by: try call.caller)
        },
        .one(
            .get, "\(base)/{backup}", .needs(.backupsRead, in: .platform), "backups.get", "Get a backup",
            answers: .backup
        ) { call throws(OperationError) in
            try await call.operations.backups.get(try call.backup, by: try call.caller)
        },
    ]
}

extension Representation<BackupState> {
    static let backup = Representation(
        "Backup",
        [
            .init("id", .id(BackupNoun.self), "Never changes.") { .text($0.id) },
            .init("status", .words(BackupState.statuses), "How far it is.") { .string($0.status) },
            .init("scheduled", .boolean, "Whether the schedule asked for it.") { .boolean($0.isScheduled) },
            .init("requested_by", .nullable(.id(User.self)), "Who asked for it; null: the schedule.") {
                .optional($0.requestedBy)
            },
            .init("requested_at", .time, "When it was asked for.") { .text($0.requestedAt) },
            .init("started_at", .nullable(.time), "When it began.") { .optional($0.startedAt) },
            .init("finished_at", .nullable(.time), "When it ended, well or not.") {
                .optional($0.finishedAt)
            },
            .init(
                "file", .nullable(.text(1...255)), "Its name in the folder of the control plane that made it."
            ) {
                .optional($0.file)
            },
            .init("bytes", .nullable(.count), "The size of the file.") { .optional($0.bytes) },
            .init("sha256", .nullable(.text(64...64)), "The checksum at the end of the file, of all before.")
            {
                .optional($0.sha256)
            },
            .init("problem", .nullable(.text(0...4000)), "Why it failed.") { .optional($0.problem) },
            .init("checked_at", .nullable(.time), "When it was restored into a scratch database to prove it.")
            {
                .optional($0.checkedAt)
            },
            .init("check_problem", .nullable(.text(0...4000)), "Why that failed; null: it did not.") {
                .optional($0.checkProblem)
            },
            .init("removed_at", .nullable(.time), "When retention deleted the file.") {
                .optional($0.removedAt)
            },
        ])
}

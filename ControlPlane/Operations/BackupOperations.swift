import Cryptography
package import Domain
import JSONText
import Store

/// One backup that was asked for, and what became of it.
package struct BackupState: Sendable {
    package let id: BackupID
    package let status: String
    package let isScheduled: Bool
    package let requestedBy: UserID?
    package let requestedAt: Timestamp
    package let startedAt: Timestamp?
    package let finishedAt: Timestamp?
    package let file: String?
    package let bytes: Int64?
    package let sha256: String?
    package let problem: String?
    package let checkedAt: Timestamp?
    package let checkProblem: String?
    package let removedAt: Timestamp?

    package static let statuses = BackupRecord.Status.allCases.map(\.rawValue)

    init(_ record: BackupRecord) {
        id = record.id
        status = record.status.rawValue
        isScheduled = record.isScheduled
        requestedBy = record.requestedBy
        requestedAt = record.requestedAt
        startedAt = record.startedAt
        finishedAt = record.finishedAt
        file = record.file
        bytes = record.bytes
        sha256 = record.sha256?.hexadecimal
        problem = record.problem
        checkedAt = record.checkedAt
        checkProblem = record.checkProblem
        removedAt = record.removedAt
    }
}

/// Backups of the platform's database. A control plane that has a folder for them makes them.
package struct BackupOperations {
    let environment: OperationEnvironment

    /// - `status`: one of `BackupState.statuses`; others have no backup.
    package func list(
        status: String? = nil, isScheduled: Bool? = nil, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<BackupState> {
        try await environment.read(.backupsRead, in: .platform, by: caller) { connection in
            ListPage(
                try await BackupStore.list(
                    status: status.flatMap(BackupRecord.Status.init(rawValue:)), isScheduled: isScheduled,
                    page.of(BackupNoun.self), connection), BackupState.init)
        }
    }

    package func get(_ id: BackupID, by caller: Caller) async throws(OperationError) -> BackupState {
        try await environment.read(.backupsRead, in: .platform, by: caller) { connection in
            BackupState(try found(try await BackupStore.find(id, connection)))
        }
    }

    /// Asks for a backup now; it begins within seconds.
    package func create(by caller: Caller) async throws(OperationError) -> Changed<BackupState> {
        try caller.demand(.backupsCreate, in: .platform)
        guard environment.keepsBackups else {
            throw OperationError(
                .conflict,
                detail: "No backups are kept: the operator sets --backup-directory and --backup-key-file.")
        }
        let now = environment.clock.now(), id = BackupID(at: now)
        return try await environment.write("backups.create", .backupsCreate, in: .platform, by: caller) {
            connection in
            let record = try found(
                try await BackupStore.request(id, by: caller.user, at: now, connection))
            return Recorded(BackupState(record), AuditSubject("backup", id))
        }
    }
}

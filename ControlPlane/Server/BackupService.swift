import Backup
import Cryptography
import Domain
import EventLoops
import Glibc
import Lifecycle
import PostgresDriver
import Settings
import Store

/// Scheduled backups, where the operator has given them a folder. Non-Sendable: on its loop.
final class BackupService {
    private let keeper: BackupKeeper
    private let database: PostgresPool
    private let workers: BlockingPool

    /// nil without a folder. Throws when the folder or the key cannot be used: at the start, not at night.
    init?(_ shared: SharedParts, url: PostgresURL, loop: EventLoop) throws(StartFailure) {
        let values = shared.values
        guard let path = values[ControlSettings.backupFolder], let text = values[ControlSettings.backupKey]
        else { return nil }
        let key: BackupKey
        do throws(BackupFailure) { key = try BackupKey(text: text) } catch {
            throw StartFailure(.configuration, "--backup-key-file: \(error)")
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else {
            throw StartFailure(
                .cannotCreate,
                "--backup-directory: cannot write into \(path): \(String(cString: strerror(errno))); make "
                    + "it, and give it to this user")
        }
        workers = BlockingPool(threads: 1, queueLimit: 8, name: "backup")
        database = PostgresPool(
            loop: loop, url: url, role: DatabaseRole.app.name, size: 1, purpose: "backups",
            statementTimeoutMilliseconds: 10_000)
        var plan = BackupKeeper.Plan()
        plan.everySeconds = values[ControlSettings.backupEvery].components.seconds
        plan.retention = BackupRetention(
            days: values[ControlSettings.backupDays], weeks: values[ControlSettings.backupWeeks])
        let checkEvery = values[ControlSettings.backupCheckEvery].components.seconds
        plan.checkEverySeconds = checkEvery == 0 ? nil : checkEvery
        keeper = BackupKeeper(
            loop: loop, database: database,
            backup: Backup(loop: loop, workers: workers, url: url, key: key, clock: shared.clock),
            folder: BackupFolder(path: path), plan: plan, program: ControlProgram.version,
            masterKey: values[ControlSettings.masterKey], log: shared.log, metrics: shared.metrics)
    }

    func start() { keeper.start() }

    func stop() async {
        await keeper.stop()
        await database.close()
        workers.shutdown()
    }
}

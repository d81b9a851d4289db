import CSQLite
import Glibc

/// One SQLite connection, used by one thread at a time (opened without SQLite's own mutex).
final class SQLiteDatabase {
    private let handle: OpaquePointer
    private let journal: JournalWriteBack
    private var statements: [SQLiteStatement] = []
    private var begin, commit: SQLiteStatement?

    /// Opens or creates the file with mode 0600; WAL journal and an exclusive lock, so that a second process
    /// is refused.
    ///
    /// - Parameters:
    ///   - synchronous: `NORMAL` survives a killed process, `FULL` also a power cut.
    ///   - pageBytes: for a new file; one that is there keeps its own.
    init(path: String, synchronous: Synchronous, pageBytes: Int = 4_096) throws(SQLiteError) {
        // Created here first because SQLite would use the process umask; -wal and -journal inherit this mode.
        let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor >= 0 { close(descriptor) }
        var connection: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &connection, flags, nil)
        guard code == SQLITE_OK, let connection else {
            let message = String(cString: sqlite3_errstr(code))
            sqlite3_close_v2(connection)
            throw SQLiteError(code: code, operation: "open \(path)", message: message)
        }
        handle = connection
        journal = JournalWriteBack(of: path, pageBytes: pageBytes)
        do throws(SQLiteError) {
            try execute("PRAGMA page_size = \(pageBytes)")
            try execute("PRAGMA locking_mode = exclusive")
            try execute("PRAGMA journal_mode = wal")
            try execute("PRAGMA synchronous = \(synchronous.rawValue)")
            try execute("PRAGMA journal_size_limit = 67108864")
            try execute("PRAGMA temp_store = memory")
            // Takes the exclusive lock now instead of at the first write.
            try execute("BEGIN IMMEDIATE; COMMIT")
            journal.follow(connection)
        } catch {
            sqlite3_close_v2(handle)
            throw error
        }
    }

    enum Synchronous: String, Sendable { case normal, full }

    /// Closes the file; statements made from it are finalised first.
    func shut() {
        for statement in statements { statement.finalise() }
        statements = []
        begin = nil
        commit = nil
        sqlite3_close_v2(handle)
        journal.close()
    }

    /// Runs statements that return no rows.
    func execute(_ sql: String) throws(SQLiteError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        if code != SQLITE_OK { throw failure(code, "run \(sql.prefix(40))") }
    }

    /// A statement kept prepared until the database is shut.
    func prepare(_ sql: String) throws(SQLiteError) -> SQLiteStatement {
        var pointer: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
        guard code == SQLITE_OK, let pointer else { throw failure(code, "prepare \(sql.prefix(40))") }
        let statement = SQLiteStatement(pointer, of: self)
        statements.append(statement)
        return statement
    }

    /// The first column of the first row as an integer; nil when there is no row or it is NULL.
    func integer(_ sql: String) throws(SQLiteError) -> Int64? {
        let statement = try prepare(sql)
        defer {
            statement.finalise()
            statements.removeAll { $0 === statement }
        }
        guard try statement.step(), !statement.isNull(0) else { return nil }
        return statement.int64(0)
    }

    /// Runs the body in one immediate transaction; any error rolls everything back.
    func transaction<Result>(_ body: () throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
        // Prepared once: parsing the two words would cost more than the statements between them.
        if begin == nil { begin = try prepare("BEGIN IMMEDIATE") }
        if commit == nil { commit = try prepare("COMMIT") }
        try begin?.run()
        do throws(SQLiteError) {
            let result = try body()
            try commit?.run()
            return result
        } catch {
            rollBack()
            throw error
        }
    }

    /// Leaves the transaction if one is open; SQLite itself has left it after some errors.
    func rollBack() {
        if sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
    }

    /// Whether the file's structure is sound; reads all of it.
    func isSound() -> Bool {
        guard let statement = try? prepare("PRAGMA quick_check(1)"), (try? statement.step()) == true else {
            return false
        }
        defer { statement.reset() }
        return statement.text(0) == "ok"
    }

    func failure(_ code: Int32, _ operation: String) -> SQLiteError {
        SQLiteError(
            code: sqlite3_extended_errcode(handle), operation: operation,
            message: String(cString: sqlite3_errmsg(handle)))
    }
}

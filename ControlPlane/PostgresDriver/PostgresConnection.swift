import CPostgres
import EventLoops

/// One connection, used by one task at a time on its loop's thread. A pool hands it out.
///
/// Statements are prepared once and then run by name, values and results in binary. A statement that
/// outlives the server's statement timeout by `graceNanoseconds` means that the server or the network is
/// gone: the connection is given up. A running statement is not interrupted by the cancellation of its
/// task; the next call then throws `.cancelled`, and the pool rolls back.
package final class PostgresConnection {
    static let statementCacheCapacity = 256
    static let graceNanoseconds: Int64 = 5_000_000_000

    let handle: OpaquePointer
    let socket: PostgresSocket
    private let silenceLimit: Int64
    private var statements = StatementCache(capacity: statementCacheCapacity)
    private var isBusy = false
    private var isClosed = false
    /// The connection is lost and only good for closing.
    private(set) var isBroken = false
    /// The first error inside the current transaction: what a caller swallowed must still stop the COMMIT.
    var transactionFailure: PostgresError?
    /// A transaction that was asked for and has no statement yet: it begins in the round trip of its first.
    var opening: TransactionOpening?
    /// A snapshot that was read from and is over, its COMMIT not sent yet: it goes along with the next
    /// statement, whosever that is. It changed nothing, so nobody waits to hear that it ended.
    var owesCommit = false
    /// Go along with the next statement, in its round trip.
    private var companions: [CompanionStatement] = []
    /// Called when the connection is lost, or notified, while nobody uses it.
    var idleEvent: ((PostgresConnection) -> Void)?

    init(handle: OpaquePointer, socket: PostgresSocket, statementTimeoutMilliseconds: Int) {
        self.handle = handle
        self.socket = socket
        silenceLimit = Int64(statementTimeoutMilliseconds) * 1_000_000 + Self.graceNanoseconds
        socket.unsolicited = { [unowned self] in takeUnsolicited() }
    }

    deinit { close() }

    /// Rows of one statement; a statement without rows gives none.
    package func query(_ sql: SQL) async throws(PostgresError) -> Rows {
        try checkCancellation()
        try begin()
        defer { end() }
        if owesCommit || opening != nil || !companions.isEmpty {
            guard let rows = try await runPipeline([sql]).last else {
                throw PostgresError(.misuse, privateDetail: "an empty statement")
            }
            return rows
        }
        let statement = try EncodedStatement(sql)
        do throws(PostgresError) {
            return try await run(statement)
        } catch  where error.isStalePlan && PQtransactionStatus(handle) == PQTRANS_IDLE {
            return try await run(statement)  // `run` has forgotten the plan: the tables have changed since
        }
    }

    /// Runs one statement and says how many rows it touched.
    @discardableResult
    package func execute(_ sql: SQL) async throws(PostgresError) -> Int {
        try await query(sql).affected
    }

    /// Runs several statements in one round trip, all or none of them unless a transaction is open already;
    /// one set of rows for each.
    package func pipeline(_ list: [SQL]) async throws(PostgresError) -> [Rows] {
        if list.isEmpty { return [] }
        try checkCancellation()
        try begin()
        defer { end() }
        return try await runPipeline(list)
    }

    /// Has a statement go along with the next one, in its round trip: for what must be known beside it, and
    /// need not be known before. Inside a transaction.
    package func sendAlong(_ sql: SQL) -> CompanionStatement {
        let statement = CompanionStatement(sql)
        companions.append(statement)
        return statement
    }

    func forgetCompanions() { companions.removeAll() }

    /// The rows of a companion, run by itself if no other statement took it along.
    package func rows(of statement: CompanionStatement) async throws(PostgresError) -> Rows {
        if let rows = statement.rows { return rows }
        companions.removeAll { $0 === statement }
        return try await query(statement.sql)
    }

    /// Runs a text of any number of statements without values: migrations, and the driver's own commands.
    /// Never give it text from outside.
    package func executeScript(_ text: String) async throws(PostgresError) {
        try checkCancellation()
        try await command(text)
    }

    /// Like `executeScript`, but works in a cancelled task too.
    func command(_ text: String) async throws(PostgresError) {
        try begin()
        defer { end() }
        try await settle()
        try await openIfAsked()
        try await send(text)
    }

    /// Begins the transaction that was asked for, in a round trip of its own.
    func openIfAsked() async throws(PostgresError) {
        guard let opening else { return }
        self.opening = nil
        try await send(opening.script)
    }

    /// Ends a snapshot that is over, while nobody uses the connection.
    func endSnapshot() async throws(PostgresError) {
        try begin()
        defer { end() }
        try await settle()
    }

    /// Ends a snapshot that is over.
    func settle() async throws(PostgresError) {
        guard owesCommit else { return }
        owesCommit = false
        try await send("commit")
    }

    private func send(_ text: String) async throws(PostgresError) {
        guard PQsendQuery(handle, text) == 1 else { throw failure() }
        try await flush()
        _ = try await collect()
    }

    /// Inside BEGIN … COMMIT, failed or not.
    var isInTransaction: Bool { PQtransactionStatus(handle) != PQTRANS_IDLE }
    var isInFailedTransaction: Bool { PQtransactionStatus(handle) == PQTRANS_INERROR }

    func close() {
        if isClosed { return }
        isClosed = true
        isBroken = true
        socket.unsolicited = nil
        socket.clearDeadline()
        socket.detach()
        PQfinish(handle)
    }
}

// MARK: One operation

extension PostgresConnection {
    func checkCancellation() throws(PostgresError) {
        if Task.isCancelled { throw PostgresError(.cancelled, privateDetail: "the task was cancelled") }
    }

    func begin() throws(PostgresError) {
        if isBroken { throw PostgresError(.unavailable, privateDetail: "the connection was lost before") }
        if isBusy { throw PostgresError(.misuse, privateDetail: "a second task uses the connection") }
        // What was swallowed before the transaction began ends it all the same.
        if opening != nil, let transactionFailure { throw transactionFailure }
        isBusy = true
        socket.setDeadline(afterNanoseconds: silenceLimit)
    }

    func end() {
        isBusy = false
        socket.clearDeadline()
    }

    /// Waits for the socket; gives the connection up when the deadline passes.
    func wait(for events: Readiness) async throws(PostgresError) {
        socket.watch(events)
        do {
            try await socket.wait()
        } catch {
            isBroken = true
            throw note(error)
        }
        if PQconsumeInput(handle) == 0 { throw failure() }
    }

    /// Sends what libpq has buffered; reads meanwhile, or both sides could wait for each other for ever.
    func flush() async throws(PostgresError) {
        while true {
            let result = PQflush(handle)
            if result == 0 { break }
            if result < 0 { throw failure() }
            try await wait(for: [.readable, .writable])
        }
        socket.watch(.readable)
    }

    /// The next result of what is running; nil when it is over (in a pipeline: when the statement is over).
    func nextResult() async throws(PostgresError) -> OpaquePointer? {
        while PQisBusy(handle) == 1 { try await wait(for: .readable) }
        return PQgetResult(handle)
    }

    /// Reads a statement to its end: its last rows, or its first error.
    func collect() async throws(PostgresError) -> Rows? {
        var rows: Rows?
        var failed: PostgresError?
        while let result = try await nextResult() {
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
                rows = Rows(owning: result)
            case PGRES_EMPTY_QUERY:
                PQclear(result)
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                PQclear(result)
                isBroken = true  // the way back from a COPY nobody asked for is a new connection
                throw note(PostgresError(.misuse, privateDetail: "COPY belongs to copyIn"))
            default:
                failed = failed ?? PostgresError(result: result)
                PQclear(result)
            }
        }
        if PQstatus(handle) == CONNECTION_BAD { isBroken = true }
        if let failed { throw note(failed) }
        return rows
    }

    /// What libpq says is wrong now; a lost connection is remembered.
    func failure() -> PostgresError {
        let detail = PQerrorMessage(handle).map { String(cString: $0) } ?? ""
        guard PQstatus(handle) == CONNECTION_BAD || PQsocket(handle) < 0 else {
            isBroken = true  // libpq refused the call itself: its state is unknown
            return note(PostgresError(.misuse, privateDetail: detail))
        }
        isBroken = true
        return note(PostgresError(.unavailable, privateDetail: detail))
    }

    func note(_ error: PostgresError) -> PostgresError {
        if transactionFailure == nil { transactionFailure = error }
        return error
    }

    private func takeUnsolicited() {
        if PQconsumeInput(handle) == 0 || PQstatus(handle) == CONNECTION_BAD {
            isBroken = true
            socket.detach()
        }
        if !isBusy { idleEvent?(self) }
    }
}

// MARK: Prepared statements

extension PostgresConnection {
    /// Runs a statement by name, preparing it first if this connection has not yet.
    private func run(_ statement: EncodedStatement) async throws(PostgresError) -> Rows {
        let name = try await prepared(statement)
        guard send(statement, as: name) else { throw failure() }
        try await flush()
        do throws(PostgresError) {
            guard let rows = try await collect() else {
                throw PostgresError(.misuse, privateDetail: "an empty statement")
            }
            return rows
        } catch {
            if error.isStalePlan { await forget(statement.key) }
            throw error
        }
    }

    /// Runs what is owed to the connection and then these; gives the rows of these.
    private func runPipeline(_ wanted: [SQL]) async throws(PostgresError) -> [Rows] {
        let companions = companions
        // Those missing are prepared first, each on its own: in an aborted pipeline nobody knows which were.
        let rest = try await prepared((opening?.settingStatements ?? []) + companions.map(\.sql) + wanted)
        var first: [(statement: EncodedStatement, name: String)], isOver: Bool
        repeat {
            isOver = owesCommit
            first = try await prepared(boundaries)
        } while owesCommit != isOver  // to prepare one has ended the snapshot that is over
        let list = first + rest, owed = list.count - wanted.count
        owesCommit = false
        opening = nil
        self.companions.removeAll()
        guard PQenterPipelineMode(handle) == 1 else { throw failure() }
        for (statement, name) in list where !send(statement, as: name) { throw failure() }
        guard PQpipelineSync(handle) == 1 else { throw failure() }
        try await flush()
        var results: [Rows] = []
        var failed: PostgresError?
        var isSynced = false
        while !isSynced {
            guard let result = try await nextResult() else {
                if PQstatus(handle) == CONNECTION_BAD { throw failed ?? failure() }
                continue  // null stands between the results of two statements
            }
            switch PQresultStatus(result) {
            case PGRES_PIPELINE_SYNC:
                isSynced = true
                PQclear(result)
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
                results.append(Rows(owning: result))
            default:
                failed = failed ?? note(PostgresError(result: result))
                PQclear(result)
            }
        }
        guard PQexitPipelineMode(handle) == 1 else { throw failure() }
        if let failed {
            if failed.isStalePlan { for (statement, _) in list { await forget(statement.key) } }
            throw failed
        }
        if owed == 0 { return results }
        for (companion, rows) in zip(companions, results[(owed - companions.count)...]) {
            companion.rows = rows
        }
        return Array(results.dropFirst(owed))
    }

    /// What ends the snapshot that is over and begins the transaction that was asked for.
    private var boundaries: [SQL] {
        guard let opening else { return owesCommit ? ["commit"] : [] }
        if !owesCommit { return [opening.beginning] }
        return opening.mode == .readOnlySnapshot ? ["commit and chain"] : ["commit", opening.beginning]
    }

    private func prepared(
        _ list: [SQL]
    ) async throws(PostgresError) -> [(statement: EncodedStatement, name: String)] {
        var prepared: [(statement: EncodedStatement, name: String)] = []
        for sql in list {
            let statement = try EncodedStatement(sql)
            prepared.append((statement, try await self.prepared(statement)))
        }
        return prepared
    }

    private func prepared(_ statement: EncodedStatement) async throws(PostgresError) -> String {
        switch statements.lookUp(statement.key) {
        case .prepared(let name):
            return name
        case .missing(let name, let evicted):
            try await settle()
            if let evicted { try await deallocate(evicted) }
            guard sendPrepare(statement, as: name) else { throw failure() }
            try await flush()
            _ = try await collect()
            statements.insert(statement.key, name: name)
            return name
        }
    }

    private func sendPrepare(_ statement: EncodedStatement, as name: String) -> Bool {
        statement.types.withUnsafeBufferPointer { types in
            PQsendPrepare(handle, name, statement.sql.text, Int32(types.count), types.baseAddress) == 1
        }
    }

    private func send(_ statement: EncodedStatement, as name: String) -> Bool {
        statement.withValues { count, values, lengths, formats in
            PQsendQueryPrepared(handle, name, count, values, lengths, formats, 1) == 1
        }
    }

    private func deallocate(_ name: String) async throws(PostgresError) {
        guard PQsendQuery(handle, "deallocate \(name)") == 1 else { throw failure() }
        try await flush()
        _ = try await collect()
    }

    /// Drops a plan the server refuses. Inside a failed transaction the server cannot deallocate; the name
    /// is then left behind, unused.
    private func forget(_ key: StatementCache.Key) async {
        guard let name = statements.remove(key), PQtransactionStatus(handle) == PQTRANS_IDLE else { return }
        try? await deallocate(name)
    }
}

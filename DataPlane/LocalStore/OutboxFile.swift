import Cryptography
import Domain

/// The SQL of the outbox: groups of events as they were committed, and the batches sealed over them. Writer
/// thread only.
///
/// One row holds a whole commit's events, so the cost of a row is shared by everything that was queued. A
/// sealed batch names a range of rows that never change, so its bytes are written once and are the same
/// however often it is read.
final class OutboxFile {
    static let name = "outbox.db"
    private static let applicationID: Int64 = 0x45_43_4c_4f  // "ECLO"
    private static let schemaVersion: Int64 = 2
    /// A larger file is not read through at start: damage is then found by the row checks.
    private static let soundnessCheckLimit: Int64 = 64 << 20

    private let database: SQLiteDatabase
    private let options: OutboxOptions
    private let sealer: BatchSealer
    private let insertGroup, insertBatch, setNextSequence: SQLiteStatement
    private let readGroups, readBatch, deleteGroups, deleteBatches, sumBatches: SQLiteStatement
    private let grants: GrantTable
    private let openCalls: OpenCallTable
    private(set) var epoch: UInt64
    private(set) var state: State

    /// What the rows add up to; restored when a transaction fails.
    struct State: Equatable {
        var nextGroup: Int64 = 1
        var firstUnsealed: Int64 = 1
        var unsealedEvents = 0
        var unsealedBytes = 0
        var unsealedCost: Int64 = 0
        var sealedEvents = 0
        var sealedBytes = 0
        var sealed: Range<UInt64> = 1..<1
        var bytes: Int { unsealedBytes + sealedBytes }
    }

    /// What the calls of one commit write fits into one: small pages would be several, each written apart.
    private static let pageBytes = 16_384

    /// Opens the file, or creates it with a random epoch.
    init(
        directory: DataDirectory, options: OutboxOptions, sealer: @escaping BatchSealer
    ) throws(SQLiteError) {
        self.options = options
        self.sealer = sealer
        let path = directory.path(of: Self.name)
        // SQLite would take the stump of a file for a new one.
        let size = directory.size(of: Self.name)
        if size < 512, size > 0 || directory.size(of: Self.name + "-wal") > 0 {
            throw Self.damaged("it is cut to \(size) bytes")
        }
        let database = try SQLiteDatabase(
            path: path, synchronous: options.durability == .power ? .full : .normal,
            pageBytes: Self.pageBytes)
        do throws(SQLiteError) {
            try Self.prepareSchema(database, options)
            insertGroup = try database.prepare("INSERT INTO event_group VALUES (?, ?, ?, ?, ?)")
            insertBatch = try database.prepare("INSERT INTO sealed_batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            setNextSequence = try database.prepare("UPDATE meta SET value = ? WHERE name = 'next_sequence'")
            readGroups = try database.prepare(
                """
                SELECT id, events, cost, row_check, bytes FROM event_group
                 WHERE id BETWEEN ? AND ? ORDER BY id
                """
            )
            readBatch = try database.prepare(
                """
                SELECT first_group, last_group, events, cost, header, digest FROM sealed_batch
                WHERE sequence = ?
                """
            )
            deleteGroups = try database.prepare("DELETE FROM event_group WHERE id <= ?")
            deleteBatches = try database.prepare("DELETE FROM sealed_batch WHERE sequence <= ?")
            sumBatches = try database.prepare(
                """
                SELECT min(sequence), max(sequence), count(*), sum(events), sum(size), max(last_group)
                FROM sealed_batch
                """)
            guard let epoch = try database.integer("SELECT value FROM meta WHERE name = 'epoch'"), epoch > 0
            else { throw Self.damaged("it has no epoch") }
            self.epoch = UInt64(epoch)
            self.database = database
            grants = try GrantTable(database, mark: ChargeMark(directory: directory))
            openCalls = try OpenCallTable(database)
            state = State()
            state = try recover()
            try endCallsOfEarlierRun()
        } catch {
            database.shut()
            throw error
        }
    }

    func shut() { database.shut() }

    private static func prepareSchema(
        _ database: SQLiteDatabase, _ options: OutboxOptions
    ) throws(SQLiteError) {
        let pageBytes = Int(try database.integer("PRAGMA page_size") ?? 4_096)
        try database.execute("PRAGMA max_page_count = \(options.maximumPages(of: pageBytes))")
        try database.execute("PRAGMA cache_size = -8192")
        let application = try database.integer("PRAGMA application_id") ?? 0
        if application == 0, try database.integer("SELECT count(*) FROM sqlite_schema") == 0 {
            let epoch = Int64.random(in: 1...Int64.max)
            try database.execute(
                """
                BEGIN IMMEDIATE;
                CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
                CREATE TABLE event_group (
                    id INTEGER PRIMARY KEY, events INTEGER NOT NULL, cost INTEGER NOT NULL,
                    row_check INTEGER NOT NULL, bytes BLOB NOT NULL);
                CREATE TABLE sealed_batch (
                    sequence INTEGER PRIMARY KEY, first_group INTEGER NOT NULL, last_group INTEGER NOT NULL,
                    events INTEGER NOT NULL, cost INTEGER NOT NULL, size INTEGER NOT NULL,
                    header BLOB NOT NULL, digest BLOB NOT NULL);
                \(GrantTable.schema);
                \(OpenCallTable.schema);
                INSERT INTO meta VALUES ('epoch', \(epoch)), ('next_sequence', 1);
                PRAGMA application_id = \(applicationID);
                PRAGMA user_version = \(schemaVersion);
                COMMIT
                """)
            return
        }
        guard application == applicationID else { throw damaged("it is not an outbox") }
        guard try database.integer("PRAGMA user_version") == schemaVersion else {
            throw SQLiteError(
                code: 0, operation: "open the outbox",
                message: "it was written by another version of the node")
        }
        let pages = try database.integer("PRAGMA page_count") ?? 0
        if Int(pages) * pageBytes <= soundnessCheckLimit && !database.isSound() {
            throw damaged("its pages are damaged")
        }
    }

    static func damaged(_ reason: String) -> SQLiteError {
        SQLiteError(code: 11, operation: "read the outbox", message: reason)
    }

    /// Adds up the rows of an earlier run, checking those that no batch's digest covers yet.
    private func recover() throws(SQLiteError) -> State {
        var found = State()
        guard let next = try database.integer("SELECT value FROM meta WHERE name = 'next_sequence'"), next > 0
        else { throw Self.damaged("it has no next sequence") }
        defer { sumBatches.reset() }
        var lastSealedGroup: Int64 = 0
        found.sealed = UInt64(next)..<UInt64(next)
        if try sumBatches.step(), sumBatches.int64(2) > 0 {
            let first = sumBatches.int64(0), last = sumBatches.int64(1)
            guard first > 0, last - first + 1 == sumBatches.int64(2), last + 1 == next else {
                throw Self.damaged("its batches are not contiguous")
            }
            found.sealed = UInt64(first)..<UInt64(next)
            found.sealedEvents = Int(sumBatches.int64(3))
            found.sealedBytes = Int(sumBatches.int64(4))
            lastSealedGroup = sumBatches.int64(5)
        }
        found.firstUnsealed = lastSealedGroup + 1
        found.nextGroup = found.firstUnsealed
        let tail = try readRows(from: found.firstUnsealed, through: .max, contiguous: false)
        found.unsealedEvents = tail.events
        found.unsealedCost = tail.cost
        found.unsealedBytes = tail.payload.count
        if let first = tail.firstID { found.firstUnsealed = first }
        found.nextGroup = max(found.nextGroup, tail.lastID + 1)
        return found
    }

    // MARK: Writing

    /// Commits the events in one transaction with what they spend of grants and the calls that began and
    /// ended, sealing the batches that became full.
    func append(_ records: borrowing PendingRecords) throws(SQLiteError) {
        let before = state
        do throws(SQLiteError) {
            try database.transaction { () throws(SQLiteError) in
                try insert(records)
                try openCalls.apply(records.calls)
                try grants.charge(records.charges, margins: records.margins)
            }
        } catch {
            state = before
            grants.forgetChanges()
            throw error
        }
        grants.keepChanges()
    }

    /// Calls that were under way when an earlier process was killed become events, as they were estimated
    /// when they began. What they spend comes out of the margins, which were kept back for them.
    private func endCallsOfEarlierRun() throws(SQLiteError) {
        var records = PendingRecords()
        for call in try openCalls.all() {
            records.append(cost: call.cost, charges: call.charges) { $0 += call.event }
            records.calls.ended.append(call.id)
        }
        if records.isEmpty { return }
        let spent = records.charges
        try append(records)
        try changeGrants { () throws(SQLiteError) in try grants.lowerMargins(spent) }
    }

    // MARK: Grants

    /// What was lent to this node and may still be spent.
    var heldGrants: [GrantRow] { grants.all }

    /// Writes and deletes grants; what is spent of one that is there stays as it is.
    func saveGrants(_ rows: [GrantRow], deleting: [GrantID]) throws(SQLiteError) {
        try changeGrants { () throws(SQLiteError) in try grants.save(rows, deleting: deleting) }
    }

    func setMargins(_ margins: [GrantCharge]) throws(SQLiteError) {
        try changeGrants { () throws(SQLiteError) in try grants.setMargins(margins) }
    }

    private func changeGrants(_ body: () throws(SQLiteError) -> Void) throws(SQLiteError) {
        do throws(SQLiteError) { try database.transaction(body) } catch {
            grants.forgetChanges()
            throw error
        }
        grants.keepChanges()
    }

    private func insert(_ records: borrowing PendingRecords) throws(SQLiteError) {
        var event = 0, offset = 0
        while event < records.count {
            let run = records.run(from: event, openBatch: state, limits: options)
            if run.events > 0 {
                let row = offset..<offset + run.bytes
                let failure = records.bytes.withUnsafeBytes { all in
                    insertRow(UnsafeRawBufferPointer(rebasing: all[row]), events: run.events, run.cost)
                }
                if let failure { throw failure }
                event += run.events
                offset += run.bytes
            }
            // Either the batch is full, or the next event did not fit into it.
            if event < records.count || state.unsealedEvents >= options.sealAtEvents { try sealUnsealed() }
        }
        try insertNotes(records.notes)
    }

    /// A row without events: it travels in the batch that is open.
    private func insertNotes(_ notes: [UInt8]) throws(SQLiteError) {
        if notes.isEmpty { return }
        if state.unsealedBytes + notes.count > options.sealAtBytes { try sealUnsealed() }
        if let failure = notes.withUnsafeBytes({ insertRow($0, events: 0, 0) }) { throw failure }
    }

    private func insertRow(_ bytes: UnsafeRawBufferPointer, events: Int, _ cost: Int64) -> SQLiteError? {
        insertGroup.bind(1, state.nextGroup)
        insertGroup.bind(2, Int64(events))
        insertGroup.bind(3, cost)
        insertGroup.bind(4, rowCheck(bytes))
        insertGroup.bind(5, inPlace: bytes)
        do throws(SQLiteError) { try insertGroup.run() } catch { return error }
        state.nextGroup += 1
        state.unsealedEvents += events
        state.unsealedBytes += bytes.count
        state.unsealedCost += cost
        return nil
    }

    /// Seals whatever is not sealed yet; nothing happens when there is nothing.
    func seal() throws(SQLiteError) {
        guard state.unsealedBytes > 0 else { return }
        let before = state
        do throws(SQLiteError) {
            try database.transaction { () throws(SQLiteError) in try sealUnsealed() }
        } catch {
            state = before
            throw error
        }
    }

    private func sealUnsealed() throws(SQLiteError) {
        guard state.unsealedBytes > 0 else { return }
        let last = state.nextGroup - 1, sequence = state.sealed.upperBound
        let rows = try readRows(from: state.firstUnsealed, through: last)
        guard rows.events == state.unsealedEvents else { throw Self.damaged("rows are missing") }
        try insertBatch(
            rows, state.firstUnsealed, last,
            BatchOutline(epoch: epoch, sequence: sequence, eventCount: rows.events, totalCost: rows.cost))
        setNextSequence.bind(1, Int64(sequence) + 1)
        try setNextSequence.run()
        state.sealed = state.sealed.lowerBound..<sequence + 1
        state.sealedEvents += rows.events
        state.sealedBytes += rows.payload.count
        state.firstUnsealed = state.nextGroup
        state.unsealedEvents = 0
        state.unsealedBytes = 0
        state.unsealedCost = 0
    }

    private func insertBatch(
        _ rows: Rows, _ firstGroup: Int64, _ lastGroup: Int64, _ outline: BatchOutline
    ) throws(SQLiteError) {
        let head = rows.payload.withUnsafeBytes { sealer(outline, $0) }
        insertBatch.bind(1, Int64(outline.sequence))
        insertBatch.bind(2, firstGroup)
        insertBatch.bind(3, lastGroup)
        insertBatch.bind(4, Int64(outline.eventCount))
        insertBatch.bind(5, outline.totalCost)
        insertBatch.bind(6, Int64(rows.payload.count))
        insertBatch.bind(7, head)
        insertBatch.bind(8, Self.digest(head, rows.payload))
        try insertBatch.run()
    }

    /// Forgets the batches up to and including this one: the control plane has them.
    func acknowledge(through sequence: UInt64) throws(SQLiteError) {
        guard sequence >= state.sealed.lowerBound, sequence < state.sealed.upperBound else { return }
        let lastGroup = try placement(of: sequence).lastGroup
        try database.transaction { () throws(SQLiteError) in
            deleteGroups.bind(1, lastGroup)
            try deleteGroups.run()
            deleteBatches.bind(1, Int64(sequence))
            try deleteBatches.run()
        }
        var next = state
        next.sealed = sequence + 1..<state.sealed.upperBound
        next.sealedEvents = 0
        next.sealedBytes = 0
        defer { sumBatches.reset() }
        if try sumBatches.step(), sumBatches.int64(2) > 0 {
            next.sealedEvents = Int(sumBatches.int64(3))
            next.sealedBytes = Int(sumBatches.int64(4))
        }
        state = next
    }

    /// Numbers the sealed batches anew, from 1 in a new epoch: for a control plane that has lost earlier ones
    /// and has none of these.
    ///
    /// - Parameter isRecovered: it may have some of the events, in batches of another cut.
    func renumber(isRecovered: Bool = false) throws(SQLiteError) {
        let batches = try state.sealed.map { sequence throws(SQLiteError) in try placement(of: sequence) }
        let fresh = UInt64.random(in: 1...UInt64(Int64.max)), oldest = state.sealed.lowerBound
        try database.transaction { () throws(SQLiteError) in
            deleteBatches.bind(1, Int64(state.sealed.upperBound))
            try deleteBatches.run()
            for (index, batch) in batches.enumerated() {
                let rows = try readRows(from: batch.firstGroup, through: batch.lastGroup)
                try insertBatch(
                    rows, batch.firstGroup, batch.lastGroup,
                    BatchOutline(
                        epoch: fresh, sequence: UInt64(index) + 1, eventCount: rows.events,
                        totalCost: rows.cost, isRecovered: isRecovered))
            }
            setNextSequence.bind(1, Int64(batches.count) + 1)
            try setNextSequence.run()
            try database.execute("UPDATE meta SET value = \(fresh) WHERE name = 'epoch'")
        }
        epoch = fresh
        state.sealed = 1..<state.sealed.upperBound - oldest + 1
    }

    /// Begins a new epoch with everything that is left: the file was rolled back or cloned, so the control
    /// plane has other batches under these numbers. What was lent is gone: its spending may be missing here.
    func retire() throws(SQLiteError) {
        try seal()
        try saveGrants([], deleting: heldGrants.map(\.id))
        try renumber(isRecovered: true)
    }

    // MARK: Reading

    /// Where a sealed batch lies and what it must add up to.
    private struct Placement {
        let firstGroup, lastGroup: Int64
        let outline: BatchOutline
        let head, digest: [UInt8]
    }

    private func placement(of sequence: UInt64) throws(SQLiteError) -> Placement {
        readBatch.bind(1, Int64(sequence))
        defer { readBatch.reset() }
        guard try readBatch.step() else { throw Self.damaged("batch \(sequence) is missing") }
        return Placement(
            firstGroup: readBatch.int64(0), lastGroup: readBatch.int64(1),
            outline: BatchOutline(
                epoch: epoch, sequence: sequence, eventCount: Int(readBatch.int64(2)),
                totalCost: readBatch.int64(3)),
            head: readBatch.bytes(4), digest: readBatch.bytes(5))
    }

    /// The sealed batch of this number, its digest proved again; nil when there is none.
    func batch(_ sequence: UInt64) throws(SQLiteError) -> SealedBatch? {
        guard state.sealed.contains(sequence) else { return nil }
        let place = try placement(of: sequence)
        let rows = try readRows(from: place.firstGroup, through: place.lastGroup)
        guard rows.events == place.outline.eventCount, rows.cost == place.outline.totalCost,
            Self.digest(place.head, rows.payload) == place.digest
        else { throw Self.damaged("batch \(sequence) does not match its digest") }
        return SealedBatch(outline: place.outline, bytes: place.head + rows.payload)
    }

    private static func digest(_ header: [UInt8], _ payload: [UInt8]) -> [UInt8] {
        var hasher = SHA256Hasher()
        hasher.update(header)
        hasher.update(payload)
        return hasher.finish().bytes
    }

    private struct Rows {
        var payload: [UInt8] = []
        var events = 0
        var cost: Int64 = 0
        var firstID: Int64?
        var lastID: Int64 = 0
    }

    private func readRows(
        from first: Int64, through last: Int64, contiguous: Bool = true
    ) throws(SQLiteError) -> Rows {
        var rows = Rows()
        readGroups.bind(1, first)
        readGroups.bind(2, last)
        defer { readGroups.reset() }
        while try readGroups.step() {
            let id = readGroups.int64(0), check = readGroups.int64(3)
            let isWhole = readGroups.withBytes(4) { bytes in
                rows.payload.append(contentsOf: bytes)
                return rowCheck(bytes) == check
            }
            let (cost, overflow) = rows.cost.addingReportingOverflow(readGroups.int64(2))
            guard isWhole, !overflow, rows.firstID == nil || id == rows.lastID + 1 else {
                throw Self.damaged("row \(id) does not match its check")
            }
            if rows.firstID == nil { rows.firstID = id }
            rows.lastID = id
            rows.events += Int(readGroups.int64(1))
            rows.cost = cost
        }
        guard !contiguous || (rows.firstID == first && rows.lastID == last) else {
            throw Self.damaged("rows \(first) to \(last) are not all there")
        }
        return rows
    }
}

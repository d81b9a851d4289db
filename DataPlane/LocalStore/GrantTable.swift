import Domain

/// The SQL of grants. They live in the outbox's own file, so that spending and its events are one
/// transaction, and a grant whose outbox is lost is lost with it. Writer thread only.
final class GrantTable {
    /// Every file has a number of its own.
    static var schema: String {
        """
        CREATE TABLE held_grant (
            id BLOB PRIMARY KEY, statement BLOB NOT NULL, lent INTEGER NOT NULL, spent INTEGER NOT NULL,
            margin INTEGER NOT NULL, row_check INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO meta VALUES ('grants', \(Int64.random(in: 1...Int64.max))), ('charges', 0)
        """
    }

    private let write, update, remove, count: SQLiteStatement
    private let mark: ChargeMark
    private let file: Int64
    /// How often grants were changed since the file was made.
    private var charges: Int64
    /// What the rows are.
    private var rows: [GrantID: GrantRow] = [:]
    /// What they become when the transaction commits; nil: deleted.
    private var changes: [GrantID: GrantRow?] = [:]

    /// Reads the grants, and drops them all when the file was rolled back: spending may be missing in it.
    init(_ database: SQLiteDatabase, mark: ChargeMark) throws(SQLiteError) {
        self.mark = mark
        write = try database.prepare("INSERT OR REPLACE INTO held_grant VALUES (?, ?, ?, ?, ?, ?)")
        update = try database.prepare(
            "UPDATE held_grant SET spent = ?, margin = ?, row_check = ? WHERE id = ?")
        remove = try database.prepare("DELETE FROM held_grant WHERE id = ?")
        count = try database.prepare("UPDATE meta SET value = ? WHERE name = 'charges'")
        guard let file = try database.integer("SELECT value FROM meta WHERE name = 'grants'"),
            let charges = try database.integer("SELECT value FROM meta WHERE name = 'charges'")
        else { throw OutboxFile.damaged("it has no count of charges") }
        self.file = file
        self.charges = charges
        if mark.allows(file: file, charges: charges) {
            rows = try Self.read(database)
        } else {
            try database.execute("DELETE FROM held_grant")
        }
        mark.write(file: file, charges: charges)
    }

    private static func read(_ database: SQLiteDatabase) throws(SQLiteError) -> [GrantID: GrantRow] {
        let all = try database.prepare("SELECT id, statement, lent, spent, margin, row_check FROM held_grant")
        defer { all.reset() }
        var rows: [GrantID: GrantRow] = [:]
        while try all.step() {
            guard let id = GrantID(bytes: all.bytes(0)) else { continue }
            let row = GrantRow(
                id: id, statement: all.bytes(1), lent: all.int64(2), spent: all.int64(3),
                margin: all.int64(4))
            // One that cannot be believed is not spent again; the control plane counts it as used.
            if row.check == all.int64(5) { rows[id] = row }
        }
        return rows
    }

    var all: [GrantRow] { rows.values.sorted { $0.id < $1.id } }

    // MARK: Inside a transaction

    private func row(_ id: GrantID) -> GrantRow? { changes[id] ?? rows[id] }

    func save(_ saves: [GrantRow], deleting: [GrantID]) throws(SQLiteError) {
        for save in saves {
            var save = save
            if let known = row(save.id) {
                save.spent = known.spent
                save.margin = max(save.margin, known.margin)
            }
            try put(save)
        }
        for id in deleting where row(id) != nil {
            remove.bind(1, id.bytes)
            try remove.run()
            changes.updateValue(nil, forKey: id)
        }
        try noteChange()
    }

    /// Adds what was spent, and raises margins, of the grants that are there; others are no longer ours.
    func charge(_ charges: [GrantCharge], margins: [GrantCharge]) throws(SQLiteError) {
        if charges.isEmpty && margins.isEmpty { return }
        var changed: [GrantID: GrantRow] = [:]
        for charge in charges {
            guard var row = changed[charge.grant] ?? row(charge.grant) else { continue }
            row.spent = row.spent.addingReportingOverflow(charge.amount).partialValue
            changed[charge.grant] = row
        }
        for margin in margins {
            guard var row = changed[margin.grant] ?? row(margin.grant) else { continue }
            row.margin = max(row.margin, margin.amount)
            changed[margin.grant] = row
        }
        for row in changed.values { try adjust(row) }
        try noteChange()
    }

    /// What was kept back for calls that were killed is spent now.
    func lowerMargins(_ spent: [GrantCharge]) throws(SQLiteError) {
        for charge in spent {
            guard var row = row(charge.grant) else { continue }
            row.margin = max(0, row.margin - max(0, charge.amount))
            try adjust(row)
        }
        try noteChange()
    }

    func setMargins(_ margins: [GrantCharge]) throws(SQLiteError) {
        for margin in margins {
            guard var row = row(margin.grant) else { continue }
            row.margin = margin.amount
            try adjust(row)
        }
        try noteChange()
    }

    private func put(_ row: GrantRow) throws(SQLiteError) {
        write.bind(1, row.id.bytes)
        write.bind(2, row.statement)
        for (index, value) in [row.lent, row.spent, row.margin, row.check].enumerated() {
            write.bind(Int32(3 + index), value)
        }
        try write.run()
        changes[row.id] = row
    }

    private func adjust(_ row: GrantRow) throws(SQLiteError) {
        for (index, value) in [row.spent, row.margin, row.check].enumerated() {
            update.bind(Int32(1 + index), value)
        }
        update.bind(4, row.id.bytes)
        try update.run()
        changes[row.id] = row
    }

    private func noteChange() throws(SQLiteError) {
        charges += 1
        count.bind(1, charges)
        try count.run()
    }

    // MARK: After a transaction

    func keepChanges() {
        if changes.isEmpty { return }
        for (id, row) in changes { rows[id] = row }
        changes.removeAll(keepingCapacity: true)
        mark.write(file: file, charges: charges)
    }

    func forgetChanges() { changes.removeAll(keepingCapacity: true) }
}

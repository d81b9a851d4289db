import Domain

/// The SQL of calls under way. Writer thread only.
final class OpenCallTable {
    static let schema = """
        CREATE TABLE open_call (
            id BLOB PRIMARY KEY, cost INTEGER NOT NULL, charges BLOB NOT NULL, row_check INTEGER NOT NULL,
            event BLOB NOT NULL) WITHOUT ROWID
        """

    private let insert, remove, list: SQLiteStatement

    init(_ database: SQLiteDatabase) throws(SQLiteError) {
        insert = try database.prepare("INSERT OR REPLACE INTO open_call VALUES (?, ?, ?, ?, ?)")
        remove = try database.prepare("DELETE FROM open_call WHERE id = ?")
        list = try database.prepare("SELECT id, cost, charges, row_check, event FROM open_call ORDER BY id")
    }

    /// Writes the calls that began and have not ended meanwhile, deletes those that ended. Inside a
    /// transaction.
    func apply(_ calls: CallRecords) throws(SQLiteError) {
        if calls.isEmpty { return }
        let ended = calls.begun.isEmpty ? [] : Set(calls.ended)
        var neverWritten: Set<UsageEventID> = []
        for call in calls.begun {
            if ended.contains(call.id) {
                neverWritten.insert(call.id)
                continue
            }
            let charges = Self.encode(call.charges)
            insert.bind(1, call.id.bytes)
            insert.bind(2, call.cost)
            insert.bind(3, charges)
            insert.bind(4, Self.check(call.event, charges))
            insert.bind(5, call.event)
            try insert.run()
        }
        for id in calls.ended where !neverWritten.contains(id) {
            remove.bind(1, id.bytes)
            try remove.run()
        }
    }

    func all() throws(SQLiteError) -> [OpenCall] {
        var calls: [OpenCall] = []
        defer { list.reset() }
        while try list.step() {
            let (charges, event) = (list.bytes(2), list.bytes(4))
            guard let id = UsageEventID(bytes: list.bytes(0)), list.int64(3) == Self.check(event, charges)
            else { throw OutboxFile.damaged("an open call does not match its check") }
            calls.append(
                OpenCall(id: id, event: event, cost: list.int64(1), charges: Self.decode(charges)))
        }
        return calls
    }

    private static func check(_ event: [UInt8], _ charges: [UInt8]) -> Int64 {
        (event + charges).withUnsafeBytes { rowCheck($0) }
    }

    /// Twenty-four bytes a charge: the grant, the amount.
    private static func encode(_ charges: [GrantCharge]) -> [UInt8] {
        charges.flatMap { charge in
            charge.grant.bytes + withUnsafeBytes(of: charge.amount.bigEndian) { Array($0) }
        }
    }

    private static func decode(_ bytes: [UInt8]) -> [GrantCharge] {
        stride(from: 0, to: bytes.count - bytes.count % 24, by: 24).compactMap { start in
            let amount = bytes[start + 16..<start + 24].reduce(Int64(0)) { $0 << 8 | Int64($1) }
            return GrantID(bytes: bytes[start..<start + 16]).map { GrantCharge(grant: $0, amount: amount) }
        }
    }
}

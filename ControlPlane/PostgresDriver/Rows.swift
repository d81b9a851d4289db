import CPostgres

/// The rows of one statement, read in place from libpq's memory; freed with the last reference.
package final class Rows: RandomAccessCollection {
    private let result: OpaquePointer

    /// Takes over the `PGresult`.
    init(owning result: OpaquePointer) {
        self.result = result
    }

    deinit {
        PQclear(result)
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { Int(PQntuples(result)) }

    package subscript(position: Int) -> Row {
        precondition(position >= 0 && position < endIndex)
        return Row(rows: self, number: Int32(position))
    }

    /// Rows an INSERT, UPDATE, DELETE, MERGE or COPY touched, or a SELECT gave; 0 for other commands.
    package var affected: Int {
        guard let text = PQcmdTuples(result) else { return 0 }
        return Int(String(cString: text)) ?? 0
    }

    var columns: Int { Int(PQnfields(result)) }

    func columnName(_ column: Int) -> String {
        PQfname(result, Int32(column)).map { String(cString: $0) } ?? ""
    }

    func type(_ column: Int) -> UInt32 {
        PQftype(result, Int32(column))
    }

    /// The bytes of one value, nil for SQL null. Valid while this object lives.
    func value(_ row: Int32, _ column: Int) -> UnsafeRawBufferPointer? {
        let column = Int32(column)
        if PQgetisnull(result, row, column) == 1 { return nil }
        let length = Int(PQgetlength(result, row, column))
        return UnsafeRawBufferPointer(start: PQgetvalue(result, row, column), count: length)
    }
}

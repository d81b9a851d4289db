/// One row of a binary COPY; columns in the order of the COPY statement, each with the column's own type.
///
/// Binary, because it has no quoting to get wrong and numbers need no formatting. The server checks
/// lengths, not meanings: an int8 for a timestamp column would be taken. Tests read back what they copy.
package struct CopyRow {
    private var wire = WireBytes()
    private var columns: Int16 = 0
    private var countMark = 0

    var bytes: [UInt8] { wire.bytes }
    var count: Int { wire.count }

    /// Signature, flags and extension length (PostgreSQL manual, COPY, "Binary Format").
    mutating func appendHeader() {
        wire.append(contentsOf: [UInt8]("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0x00])
        wire.append(0 as Int32)
        wire.append(0 as Int32)
    }

    mutating func appendTrailer() {
        wire.append(-1 as Int16)
    }

    mutating func removeAll() {
        wire.removeAll()
    }

    mutating func begin(columns: Int16) {
        self.columns = 0
        wire.append(columns)
    }

    /// False when the row did not write as many columns as announced.
    func isComplete(columns: Int16) -> Bool {
        self.columns == columns
    }

    package mutating func append(_ value: Int64) { fixed(value) }
    package mutating func append(_ value: Int32) { fixed(value) }
    package mutating func append(_ value: Int16) { fixed(value) }
    package mutating func append(_ value: Bool) { fixed(value ? 1 : 0 as UInt8) }

    package mutating func append(_ value: PostgresUUID) {
        columns += 1
        wire.append(16 as Int32)
        wire.append(value.high)
        wire.append(value.low)
    }

    package mutating func append(_ text: String) {
        columns += 1
        wire.append(Int32(clamping: text.utf8.count))
        wire.append(utf8: text)
    }

    package mutating func append(_ bytes: [UInt8]) {
        columns += 1
        wire.append(Int32(clamping: bytes.count))
        wire.append(contentsOf: bytes)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    package mutating func append(timestampMicroseconds value: Int64) {
        fixed(PostgresEpoch.wire(microseconds: value))
    }

    package mutating func appendNull() {
        columns += 1
        wire.append(-1 as Int32)
    }

    /// nil: null.
    package mutating func append(array members: [SQLParameter]?, of type: SQLType) {
        guard let members else { return appendNull() }
        columns += 1
        wire.appendLengthPrefixed { SQLParameter.array(type, members).encode(into: &$0) }
    }

    package mutating func append<Value: SQLBindable>(_ value: Value?) {
        guard let value else { return appendNull() }
        columns += 1
        wire.appendLengthPrefixed { value.sqlParameter.encode(into: &$0) }
    }

    private mutating func fixed<Number: FixedWidthInteger>(_ value: Number) {
        columns += 1
        wire.append(Int32(MemoryLayout<Number>.size))
        wire.append(value)
    }
}

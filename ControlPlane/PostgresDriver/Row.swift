/// One row. Columns are counted from 0; every accessor throws `.decoding` when the column is missing, of
/// another type, malformed, or null where the caller did not allow null. Nothing here traps.
package struct Row {
    let rows: Rows
    let number: Int32

    package func bool(_ column: Int) throws(PostgresError) -> Bool {
        try required(column, optionalBool(column))
    }

    package func optionalBool(_ column: Int) throws(PostgresError) -> Bool? {
        guard let bytes = try value(column, [.bool], size: 1) else { return nil }
        return bytes[0] != 0
    }

    /// int8, int4 or int2.
    package func int64(_ column: Int) throws(PostgresError) -> Int64 {
        try required(column, optionalInt64(column))
    }

    package func optionalInt64(_ column: Int) throws(PostgresError) -> Int64? {
        guard let bytes = try value(column, [.int64, .int32, .int16]) else { return nil }
        switch bytes.count {
        case 8: return bytes.bigEndian(Int64.self)
        case 4: return Int64(bytes.bigEndian(Int32.self))
        case 2: return Int64(bytes.bigEndian(Int16.self))
        default: throw malformed(column)
        }
    }

    package func int(_ column: Int) throws(PostgresError) -> Int {
        Int(try int64(column))
    }

    package func double(_ column: Int) throws(PostgresError) -> Double {
        guard let bytes = try value(column, [.double], size: 8) else { throw unexpectedNull(column) }
        return Double(bitPattern: bytes.bigEndian(UInt64.self))
    }

    /// text, varchar, char, name, json or jsonb.
    package func text(_ column: Int) throws(PostgresError) -> String {
        try required(column, optionalText(column))
    }

    package func optionalText(_ column: Int) throws(PostgresError) -> String? {
        guard var bytes = try value(column, [.text, .varchar, .character, .name, .jsonText, .json]) else {
            return nil
        }
        if rows.type(column) == SQLType.json.oid {
            guard bytes.first == 1 else { throw malformed(column) }  // jsonb's binary version
            bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    package func bytes(_ column: Int) throws(PostgresError) -> [UInt8] {
        try required(column, optionalBytes(column))
    }

    package func optionalBytes(_ column: Int) throws(PostgresError) -> [UInt8]? {
        try value(column, [.bytes]).map { [UInt8]($0) }
    }

    package func uuid(_ column: Int) throws(PostgresError) -> PostgresUUID {
        try required(column, optionalUUID(column))
    }

    package func optionalUUID(_ column: Int) throws(PostgresError) -> PostgresUUID? {
        guard let bytes = try value(column, [.uuid], size: 16) else { return nil }
        return PostgresUUID(
            high: bytes.bigEndian(UInt64.self), low: bytes.bigEndian(UInt64.self, at: 8))
    }

    /// timestamptz as microseconds since 1970-01-01T00:00:00Z; `infinity` is refused.
    package func timestampMicroseconds(_ column: Int) throws(PostgresError) -> Int64 {
        try required(column, optionalTimestampMicroseconds(column))
    }

    package func optionalTimestampMicroseconds(_ column: Int) throws(PostgresError) -> Int64? {
        guard let bytes = try value(column, [.timestamp], size: 8) else { return nil }
        let wire = bytes.bigEndian(Int64.self)
        let (unix, overflow) = wire.addingReportingOverflow(PostgresEpoch.microseconds)
        if overflow || wire == .min { throw malformed(column) }
        return unix
    }

    /// date as days since 1970-01-01; `infinity` is refused.
    package func days(_ column: Int) throws(PostgresError) -> Int32 {
        guard let bytes = try value(column, [.date], size: 4) else { throw unexpectedNull(column) }
        let wire = bytes.bigEndian(Int32.self)
        let (unix, overflow) = wire.addingReportingOverflow(PostgresEpoch.days)
        if overflow || wire == .min { throw malformed(column) }
        return unix
    }

    package func isNull(_ column: Int) throws(PostgresError) -> Bool {
        guard column >= 0 && column < rows.columns else { throw missing(column) }
        return rows.value(number, column) == nil
    }

    /// A one-dimensional array of text.
    package func textArray(_ column: Int) throws(PostgresError) -> [String] {
        try array(column, of: .text) { String(decoding: $0, as: UTF8.self) }
    }

    package func uuidArray(_ column: Int) throws(PostgresError) -> [PostgresUUID] {
        try array(column, of: .uuid) { bytes in
            guard bytes.count == 16 else { return nil }
            return PostgresUUID(
                high: bytes.bigEndian(UInt64.self), low: bytes.bigEndian(UInt64.self, at: 8))
        }
    }

    package func int64Array(_ column: Int) throws(PostgresError) -> [Int64] {
        try array(column, of: .int64) { $0.count == 8 ? $0.bigEndian(Int64.self) : nil }
    }
}

extension Row {
    private func required<Value>(_ column: Int, _ value: Value?) throws(PostgresError) -> Value {
        guard let value else { throw unexpectedNull(column) }
        return value
    }

    private func value(
        _ column: Int, _ types: [SQLType], size: Int? = nil
    ) throws(PostgresError) -> UnsafeRawBufferPointer? {
        guard column >= 0 && column < rows.columns else { throw missing(column) }
        let oid = rows.type(column)
        guard types.contains(where: { $0.oid == oid }) else {
            throw PostgresError(
                .decoding, privateDetail: "column \(rows.columnName(column)) has the type with oid \(oid)")
        }
        guard let bytes = rows.value(number, column) else { return nil }
        if let size, bytes.count != size { throw malformed(column) }
        return bytes
    }

    /// Reads the layout `SQLParameter.array` writes; nulls inside are refused.
    private func array<Member>(
        _ column: Int, of type: SQLType, _ member: (UnsafeRawBufferPointer) -> Member?
    ) throws(PostgresError) -> [Member] {
        let arrayType = SQLType(oid: type.arrayOid, arrayOid: 0)
        guard let bytes = try value(column, [arrayType]) else { throw unexpectedNull(column) }
        guard bytes.count >= 12 else { throw malformed(column) }
        let dimensions = bytes.bigEndian(Int32.self)
        if dimensions == 0 { return [] }
        guard dimensions == 1, bytes.count >= 20 else { throw malformed(column) }
        let count = Int(bytes.bigEndian(Int32.self, at: 12))
        var members: [Member] = []
        var offset = 20
        for _ in 0..<max(count, 0) {
            guard bytes.count - offset >= 4 else { throw malformed(column) }
            let length = Int(bytes.bigEndian(Int32.self, at: offset))
            offset += 4
            guard length >= 0, bytes.count - offset >= length else { throw malformed(column) }
            guard let value = member(.init(rebasing: bytes[offset..<offset + length])) else {
                throw malformed(column)
            }
            members.append(value)
            offset += length
        }
        return members
    }

    private func missing(_ column: Int) -> PostgresError {
        PostgresError(.decoding, privateDetail: "no column \(column) of \(rows.columns)")
    }

    private func unexpectedNull(_ column: Int) -> PostgresError {
        PostgresError(.decoding, privateDetail: "column \(rows.columnName(column)) is null")
    }

    private func malformed(_ column: Int) -> PostgresError {
        PostgresError(.decoding, privateDetail: "column \(rows.columnName(column)) is malformed")
    }
}

extension SQLType {
    fileprivate static let name = SQLType(oid: 19, arrayOid: 0)
    fileprivate static let int16 = SQLType(oid: 21, arrayOid: 0)
    fileprivate static let jsonText = SQLType(oid: 114, arrayOid: 0)
    fileprivate static let character = SQLType(oid: 1042, arrayOid: 0)
    fileprivate static let varchar = SQLType(oid: 1043, arrayOid: 0)
}

extension UnsafeRawBufferPointer {
    /// A number in network order; the caller has checked that it is there.
    fileprivate func bigEndian<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int = 0) -> Number {
        Number(bigEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
}

/// A PostgreSQL type by its object identifier (`pg_type.dat`; those of built-in types never change).
package struct SQLType: Hashable, Sendable {
    package let oid: UInt32
    /// Object identifier of the array of this type; 0 where the driver does not send one.
    let arrayOid: UInt32

    package static let bool = SQLType(oid: 16, arrayOid: 1000)
    package static let bytes = SQLType(oid: 17, arrayOid: 1001)
    package static let int64 = SQLType(oid: 20, arrayOid: 1016)
    package static let int32 = SQLType(oid: 23, arrayOid: 1007)
    package static let text = SQLType(oid: 25, arrayOid: 1009)
    package static let double = SQLType(oid: 701, arrayOid: 1022)
    package static let date = SQLType(oid: 1082, arrayOid: 1182)
    package static let timestamp = SQLType(oid: 1184, arrayOid: 1185)
    package static let uuid = SQLType(oid: 2950, arrayOid: 2951)
    package static let json = SQLType(oid: 3802, arrayOid: 3807)
}

/// A 128-bit identifier as PostgreSQL keeps it; typed identifiers of the product convert to and from it.
package struct PostgresUUID: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// `0191e0c8-…`: digits and hyphens only, whatever the value.
    package var text: String {
        var text = ""
        let bytes = [high, low].flatMap { withUnsafeBytes(of: $0.bigEndian, Array.init) }
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }
        return text
    }
}

/// A value on its way to the server, in the wire's binary form.
///
/// Binary both ways, because it is exact and needs no quoting: 16 bytes for a uuid, microseconds for a
/// timestamp, raw bytea (hex text would double it), and a text with a NUL is refused by the server instead
/// of cut short by C.
package enum SQLParameter: Sendable, Equatable {
    case null(SQLType)
    case bool(Bool)
    case int32(Int32)
    case int64(Int64)
    case double(Double)
    case text(String)
    case bytes([UInt8])
    /// Checked by the server; sent as jsonb.
    case json(String)
    case uuid(PostgresUUID)
    /// Microseconds since 1970-01-01T00:00:00Z.
    case timestamp(microseconds: Int64)
    /// Days since 1970-01-01.
    case date(days: Int32)
    indirect case array(SQLType, [SQLParameter])

    var oid: UInt32 {
        switch self {
        case .null(let type): type.oid
        case .bool: SQLType.bool.oid
        case .int32: SQLType.int32.oid
        case .int64: SQLType.int64.oid
        case .double: SQLType.double.oid
        case .text: SQLType.text.oid
        case .bytes: SQLType.bytes.oid
        case .json: SQLType.json.oid
        case .uuid: SQLType.uuid.oid
        case .timestamp: SQLType.timestamp.oid
        case .date: SQLType.date.oid
        case .array(let type, _): type.arrayOid
        }
    }

    var isNull: Bool {
        if case .null = self { true } else { false }
    }

    /// Appends the binary form (nothing for a null).
    func encode(into wire: inout WireBytes) {
        switch self {
        case .null: break
        case .bool(let value): wire.append(value ? 1 : 0 as UInt8)
        case .int32(let value): wire.append(value)
        case .int64(let value): wire.append(value)
        case .double(let value): wire.append(value.bitPattern)
        case .text(let value): wire.append(utf8: value)
        case .bytes(let value): wire.append(contentsOf: value)
        case .json(let value):
            wire.append(1 as UInt8)  // jsonb's binary version
            wire.append(utf8: value)
        case .uuid(let value):
            wire.append(value.high)
            wire.append(value.low)
        case .timestamp(let microseconds): wire.append(PostgresEpoch.wire(microseconds: microseconds))
        case .date(let days): wire.append(PostgresEpoch.wire(days: days))
        case .array(let type, let members): Self.encode(members, of: type, into: &wire)
        }
    }

    /// The one-dimensional array layout of `array_recv`: dimensions, has-null flag, element type, length,
    /// lower bound.
    private static func encode(_ members: [SQLParameter], of type: SQLType, into wire: inout WireBytes) {
        wire.append(members.isEmpty ? 0 : 1 as Int32)
        wire.append(members.contains(where: \.isNull) ? 1 : 0 as Int32)
        wire.append(type.oid)
        if members.isEmpty { return }
        wire.append(Int32(clamping: members.count))
        wire.append(1 as Int32)
        for member in members {
            if member.isNull {
                wire.append(-1 as Int32)
            } else {
                wire.appendLengthPrefixed { member.encode(into: &$0) }
            }
        }
    }
}

/// A Swift type that can stand in an interpolation of `SQL`.
package protocol SQLBindable {
    static var sqlType: SQLType { get }
    var sqlParameter: SQLParameter { get }
}

extension Bool: SQLBindable {
    package static var sqlType: SQLType { .bool }
    package var sqlParameter: SQLParameter { .bool(self) }
}

extension Int32: SQLBindable {
    package static var sqlType: SQLType { .int32 }
    package var sqlParameter: SQLParameter { .int32(self) }
}

extension Int64: SQLBindable {
    package static var sqlType: SQLType { .int64 }
    package var sqlParameter: SQLParameter { .int64(self) }
}

extension Int: SQLBindable {
    package static var sqlType: SQLType { .int64 }
    package var sqlParameter: SQLParameter { .int64(Int64(self)) }
}

extension Double: SQLBindable {
    package static var sqlType: SQLType { .double }
    package var sqlParameter: SQLParameter { .double(self) }
}

extension String: SQLBindable {
    package static var sqlType: SQLType { .text }
    package var sqlParameter: SQLParameter { .text(self) }
}

extension PostgresUUID: SQLBindable {
    package static var sqlType: SQLType { .uuid }
    package var sqlParameter: SQLParameter { .uuid(self) }
}

package import Cryptography
package import Domain

/// Reads the fields of one record from bytes it does not own; never traps and never reads outside them,
/// whatever they say. Nothing is allocated before its length is known to lie inside the input. Valid while
/// the bytes are.
package struct FieldReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next field, or nil at the end.
    package mutating func next() throws(CodecError) -> Field? {
        guard position < bytes.count else { return nil }
        let header = try varint()
        guard header >> 2 <= UInt64(UInt32.max), let kind = WireKind(rawValue: UInt8(header & 3)) else {
            throw .malformed("field header")
        }
        let tag = UInt32(header >> 2)
        switch kind {
        case .varint:
            return Field(tag: tag, value: .number(try varint()))
        case .fixed64:
            let raw = try take(8).loadUnaligned(as: UInt64.self)
            return Field(tag: tag, value: .fixed(UInt64(littleEndian: raw)))
        case .bytes:
            let length = try varint()
            guard length <= UInt64(bytes.count - position) else { throw .truncated }
            return Field(tag: tag, value: .bytes(try take(Int(length))))
        }
    }

    private mutating func take(_ count: Int) throws(CodecError) -> UnsafeRawBufferPointer {
        guard count <= bytes.count - position else { throw .truncated }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    private mutating func varint() throws(CodecError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard position < bytes.count else { throw .truncated }
            let byte = bytes[position]
            position += 1
            // The tenth byte has room for one bit only.
            if shift == 63 && byte > 1 { throw .malformed("number above 64 bits") }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw .malformed("number above 64 bits")
    }
}

/// One field as it was read; the accessors check kind and range.
package struct Field {
    enum Value {
        case number(UInt64)
        case fixed(UInt64)
        case bytes(UnsafeRawBufferPointer)
    }

    package let tag: UInt32
    let value: Value

    /// A number; an explicit zero is refused, since zero is never written: equal values have one form.
    package func number() throws(CodecError) -> UInt64 {
        guard case .number(let number) = value, number != 0 else {
            throw .malformed("field \(tag) is not a number above zero")
        }
        return number
    }

    /// A number that fits the type asked for and does not exceed `limit`.
    package func number<Number: FixedWidthInteger & UnsignedInteger>(
        upTo limit: Number
    ) throws(CodecError) -> Number {
        let wide = try number()
        guard let narrow = Number(exactly: wide), narrow <= limit else {
            throw .malformed("field \(tag) is out of range")
        }
        return narrow
    }

    package func signed<Number: FixedWidthInteger & SignedInteger>(
        as type: Number.Type = Number.self
    ) throws(CodecError) -> Number {
        let raw = try number()
        let wide = Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
        guard let narrow = Number(exactly: wide) else { throw .malformed("field \(tag) is out of range") }
        return narrow
    }

    package func flag() throws(CodecError) -> Bool { try number(upTo: UInt8(1)) == 1 }

    package func fixed() throws(CodecError) -> UInt64 {
        guard case .fixed(let number) = value else { throw .malformed("field \(tag) is not a fixed number") }
        return number
    }

    package func time() throws(CodecError) -> Timestamp {
        let microseconds = Int64(bitPattern: try fixed())
        let time = Timestamp(microseconds: microseconds)
        guard time.microseconds == microseconds else { throw .malformed("field \(tag) is not a time") }
        return time
    }

    /// The bytes where they stand; no copy.
    package func rawBytes(upTo limit: Int) throws(CodecError) -> UnsafeRawBufferPointer {
        guard case .bytes(let bytes) = value else { throw .malformed("field \(tag) is not bytes") }
        guard bytes.count <= limit else { throw .tooLarge("field \(tag) is above \(limit) bytes") }
        return bytes
    }

    package func bytes(upTo limit: Int) throws(CodecError) -> [UInt8] { [UInt8](try rawBytes(upTo: limit)) }

    package func bytes(exactly count: Int) throws(CodecError) -> [UInt8] {
        let bytes = try bytes(upTo: count)
        guard bytes.count == count else { throw .malformed("field \(tag) is not \(count) bytes") }
        return bytes
    }

    /// A text; an explicit empty one is refused, since the empty text is never written.
    package func text(upTo limit: Int) throws(CodecError) -> String {
        let text = String(validating: try rawBytes(upTo: limit), as: UTF8.self)
        guard let text, !text.isEmpty else { throw .malformed("field \(tag) is not UTF-8 text") }
        return text
    }

    package func id<Noun>(_ type: ID<Noun>.Type = ID<Noun>.self) throws(CodecError) -> ID<Noun> {
        let (high, low) = try words()
        return ID(high: high, low: low)
    }

    package func publicID() throws(CodecError) -> KeyPublicID {
        guard let id = KeyPublicID(ascii: try rawBytes(upTo: KeyPublicID.length)) else {
            throw .malformed("field \(tag) is not the public half of a key")
        }
        return id
    }

    private func words() throws(CodecError) -> (UInt64, UInt64) {
        let bytes = try rawBytes(upTo: 16)
        guard bytes.count == 16 else { throw .malformed("field \(tag) is not 16 bytes") }
        return (
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
    }

    package func digest() throws(CodecError) -> SHA256Digest {
        guard let digest = SHA256Digest(try rawBytes(upTo: SHA256Digest.byteCount)) else {
            throw .malformed("field \(tag) is not 32 bytes")
        }
        return digest
    }

    /// A nested record.
    package func record() throws(CodecError) -> FieldReader { FieldReader(try rawBytes(upTo: .max)) }
}

/// A value with a binary form.
package protocol BinaryRecord: Sendable {
    func encode(into writer: inout FieldWriter)
    init(from reader: inout FieldReader) throws(CodecError)
}

extension BinaryRecord {
    package var encoded: [UInt8] {
        var writer = FieldWriter()
        encode(into: &writer)
        return writer.bytes
    }

    /// The value these bytes are; they must be whole. Unknown fields are skipped.
    package init(encoded bytes: [UInt8]) throws(CodecError) {
        self = try bytes.span.withUnsafeBytes { bytes throws(CodecError) in
            var reader = FieldReader(bytes)
            return try Self(from: &reader)
        }
    }

    /// The value of a nested record.
    package init(_ field: Field) throws(CodecError) {
        var reader = try field.record()
        try self.init(from: &reader)
    }

    /// The value, or the error that names the record and the tag.
    static func required<Value>(_ value: Value?, _ tag: UInt32) throws(CodecError) -> Value {
        guard let value else { throw .missing("\(Self.self)", tag) }
        return value
    }
}

extension Array {
    /// Appends one element of a list, up to a limit.
    mutating func append(_ element: Element, upTo limit: Int, _ name: StaticString) throws(CodecError) {
        guard count < limit else { throw .tooLarge("more than \(limit) \(name)") }
        append(element)
    }
}

extension FieldWriter {
    package mutating func value(_ tag: UInt32, _ value: some BinaryRecord) {
        record(tag) { value.encode(into: &$0) }
    }
    package mutating func values(_ tag: UInt32, _ values: [some BinaryRecord]) {
        for value in values { self.value(tag, value) }
    }
}

package import Cryptography
package import Domain

/// How a field's value stands in the bytes: the low two bits of its header.
///
/// The format: a record is a run of fields; a field is a header (varint of tag × 4 + kind), then the value.
/// Readers skip tags they do not know, because every kind says its own length. Varints are unsigned LEB128 of
/// at most ten bytes; signed numbers are zigzag; fixed-width integers are little-endian.
enum WireKind: UInt8 {
    case varint = 0
    case fixed64 = 1
    /// A varint length, then that many bytes: texts, IDs, digests, and nested records.
    case bytes = 2
}

/// Builds one record. Fields left at their default are not written, so equal values give equal bytes.
package struct FieldWriter {
    package private(set) var bytes: [UInt8] = []

    package init(reserving capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    /// One field in one step, so that the buffer is asked for room once: its header, a varint, bytes.
    @inline(__always)
    private mutating func put(
        _ tag: UInt32, _ kind: WireKind, varint: UInt64? = nil,
        _ rest: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        bytes.append(addingCapacity: 2 * Self.maximumVarintBytes + rest.count) { room in
            room.withUnsafeMutableBufferPointer { room, count in
                Self.put(UInt64(tag) << 2 | UInt64(kind.rawValue), in: room, &count)
                if let varint { Self.put(varint, in: room, &count) }
                UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: room[count...]))
                    .copyMemory(from: rest)
                count &+= rest.count
            }
        }
    }

    private static let maximumVarintBytes = 10

    @inline(__always)
    private static func put(_ value: UInt64, in room: UnsafeMutableBufferPointer<UInt8>, _ count: inout Int) {
        var rest = value
        while rest >= 0x80 {
            room[count] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            count &+= 1
        }
        room[count] = UInt8(truncatingIfNeeded: rest)
        count &+= 1
    }

    /// A number; zero is not written.
    package mutating func number(_ tag: UInt32, _ value: some BinaryInteger & UnsignedInteger) {
        guard value != 0 else { return }
        put(tag, .varint, varint: UInt64(value))
    }

    /// A number that may be negative; zero is not written.
    package mutating func signed(_ tag: UInt32, _ value: some BinaryInteger & SignedInteger) {
        let wide = Int64(value)
        number(tag, UInt64(bitPattern: wide << 1 ^ wide >> 63))
    }

    package mutating func flag(_ tag: UInt32, _ value: Bool) { number(tag, value ? 1 as UInt8 : 0) }

    /// Eight bytes whatever the value: for numbers that are usually large.
    package mutating func fixed(_ tag: UInt32, _ value: UInt64) {
        withUnsafeBytes(of: value.littleEndian) { put(tag, .fixed64, $0) }
    }

    /// A moment; nil is not written.
    package mutating func time(_ tag: UInt32, _ value: Timestamp?) {
        guard let value else { return }
        fixed(tag, UInt64(bitPattern: value.microseconds))
    }

    package mutating func bytes(_ tag: UInt32, _ value: UnsafeRawBufferPointer) {
        put(tag, .bytes, varint: UInt64(value.count), value)
    }

    /// Bytes, empty ones too: an empty element of a list is an element.
    package mutating func bytes(_ tag: UInt32, _ value: [UInt8]) { value.withUnsafeBytes { bytes(tag, $0) } }

    /// A text; the empty one is not written.
    package mutating func text(_ tag: UInt32, _ value: String) {
        guard !value.isEmpty else { return }
        var value = value
        value.withUTF8 { bytes(tag, UnsafeRawBufferPointer($0)) }
    }

    package mutating func id<Noun>(_ tag: UInt32, _ value: ID<Noun>?) {
        guard let value else { return }
        words(tag, value.high, value.low)
    }

    package mutating func publicID(_ tag: UInt32, _ value: KeyPublicID) { words(tag, value.high, value.low) }

    private mutating func words(_ tag: UInt32, _ high: UInt64, _ low: UInt64) {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { put(tag, .bytes, varint: 16, $0) }
    }

    package mutating func digest(_ tag: UInt32, _ value: SHA256Digest) {
        value.withBytes { bytes(tag, $0) }
    }

    /// A nested record.
    package mutating func record(_ tag: UInt32, _ body: (inout FieldWriter) -> Void) {
        var inner = FieldWriter()
        body(&inner)
        bytes(tag, inner.bytes)
    }

    /// Appends a nested record of 128 to 16,383 bytes to the end of a buffer, in place: no copy and no
    /// allocation. The bytes are those `record` would write.
    static func append(
        _ tag: UInt32, to buffer: inout [UInt8], _ body: (inout FieldWriter) -> Void
    ) {
        var writer = FieldWriter()
        swap(&writer.bytes, &buffer)
        writer.put(tag, .bytes)
        let length = writer.bytes.count
        writer.bytes.append(0)
        writer.bytes.append(0)
        body(&writer)
        let count = writer.bytes.count - length - 2
        writer.bytes[length] = UInt8(truncatingIfNeeded: count) | 0x80
        writer.bytes[length + 1] = UInt8(truncatingIfNeeded: count >> 7)
        swap(&writer.bytes, &buffer)
    }
}

/// Bytes in network order for parameters and COPY rows; grows, and keeps its storage when emptied.
struct WireBytes {
    private(set) var bytes: [UInt8] = []

    var count: Int { bytes.count }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    mutating func append<Number: FixedWidthInteger>(_ value: Number) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(contentsOf other: [UInt8]) {
        bytes.append(contentsOf: other)
    }

    mutating func append(utf8 text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    /// Writes what `body` appends behind its own length as four bytes.
    mutating func appendLengthPrefixed(_ body: (inout WireBytes) -> Void) {
        let mark = bytes.count
        append(0 as Int32)
        body(&self)
        // A message of libpq is at most 1 GiB (PQputCopyData, PQsendQueryPrepared refuse more), so this
        // cannot clip.
        let length = Int32(clamping: bytes.count - mark - 4)
        withUnsafeBytes(of: length.bigEndian) { prefix in
            for offset in 0..<4 { bytes[mark + offset] = prefix[offset] }
        }
    }
}

/// PostgreSQL counts from 2000-01-01, the product from 1970-01-01.
enum PostgresEpoch {
    static let microseconds: Int64 = 946_684_800_000_000
    static let days: Int32 = 10_957

    /// The wire's microseconds; one beyond its range becomes `infinity`, which the server then judges.
    static func wire(microseconds unix: Int64) -> Int64 {
        let (value, overflow) = unix.subtractingReportingOverflow(microseconds)
        return overflow ? .min : value
    }

    static func wire(days unix: Int32) -> Int32 {
        let (value, overflow) = unix.subtractingReportingOverflow(days)
        return overflow ? .min : value
    }
}

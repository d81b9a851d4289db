/// The items of a query as `application/x-www-form-urlencoded` (WHATWG URL §5.1): decoded once, in order.
package enum QueryItems {
    package typealias Item = (name: String, value: String)

    /// Items beyond this many are dropped.
    package static let maximumCount = 256

    /// An item without `=` has an empty value; bytes that are not UTF-8 are replaced.
    package static func parse(_ query: UnsafeRawBufferPointer) -> [Item] {
        var items: [Item] = []
        for part in query.split(separator: 0x26, omittingEmptySubsequences: true).prefix(maximumCount) {
            let equals = part.firstIndex(of: 0x3d) ?? part.endIndex
            let value = equals == part.endIndex ? part[part.endIndex...] : part[(equals + 1)...]
            items.append((name: decode(part[..<equals]), value: decode(value)))
        }
        return items
    }

    private static func decode(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            if byte == Byte.percent && bytes.endIndex - index > 2 {
                let high = hexadecimalValue(bytes[index + 1]), low = hexadecimalValue(bytes[index + 2])
                if high | low < 16 {
                    decoded.append(high << 4 | low)
                    index += 3
                    continue
                }
            }
            decoded.append(byte == 0x2b ? Byte.space : byte)
            index += 1
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    /// Escapes everything but RFC 3986 unreserved characters, for building paths and queries.
    package static func escape(_ text: String) -> String {
        var escaped: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            let isAlphanumeric =
                (byte >= 0x30 && byte <= 0x39)
                || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a && byte < 0x80)
            if isAlphanumeric || byte == 0x2d || byte == Byte.dot || byte == 0x5f || byte == 0x7e {
                escaped.append(byte)
            } else {
                escaped += [Byte.percent, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }
}

/// `host [":" port]` (RFC 3986 §3.2.2) as views into the bytes it was read from; IPv6 keeps its brackets.
package struct Authority {
    package let host: UnsafeRawBufferPointer
    package let port: UInt16?

    /// nil unless these bytes are a non-empty valid host with an optional port of at most 65535.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard let first = bytes.first else { return nil }
        var end = 0
        let classes = byteClasses
        if first == 0x5b {
            guard let close = bytes.firstIndex(of: 0x5d), close > 2 else { return nil }
            for byte in bytes[1..<close] {
                // IPv6address; zone identifiers and future forms are refused.
                guard classes[Int(byte)] & ByteClass.hexDigit != 0 || byte == Byte.colon || byte == Byte.dot
                else { return nil }
            }
            end = close + 1
        } else {
            while end < bytes.count && classes[Int(bytes[end])] & ByteClass.host != 0 {
                if bytes[end] == Byte.percent {
                    guard bytes.count - end > 2, hexadecimalValue(bytes[end + 1]) < 16,
                        hexadecimalValue(bytes[end + 2]) < 16
                    else { return nil }
                }
                end += 1
            }
            guard end > 0 else { return nil }
        }
        host = UnsafeRawBufferPointer(rebasing: bytes[..<end])
        guard end < bytes.count else {
            port = nil
            return
        }
        guard bytes[end] == Byte.colon else { return nil }
        var value = 0
        for byte in bytes[(end + 1)...] {
            guard byte &- 0x30 <= 9 else { return nil }
            value = value * 10 + Int(byte &- 0x30)
            guard value <= 65535 else { return nil }
        }
        // "host:" without digits is valid and means the default.
        port = end + 1 == bytes.count ? nil : UInt16(value)
    }
}

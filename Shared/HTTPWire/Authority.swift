import Glibc

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
            // IPv6address; zone identifiers and future forms are refused.
            guard Self.isIPv6(UnsafeRawBufferPointer(rebasing: bytes[1..<close])) else { return nil }
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
    private static func isIPv6(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count < Int(INET6_ADDRSTRLEN) else { return false }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { copy in
            for index in 0..<text.count {
                // The end of a C string inside would hide the rest.
                guard text[index] != 0 else { return false }
                copy[index] = CChar(bitPattern: text[index])
            }
            copy[text.count] = 0
            var address = in6_addr()
            return inet_pton(AF_INET6, copy.baseAddress, &address) == 1
        }
    }
}

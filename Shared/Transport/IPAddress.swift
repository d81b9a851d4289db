import CEventLoops

/// An IPv4 or IPv6 address as a value. An IPv4-mapped IPv6 address stays what it is; see `embedded`.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// The address in the IPv6 space: IPv4 addresses as ::ffff:a.b.c.d. High and low half, host order.
    package let high: UInt64
    package let low: UInt64
    package let isIPv6: Bool

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
        isIPv6 = true
    }
    /// From the 32 bits of an IPv4 address in host order.
    package init(v4: UInt32) {
        high = 0
        low = 0xffff_0000_0000 | UInt64(v4)
        isIPv6 = false
    }

    /// Dotted-quad or RFC 4291 text, strictly: no leading zeros, no octal, no zone, no brackets.
    package init?(_ text: String) {
        var bytes: (UInt64, UInt64) = (0, 0)
        let isIPv6 = text.utf8.contains(UInt8(ascii: ":"))
        guard text.utf8.count <= 45, !text.utf8.contains(0) else { return nil }
        let parsed = withUnsafeMutableBytes(of: &bytes) { buffer in
            loop_address_parse(text, isIPv6 ? 1 : 0, buffer.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
        guard parsed == 1 else { return nil }
        if isIPv6 {
            self.init(high: UInt64(bigEndian: bytes.0), low: UInt64(bigEndian: bytes.1))
        } else {
            self.init(v4: UInt32(truncatingIfNeeded: UInt64(bigEndian: bytes.0) >> 32))
        }
    }

    /// The 32 bits of an IPv4 address; nil for IPv6.
    package var v4: UInt32? { isIPv6 ? nil : UInt32(truncatingIfNeeded: low) }

    /// 127.0.0.0/8, ::1, and the former written as IPv4-mapped.
    package var isLoopback: Bool {
        if high == 0 && low == 1 { return isIPv6 }
        return isMapped && UInt32(truncatingIfNeeded: low) >> 24 == 127
    }

    /// 0.0.0.0 or ::.
    package var isUnspecified: Bool { high == 0 && (isIPv6 ? low == 0 : low == 0xffff_0000_0000) }

    var isMapped: Bool { high == 0 && low >> 32 == 0xffff }

    /// An IPv4-mapped address as the IPv4 address it stands for; any other as it is.
    package var unmapped: IPAddress {
        isIPv6 && isMapped ? IPAddress(v4: UInt32(truncatingIfNeeded: low)) : self
    }

    /// What one subscriber has at least: an IPv4 address, or the /64 of an IPv6 address (RFC 6177). What is
    /// counted by single IPv6 addresses is counted by nobody.
    package var subscriber: IPAddress { isIPv6 && !isMapped ? IPAddress(high: high, low: 0) : unmapped }

    /// In network order: 4 bytes for IPv4, 16 for IPv6.
    package var bytes: [UInt8] {
        let all =
            (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
            + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
        return isIPv6 ? all : Array(all[12...])
    }

    package var description: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 48) { text in
            let bytes = bytes
            loop_address_text(bytes, isIPv6 ? 1 : 0, text.baseAddress!)
            return String(cString: text.baseAddress!)
        }
    }
}

/// A block of addresses, as in 10.0.0.0/8 or fd00::/8.
package struct AddressBlock: Sendable, Hashable, CustomStringConvertible {
    package let first: IPAddress
    /// Leading bits that must agree, 0…32 or 0…128.
    package let prefix: Int

    /// "10.0.0.0/8", "fd00::/8", or a single address. Bits after the prefix must be zero.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        let width = address.isIPv6 ? 128 : 32
        var prefix = width
        if parts.count == 2 {
            guard (1...3).contains(parts[1].utf8.count), let number = UInt8(parts[1]), number <= width,
                parts[1] == "\(number)"
            else { return nil }
            prefix = Int(number)
        }
        first = address
        self.prefix = prefix
        guard contains(address), masked(address) == (address.high, address.low) else { return nil }
    }

    package func contains(_ address: IPAddress) -> Bool {
        guard address.isIPv6 == first.isIPv6 else { return false }
        return masked(address) == masked(first)
    }

    private func masked(_ address: IPAddress) -> (UInt64, UInt64) {
        let bits = first.isIPv6 ? prefix : prefix + 96
        let high = bits >= 64 ? address.high : bits == 0 ? 0 : address.high & ~(UInt64.max >> UInt64(bits))
        let low =
            bits <= 64 ? 0 : bits == 128 ? address.low : address.low & ~(UInt64.max >> UInt64(bits - 64))
        return (high, low)
    }

    package var description: String { "\(first)/\(prefix)" }
}

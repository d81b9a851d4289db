/// Which addresses are ordinary hosts of the public Internet, by the IANA special-purpose registries (RFC
/// 6890). Addresses that carry an IPv4 address inside are judged by that one.
enum SpecialAddresses {
    /// The name of the special range `address` lies in; nil for an ordinary public address.
    static func range(of address: IPAddress) -> String? {
        if let v4 = address.v4 { return range(ofIPv4: v4) }
        if let embedded = embedded(in: address) {
            guard let name = range(ofIPv4: embedded) else { return nil }
            return "\(name), inside \(address)"
        }
        for entry in v6 where entry.block.contains(address) { return entry.name }
        // Only 2000::/3 is handed out at all.
        return address.high >> 61 == 0b001 ? nil : "not global unicast"
    }

    /// The IPv4 address that packets to `address` end up at: IPv4-mapped (RFC 4291), NAT64 (RFC 6052), 6to4
    /// (RFC 3056). Teredo names two, so it is refused whole.
    static func embedded(in address: IPAddress) -> UInt32? {
        if address.isMapped { return UInt32(truncatingIfNeeded: address.low) }
        if address.high == 0x0064_ff9b_0000_0000 && address.low >> 32 == 0 {
            return UInt32(truncatingIfNeeded: address.low)
        }
        if address.high >> 48 == 0x2002 { return UInt32(truncatingIfNeeded: address.high >> 16) }
        return nil
    }

    private static func range(ofIPv4 address: UInt32) -> String? {
        for entry in v4 where address & entry.mask == entry.first { return entry.name }
        return nil
    }

    private struct Range4 {
        let first: UInt32
        let mask: UInt32
        let name: String
        init(_ first: UInt32, _ prefix: UInt32, _ name: String) {
            self.first = first
            mask = ~(UInt32.max >> prefix)
            self.name = name
        }
    }
    private static let v4: [Range4] = [
        Range4(0x0000_0000, 8, "this network"),
        Range4(0x0a00_0000, 8, "private use"),
        Range4(0x6440_0000, 10, "shared address space"),
        Range4(0x7f00_0000, 8, "loopback"),
        Range4(0xa9fe_0000, 16, "link-local"),
        Range4(0xac10_0000, 12, "private use"),
        Range4(0xc000_0000, 24, "protocol assignments"),
        Range4(0xc000_0200, 24, "documentation"),
        Range4(0xc058_6300, 24, "6to4 relay"),
        Range4(0xc0a8_0000, 16, "private use"),
        Range4(0xc612_0000, 15, "benchmarking"),
        Range4(0xc633_6400, 24, "documentation"),
        Range4(0xcb00_7100, 24, "documentation"),
        Range4(0xe000_0000, 4, "multicast"),
        Range4(0xf000_0000, 4, "reserved"),
    ]

    private struct Range6 {
        let block: AddressBlock
        let name: String
    }
    private static let v6: [Range6] = [
        ("::/128", "unspecified"), ("::1/128", "loopback"), ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "discard"), ("2001::/32", "Teredo"), ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"), ("3fff::/20", "documentation"), ("5f00::/16", "segment routing"),
        ("fc00::/7", "unique local"), ("fe80::/10", "link-local"), ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    ].compactMap { text, name in AddressBlock(text).map { Range6(block: $0, name: name) } }
}

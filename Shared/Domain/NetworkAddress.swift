/// An IPv4 or IPv6 address as 128 bits. IPv4 stands as ::ffff:a.b.c.d, so an IPv4-mapped IPv6 address is the
/// IPv4 address it means.
package struct NetworkAddress: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// From the 32 bits of an IPv4 address.
    package init(v4: UInt32) { self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(v4)) }

    package var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// Dotted-quad or RFC 4291 text, strictly: no leading zeros in IPv4, no zone, no brackets.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count <= 45 else { return nil }
        if !text.utf8.contains(UInt8(ascii: ":")) {
            guard let v4 = Self.v4(text) else { return nil }
            self.init(v4: v4)
            return
        }
        guard let words = Self.words(text) else { return nil }
        let halves = [words[..<4], words[4...]].map { $0.reduce(0) { $0 << 16 | UInt64($1) } }
        self.init(high: halves[0], low: halves[1])
    }

    private static func v4(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), let number = UInt8(part), part == "\(number)" else {
                return nil
            }
            value = value << 8 | UInt32(number)
        }
        return value
    }

    /// The eight words of an IPv6 text; one `::` stands for the zeros that are missing.
    private static func words(_ text: some StringProtocol) -> [UInt16]? {
        let gap = text.firstIndex(of: ":").flatMap { Self.gap(in: text, from: $0) }
        guard let gap else { return run(text).flatMap { $0.count == 8 ? $0 : nil } }
        let rest = text[text.index(gap, offsetBy: 2)...]
        guard Self.gap(in: rest, from: rest.startIndex) == nil, let head = run(text[..<gap]),
            let tail = run(rest), head.count + tail.count <= 7
        else { return nil }
        return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    private static func gap<Text: StringProtocol>(in text: Text, from start: Text.Index) -> Text.Index? {
        text[start...].indices.first { text[$0...].hasPrefix("::") }
    }

    /// Words with colons between them; the last two may be written as IPv4. Empty text: none.
    private static func run(_ text: some StringProtocol) -> [UInt16]? {
        if text.isEmpty { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var words: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, let v4 = v4(part) {
                words += [UInt16(v4 >> 16), UInt16(truncatingIfNeeded: v4)]
                continue
            }
            guard (1...4).contains(part.utf8.count), part.first != "+", let word = UInt16(part, radix: 16)
            else { return nil }
            words.append(word)
        }
        return words
    }
}

extension NetworkAddress: CustomStringConvertible {
    /// Dotted quad, or RFC 5952: lowercase, the longest run of zeros shortened.
    package var description: String {
        if isIPv4 {
            return (0..<4).map { "\(UInt8(truncatingIfNeeded: low >> (24 - 8 * $0)))" }.joined(separator: ".")
        }
        let words = (0..<8).map { index in
            UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - 16 * (index % 4)))
        }
        var best = 0..<0
        for start in words.indices {
            let zeros = start..<(words[start...].firstIndex { $0 != 0 } ?? 8)
            if zeros.count > max(1, best.count) { best = zeros }
        }
        func text(_ words: ArraySlice<UInt16>) -> String {
            words.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if best.isEmpty { return text(words[...]) }
        return text(words[..<best.lowerBound]) + "::" + text(words[best.upperBound...])
    }
}

/// A block of addresses, as in `10.0.0.0/8` or `2001:db8::/32`.
package struct AddressRange: Hashable, Sendable {
    package let first: NetworkAddress
    /// Leading bits that must agree, of 128: an IPv4 range has 96 and more.
    package let prefix: UInt8

    /// Nothing when a bit behind the prefix is set, or an IPv4 range reaches beyond IPv4.
    package init?(first: NetworkAddress, prefix: UInt8) {
        guard prefix <= 128, !first.isIPv4 || prefix >= 96 else { return nil }
        self.first = first
        self.prefix = prefix
        guard masked(first) == first else { return nil }
    }

    /// A CIDR text or a single address. Bits behind the prefix must be zero.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = NetworkAddress(parts[0]) else { return nil }
        // A mapped address written the long way counts its bits the long way.
        let offset: UInt8 = address.isIPv4 && !parts[0].utf8.contains(UInt8(ascii: ":")) ? 96 : 0
        var prefix: UInt8 = 128
        if parts.count == 2 {
            guard let number = UInt8(parts[1]), parts[1] == "\(number)", number <= 128 - offset else {
                return nil
            }
            prefix = number + offset
        }
        self.init(first: address, prefix: prefix)
    }

    /// Whether an address lies in it. A range of IPv6 holds no IPv4 address, however short its prefix.
    package func contains(_ address: NetworkAddress) -> Bool {
        address.isIPv4 == first.isIPv4 && masked(address) == first
    }

    private func masked(_ address: NetworkAddress) -> NetworkAddress {
        // Shifts by the whole width give zero.
        let high = address.high & ~(UInt64.max >> UInt64(min(prefix, 64)))
        let low = address.low & ~(UInt64.max >> UInt64(max(prefix, 64) - 64))
        return NetworkAddress(high: high, low: low)
    }
}

extension AddressRange: CustomStringConvertible {
    package var description: String { "\(first)/\(first.isIPv4 ? prefix - 96 : prefix)" }
}

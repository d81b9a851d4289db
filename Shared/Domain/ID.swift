/// A noun that has typed IDs: its prefix is the word before the underscore (`key_01jd…`).
package protocol Identified: Sendable {
    /// 1–8 lowercase ASCII letters; never changed after a release, since IDs are stored by others.
    static var idPrefix: StaticString { get }
}

/// A typed identifier: a UUIDv7 (RFC 9562) shown as `prefix_` + 26 characters of Crockford base32 (the TypeID
/// form).
///
/// Sixteen raw bytes, ordered by time of creation. An ID of one noun cannot be passed where another's is
/// wanted. Parsing accepts exactly one spelling: lowercase, 26 characters, the right prefix.
package struct ID<Noun: Identified>: Hashable, Sendable {
    /// The first eight bytes, big-endian: 48 bits of milliseconds, the version, 12 bits of sub-millisecond
    /// time.
    package let high: UInt64
    /// The last eight bytes, big-endian: the variant and 62 random bits.
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new UUIDv7 for this moment. Times before 1970 count as 1970.
    package init(at time: Timestamp, using generator: inout some RandomNumberGenerator) {
        let microseconds = UInt64(max(0, time.microseconds))
        let milliseconds = (microseconds / 1000) & 0xFFFF_FFFF_FFFF
        let fraction = (microseconds % 1000) * 4096 / 1000
        high = milliseconds << 16 | 0x7000 | fraction
        low = 0x8000_0000_0000_0000 | (generator.next() & 0x3FFF_FFFF_FFFF_FFFF)
    }

    /// A new UUIDv7 for this moment, its random bits from the system's generator.
    package init(at time: Timestamp) {
        var generator = SystemRandomNumberGenerator()
        self.init(at: time, using: &generator)
    }

    /// The ID in sixteen raw bytes (a UUID in network order); nil for any other count.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            if index < 8 { high = high << 8 | UInt64(byte) } else { low = low << 8 | UInt64(byte) }
        }
        self.init(high: high, low: low)
    }

    /// The sixteen raw bytes, in network order.
    package var bytes: [UInt8] {
        (0..<16).map { index in
            let word = index < 8 ? high : low
            return UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (index % 8)))
        }
    }

    /// When the ID was made, to the millisecond.
    package var createdAt: Timestamp { Timestamp(microseconds: Int64(high >> 16) * 1000) }
}

extension ID {
    package func hash(into hasher: inout Hasher) { hasher.combine(low) }

    // The last eight bytes are random and ours, so a dictionary need not mix them again (2 ns instead of 20).
    package func _rawHashValue(seed: Int) -> Int { Int(truncatingIfNeeded: low) ^ seed }
}

extension ID: Comparable {
    package static func < (left: Self, right: Self) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }
}

extension ID: LosslessStringConvertible {
    /// The ID a text spells (`key_01jd…`), or nil for anything else: other prefix, other length, uppercase,
    /// letters outside the alphabet, a value above 128 bits.
    package init?(_ text: String) {
        let suffixLength = 26
        let prefix = Noun.idPrefix
        var text = text
        let parsed: (high: UInt64, low: UInt64)? = text.withUTF8 { bytes in
            let prefixLength = prefix.utf8CodeUnitCount
            guard bytes.count == prefixLength + 1 + suffixLength else { return nil }
            for index in 0..<prefixLength where bytes[index] != prefix.utf8Start[index] { return nil }
            guard bytes[prefixLength] == UInt8(ascii: "_") else { return nil }
            return CrockfordBase32.decode128(UnsafeBufferPointer(rebasing: bytes[(prefixLength + 1)...]))
        }
        guard let parsed else { return nil }
        self.init(high: parsed.high, low: parsed.low)
    }

    /// The TypeID text: the only spelling shown outside.
    package var description: String {
        "\(Noun.idPrefix)_\(CrockfordBase32.encode128(high: high, low: low))"
    }
}

extension ID {
    /// The ID as a plain UUID text (`0194…-…`), for databases.
    package var uuidText: String {
        var text = ""
        text.reserveCapacity(36)
        for (index, byte) in bytes.enumerated() {
            if index == 4 || index == 6 || index == 8 || index == 10 { text.append("-") }
            text.append(Hexadecimal.digit(byte >> 4))
            text.append(Hexadecimal.digit(byte & 15))
        }
        return text
    }

    /// The ID of a plain UUID text (lowercase or uppercase, with its four hyphens); nil for anything else.
    package init?(uuidText: String) {
        var nibbles: [UInt8] = []
        for (index, byte) in uuidText.utf8.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
            } else {
                guard index < 36, let nibble = Hexadecimal.value(byte) else { return nil }
                nibbles.append(nibble)
            }
        }
        guard nibbles.count == 32 else { return nil }
        self.init(bytes: (0..<16).map { nibbles[2 * $0] << 4 | nibbles[2 * $0 + 1] })
    }
}

enum Hexadecimal {
    static func digit(_ nibble: UInt8) -> Character {
        Character(Unicode.Scalar(nibble < 10 ? 48 + nibble : 87 + nibble))
    }
    static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}

/// Crockford's base32 without its look-alikes (i, l, o, u), lowercase only, for one 128-bit number in 26
/// digits.
enum CrockfordBase32 {
    private static let alphabet: StaticString = "0123456789abcdefghjkmnpqrstvwxyz"

    static func encode128(high: UInt64, low: UInt64) -> String {
        String(unsafeUninitializedCapacity: 26) { out in
            var value = UInt128(high) << 64 | UInt128(low)
            for index in stride(from: 25, through: 0, by: -1) {
                out[index] = alphabet.utf8Start[Int(truncatingIfNeeded: value & 31)]
                value >>= 5
            }
            return 26
        }
    }

    static func decode128(_ digits: UnsafeBufferPointer<UInt8>) -> (high: UInt64, low: UInt64)? {
        // 26 digits hold 130 bits: a first digit above 7 would overflow.
        guard digits.count == 26, let first = value(digits[0]), first < 8 else { return nil }
        var result: UInt128 = 0
        for digit in digits {
            guard let five = value(digit) else { return nil }
            result = result << 5 | UInt128(five)
        }
        return (UInt64(truncatingIfNeeded: result >> 64), UInt64(truncatingIfNeeded: result))
    }

    private static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - 48
        case UInt8(ascii: "a")...UInt8(ascii: "h"): byte - 87
        case UInt8(ascii: "j"), UInt8(ascii: "k"): byte - 88
        case UInt8(ascii: "m"), UInt8(ascii: "n"): byte - 89
        case UInt8(ascii: "p")...UInt8(ascii: "t"): byte - 90
        case UInt8(ascii: "v")...UInt8(ascii: "z"): byte - 91
        default: nil
        }
    }
}

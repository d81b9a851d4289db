/// The public half of a key's text: 16 base62 characters, in the clear in logs, reports and snapshots.
package struct KeyPublicID: Hashable, Sendable {
    /// The sixteen ASCII characters, big-endian: comparing the words compares the text.
    package let high: UInt64
    package let low: UInt64

    package static let length = 16

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The public id of sixteen base62 characters; nil for anything else.
    package init?(_ text: String) {
        var text = text
        guard let value = text.withUTF8({ KeyPublicID(ascii: UnsafeRawBufferPointer($0)) }) else {
            return nil
        }
        self = value
    }

    package init?(ascii bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.length, Base62.areDigits(bytes) else { return nil }
        high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
}

extension KeyPublicID: CustomStringConvertible, Comparable {
    package var description: String {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { String(decoding: $0, as: UTF8.self) }
    }
    package static func < (left: Self, right: Self) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }
}

/// An application's credential as it is written: `ek_<16 public id>_<32 secret><6 checksum>`, all base62.
///
/// The checksum is the CRC-32 of the 52 characters before it, so scanners and the gateway refuse garbage
/// before any lookup. Holds a secret: printing shows the public half only; it is never stored, and is shown
/// once through `reveal()`.
package struct KeyText: Sendable {
    package let publicID: KeyPublicID
    /// The 32 secret characters as they stand in memory.
    private let secret: (UInt64, UInt64, UInt64, UInt64)

    package static let length = 58
    package static let prefix: StaticString = "ek_"
    private static let secretOffset = 20
    private static let secretLength = 32
    private static let checksumOffset = 52

    /// A fresh key: 95 bits of public id and 190 bits of secret from `generator`, which must be a secure one.
    package init(using generator: inout some RandomNumberGenerator) {
        let digits = (0..<48).map { _ in Base62.digit(UInt64.random(in: 0..<62, using: &generator)) }
        self = digits.withUnsafeBytes { bytes in
            func word(_ index: Int) -> UInt64 {
                bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
            }
            return KeyText(
                publicID: KeyPublicID(high: word(0).bigEndian, low: word(1).bigEndian),
                secret: (word(2), word(3), word(4), word(5)))
        }
    }

    /// The same public id with a fresh secret: what a rotated key's owner gets.
    package init(rotating publicID: KeyPublicID, using generator: inout some RandomNumberGenerator) {
        self.init(publicID: publicID, secret: KeyText(using: &generator).secret)
    }

    private init(publicID: KeyPublicID, secret: (UInt64, UInt64, UInt64, UInt64)) {
        self.publicID = publicID
        self.secret = secret
    }

    /// The key a client sent, or nil when the form or the checksum is wrong. Allocates nothing; about 50 ns.
    package init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.length, bytes[0] == UInt8(ascii: "e"), bytes[1] == UInt8(ascii: "k"),
            bytes[2] == UInt8(ascii: "_"), bytes[19] == UInt8(ascii: "_"),
            let publicID = KeyPublicID(ascii: .init(rebasing: bytes[3..<19]))
        else { return nil }
        guard Base62.areDigits(.init(rebasing: bytes[Self.secretOffset...])) else { return nil }
        let checksum = CRC32.checksum(.init(rebasing: bytes[..<Self.checksumOffset]))
        guard Base62.value(.init(rebasing: bytes[Self.checksumOffset...])) == UInt64(checksum) else {
            return nil
        }
        func word(_ index: Int) -> UInt64 {
            bytes.loadUnaligned(fromByteOffset: Self.secretOffset + 8 * index, as: UInt64.self)
        }
        self.init(publicID: publicID, secret: (word(0), word(1), word(2), word(3)))
    }

    package init?(_ text: String) {
        var text = text
        guard let key = text.withUTF8({ KeyText(bytes: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = key
    }

    /// The 32 secret bytes, for hashing; valid inside the call.
    package func withSecretBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: secret, body)
    }

    /// The whole text, secret included: for the one answer that shows it.
    package func reveal() -> String {
        let head = withSecretBytes { "\(Self.prefix)\(publicID)_\(String(decoding: $0, as: UTF8.self))" }
        return head + Base62.text(UInt64(CRC32.checksum(of: head)), width: 6)
    }
}

// Neither a log line nor a failed expectation shows the secret.
extension KeyText: CustomStringConvertible, CustomReflectable {
    /// The prefix and the public half only.
    package var description: String { "\(Self.prefix)\(publicID)_…" }
    package var customMirror: Mirror { Mirror(self, children: ["publicID": publicID]) }
}

/// Digits 0–9, A–Z, a–z.
enum Base62 {
    static func isDigit(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
    /// Whether all bytes are digits; looks at every byte without branching, so that the compiler can take
    /// many at once.
    static func areDigits(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var others: UInt8 = 0
        for byte in bytes {
            let isNumeral: UInt8 = byte &- 48 < 10 ? 1 : 0
            let isLetter: UInt8 = (byte | 0x20) &- 97 < 26 ? 1 : 0
            others |= (isNumeral | isLetter) ^ 1
        }
        return others == 0
    }
    static func digit(_ value: UInt64) -> UInt8 {
        switch value {
        case 0..<10: UInt8(48 + value)
        case 10..<36: UInt8(55 + value)
        default: UInt8(61 + value)
        }
    }
    /// The number of up to ten digits that are known to be digits.
    static func value(_ digits: UnsafeRawBufferPointer) -> UInt64 {
        var value: UInt64 = 0
        for byte in digits {
            let digit: UInt8 = byte <= 57 ? byte - 48 : byte <= 90 ? byte - 55 : byte - 61
            value = value &* 62 &+ UInt64(digit)
        }
        return value
    }
    static func text(_ value: UInt64, width: Int) -> String {
        var rest = value
        var digits: [UInt8] = []
        for _ in 0..<width {
            digits.append(digit(rest % 62))
            rest /= 62
        }
        return String(decoding: digits.reversed(), as: UTF8.self)
    }
}

/// CRC-32 (IEEE 802.3, reflected, as in zlib): a checksum against typing errors, not against attackers.
enum CRC32 {
    /// Four tables of 256: the second to fourth move a byte's share past one to three further bytes.
    private static let tables: [UInt32] = {
        var tables = (0..<256).map { index in
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
            return value
        }
        for index in 256..<1024 {
            let earlier = tables[index - 256]
            tables.append(tables[Int(earlier & 0xFF)] ^ (earlier >> 8))
        }
        return tables
    }()

    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var state: UInt32 = 0xFFFF_FFFF
            var position = 0
            // Four bytes a step (Kounavis and Berry, "slicing"): a third of the time of one byte a step.
            while position + 4 <= bytes.count {
                let word = UInt32(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
                state ^= word
                state =
                    tables[768 + Int(state & 0xFF)] ^ tables[512 + Int(state >> 8 & 0xFF)]
                    ^ tables[256 + Int(state >> 16 & 0xFF)] ^ tables[Int(state >> 24)]
                position += 4
            }
            for byte in bytes[position...] {
                state = tables[Int((state ^ UInt32(byte)) & 0xFF)] ^ (state >> 8)
            }
            return ~state
        }
    }

    static func checksum(of text: String) -> UInt32 {
        var text = text
        return text.withUTF8 { checksum(UnsafeRawBufferPointer($0)) }
    }
}

/// Bytes as text in the two alphabets of RFC 4648. Decoding is canonical: one text per byte string.
package enum Base64: Sendable {
    /// `+ /`, padded with `=`.
    case standard
    /// `- _`, never padded: tokens and URLs.
    case url

    package static func encode(_ bytes: [UInt8]) -> String { standard.encode(bytes) }
    package static func decode(_ text: String) -> [UInt8]? { standard.decode(text.utf8) }
    package static func encodeURL(_ bytes: [UInt8]) -> String { url.encode(bytes) }
    package static func decodeURL(_ text: String) -> [UInt8]? { url.decode(text.utf8) }

    package func encode(_ bytes: some Collection<UInt8>) -> String {
        var output: [UInt8] = []
        output.reserveCapacity((bytes.count + 2) / 3 * 4)
        var pending: UInt32 = 0
        var pendingBytes = 0
        for byte in bytes {
            pending = pending << 8 | UInt32(byte)
            pendingBytes += 1
            if pendingBytes == 3 {
                for shift: UInt32 in [18, 12, 6, 0] { output.append(digit(pending >> shift & 63)) }
                pending = 0
                pendingBytes = 0
            }
        }
        if pendingBytes > 0 {
            let bits = pending << UInt32(8 * (3 - pendingBytes))
            for position in 0...pendingBytes { output.append(digit(bits >> UInt32(18 - 6 * position) & 63)) }
            if self == .standard { for _ in pendingBytes..<3 { output.append(0x3D) } }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// The bytes, or nil: a foreign character, wrong padding, a length no encoder makes, or bits left over.
    package func decode(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        var digits = text[...]
        if self == .standard {
            guard text.count % 4 == 0 else { return nil }
            for _ in 0..<2 where digits.last == 0x3D { digits.removeLast() }
        }
        let count = digits.count
        guard count % 4 != 1, self == .url || (count + 3) / 4 * 4 == text.count else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(count * 3 / 4)
        var bits: UInt32 = 0
        var bitCount: UInt32 = 0
        for character in digits {
            guard let value = value(character) else { return nil }
            bits = bits << 6 | value
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                output.append(UInt8(truncatingIfNeeded: bits >> bitCount))
                bits &= 1 << bitCount - 1
            }
        }
        // Left-over bits must be zero, or two texts would mean the same bytes (RFC 4648 §3.5).
        return bits == 0 ? output : nil
    }

    private func digit(_ value: UInt32) -> UInt8 {
        switch value {
        case 0..<26: UInt8(value) + 0x41
        case 26..<52: UInt8(value) - 26 + 0x61
        case 52..<62: UInt8(value) - 52 + 0x30
        case 62: self == .standard ? 0x2B : 0x2D
        default: self == .standard ? 0x2F : 0x5F
        }
    }

    private func value(_ character: UInt8) -> UInt32? {
        switch character {
        case 0x41...0x5A: UInt32(character - 0x41)
        case 0x61...0x7A: UInt32(character - 0x61) + 26
        case 0x30...0x39: UInt32(character - 0x30) + 52
        case 0x2B where self == .standard, 0x2D where self == .url: 62
        case 0x2F where self == .standard, 0x5F where self == .url: 63
        default: nil
        }
    }
}

/// Codes of an authenticator app (RFC 6238: HMAC-SHA-1, six digits, steps of 30 seconds, which is what apps
/// agree on).
package enum TimeBasedCode {
    package static let stepSeconds: Int64 = 30
    package static let digits = 6
    /// Bytes of a new secret: as long as the hash (RFC 4226 §4).
    package static let secretBytes = 20

    /// The step a moment (seconds since 1970) lies in.
    package static func step(at seconds: Int64) -> Int64 { seconds / stepSeconds }

    package static func code(_ secret: Secret, step: Int64) -> String {
        let message = (0..<8).map { UInt8(truncatingIfNeeded: step >> Int64(56 - 8 * $0)) }
        let tag = hmacSHA1(key: secret, message: message)
        let offset = Int(tag[19] & 15)
        let number = tag[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        let text = String(number % 1_000_000)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }

    /// The step whose code this is: the one of the moment, or the one before or after it, for clocks that
    /// differ. Every candidate is compared, each in constant time.
    package static func step(of code: String, _ secret: Secret, at seconds: Int64) -> Int64? {
        let now = step(at: seconds)
        var found: Int64?
        for candidate in [now - 1, now, now + 1]
        where constantTimeEqual(Array(Self.code(secret, step: candidate).utf8), Array(code.utf8)) {
            found = candidate
        }
        return found
    }
}

/// Base 32 (RFC 4648 §6) without padding, as authenticator apps take secrets.
package enum Base32 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")

    package static func encode(_ bytes: [UInt8]) -> String {
        var text = ""
        var bits: UInt32 = 0
        var count: UInt32 = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 5 {
                count -= 5
                text.append(alphabet[Int(bits >> count & 31)])
            }
        }
        if count > 0 { text.append(alphabet[Int(bits << (5 - count) & 31)]) }
        return text
    }
}

import Cryptography

/// Random texts for keys and passwords that `eclusa up` makes.
enum Secrets {
    /// `bytes` random bytes as base64url without padding.
    static func token(bytes: Int) -> String { Base64.encodeURL(randomBytes(bytes)) }

    /// A password a person can type: four groups of five letters and digits that are not mistaken for others.
    static func password() -> String {
        let alphabet = Array("abcdefghjkmnpqrstuvwxyz23456789")
        // 31 letters do not divide 256; values past the last whole multiple are drawn again.
        let limit = UInt8(256 / alphabet.count * alphabet.count - 1)
        var letters: [Character] = []
        while letters.count < 20 {
            letters += randomBytes(32).filter { $0 <= limit }.map { alphabet[Int($0) % alphabet.count] }
        }
        return stride(from: 0, to: 20, by: 5).map { String(letters[$0..<$0 + 5]) }.joined(separator: "-")
    }
}

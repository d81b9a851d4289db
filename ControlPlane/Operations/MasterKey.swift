import Cryptography

/// The key above all keys: it seals what the control plane keeps in Postgres and is itself never stored
/// there.
///
/// Written as 32 bytes in base64 or hexadecimal (`openssl rand -base64 32`).
package struct MasterKey: Sendable {
    /// Why a text is not taken as a master key. Never quotes it.
    package enum Refusal: Error, Sendable, Equatable, CustomStringConvertible {
        case empty
        case malformed
        case guessable

        package var description: String {
            switch self {
            case .empty: "the master key is empty"
            case .malformed:
                "the master key is not 32 bytes in base64 (44 characters) or hexadecimal (64 characters)"
            case .guessable: "the master key is a pattern, not random bytes"
            }
        }
    }

    let key: SymmetricKey

    /// A new random key, for tests and for `eclusa up`.
    package static func random() -> MasterKey { MasterKey(key: SymmetricKey()) }

    private init(key: SymmetricKey) { self.key = key }

    /// The key a file or a variable holds; blanks and line ends around it are ignored.
    package init(text: String) throws(Refusal) {
        let trimmed = text.drop(while: \.isWhitespace)
        let bare = String(trimmed.prefix { !$0.isWhitespace })
        guard !bare.isEmpty else { throw .empty }
        guard trimmed.dropFirst(bare.count).allSatisfy(\.isWhitespace),
            let bytes = Hexadecimal.decode(bare) ?? Base64.decode(bare) ?? Base64.decodeURL(bare),
            let key = SymmetricKey(Secret(bytes))
        else { throw .malformed }
        // 32 random bytes have fewer than 16 different values about once in 10²⁰ draws; `AAAA…` and `0123…`
        // do always.
        guard Set(bytes).count >= 16 else { throw .guessable }
        self.key = key
    }

    /// The key as base64, for whoever stores it.
    package func reveal() -> String { key.secret.withBytes { Base64.standard.encode(Array($0)) } }

    func seal(_ secret: Secret, purpose: String, keyID: String) -> [UInt8] {
        key.seal(secret, associatedData: Self.place(purpose, keyID))
    }

    func open(_ sealed: [UInt8], purpose: String, keyID: String) throws(CryptographyError) -> Secret {
        try key.openSecret(sealed, associatedData: Self.place(purpose, keyID))
    }

    /// Binds sealed bytes to their row, so that nobody can put one row's secret into another.
    private static func place(_ purpose: String, _ keyID: String) -> [UInt8] {
        Array("eclusa platform secret 1\n\(purpose)\n\(keyID)".utf8)
    }
}

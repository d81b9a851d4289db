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
    /// The key before, while its work is being taken over: opens, never seals.
    private(set) var previous: SymmetricKey?

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

    /// This key, which also opens what the one before it sealed: for the time of a rotation.
    package func accepting(_ previous: MasterKey?) -> MasterKey {
        var key = self
        key.previous = previous?.key
        return key
    }

    /// Sixteen hexadecimal digits that tell keys apart and say nothing else about them.
    package var fingerprint: String {
        let digest = key.secret.withBytes { sha256(Array("eclusa master key fingerprint 1\n".utf8) + $0) }
        return String(Hexadecimal.encode(digest.bytes).prefix(16))
    }

    func seal(_ secret: Secret, purpose: String, keyID: String) -> [UInt8] {
        key.seal(secret, associatedData: Self.place(purpose, keyID))
    }

    func open(_ sealed: [UInt8], purpose: String, keyID: String) throws(CryptographyError) -> Secret {
        let place = Self.place(purpose, keyID)
        do throws(CryptographyError) {
            return try key.openSecret(sealed, associatedData: place)
        } catch {
            guard let previous else { throw error }
            return try previous.openSecret(sealed, associatedData: place)
        }
    }

    /// Binds sealed bytes to their row, so that nobody can put one row's secret into another.
    private static func place(_ purpose: String, _ keyID: String) -> [UInt8] {
        Array("eclusa platform secret 1\n\(purpose)\n\(keyID)".utf8)
    }
}

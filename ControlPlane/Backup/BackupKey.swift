package import Cryptography

/// What a backup is sealed with: 32 random bytes, or a passphrase a person remembers.
package enum BackupKey: Sendable {
    case key(SymmetricKey)
    case passphrase(Secret)

    /// The key a file or a variable holds: 32 bytes in base64 or hexadecimal, blanks around them ignored.
    package init(text: Secret) throws(BackupFailure) {
        let bytes = text.withBytes { bytes -> [UInt8]? in
            let bare = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
            guard bare.count == 1, let text = bare.first.map(String.init) else { return nil }
            return Hexadecimal.decode(text) ?? Base64.decode(text) ?? Base64.decodeURL(text)
        }
        guard let bytes, let key = SymmetricKey(Secret(bytes)), Set(bytes).count >= 16 else {
            throw .malformedKey
        }
        self = .key(key)
    }

    /// How the header of a new backup names this key, and the key that seals.
    func prepare() throws(BackupFailure) -> (hint: BackupHeader.KeyHint, key: SymmetricKey) {
        switch self {
        case .key(let key): return (.key(check: Self.check(key)), key)
        case .passphrase(let passphrase):
            let salt = randomBytes(SymmetricKey.saltBytes)
            let key = try Self.derive(passphrase, salt, Self.cost)
            return (.passphrase(salt: salt, cost: Self.cost, check: Self.check(key)), key)
        }
    }

    /// The key that opens a backup with this header.
    func open(_ hint: BackupHeader.KeyHint) throws(BackupFailure) -> SymmetricKey {
        let key: SymmetricKey
        let check: [UInt8]
        switch (self, hint) {
        case (.key(let mine), .key(let theirs)): (key, check) = (mine, theirs)
        case (.passphrase(let passphrase), .passphrase(let salt, let cost, let theirs)):
            (key, check) = (try Self.derive(passphrase, salt, cost), theirs)
        case (.key, .passphrase): throw .needsPassphrase
        case (.passphrase, .key): throw .needsKey
        }
        guard constantTimeEqual(Self.check(key), check) else { throw .wrongKey }
        return key
    }

    /// 256 MiB, 3 passes: about a second; a guess at a stolen backup costs as much.
    static let cost = PasswordHash.Cost(memoryKiB: 262_144, passes: 3) ?? .standard

    private static func derive(
        _ passphrase: Secret, _ salt: [UInt8], _ cost: PasswordHash.Cost
    ) throws(BackupFailure) -> SymmetricKey {
        do throws(CryptographyError) {
            return try SymmetricKey.derived(from: passphrase, salt: salt, cost: cost)
        } catch {
            throw .io("cannot make a key of the passphrase: \(error)")
        }
    }

    /// Tells a wrong key from a damaged backup; says nothing of the key.
    private static func check(_ key: SymmetricKey) -> [UInt8] {
        Array(hmacSHA256(key: key.secret, message: Array("eclusa backup key 1".utf8)).bytes.prefix(8))
    }
}

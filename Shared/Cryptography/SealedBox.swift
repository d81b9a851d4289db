import CSodium

/// An X25519 public key to which anybody can seal bytes (RFC 7748): 32 public bytes.
package struct X25519PublicKey: Sendable, Hashable, CustomStringConvertible {
    package static let byteCount = 32
    /// What sealing adds: an ephemeral public key and a tag. Unit: bytes.
    package static let sealedOverheadBytes = 48

    package let rawBytes: [UInt8]

    /// The key with these 32 bytes, or nil for another length.
    package init?(rawBytes: [UInt8]) {
        guard rawBytes.count == Self.byteCount else { return nil }
        self.rawBytes = rawBytes
    }

    package var description: String { Hexadecimal.encode(rawBytes) }

    /// Bytes only the holder of the private key can open. Anonymous: it does not say who sealed them.
    ///
    /// `.malformed` when the key is a small-order point, to which nothing can be sealed.
    package func seal(_ plaintext: UnsafeRawBufferPointer) throws(CryptographyError) -> [UInt8] {
        Sodium.start()
        var sealed = [UInt8](repeating: 0, count: plaintext.count + Self.sealedOverheadBytes)
        let result = crypto_box_seal(
            &sealed, plaintext.bytePointer, UInt64(plaintext.count), rawBytes)
        guard result == 0 else { throw .malformed("an X25519 public key that is not a small-order point") }
        return sealed
    }

    package func seal(_ plaintext: Secret) throws(CryptographyError) -> [UInt8] {
        try plaintext.withBytes { plaintext throws(CryptographyError) in try seal(plaintext) }
    }
}

/// An X25519 key pair that opens what was sealed to its public key.
package struct X25519KeyPair: Sendable {
    package let publicKey: X25519PublicKey
    /// 32 bytes: what is stored to have the pair again.
    package let privateKey: Secret

    /// A new random pair.
    package init() { self.init(checkedPrivateKey: Secret.random(count: X25519PublicKey.byteCount)) }

    /// The pair that belongs to a 32-byte private key, or nil for another length.
    package init?(privateKey: Secret) {
        guard privateKey.count == X25519PublicKey.byteCount else { return nil }
        self.init(checkedPrivateKey: privateKey)
    }

    private init(checkedPrivateKey privateKey: Secret) {
        Sodium.start()
        var publicBytes = [UInt8](repeating: 0, count: X25519PublicKey.byteCount)
        privateKey.withBytes { key in
            _ = crypto_scalarmult_curve25519_base(&publicBytes, key.bytePointer)
        }
        self.privateKey = privateKey
        guard let publicKey = X25519PublicKey(rawBytes: publicBytes) else { preconditionFailure("32 bytes") }
        self.publicKey = publicKey
    }

    /// The plaintext of a box sealed to this pair; `.notAuthentic` for any other or changed bytes.
    package func openSealed(_ sealed: [UInt8]) throws(CryptographyError) -> Secret {
        guard sealed.count >= X25519PublicKey.sealedOverheadBytes else {
            throw .malformed("a sealed box is at least \(X25519PublicKey.sealedOverheadBytes) bytes long")
        }
        let count = sealed.count - X25519PublicKey.sealedOverheadBytes
        return try Secret(unsafeUninitializedByteCount: count) { plaintext throws(CryptographyError) in
            let result = privateKey.withBytes { key in
                crypto_box_seal_open(
                    plaintext.bytePointer, sealed, UInt64(sealed.count),
                    publicKey.rawBytes, key.bytePointer)
            }
            guard result == 0 else { throw .notAuthentic }
        }
    }
}

/// Bytes only the holder of the private key can open (libsodium's anonymous sealed box).
package func sealToPublicKey(
    _ plaintext: UnsafeRawBufferPointer, _ publicKey: X25519PublicKey
) throws(CryptographyError) -> [UInt8] {
    try publicKey.seal(plaintext)
}

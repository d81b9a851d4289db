import CSodium

/// A key that seals and opens bytes: XChaCha20-Poly1305 with associated data (draft-irtf-cfrg-xchacha-03).
///
/// The 24-byte nonce is random for every message, so one key may seal any number of messages without a
/// counter.
package struct SymmetricKey: Sendable, Equatable {
    package static let byteCount = 32
    /// What sealing adds: a 24-byte nonce in front and a 16-byte tag behind. Unit: bytes.
    package static let overheadBytes = nonceBytes + tagBytes
    static let nonceBytes = 24
    static let tagBytes = 16

    package let secret: Secret

    /// A new random key.
    package init() { secret = Secret.random(count: Self.byteCount) }

    /// The key with these 32 bytes, or nil for another length.
    package init?(_ secret: Secret) {
        guard secret.count == Self.byteCount else { return nil }
        self.secret = secret
    }

    /// nonce ‖ ciphertext ‖ tag. `associatedData` is authenticated, not hidden: say where the bytes belong.
    package func seal(_ plaintext: UnsafeRawBufferPointer, associatedData: [UInt8]) -> [UInt8] {
        seal(plaintext, associatedData: associatedData, nonce: randomBytes(Self.nonceBytes))
    }

    /// nonce ‖ ciphertext ‖ tag. `associatedData` is authenticated, not hidden: say where the bytes belong.
    package func seal(_ plaintext: [UInt8], associatedData: [UInt8]) -> [UInt8] {
        plaintext.withUnsafeBytes { seal($0, associatedData: associatedData) }
    }

    /// A sealed copy of a secret.
    package func seal(_ plaintext: Secret, associatedData: [UInt8]) -> [UInt8] {
        plaintext.withBytes { seal($0, associatedData: associatedData) }
    }

    /// The plaintext, when this key sealed it with the same associated data; `.notAuthentic` otherwise.
    package func open(_ sealed: [UInt8], associatedData: [UInt8]) throws(CryptographyError) -> [UInt8] {
        let secret = try openSecret(sealed, associatedData: associatedData)
        return secret.withBytes { [UInt8]($0) }
    }

    /// As `open`, and the plaintext never exists outside a `Secret`.
    package func openSecret(_ sealed: [UInt8], associatedData: [UInt8]) throws(CryptographyError) -> Secret {
        guard sealed.count >= Self.overheadBytes else {
            throw .malformed("sealed bytes are at least \(Self.overheadBytes) bytes long")
        }
        let count = sealed.count - Self.overheadBytes
        return try Secret(unsafeUninitializedByteCount: count) { plaintext throws(CryptographyError) in
            let result = sealed.withUnsafeBytes { sealed in
                let base = sealed.bytePointer
                return secret.withBytes { key in
                    crypto_aead_xchacha20poly1305_ietf_decrypt(
                        plaintext.bytePointer, nil, nil, base + Self.nonceBytes,
                        UInt64(sealed.count - Self.nonceBytes), associatedData, UInt64(associatedData.count),
                        base, key.bytePointer)
                }
            }
            guard result == 0 else { throw .notAuthentic }
        }
    }

    // Apart from `seal` only so that the published vectors, which fix the nonce, can be run.
    func seal(_ plaintext: UnsafeRawBufferPointer, associatedData: [UInt8], nonce: [UInt8]) -> [UInt8] {
        Sodium.start()
        let count = plaintext.count + Self.overheadBytes
        return [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            _ = output.update(fromContentsOf: nonce)
            if let base = output.baseAddress {
                secret.withBytes { key in
                    _ = crypto_aead_xchacha20poly1305_ietf_encrypt(
                        base + Self.nonceBytes, nil, plaintext.bytePointer,
                        UInt64(plaintext.count), associatedData, UInt64(associatedData.count), nil, nonce,
                        key.bytePointer)
                }
            }
            initialized = count
        }
    }
}

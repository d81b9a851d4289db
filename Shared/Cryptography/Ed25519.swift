import CSodium

/// An Ed25519 verification key (RFC 8032): 32 public bytes.
package struct Ed25519PublicKey: Sendable, Hashable, CustomStringConvertible {
    package static let byteCount = 32
    package static let signatureByteCount = 64

    package let rawBytes: [UInt8]

    /// The key with these 32 bytes, or nil for another length. Weak points are refused by `verifies`.
    package init?(rawBytes: [UInt8]) {
        guard rawBytes.count == Self.byteCount else { return nil }
        self.rawBytes = rawBytes
    }

    /// Lower-case hexadecimal.
    package var description: String { Hexadecimal.encode(rawBytes) }

    /// Whether the holder of the private key signed exactly these bytes. Any thread; about 50–120 µs.
    ///
    /// Strict: non-canonical scalars, small-order points and any length but 64 are refused.
    package func verifies(signature: [UInt8], of message: UnsafeRawBufferPointer) -> Bool {
        guard signature.count == Self.signatureByteCount else { return false }
        Sodium.start()
        return crypto_sign_ed25519_verify_detached(
            signature, message.bytePointer, UInt64(message.count), rawBytes) == 0
    }

    /// Whether the holder of the private key signed exactly these bytes.
    package func verifies(signature: [UInt8], of message: [UInt8]) -> Bool {
        message.withUnsafeBytes { verifies(signature: signature, of: $0) }
    }
}

/// An Ed25519 signing key. The seed is the private part; it is erased when the last copy goes.
package struct Ed25519PrivateKey: Sendable {
    package static let seedByteCount = 32

    package let publicKey: Ed25519PublicKey
    /// 32 bytes: what is stored, sealed, to have the key again.
    package let seed: Secret
    // libsodium signs with seed ‖ public key.
    private let expanded: Secret

    /// A new random key.
    package init() {
        self.init(checkedSeed: Secret.random(count: Self.seedByteCount))
    }

    /// The key that belongs to a 32-byte seed, or nil for another length.
    package init?(seed: Secret) {
        guard seed.count == Self.seedByteCount else { return nil }
        self.init(checkedSeed: seed)
    }

    private init(checkedSeed seed: Secret) {
        Sodium.start()
        var publicBytes = [UInt8](repeating: 0, count: Ed25519PublicKey.byteCount)
        expanded = Secret(unsafeUninitializedByteCount: 64) { expanded in
            seed.withBytes { seed in
                _ = crypto_sign_ed25519_seed_keypair(
                    &publicBytes, expanded.bytePointer,
                    seed.bytePointer)
            }
        }
        self.seed = seed
        guard let publicKey = Ed25519PublicKey(rawBytes: publicBytes) else { preconditionFailure("32 bytes") }
        self.publicKey = publicKey
    }

    /// The 64-byte signature of these bytes; deterministic. Any thread; about 20–40 µs.
    package func signature(of message: UnsafeRawBufferPointer) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: Ed25519PublicKey.signatureByteCount)
        expanded.withBytes { expanded in
            _ = crypto_sign_ed25519_detached(
                &signature, nil, message.bytePointer, UInt64(message.count),
                expanded.bytePointer)
        }
        return signature
    }

    /// The 64-byte signature of these bytes; deterministic.
    package func signature(of message: [UInt8]) -> [UInt8] {
        message.withUnsafeBytes { signature(of: $0) }
    }
}

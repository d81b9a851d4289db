import COpenSSL

/// A public key of somebody else's that verifies one kind of signature: which one is fixed by the key, never
/// by what is verified. Any thread.
package enum SignatureKey: Sendable, Hashable {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RS256); modulus and exponent in big-endian bytes.
    case rsa(modulus: [UInt8], exponent: [UInt8])
    /// ECDSA on P-256 with SHA-256 (ES256); coordinates of 32 bytes.
    case p256(x: [UInt8], y: [UInt8])
    case ed25519(Ed25519PublicKey)

    /// The modulus has 2048 to 8192 bits and the exponent is odd, over 1 and short; nil otherwise.
    package static func rsaKey(modulus: [UInt8], exponent: [UInt8]) -> SignatureKey? {
        let modulus = Array(modulus.drop { $0 == 0 }), exponent = Array(exponent.drop { $0 == 0 })
        guard (256...1024).contains(modulus.count), modulus[0] >= 0x80 || modulus.count > 256,
            (1...8).contains(exponent.count), let last = exponent.last, last & 1 == 1, exponent != [1]
        else { return nil }
        return .rsa(modulus: modulus, exponent: exponent)
    }

    /// nil unless the point has the right form; whether it is on the curve shows when it is used.
    package static func p256Key(x: [UInt8], y: [UInt8]) -> SignatureKey? {
        x.count == 32 && y.count == 32 ? .p256(x: x, y: y) : nil
    }

    /// The name of its algorithm in JWS (RFC 7518 §3.1, RFC 8037 §3.1).
    package var algorithm: String {
        switch self {
        case .rsa: "RS256"
        case .p256: "ES256"
        case .ed25519: "EdDSA"
        }
    }

    /// Whether the signature, in its JWS form, is this key's over the message.
    package func verifies(signature: [UInt8], of message: [UInt8]) -> Bool {
        switch self {
        case .ed25519(let key): return key.verifies(signature: signature, of: message)
        case .rsa(let modulus, let exponent):
            let numbers = DER.sequence(DER.integer(modulus) + DER.integer(exponent))
            return Self.verifies(signature, message, DER.publicKey(DER.rsaAlgorithm, numbers))
        case .p256(let x, let y):
            // JWS has r ‖ s (RFC 7518 §3.4), OpenSSL takes them in a sequence.
            guard signature.count == 64 else { return false }
            let pair = DER.sequence(
                DER.integer(Array(signature[..<32])) + DER.integer(Array(signature[32...])))
            return Self.verifies(pair, message, DER.publicKey(DER.p256Algorithm, [4] + x + y))
        }
    }

    private static func verifies(_ signature: [UInt8], _ message: [UInt8], _ encodedKey: [UInt8]) -> Bool {
        defer { ERR_clear_error() }
        let key: OpaquePointer? = encodedKey.withUnsafeBufferPointer { bytes in
            var start = bytes.baseAddress
            return d2i_PUBKEY(nil, &start, bytes.count)
        }
        guard let key else { return false }
        defer { EVP_PKEY_free(key) }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        return EVP_DigestVerifyInit(context, nil, EVP_sha256(), nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}

/// The little of DER (X.690) a public key needs.
private enum DER {
    /// rsaEncryption with NULL parameters (RFC 3279 §2.3.1).
    static let rsaAlgorithm: [UInt8] = [
        0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00,
    ]
    /// id-ecPublicKey on prime256v1 (RFC 5480 §2.1.1).
    static let p256Algorithm: [UInt8] = [
        0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE,
        0x3D, 0x03, 0x01, 0x07,
    ]

    static func sequence(_ content: [UInt8]) -> [UInt8] { tagged(0x30, content) }

    /// A positive number in big-endian bytes.
    static func integer(_ bytes: [UInt8]) -> [UInt8] {
        var content = Array(bytes.drop { $0 == 0 })
        if content.first.map({ $0 >= 0x80 }) ?? true { content.insert(0, at: 0) }
        return tagged(0x02, content)
    }

    /// SubjectPublicKeyInfo.
    static func publicKey(_ algorithm: [UInt8], _ key: [UInt8]) -> [UInt8] {
        sequence(algorithm + tagged(0x03, [0] + key))
    }

    private static func tagged(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let count = content.count
        let length: [UInt8] =
            switch count {
            case ..<0x80: [UInt8(count)]
            case ..<0x100: [0x81, UInt8(count)]
            default: [0x82, UInt8(count >> 8), UInt8(count & 0xFF)]
            }
        return [tag] + length + content
    }
}

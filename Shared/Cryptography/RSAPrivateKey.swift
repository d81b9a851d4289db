import COpenSSL

/// An RSA key that signs by RSASSA-PKCS1-v1_5 with SHA-256 (RS256), for services that take nothing better.
/// Any thread.
package struct RSAPrivateKey: Sendable {
    /// PKCS #8.
    private let encoded: Secret

    /// The key in the first `PRIVATE KEY` block; nil unless that is an RSA key of 2048 to 8192 bits.
    package init?(pem: String) {
        guard var encoded = PEM.decodeAll(label: "PRIVATE KEY", pem)?.first else { return nil }
        defer { erase(&encoded) }
        self.encoded = Secret(encoded)
        defer { ERR_clear_error() }
        guard let key = try? opened(), EVP_PKEY_get_base_id(key.pointer) == EVP_PKEY_RSA,
            (2048...8192).contains(EVP_PKEY_get_bits(key.pointer))
        else { return nil }
    }

    package func signature(of message: [UInt8]) throws(CryptographyError) -> [UInt8] {
        let key = try opened()
        let context = try OpenSSLObject(EVP_MD_CTX_new(), "EVP_MD_CTX_new") { EVP_MD_CTX_free($0) }
        try check(
            EVP_DigestSignInit(context.pointer, nil, EVP_sha256(), nil, key.pointer), "EVP_DigestSignInit")
        var signature = [UInt8](repeating: 0, count: 1024)
        var count = signature.count
        try check(
            EVP_DigestSign(context.pointer, &signature, &count, message, message.count), "EVP_DigestSign")
        return Array(signature[..<count])
    }

    private func opened() throws(CryptographyError) -> OpenSSLObject {
        let key: OpaquePointer? = encoded.withBytes { bytes in
            var start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            return d2i_AutoPrivateKey(nil, &start, bytes.count)
        }
        return try OpenSSLObject(key, "d2i_AutoPrivateKey") { EVP_PKEY_free($0) }
    }
}

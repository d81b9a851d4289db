import COpenSSL

/// SHA-1 (FIPS 180-4), only where a format fixes it: lists of breached passwords. Proves nothing against an
/// adversary.
package func sha1(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 20)
    _ = EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, EVP_sha1(), nil)
    return digest
}

/// HMAC-SHA-1 (RFC 2104), only where a format fixes it: one-time passwords (RFC 6238), for which it is sound.
package func hmacSHA1(key: Secret, message: [UInt8]) -> [UInt8] {
    var tag = [UInt8](repeating: 0, count: 20)
    var count: UInt32 = 0
    key.withBytes { key in
        // An empty key still needs an address.
        let base = key.bindMemory(to: UInt8.self).baseAddress
        _ = HMAC(EVP_sha1(), base, Int32(key.count), message, message.count, &tag, &count)
    }
    return tag
}

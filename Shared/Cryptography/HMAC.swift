import COpenSSL

/// HMAC-SHA-256 (RFC 2104): 32 bytes proving that whoever holds the key wrote the message. Any thread.
///
/// The inner and outer hashes run on the stack: no heap, and no context lookup inside OpenSSL.
package func hmacSHA256(key: UnsafeRawBufferPointer, message: UnsafeRawBufferPointer) -> SHA256Digest {
    let blockBytes = 64
    return withUnsafeTemporaryAllocation(byteCount: blockBytes, alignment: 16) { block in
        block.initializeMemory(as: UInt8.self, repeating: 0)
        if key.count > blockBytes {
            sha256(key).withBytes { block.copyMemory(from: $0) }
        } else {
            block.copyMemory(from: key)
        }
        for index in block.indices { block[index] ^= 0x36 }
        var inner = SHA256Hasher()
        inner.update(UnsafeRawBufferPointer(block))
        inner.update(message)
        for index in block.indices { block[index] ^= 0x36 ^ 0x5C }
        var outer = SHA256Hasher()
        outer.update(UnsafeRawBufferPointer(block))
        inner.finish().withBytes { outer.update($0) }
        block.initializeMemory(as: UInt8.self, repeating: 0)
        return outer.finish()
    }
}

/// HMAC-SHA-256 under a secret key.
package func hmacSHA256(key: Secret, message: [UInt8]) -> SHA256Digest {
    key.withBytes { key in message.withUnsafeBytes { hmacSHA256(key: key, message: $0) } }
}

/// Whether `tag` authenticates the message, in time that does not depend on where they differ.
package func hmacSHA256Verifies(tag: [UInt8], key: Secret, message: [UInt8]) -> Bool {
    constantTimeEqual(hmacSHA256(key: key, message: message).bytes, tag)
}

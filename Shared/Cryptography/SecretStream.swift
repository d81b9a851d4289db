import CSodium

/// Seals any number of messages in order, in constant memory: libsodium's secretstream
/// (XChaCha20-Poly1305). A message that was changed, moved, left out or repeated does not open, and the end
/// is marked, so a stream that was cut is known for it.
///
/// One writer of one stream; not Sendable.
package struct SecretStreamSealer: ~Copyable {
    /// What sealing adds to a message. Unit: bytes.
    package static let overheadBytes = Int(crypto_secretstream_xchacha20poly1305_ABYTES)
    package static let headerBytes = Int(crypto_secretstream_xchacha20poly1305_HEADERBYTES)

    private var state: crypto_secretstream_xchacha20poly1305_state
    /// Goes in front of the messages; random and public.
    package let header: [UInt8]

    package init(_ key: SymmetricKey) {
        Sodium.start()
        var state = crypto_secretstream_xchacha20poly1305_state()
        var header = [UInt8](repeating: 0, count: Self.headerBytes)
        key.secret.withBytes { bytes in
            _ = crypto_secretstream_xchacha20poly1305_init_push(&state, &header, bytes.bytePointer)
        }
        self.state = state
        self.header = header
        sodium_memzero(&state, MemoryLayout.size(ofValue: state))
    }

    deinit {
        var state = state
        sodium_memzero(&state, MemoryLayout.size(ofValue: state))
    }

    /// The next message, sealed. `associatedData` is authenticated, not hidden; the last message says so.
    package mutating func seal(
        _ message: UnsafeRawBufferPointer, associatedData: [UInt8], isLast: Bool
    ) -> [UInt8] {
        let tag =
            isLast
            ? UInt8(crypto_secretstream_xchacha20poly1305_TAG_FINAL)
            : UInt8(crypto_secretstream_xchacha20poly1305_TAG_MESSAGE)
        let count = message.count + Self.overheadBytes
        return [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            _ = crypto_secretstream_xchacha20poly1305_push(
                &state, output.baseAddress, nil, message.bytePointer, UInt64(message.count), associatedData,
                UInt64(associatedData.count), tag)
            initialized = count
        }
    }
}

/// Opens what a `SecretStreamSealer` sealed, message by message, in the same order. Not Sendable.
package struct SecretStreamOpener: ~Copyable {
    private var state: crypto_secretstream_xchacha20poly1305_state
    /// The last message was opened: what follows is not of this stream.
    package private(set) var isComplete = false

    /// `.malformed` for a header of another length.
    package init(_ key: SymmetricKey, header: [UInt8]) throws(CryptographyError) {
        guard header.count == SecretStreamSealer.headerBytes else {
            throw .malformed("the header of a secret stream has \(SecretStreamSealer.headerBytes) bytes")
        }
        Sodium.start()
        var state = crypto_secretstream_xchacha20poly1305_state()
        key.secret.withBytes { bytes in
            _ = crypto_secretstream_xchacha20poly1305_init_pull(&state, header, bytes.bytePointer)
        }
        self.state = state
        sodium_memzero(&state, MemoryLayout.size(ofValue: state))
    }

    deinit {
        var state = state
        sodium_memzero(&state, MemoryLayout.size(ofValue: state))
    }

    /// The next message; `.notAuthentic` when it is not what was sealed next under this key.
    package mutating func open(
        _ sealed: [UInt8], associatedData: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        guard !isComplete, sealed.count >= SecretStreamSealer.overheadBytes else { throw .notAuthentic }
        var tag: UInt8 = 0
        var result: Int32 = -1
        let count = sealed.count - SecretStreamSealer.overheadBytes
        let message = [UInt8](unsafeUninitializedCapacity: max(count, 1)) { output, initialized in
            result = crypto_secretstream_xchacha20poly1305_pull(
                &state, output.baseAddress, nil, &tag, sealed, UInt64(sealed.count), associatedData,
                UInt64(associatedData.count))
            initialized = result == 0 ? count : 0
        }
        guard result == 0 else { throw .notAuthentic }
        isComplete = tag == UInt8(crypto_secretstream_xchacha20poly1305_TAG_FINAL)
        return message
    }
}

extension SymmetricKey {
    package static let saltBytes = Int(crypto_pwhash_argon2id_SALTBYTES)

    /// The key of a passphrase (argon2id): the same for the same passphrase, salt and cost. Takes as long as
    /// the cost says; `.malformed` for an empty passphrase or another length of salt.
    package static func derived(
        from passphrase: Secret, salt: [UInt8], cost: PasswordHash.Cost
    ) throws(CryptographyError) -> SymmetricKey {
        guard !passphrase.isEmpty, passphrase.count <= PasswordHash.maximumPasswordBytes,
            salt.count == saltBytes
        else {
            throw .malformed("a passphrase of 1 to \(PasswordHash.maximumPasswordBytes) bytes and a salt")
        }
        Sodium.start()
        let secret = try Secret(unsafeUninitializedByteCount: byteCount) {
            output throws(CryptographyError) in
            let result = passphrase.withBytes { bytes in
                bytes.withMemoryRebound(to: CChar.self) { bytes in
                    crypto_pwhash_argon2id(
                        output.bytePointer, UInt64(byteCount), bytes.baseAddress.unsafelyUnwrapped,
                        UInt64(bytes.count), salt, UInt64(cost.passes), cost.memoryKiB * 1_024,
                        crypto_pwhash_argon2id_ALG_ARGON2ID13)
                }
            }
            guard result == 0 else {
                throw .library(operation: "argon2id", detail: "no \(cost.memoryKiB) KiB of memory")
            }
        }
        guard let key = SymmetricKey(secret) else { throw .notAuthentic }
        return key
    }
}

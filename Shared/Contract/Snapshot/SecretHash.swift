package import Cryptography
package import Domain

/// The SHA-256 of a key's 32 secret characters: what is stored and published instead of the secret.
///
/// A plain hash is enough: the secret has 190 random bits, so there is nothing to guess.
package struct SecretHash: Hashable, Sendable {
    package let digest: SHA256Digest

    package init(digest: SHA256Digest) { self.digest = digest }

    package init(of key: KeyText) { digest = key.withSecretBytes { sha256($0) } }

    /// A hash that no key has: compared against when the public id is unknown, so that a miss takes as long
    /// as a hit.
    package static let unknown = SecretHash(digest: sha256("eclusa: no key has this secret"))

    /// Whether the key carries this secret; takes the same time for every outcome. No allocation.
    package func matches(_ key: KeyText) -> Bool {
        SecretHash(of: key).digest.withBytes { left in
            digest.withBytes { right in
                // Four words compared at once and judged at the end: nothing depends on where they differ. Of
                // hashes a prefix would tell nothing anyway.
                var difference: UInt64 = 0
                for offset in stride(from: 0, to: SHA256Digest.byteCount, by: 8) {
                    difference |=
                        left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                        ^ right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                }
                return difference == 0
            }
        }
    }
}

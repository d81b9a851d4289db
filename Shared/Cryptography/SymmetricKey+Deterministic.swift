extension SymmetricKey {
    /// As `seal`, but equal plaintexts with equal associated data give equal bytes: for content that is
    /// addressed by its hash, where a random nonce would make every build differ.
    ///
    /// The nonce is a MAC of everything sealed (as in RFC 5297), so it repeats only with the whole message.
    /// What it gives away is whether two sealed texts of the same associated data are the same.
    package func sealDeterministically(_ plaintext: Secret, associatedData: [UInt8]) -> [UInt8] {
        let digests = sha256(associatedData).bytes + plaintext.withBytes { sha256($0).bytes }
        let mac = hmacSHA256(key: secret, message: Array("eclusa synthetic nonce v1:".utf8) + digests)
        return plaintext.withBytes {
            seal($0, associatedData: associatedData, nonce: Array(mac.bytes.prefix(Self.nonceBytes)))
        }
    }
}

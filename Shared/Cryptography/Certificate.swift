import COpenSSL

/// The time a certificate is good for. Unit: seconds since 1970 UTC.
package struct CertificateValidity: Sendable, Equatable {
    package let notBefore: Int64
    package let notAfter: Int64

    /// Give `notBefore` a few minutes of slack: the other side's clock may be behind.
    package init(notBefore: Int64, notAfter: Int64) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}

/// What Eclusa needs to know of an X.509 certificate (RFC 5280) whose key is Ed25519.
package struct Certificate: Sendable, Equatable {
    package let der: [UInt8]
    package let publicKey: Ed25519PublicKey
    package let commonName: String
    package let validity: CertificateValidity
    /// The CA bit of basicConstraints.
    package let isAuthority: Bool

    /// SHA-256 of the DER: what a join bundle pins.
    package var fingerprint: SHA256Digest { sha256(der) }
    package var pem: String { PEM.encode(label: "CERTIFICATE", der) }

    /// The first certificate of a PEM text. `.malformed` when there is none or its key is not Ed25519.
    package init(pem: String) throws(CryptographyError) {
        guard let der = PEM.decodeAll(label: "CERTIFICATE", pem)?.first else {
            throw .malformed("PEM text with a CERTIFICATE block")
        }
        try self.init(der: der)
    }

    package init(der: [UInt8]) throws(CryptographyError) {
        let certificate = try Self.parse(der)
        try self.init(certificate.pointer, der: der)
    }

    /// Whether the holder of `authority`'s key signed this certificate. Times and extensions are not looked
    /// at.
    package func isSigned(by authority: Certificate) -> Bool {
        do throws(CryptographyError) {
            let certificate = try Self.parse(der)
            let key = try authority.publicKey.openSSLKey()
            defer { ERR_clear_error() }
            return X509_verify(certificate.pointer, key.pointer) == 1
        } catch {
            return false
        }
    }

    private init(_ certificate: OpaquePointer, der: [UInt8]) throws(CryptographyError) {
        self.der = der
        let key = X509_get0_pubkey(certificate)
        guard let key, EVP_PKEY_get_id(key) == NID_ED25519 else {
            ERR_clear_error()
            throw .malformed("a certificate with an Ed25519 key")
        }
        var raw = [UInt8](repeating: 0, count: Ed25519PublicKey.byteCount)
        var count = raw.count
        try check(EVP_PKEY_get_raw_public_key(key, &raw, &count), "reading a certificate's key")
        guard let publicKey = Ed25519PublicKey(rawBytes: raw) else { throw .malformed("32 bytes of key") }
        self.publicKey = publicKey
        commonName = Self.commonName(of: certificate)
        validity = CertificateValidity(
            notBefore: try Self.seconds(X509_get0_notBefore(certificate)),
            notAfter: try Self.seconds(X509_get0_notAfter(certificate)))
        isAuthority = X509_check_ca(certificate) == 1
    }

    private static func parse(_ der: [UInt8]) throws(CryptographyError) -> OpenSSLObject {
        // Certificates here are a few hundred bytes; the limit is for whoever sends something else.
        guard der.count <= 16_384 else { throw .malformed("a certificate of at most 16 KiB") }
        var consumed = 0
        let certificate = der.withUnsafeBytes { bytes in
            var cursor: UnsafePointer<UInt8>? = bytes.bytePointer
            let certificate = d2i_X509(nil, &cursor, bytes.count)
            consumed = cursor.map { bytes.bytePointer.distance(to: $0) } ?? 0
            return certificate
        }
        let owned = try OpenSSLObject(certificate, "reading a certificate") { X509_free($0) }
        guard consumed == der.count else { throw .malformed("one certificate and nothing behind it") }
        return owned
    }

    private static func commonName(of certificate: OpaquePointer) -> String {
        let name = X509_get_subject_name(certificate)
        let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0, let data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)) else {
            return ""
        }
        var text: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&text, data)
        guard count >= 0, let text else { return "" }
        defer { eclusa_openssl_free(text) }
        return String(decoding: UnsafeBufferPointer(start: text, count: Int(count)), as: UTF8.self)
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) throws(CryptographyError) -> Int64 {
        let epoch = ASN1_TIME_set(nil, 0)
        defer { ASN1_STRING_free(epoch) }
        var days: Int32 = 0
        var seconds: Int32 = 0
        try check(ASN1_TIME_diff(&days, &seconds, epoch, time), "reading a certificate's time")
        return Int64(days) * 86_400 + Int64(seconds)
    }
}

/// The Ed25519 key of a PEM certificate.
package func certificatePublicKey(_ pem: String) throws(CryptographyError) -> Ed25519PublicKey {
    try Certificate(pem: pem).publicKey
}

extension Ed25519PublicKey {
    func openSSLKey() throws(CryptographyError) -> OpenSSLObject {
        try OpenSSLObject(
            EVP_PKEY_new_raw_public_key(NID_ED25519, nil, rawBytes, rawBytes.count), "loading a public key"
        ) { EVP_PKEY_free($0) }
    }
}

extension Ed25519PrivateKey {
    func openSSLKey() throws(CryptographyError) -> OpenSSLObject {
        let key = seed.withBytes { EVP_PKEY_new_raw_private_key(NID_ED25519, nil, $0.bytePointer, $0.count) }
        return try OpenSSLObject(key, "loading a private key") { EVP_PKEY_free($0) }
    }
}

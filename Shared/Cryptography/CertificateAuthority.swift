import COpenSSL

/// A private Ed25519 certification authority: it vouches for the control plane's node listener and for every
/// node.
///
/// Issues only leaves (path length 0). Times come from the caller's clock.
package struct CertificateAuthority: Sendable {
    package let certificate: Certificate
    package let privateKey: Ed25519PrivateKey
    package var certificatePEM: String { certificate.pem }

    /// A new authority with a new key and a certificate signed by itself.
    package static func make(
        commonName: String, validity: CertificateValidity
    ) throws(CryptographyError) -> CertificateAuthority {
        let key = Ed25519PrivateKey()
        let draft = CertificateDraft(
            commonName: commonName, publicKey: key.publicKey, validity: validity,
            extensions: [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                (NID_key_usage, "critical,keyCertSign,cRLSign"),
                (NID_subject_key_identifier, "hash"),
            ])
        return CertificateAuthority(certificate: try draft.signed(by: key, issuer: nil), privateKey: key)
    }

    /// An authority stored earlier. `.malformed` when the key does not belong to the certificate, or it is no
    /// CA.
    package init(certificatePEM: String, privateKey: Ed25519PrivateKey) throws(CryptographyError) {
        let certificate = try Certificate(pem: certificatePEM)
        guard certificate.publicKey == privateKey.publicKey, certificate.isAuthority else {
            throw .malformed("an authority's certificate and the private key that belongs to it")
        }
        self.init(certificate: certificate, privateKey: privateKey)
    }

    private init(certificate: Certificate, privateKey: Ed25519PrivateKey) {
        self.certificate = certificate
        self.privateKey = privateKey
    }

    /// A certificate for a TLS server reached under these names and addresses; at least one of them.
    package func issueServerCertificate(
        commonName: String, names: [String], ipAddresses: [String], publicKey: Ed25519PublicKey,
        validity: CertificateValidity
    ) throws(CryptographyError) -> Certificate {
        for name in names where !Self.isHostName(name) {
            throw .malformed("a host name, not \(name.debugDescription)")
        }
        for address in ipAddresses where !Self.looksLikeAddress(address) {
            throw .malformed("an IP address, not \(address.debugDescription)")
        }
        guard !names.isEmpty || !ipAddresses.isEmpty else { throw .malformed("at least one name or address") }
        let alternatives = names.map { "DNS:\($0)" } + ipAddresses.map { "IP:\($0)" }
        return try issue(
            commonName: commonName, publicKey: publicKey, validity: validity, purpose: "serverAuth",
            alternatives: alternatives.joined(separator: ","))
    }

    /// A certificate with which the holder of `publicKey` authenticates as a TLS client.
    package func issueClientCertificate(
        publicKey: Ed25519PublicKey, commonName: String, validity: CertificateValidity
    ) throws(CryptographyError) -> Certificate {
        try issue(
            commonName: commonName, publicKey: publicKey, validity: validity, purpose: "clientAuth",
            alternatives: nil)
    }

    private func issue(
        commonName: String, publicKey: Ed25519PublicKey, validity: CertificateValidity, purpose: String,
        alternatives: String?
    ) throws(CryptographyError) -> Certificate {
        var extensions: [(Int32, String)] = [
            (NID_basic_constraints, "critical,CA:FALSE"),
            (NID_key_usage, "critical,digitalSignature"),
            (NID_ext_key_usage, purpose),
            (NID_subject_key_identifier, "hash"),
            (NID_authority_key_identifier, "keyid:always"),
        ]
        if let alternatives { extensions.append((NID_subject_alt_name, alternatives)) }
        let draft = CertificateDraft(
            commonName: commonName, publicKey: publicKey, validity: validity, extensions: extensions)
        return try draft.signed(by: privateKey, issuer: certificate)
    }

    // Both checks keep separators of OpenSSL's extension language out; OpenSSL judges the rest.
    private static func isHostName(_ name: String) -> Bool {
        let labels = name.utf8.split(separator: 0x2E, omittingEmptySubsequences: false)
        return name.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.count) && label.first != 0x2D && label.last != 0x2D
                    && label.allSatisfy {
                        ($0 | 0x20) &- 0x61 < 26 || $0 &- 0x30 < 10 || $0 == 0x2D || $0 == 0x5F
                    }
            }
    }

    private static func looksLikeAddress(_ address: String) -> Bool {
        (2...45).contains(address.utf8.count)
            && address.utf8.allSatisfy {
                $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 6 || $0 == 0x2E || $0 == 0x3A
            }
    }
}

/// A certificate before it is signed.
private struct CertificateDraft {
    let commonName: String
    let publicKey: Ed25519PublicKey
    let validity: CertificateValidity
    /// Object identifier and value in OpenSSL's extension language (x509v3_config).
    let extensions: [(Int32, String)]

    /// `issuer` nil: the certificate vouches for itself.
    func signed(by key: Ed25519PrivateKey, issuer: Certificate?) throws(CryptographyError) -> Certificate {
        guard validity.notBefore < validity.notAfter else {
            throw .malformed("a validity that ends after it begins")
        }
        guard (1...64).contains(commonName.unicodeScalars.count) else {
            throw .malformed("a common name of 1 to 64 characters")
        }
        let draft = try OpenSSLObject(X509_new(), "making a certificate") { X509_free($0) }
        let subjectKey = try publicKey.openSSLKey()
        let signingKey = try key.openSSLKey()
        try check(X509_set_version(draft.pointer, 2), "setting the version")  // 2 means v3
        try setSerialNumber(draft.pointer)
        try check(X509_set_pubkey(draft.pointer, subjectKey.pointer), "setting the key")
        _ = ASN1_TIME_set(X509_getm_notBefore(draft.pointer), time_t(validity.notBefore))
        _ = ASN1_TIME_set(X509_getm_notAfter(draft.pointer), time_t(validity.notAfter))
        let name = Array(commonName.utf8)
        try check(
            X509_NAME_add_entry_by_NID(
                X509_get_subject_name(draft.pointer), NID_commonName, eclusa_mbstring_utf8, name,
                Int32(name.count), -1,
                0),
            "setting the name")
        if let issuer {
            let issuer = try issuer.openSSLCertificate()
            try finish(draft.pointer, issuer: issuer.pointer, signingKey: signingKey.pointer)
        } else {
            try finish(draft.pointer, issuer: draft.pointer, signingKey: signingKey.pointer)
        }
        return try Certificate(der: try Self.der(draft.pointer))
    }

    private func finish(
        _ draft: OpaquePointer, issuer: OpaquePointer, signingKey: OpaquePointer
    ) throws(CryptographyError) {
        try check(X509_set_issuer_name(draft, X509_get_subject_name(issuer)), "setting the issuer")
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, draft, nil, nil, 0)
        for (identifier, value) in extensions {
            let added = try OpenSSLObject(
                X509V3_EXT_conf_nid(nil, &context, identifier, value), "making the extension \(value)"
            ) { X509_EXTENSION_free($0) }
            try check(X509_add_ext(draft, added.pointer, -1), "adding the extension \(value)")
        }
        // Ed25519 has its hash built in, hence no digest.
        try check(X509_sign(draft, signingKey, nil), "signing a certificate")
    }

    /// 127 random bits, positive and never zero (RFC 5280 §4.1.2.2).
    private func setSerialNumber(_ draft: OpaquePointer) throws(CryptographyError) {
        var bytes = randomBytes(16)
        bytes[0] = bytes[0] & 0x7F | 0x40
        let number = try OpenSSLObject(
            BN_bin2bn(bytes, Int32(bytes.count), nil), "making a serial number"
        ) { BN_free($0) }
        guard BN_to_ASN1_INTEGER(number.pointer, X509_get_serialNumber(draft)) != nil else {
            throw openSSLError("setting the serial number")
        }
    }

    private static func der(_ certificate: OpaquePointer) throws(CryptographyError) -> [UInt8] {
        let count = i2d_X509(certificate, nil)
        try check(count, "measuring a certificate")
        var der = [UInt8](repeating: 0, count: Int(count))
        der.withUnsafeMutableBytes { bytes in
            var cursor: UnsafeMutablePointer<UInt8>? = bytes.bytePointer
            _ = i2d_X509(certificate, &cursor)
        }
        return der
    }
}

extension Certificate {
    fileprivate func openSSLCertificate() throws(CryptographyError) -> OpenSSLObject {
        let pointer = der.withUnsafeBytes { bytes in
            var cursor: UnsafePointer<UInt8>? = bytes.bytePointer
            return d2i_X509(nil, &cursor, bytes.count)
        }
        return try OpenSSLObject(pointer, "reading a certificate") { X509_free($0) }
    }
}

import COpenSSL

/// A certificate authority for one test: Ed25519 keys, certificates of any shape, all in PEM.
final class TestAuthority {
    struct Identity: Sendable {
        let certificatePEM: String
        let privateKeyPEM: String
        let publicKey: [UInt8]
    }

    private let key: OpaquePointer
    private let certificate: OpaquePointer
    let certificatePEM: String

    init(name: String = "test authority") {
        let key = Self.newKey()
        self.key = key
        let certificate = Self.certificate(
            subject: name, key: key, issuer: nil, issuerKey: key, seconds: -3600...3600,
            extensions: [
                (NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,keyCertSign"),
            ])
        self.certificate = certificate
        certificatePEM = Self.pem { PEM_write_bio_X509($0, certificate) }
    }
    deinit {
        EVP_PKEY_free(key)
        X509_free(certificate)
    }

    /// `names` as in "DNS:a.example,IP:127.0.0.1"; `seconds` is the validity from now.
    func issue(
        _ names: String? = "DNS:localhost,IP:127.0.0.1", seconds: ClosedRange<Int> = -3600...3600,
        forClient: Bool = false
    ) -> Identity {
        let key = Self.newKey()
        defer { EVP_PKEY_free(key) }
        var extensions = [(NID_ext_key_usage, forClient ? "clientAuth" : "serverAuth")]
        if let names { extensions.append((NID_subject_alt_name, names)) }
        let certificate = Self.certificate(
            subject: "subject", key: key, issuer: self.certificate, issuerKey: self.key, seconds: seconds,
            extensions: extensions)
        defer { X509_free(certificate) }
        var raw = [UInt8](repeating: 0, count: 32)
        var count = 32
        EVP_PKEY_get_raw_public_key(key, &raw, &count)
        return Identity(
            certificatePEM: Self.pem { PEM_write_bio_X509($0, certificate) },
            privateKeyPEM: Self.pem { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) },
            publicKey: raw)
    }

    private static func newKey() -> OpaquePointer {
        let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        EVP_PKEY_keygen_init(context)
        EVP_PKEY_keygen(context, &key)
        return key!
    }

    private static func certificate(
        subject: String, key: OpaquePointer, issuer: OpaquePointer?, issuerKey: OpaquePointer,
        seconds: ClosedRange<Int>, extensions: [(Int32, String)]
    ) -> OpaquePointer {
        let certificate = X509_new()!
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int.random(in: 1...Int(Int32.max)))
        X509_gmtime_adj(X509_getm_notBefore(certificate), seconds.lowerBound)
        X509_gmtime_adj(X509_getm_notAfter(certificate), seconds.upperBound)
        X509_set_pubkey(certificate, key)
        let name = X509_get_subject_name(certificate)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, subject, -1, -1, 0)
        X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0) } ?? name)
        for (identifier, value) in extensions {
            let item = X509V3_EXT_conf_nid(nil, nil, identifier, value)
            X509_add_ext(certificate, item, -1)
            X509_EXTENSION_free(item)
        }
        X509_sign(certificate, issuerKey, nil)
        return certificate
    }

    private static func pem(_ write: (OpaquePointer) -> Int32) -> String {
        let memory = BIO_new(BIO_s_mem())!
        defer { BIO_free(memory) }
        _ = write(memory)
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = BIO_read(memory, &bytes, Int32(bytes.count))
        return String(decoding: bytes[..<Int(count)], as: UTF8.self)
    }
}

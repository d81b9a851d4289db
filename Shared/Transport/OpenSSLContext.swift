import COpenSSL

/// An `SSL_CTX` with everything that must live as long as it does. Immutable once built: any thread.
final class OpenSSLContext: @unchecked Sendable {
    let pointer: OpaquePointer
    /// Protocols in ALPN's wire format, preferred first; the C callback of a server points to it.
    private let alpn: UnsafeMutableBufferPointer<UInt8>

    private init(client isClient: Bool, resumes: Bool, alpn names: [String]) throws(TLSError) {
        guard let context = SSL_CTX_new(isClient ? TLS_client_method() : TLS_server_method()) else {
            throw Self.failure("no TLS context")
        }
        pointer = context
        var wire: [UInt8] = []
        for name in names {
            precondition((1...255).contains(name.utf8.count), "an ALPN name has 1…255 bytes")
            wire.append(UInt8(name.utf8.count))
            wire += name.utf8
        }
        alpn = .allocate(capacity: wire.count)
        _ = alpn.initialize(from: wire)
        let ciphers = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
        guard eclusa_ssl_set_minimum_tls12(context) == 1, SSL_CTX_set_ciphersuites(context, ciphers) == 1,
            SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
        else { throw Self.failure("no cipher suites") }
        eclusa_ssl_set_modes(context)
        eclusa_ssl_set_options(context, resumes ? 1 : 0)
        eclusa_ssl_set_session_cache(context, isClient ? 1 : 0)
        SSL_CTX_set_verify_depth(context, 4)
        if isClient {
            if !wire.isEmpty { SSL_CTX_set_alpn_protos(context, wire, UInt32(wire.count)) }
            SSL_CTX_sess_set_new_cb(context) { ssl, session in TLSSession.received(session, on: ssl) }
        } else {
            let name: [UInt8] = Array("eclusa".utf8)
            SSL_CTX_set_session_id_context(context, name, UInt32(name.count))
            SSL_CTX_set_num_tickets(context, resumes ? 1 : 0)
            if !wire.isEmpty {
                SSL_CTX_set_alpn_select_cb(
                    context, Self.selectProtocol, Unmanaged.passUnretained(self).toOpaque())
            }
        }
    }

    deinit {
        SSL_CTX_free(pointer)
        alpn.deallocate()
    }

    static func server(
        certificateChainPEM: String, privateKeyPEM: String, clientCAPEM: String?,
        requireClientCertificate: Bool,
        alpn: [String]
    ) throws(TLSError) -> OpenSSLContext {
        let context = try OpenSSLContext(client: false, resumes: clientCAPEM == nil, alpn: alpn)
        try context.present(certificateChainPEM, privateKeyPEM)
        if let clientCAPEM {
            for authority in try context.trust(clientCAPEM) {
                guard SSL_CTX_add_client_CA(context.pointer, authority.pointer) == 1 else {
                    throw failure("the authority for client certificates")
                }
            }
            let required = requireClientCertificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0
            SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER | required, nil)
        }
        return context
    }

    static func client(
        trustPEM: String?, certificateChainPEM: String?, privateKeyPEM: String?, alpn: [String]
    ) throws(TLSError) -> OpenSSLContext {
        let context = try OpenSSLContext(client: true, resumes: true, alpn: alpn)
        if let trustPEM {
            _ = try context.trust(trustPEM)
        } else if SSL_CTX_set_default_verify_paths(context.pointer) != 1 {
            throw failure("the system's trusted certificates")
        }
        SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        switch (certificateChainPEM, privateKeyPEM) {
        case (let chain?, let key?): try context.present(chain, key)
        case (nil, nil): break
        default: throw TLSError(description: "a certificate and its private key belong together")
        }
        return context
    }

    private func present(_ chainPEM: String, _ keyPEM: String) throws(TLSError) {
        let chain = try OpenSSLCertificate.all(inPEM: chainPEM)
        guard SSL_CTX_use_certificate(pointer, chain[0].pointer) == 1 else {
            throw Self.failure("the certificate")
        }
        for authority in chain.dropFirst() {
            guard eclusa_ssl_add_chain_certificate(pointer, authority.pointer) == 1 else {
                throw Self.failure("the certificate chain")
            }
        }
        let text = MemoryText(keyPEM)
        // The callback answers the question for a pass phrase, which would be asked on the terminal
        // otherwise.
        guard let key = PEM_read_bio_PrivateKey(text.bio, nil, { _, _, _, _ in -1 }, nil) else {
            throw Self.failure("the private key")
        }
        defer { EVP_PKEY_free(key) }
        guard SSL_CTX_use_PrivateKey(pointer, key) == 1, SSL_CTX_check_private_key(pointer) == 1 else {
            throw Self.failure("the private key for this certificate")
        }
    }

    private func trust(_ pem: String) throws(TLSError) -> [OpenSSLCertificate] {
        let authorities = try OpenSSLCertificate.all(inPEM: pem)
        let store = SSL_CTX_get_cert_store(pointer)
        for authority in authorities {
            guard X509_STORE_add_cert(store, authority.pointer) == 1 else {
                throw Self.failure("the trusted certificates")
            }
        }
        return authorities
    }

    /// RFC 7301: a client that offers only protocols we do not speak is refused.
    private static let selectProtocol: SSL_CTX_alpn_select_cb_func = {
        _, chosen, chosenCount, offered, count, argument in
        let context = Unmanaged<OpenSSLContext>.fromOpaque(argument!).takeUnretainedValue()
        let ours = context.alpn
        var result: UnsafeMutablePointer<UInt8>?
        let found = SSL_select_next_proto(
            &result, chosenCount, ours.baseAddress, UInt32(ours.count), offered, count)
        guard found == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        chosen!.pointee = UnsafePointer(result)
        return SSL_TLSEXT_ERR_OK
    }

    /// The library's last error of this thread, which is taken off its queue.
    static func failure(_ what: String) -> TLSError {
        let reason = lastReason() ?? "unusable"
        return TLSError(description: "\(what): \(reason)")
    }

    static func lastReason() -> String? {
        let error = ERR_peek_last_error()
        ERR_clear_error()
        guard error != 0 else { return nil }
        return ERR_reason_error_string(error).map { String(cString: $0) } ?? "error \(error)"
    }
}

/// A certificate owned by this value's last copy.
final class OpenSSLCertificate {
    let pointer: OpaquePointer
    private init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { X509_free(pointer) }

    /// Every certificate in a PEM text, at least one, and no broken one among them.
    static func all(inPEM pem: String) throws(TLSError) -> [OpenSSLCertificate] {
        let text = MemoryText(pem)
        ERR_clear_error()
        var found: [OpenSSLCertificate] = []
        while let certificate = PEM_read_bio_X509(text.bio, nil, { _, _, _, _ in -1 }, nil) {
            found.append(OpenSSLCertificate(certificate))
        }
        guard !found.isEmpty, eclusa_x509_is_end_of_pem(ERR_peek_last_error()) == 1 else {
            throw OpenSSLContext.failure("certificates in PEM")
        }
        ERR_clear_error()
        return found
    }
}

/// A text that OpenSSL reads from memory.
private final class MemoryText {
    let bio: OpaquePointer
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    init(_ text: String) {
        bytes = .allocate(capacity: text.utf8.count)
        _ = bytes.initialize(from: text.utf8)
        bio = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count))
    }
    deinit {
        BIO_free(bio)
        OPENSSL_cleanse(bytes.baseAddress, bytes.count)  // it may have been a private key
        bytes.deallocate()
    }
}

/// A resumable session, one reference of it. OpenSSL counts references atomically: any thread.
final class OpenSSLSession: @unchecked Sendable {
    let pointer: OpaquePointer
    /// Takes over the caller's reference.
    init(taking pointer: OpaquePointer) { self.pointer = pointer }
    deinit { SSL_SESSION_free(pointer) }
}

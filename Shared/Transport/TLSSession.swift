import CEventLoops
import COpenSSL
import Glibc

/// The TLS side of one connection: OpenSSL over a BIO that receives and sends on the connection's own
/// socket by the connection's own readiness. No descriptor is inside OpenSSL and nothing is probed: what is
/// not ready is "try again", and a short receive ends readiness as it does without TLS. Loop thread.
final class TLSSession {
    /// Outcome of a library call that did not succeed.
    enum Obstacle {
        case wantsRead
        case ended
        case failed(TransportError)
    }

    let ssl: OpaquePointer
    private let context: TLSContext
    private let library: OpenSSLContext
    private let sessionKey: String?
    private(set) var isEstablished = false
    private(set) var isFailed = false
    fileprivate var peerEnded = false
    /// Records the socket had no room for. So the library is never in the middle of a write: a peer that
    /// asks for a new key (RFC 8446 §4.6.3) while it does not read would break the connection else.
    private var outgoing: [UInt8] = []
    private var outgoingStart = 0
    /// A task that sends, has to wait for something to read, and is not the task that receives.
    private var sender: UnsafeContinuation<Void, Never>?

    /// For an accepted connection.
    init(accepting connection: Connection, context: TLSContext) throws(TransportError) {
        precondition(context.side == .server, "a listener needs a server's context")
        self.context = context
        sessionKey = nil
        (library, _) = context.begin(sessionKey: nil)
        ssl = try Self.make(library, connection)
        SSL_set_accept_state(ssl)
    }

    /// For a dialled connection; the peer must prove to be `serverName`, a DNS name or a numeric address.
    init(dialling connection: Connection, context: TLSContext, serverName: String) throws(TransportError) {
        precondition(context.side == .client, "a dialer needs a client's context")
        self.context = context
        let key = "\(serverName) \(connection.peer.port)"
        sessionKey = key
        let (library, session) = context.begin(sessionKey: key)
        self.library = library
        ssl = try Self.make(library, connection)
        SSL_set_connect_state(ssl)
        try expect(serverName)
        if let session { SSL_set_session(ssl, session.pointer) }
    }

    deinit { SSL_free(ssl) }

    private static func make(
        _ library: OpenSSLContext, _ connection: Connection
    ) throws(TransportError) -> OpaquePointer {
        guard let ssl = SSL_new(library.pointer), let bio = BIO_new(method) else { throw .exhausted }
        let owner = Unmanaged.passUnretained(connection).toOpaque()
        BIO_set_data(bio, owner)
        SSL_set_bio(ssl, bio, bio)
        SSL_set_ex_data(ssl, 0, owner)
        return ssl
    }

    /// SNI (RFC 6066: names only) and what the certificate must be for.
    private func expect(_ name: String) throws(TransportError) {
        let parameters = SSL_get0_param(ssl)
        X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        let set: Int32
        if let address = IPAddress(name) {
            set = X509_VERIFY_PARAM_set1_ip_asc(parameters, address.description)
        } else {
            guard let host = HostName(name) else { throw .tls("not a host name") }
            let text = host.text.hasSuffix(".") ? String(host.text.dropLast()) : host.text
            set = SSL_set1_host(ssl, text) & eclusa_ssl_set_server_name(ssl, text)
        }
        guard set == 1 else { throw .exhausted }
    }

    // MARK: Steps

    /// Nil when the handshake is done.
    func handshake() -> Obstacle? {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        guard result == 1 else { return obstacle(result) }
        isEstablished = true
        return nil
    }

    /// Bytes read, or what stands in the way.
    @inline(__always)
    func read(_ into: UnsafeMutableRawPointer, _ room: Int, _ obstacle: inout Obstacle?) -> Int {
        ERR_clear_error()
        let count = SSL_read(ssl, into, Int32(clamping: room))
        if count > 0 { return Int(count) }
        obstacle = self.obstacle(count)
        return 0
    }

    /// Bytes written, or what stands in the way. After an obstacle the same bytes must be offered again.
    @inline(__always)
    func write(_ bytes: UnsafeRawBufferPointer, _ obstacle: inout Obstacle?) -> Int {
        ERR_clear_error()
        let count = SSL_write(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
        if count > 0 { return Int(count) }
        obstacle = self.obstacle(count)
        return 0
    }

    /// Says goodbye as far as the socket takes it at once.
    func sayGoodbye() {
        guard isEstablished, !isFailed else { return }
        ERR_clear_error()
        _ = SSL_shutdown(ssl)
    }

    /// Ends without a word. The session stays resumable: the connection was cut, not the trust.
    func cut() { SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN) }

    private func obstacle(_ result: Int32) -> Obstacle {
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_ZERO_RETURN: return .ended
        default:
            isFailed = true
            return .failed(failure())
        }
    }

    private func failure() -> TransportError {
        let reason = OpenSSLContext.lastReason()
        let verdict = SSL_get_verify_result(ssl)
        if verdict != Int(X509_V_OK) {
            return .tls("certificate refused: \(String(cString: X509_verify_cert_error_string(verdict)))")
        }
        // An end without close_notify may be an attacker's cut (RFC 8446 §6.1): never the end of the stream.
        if peerEnded { return .reset }
        return reason.map { .tls($0) } ?? .reset
    }

    // MARK: Waiting

    /// Whether there are records the socket had no room for.
    var hasOutgoing: Bool { outgoingStart < outgoing.count }

    /// The library may be in the middle of a message of the peer when it is asked to write.
    func waitToReadWhileSending() async { await withUnsafeContinuation { sender = $0 } }

    func resumeSenderWaitingToRead() {
        guard let continuation = sender else { return }
        sender = nil
        continuation.resume()
    }

    // MARK: The peer

    /// Raw Ed25519 public key of the peer's verified certificate.
    var peerCertificateKey: [UInt8]? {
        guard isEstablished, SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER != 0,
            let certificate = SSL_get1_peer_certificate(ssl)
        else { return nil }
        defer { X509_free(certificate) }
        guard SSL_get_verify_result(ssl) == Int(X509_V_OK) else { return nil }
        var key = [UInt8](repeating: 0, count: 32)
        return eclusa_x509_ed25519_key(certificate, &key) == 1 ? key : nil
    }

    var negotiatedProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        guard count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }

    var isResumed: Bool { SSL_session_reused(ssl) == 1 }
    var version: String { String(cString: SSL_get_version(ssl)) }

    // MARK: Callbacks

    /// The library hands over a session (one reference) that a later connection may resume. 1: taken.
    static func received(_ session: OpaquePointer?, on ssl: OpaquePointer?) -> Int32 {
        guard let session, let owner = SSL_get_ex_data(ssl, 0) else { return 0 }
        let connection = Unmanaged<Connection>.fromOpaque(owner).takeUnretainedValue()
        guard let tls = connection.tls, let key = tls.sessionKey else { return 0 }
        tls.context.remember(OpenSSLSession(taking: session), from: tls.library, sessionKey: key)
        return 1
    }

    nonisolated(unsafe) private static let method: OpaquePointer = {
        let method = BIO_meth_new(eclusa_bio_new_type(), "loop connection")!
        BIO_meth_set_create(method) { bio in
            BIO_set_init(bio, 1)
            return 1
        }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in
            switch command {
            case BIO_CTRL_FLUSH: return 1
            case BIO_CTRL_EOF:
                return owner(bio)._withUnsafeGuaranteedRef { $0.tls?.peerEnded == true ? 1 : 0 }
            default: return 0
            }
        }
        BIO_meth_set_read(method) { bio, into, room in
            owner(bio)._withUnsafeGuaranteedRef { $0.receiveRecords(bio, into, room) }
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            owner(bio)._withUnsafeGuaranteedRef { $0.sendRecords(bio, bytes, count) }
        }
        return method
    }()

    private static func owner(_ bio: OpaquePointer?) -> Unmanaged<Connection> {
        Unmanaged.fromOpaque(BIO_get_data(bio).unsafelyUnwrapped)
    }
}

extension Connection {
    fileprivate func receiveRecords(
        _ bio: OpaquePointer?, _ into: UnsafeMutablePointer<CChar>?, _ room: Int32
    ) -> Int32 {
        eclusa_bio_clear_retry(bio)
        while isReadable && fate == .open {
            let count = loop_receive(descriptor, into, Int(room))
            if count > 0 {
                if count < Int(room) && !peerHungUp { isReadable = false }
                return Int32(count)
            }
            if count == 0 {
                peerHungUp = true
                tls?.peerEnded = true
                return 0
            }
            switch Int32(-count) {
            case EAGAIN: isReadable = false
            case EINTR: continue
            default:
                tls?.peerEnded = true
                return -1
            }
        }
        if fate != .open { return -1 }
        eclusa_bio_retry_read(bio)
        return -1
    }

    /// Takes all of it: what the socket has no room for is kept. -1 when the connection is of no use, or
    /// the peer provokes answers without reading them.
    fileprivate func sendRecords(
        _ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ size: Int32
    ) -> Int32 {
        eclusa_bio_clear_retry(bio)
        guard let tls, fate == .open else { return -1 }
        var records = UnsafeRawBufferPointer(start: bytes, count: Int(size))
        if !tls.hasOutgoing {
            guard let sent = sendNow(records) else { return -1 }
            records = UnsafeRawBufferPointer(rebasing: records[sent...])
        }
        return records.isEmpty || tls.keep(records) ? size : -1
    }

    /// Sends kept records as far as there is room.
    func flush(_ session: TLSSession) {
        while session.hasOutgoing && isWritable && fate == .open {
            session.sendKept { records in sendNow(records) }
        }
    }

    /// Bytes the socket took; nil when it is broken.
    private func sendNow(_ bytes: UnsafeRawBufferPointer) -> Int? {
        while isWritable {
            let count = loop_send(descriptor, bytes.baseAddress, bytes.count, nil, 0)
            if count >= 0 {
                if count < bytes.count { isWritable = false }
                return count
            }
            switch Int32(-count) {
            case EAGAIN: isWritable = false
            case EINTR: continue
            default:
                tls?.peerEnded = true
                return nil
            }
        }
        return 0
    }
}

extension TLSSession {
    private static let maximumKept = 64 * 1024

    fileprivate func keep(_ records: UnsafeRawBufferPointer) -> Bool {
        guard outgoing.count - outgoingStart + records.count <= Self.maximumKept else { return false }
        outgoing += records
        return true
    }

    fileprivate func sendKept(_ send: (UnsafeRawBufferPointer) -> Int?) {
        let sent = outgoing.withUnsafeBytes { send(UnsafeRawBufferPointer(rebasing: $0[outgoingStart...])) }
        guard let sent else {
            isFailed = true
            outgoing = []
            outgoingStart = 0
            return
        }
        outgoingStart += sent
        if outgoingStart == outgoing.count {
            outgoing = []
            outgoingStart = 0
        }
    }
}

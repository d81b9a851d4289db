import COpenSSL
import Synchronization

/// Certificates or keys that cannot be used for TLS. The text is for the operator.
package struct TLSError: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// What one side of TLS connections presents and trusts; shared by all loops and replaceable while in use.
///
/// TLS 1.2 and 1.3, forward-secret authenticated ciphers only, no renegotiation. A client always verifies the
/// server's chain and its name or address; there is no switch for that. Any thread.
package final class TLSContext: Sendable {
    enum Side { case client, server }

    private struct State: ~Copyable {
        var library: OpenSSLContext
        var sessions: [String: OpenSSLSession] = [:]
    }
    private static let keptSessions = 256

    let side: Side
    private let alpn: [String]
    private let requiresClientCertificate: Bool
    private let state: Mutex<State>

    private init(
        side: Side, library: sending OpenSSLContext, alpn: [String], requiresClientCertificate: Bool
    ) {
        self.side = side
        self.alpn = alpn
        self.requiresClientCertificate = requiresClientCertificate
        state = Mutex(State(library: library))
    }

    /// For a listener. With `clientCAPEM` a client certificate is asked for and, if one comes, must be
    /// signed by that authority; `requireClientCertificate` refuses clients without one. Sessions are
    /// resumed only where no client certificate is asked for, so that an expired one ends with its
    /// connection.
    package static func server(
        certificateChainPEM: String, privateKeyPEM: String, clientCAPEM: String? = nil,
        requireClientCertificate: Bool = false, alpn: [String] = []
    ) throws(TLSError) -> TLSContext {
        if requireClientCertificate && clientCAPEM == nil {
            throw TLSError(description: "client certificates are required but no authority for them is given")
        }
        let library = try OpenSSLContext.server(
            certificateChainPEM: certificateChainPEM, privateKeyPEM: privateKeyPEM, clientCAPEM: clientCAPEM,
            requireClientCertificate: requireClientCertificate, alpn: alpn)
        return TLSContext(
            side: .server, library: library, alpn: alpn, requiresClientCertificate: requireClientCertificate)
    }

    /// For outbound connections. `trustPEM` holds the authorities to trust; nil is the system's store. A
    /// certificate with its key is presented to servers that ask for one.
    package static func client(
        trustPEM: String? = nil, certificateChainPEM: String? = nil, privateKeyPEM: String? = nil,
        alpn: [String] = []
    ) throws(TLSError) -> TLSContext {
        let library = try OpenSSLContext.client(
            trustPEM: trustPEM, certificateChainPEM: certificateChainPEM, privateKeyPEM: privateKeyPEM,
            alpn: alpn)
        return TLSContext(side: .client, library: library, alpn: alpn, requiresClientCertificate: false)
    }

    /// New connections of this server use these from now on; those under way keep what they began with. On an
    /// error everything stays as it was.
    package func reloadServer(
        certificateChainPEM: String, privateKeyPEM: String, clientCAPEM: String? = nil
    ) throws(TLSError) {
        precondition(side == .server)
        if requiresClientCertificate && clientCAPEM == nil {
            throw TLSError(description: "client certificates are required but no authority for them is given")
        }
        replace(
            try OpenSSLContext.server(
                certificateChainPEM: certificateChainPEM, privateKeyPEM: privateKeyPEM,
                clientCAPEM: clientCAPEM,
                requireClientCertificate: requiresClientCertificate, alpn: alpn))
    }

    /// The same for the client side. Remembered sessions are forgotten.
    package func reloadClient(
        trustPEM: String? = nil, certificateChainPEM: String? = nil, privateKeyPEM: String? = nil
    ) throws(TLSError) {
        precondition(side == .client)
        replace(
            try OpenSSLContext.client(
                trustPEM: trustPEM, certificateChainPEM: certificateChainPEM, privateKeyPEM: privateKeyPEM,
                alpn: alpn))
    }

    private func replace(_ library: OpenSSLContext) {
        state.withLock { state in
            state.library = library
            state.sessions.removeAll()
        }
    }

    /// What a new connection uses, with a session to resume when there is one for `sessionKey`.
    func begin(sessionKey: String?) -> (OpenSSLContext, OpenSSLSession?) {
        state.withLock { state in (state.library, sessionKey.flatMap { state.sessions[$0] }) }
    }

    /// Keeps a session for the next connection to the same server. Dropped when the context was reloaded
    /// since.
    func remember(_ session: OpenSSLSession, from library: OpenSSLContext, sessionKey: String) {
        state.withLock { state in
            guard state.library === library else { return }
            if state.sessions.count >= Self.keptSessions && state.sessions[sessionKey] == nil {
                state.sessions.removeAll()
            }
            state.sessions[sessionKey] = session
        }
    }
}

/// Certificates or keys that cannot be used for TLS.
package struct TLSError: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// What one side of TLS connections presents and trusts; shared by all loops.
package final class TLSContext: Sendable {
    private init() {}

    package static func server(
        certificateChainPEM: String, privateKeyPEM: String, clientCAPEM: String? = nil,
        requireClientCertificate: Bool = false, alpn: [String] = []
    ) throws(TLSError) -> TLSContext {
        throw TLSError(description: "TLS is not linked in yet")
    }

    package static func client(
        trustPEM: String? = nil, certificateChainPEM: String? = nil, privateKeyPEM: String? = nil,
        alpn: [String] = []
    ) throws(TLSError) -> TLSContext {
        throw TLSError(description: "TLS is not linked in yet")
    }
}
extension Connection {
    /// Raw Ed25519 public key of the verified client certificate; nil without one.
    package var peerCertificateKey: [UInt8]? { nil }
    /// What ALPN agreed on.
    package var negotiatedProtocol: String? { nil }
    func startTLS(_ context: TLSContext, serverName: String) async throws(TransportError) {
        throw .tls("TLS is not linked in yet")
    }
}

import Cryptography
import EventLoops
import TestSupport
import Testing
import Transport

@Suite("TLS with the platform's own authority")
struct AuthorityTests {
    @Test(
        "a node and the control plane know each other by one authority, and keys come out whole"
    )
    func mutual() async throws {
        let now = wallClockMicroseconds() / 1_000_000
        let validity = CertificateValidity(notBefore: now - 300, notAfter: now + 3600)
        let authority = try CertificateAuthority.make(commonName: "authority", validity: validity)
        let serverKey = Ed25519PrivateKey()
        let nodeKey = Ed25519PrivateKey()
        let server = try authority.issueServerCertificate(
            commonName: "control", names: ["localhost"], ipAddresses: ["127.0.0.1"],
            publicKey: serverKey.publicKey, validity: validity)
        let node = try authority.issueClientCertificate(
            publicKey: nodeKey.publicKey, commonName: "node", validity: validity)
        let serverTLS = try TLSContext.server(
            certificateChainPEM: server.pem + authority.certificatePEM, privateKeyPEM: serverKey.pem,
            clientCAPEM: authority.certificatePEM, requireClientCertificate: true, alpn: ["http/1.1"])
        let clientTLS = try TLSContext.client(
            trustPEM: authority.certificatePEM, certificateChainPEM: node.pem, privateKeyPEM: nodeKey.pem,
            alpn: ["http/1.1"])
        try await withLoop { loop in
            for name in ["localhost", "127.0.0.1"] {
                let pair = try await ConnectionPair.make(
                    loop, serverTLS: serverTLS, clientTLS: clientTLS, serverName: name)
                #expect(pair.server.peerCertificateKey == nodeKey.publicKey.rawBytes)
                #expect(pair.client.peerCertificateKey == serverKey.publicKey.rawBytes)
                #expect(pair.server.negotiatedProtocol == "http/1.1")
            }
        }
    }
}

import Cryptography
import EventLoops
package import Transport

/// Both sides of TLS for `localhost` and `127.0.0.1`, under an authority of its own.
package struct TestTLS: Sendable {
    package let server: TLSContext
    package let client: TLSContext
    /// The authority's certificate.
    package let authorityPEM: String

    package init() throws {
        let now = wallClockMicroseconds() / 1_000_000
        let validity = CertificateValidity(notBefore: now - 3600, notAfter: now + 3600)
        let authority = try CertificateAuthority.make(commonName: "test authority", validity: validity)
        let key = Ed25519PrivateKey()
        let certificate = try authority.issueServerCertificate(
            commonName: "test", names: ["localhost"], ipAddresses: ["127.0.0.1"], publicKey: key.publicKey,
            validity: validity)
        server = try TLSContext.server(certificateChainPEM: certificate.pem, privateKeyPEM: key.pem)
        authorityPEM = authority.certificatePEM
        client = try TLSContext.client(trustPEM: authority.certificatePEM)
    }
}

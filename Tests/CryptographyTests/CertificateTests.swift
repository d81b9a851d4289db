import Cryptography
import Testing

@Suite("Certificates")
struct CertificateTests {
    static let year = CertificateValidity(notBefore: 1_800_000_000, notAfter: 1_831_536_000)

    @Test("a new authority signs itself, is an authority, and is read back the same from PEM")
    func authority() throws {
        let authority = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year)
        let read = try Certificate(pem: authority.certificatePEM)
        #expect(read == authority.certificate)
        #expect(read.isAuthority)
        #expect(read.commonName == "Eclusa CA")
        #expect(read.validity == Self.year)
        #expect(read.publicKey == authority.privateKey.publicKey)
        #expect(read.isSigned(by: read))
        #expect(read.fingerprint == sha256(read.der))
        let again = try CertificateAuthority(certificatePEM: read.pem, privateKey: authority.privateKey)
        #expect(again.certificate == read)
    }

    @Test("a node's certificate carries its own key and name, and is signed by its authority and by no other")
    func clientCertificate() throws {
        let authority = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year)
        let other = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year)
        let node = Ed25519PrivateKey()
        let issued = try authority.issueClientCertificate(
            publicKey: node.publicKey, commonName: "node_01jd", validity: Self.year)
        #expect(issued.publicKey == node.publicKey)
        #expect(issued.commonName == "node_01jd")
        #expect(!issued.isAuthority)
        #expect(issued.isSigned(by: authority.certificate))
        #expect(!issued.isSigned(by: other.certificate))
        #expect(try certificatePublicKey(issued.pem) == node.publicKey)
        #expect(throws: CryptographyError.self) {
            try CertificateAuthority(certificatePEM: issued.pem, privateKey: node)
        }
    }

    @Test("a server certificate names its hosts and addresses", arguments: [true, false])
    func serverCertificate(_ hasNames: Bool) throws {
        let authority = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year)
        let issued = try authority.issueServerCertificate(
            commonName: "control", names: hasNames ? ["control.example", "localhost"] : [],
            ipAddresses: ["127.0.0.1", "::1"], publicKey: Ed25519PrivateKey().publicKey, validity: Self.year)
        let der = issued.der
        #expect(contains(der, Array("control.example".utf8)) == hasNames)
        #expect(contains(der, [0x87, 4, 127, 0, 0, 1]))
    }

    @Test(
        "names that could say more than a name are refused",
        arguments: [
            "a,DNS:b", "a b", "", "-a", "a-", "a..b", "*", "a\nb", "é.example",
            String(repeating: "a", count: 64),
        ])
    func hostileNames(_ name: String) throws {
        let authority = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year)
        #expect(throws: CryptographyError.self) {
            try authority.issueServerCertificate(
                commonName: "control", names: [name], ipAddresses: [],
                publicKey: Ed25519PrivateKey().publicKey,
                validity: Self.year)
        }
    }

    @Test(
        "addresses that are none are refused",
        arguments: ["1.2.3", "256.1.1.1", "::1,DNS:x", "", "fe80::1%eth0"])
    func hostileAddresses(_ address: String) throws {
        let authority = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year)
        #expect(throws: CryptographyError.self) {
            try authority.issueServerCertificate(
                commonName: "control", names: [], ipAddresses: [address],
                publicKey: Ed25519PrivateKey().publicKey, validity: Self.year)
        }
    }

    @Test("a server certificate without any name, a backwards validity and an empty common name are refused")
    func impossibleRequests() throws {
        let authority = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year)
        let key = Ed25519PrivateKey().publicKey
        #expect(throws: CryptographyError.malformed("at least one name or address")) {
            try authority.issueServerCertificate(
                commonName: "control", names: [], ipAddresses: [], publicKey: key, validity: Self.year)
        }
        let backwards = CertificateValidity(notBefore: 2, notAfter: 1)
        #expect(throws: CryptographyError.self) {
            try authority.issueClientCertificate(publicKey: key, commonName: "node", validity: backwards)
        }
        #expect(throws: CryptographyError.self) {
            try authority.issueClientCertificate(publicKey: key, commonName: "", validity: Self.year)
        }
    }

    @Test("two certificates never share a serial number, so they differ even for the same key")
    func serialNumbers() throws {
        let authority = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year)
        let key = Ed25519PrivateKey().publicKey
        let first = try authority.issueClientCertificate(
            publicKey: key, commonName: "node", validity: Self.year)
        let second = try authority.issueClientCertificate(
            publicKey: key, commonName: "node", validity: Self.year)
        #expect(first.fingerprint != second.fingerprint)
    }

    @Test("a certificate cut short at any length, or with bytes behind it, is refused and never crashes")
    func truncation() throws {
        let der = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year).certificate.der
        for length in 0..<der.count {
            #expect(throws: CryptographyError.self) { try Certificate(der: Array(der[..<length])) }
        }
        #expect(throws: CryptographyError.self) { try Certificate(der: der + [0]) }
        #expect(throws: CryptographyError.self) {
            try Certificate(der: [UInt8](repeating: 48, count: 20_000))
        }
    }

    @Test("a certificate with any one bit flipped is refused or no longer carries its authority's signature")
    func bitFlips() throws {
        let authority = try CertificateAuthority.make(commonName: "Eclusa CA", validity: Self.year)
        let der = authority.certificate.der
        for index in der.indices {
            var flipped = der
            flipped[index] ^= 1
            guard let changed = try? Certificate(der: flipped) else { continue }
            #expect(!changed.isSigned(by: authority.certificate), "byte \(index)")
        }
    }

    @Test("a certificate whose key is not Ed25519 is refused")
    func foreignKey() {
        #expect(throws: CryptographyError.malformed("a certificate with an Ed25519 key")) {
            try Certificate(pem: Self.ecdsaCertificate)
        }
        #expect(throws: CryptographyError.self) { try Certificate(pem: "no certificate") }
    }

    @Test("a private key survives PEM, and every other text is refused")
    func privateKeyPEM() throws {
        let key = Ed25519PrivateKey()
        let read = try #require(Ed25519PrivateKey(pem: key.pem))
        #expect(read.publicKey == key.publicKey)
        #expect(Ed25519PrivateKey(pem: Self.ecdsaCertificate) == nil)
        #expect(Ed25519PrivateKey(pem: PEM.encode(label: "PRIVATE KEY", [1, 2, 3])) == nil)
        #expect(Ed25519PrivateKey(pem: key.pem.replacing("-----END", with: "----END")) == nil)
    }

    @Test("PEM reading takes every block of its label and refuses torn ones")
    func pemBlocks() {
        let one = PEM.encode(label: "CERTIFICATE", [UInt8](repeating: 7, count: 100))
        let other = PEM.encode(label: "PRIVATE KEY", [1])
        #expect(PEM.decodeAll(label: "CERTIFICATE", "note\r\n" + one + other + one)?.count == 2)
        #expect(PEM.decodeAll(label: "CERTIFICATE", one.replacing("\n", with: "\r\n"))?.first?.count == 100)
        #expect(PEM.decodeAll(label: "CERTIFICATE", "") == [])
        let halves = one.split(separator: "\n").dropLast().joined(separator: "\n")
        #expect(PEM.decodeAll(label: "CERTIFICATE", halves) == nil)
        #expect(PEM.decodeAll(label: "CERTIFICATE", halves + "\n" + one) == nil)
        #expect(PEM.decodeAll(label: "CERTIFICATE", one.replacing("Bwc", with: "B!c")) == nil)
    }

    /// Self-signed, ECDSA P-256.
    static let ecdsaCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBdTCCARugAwIBAgIUSXVEM5ydoIZdokO6k5bmIpgy2ncwCgYIKoZIzj0EAwIw
        EDEOMAwGA1UEAwwFb3RoZXIwHhcNMjYxMTIwMTE1MjU1WhcNMzYxMTE3MTE1MjU1
        WjAQMQ4wDAYDVQQDDAVvdGhlcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOKy
        nmMbC3UAd+tH1ixEFeFudtD9OpAz9E9e2ddbufFgNmM2zw3kkQPCW+fl4SPybi0E
        JYgBXutXE5CUQyCWGfKjUzBRMB0GA1UdDgQWBBR0O2e+046fp6aQh1TZ0X9kolIC
        YjAfBgNVHSMEGDAWgBR0O2e+046fp6aQh1TZ0X9kolICYjAPBgNVHRMBAf8EBTAD
        AQH/MAoGCCqGSM49BAMCA0gAMEUCIEjq6x9giSdezvPuTzTVdhs8xiavCU9rFmKY
        wHxEB3nDAiEA1qh/PLY9YARUe+i87rTmDF/NmibDNrJ1+FOnLqVU8Ho=
        -----END CERTIFICATE-----
        """

    private func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        bytes.indices.contains { bytes[$0...].starts(with: part) }
    }
}

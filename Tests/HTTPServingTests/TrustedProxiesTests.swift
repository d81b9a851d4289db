import HTTPServing
import TestSupport
import Testing
import Transport

@Suite("Trusted proxies")
struct TrustedProxiesTests {
    private static let blocks = ["10.0.0.0/8", "fd00::/8", "203.0.113.7"].compactMap { AddressBlock($0) }

    @Test(
        "the client is the last address that no trusted proxy has; what stands before it counts nothing",
        arguments: [
            ("", "10.0.0.1"), ("198.51.100.9", "198.51.100.9"), ("198.51.100.9:4711", "198.51.100.9"),
            ("1.1.1.1, 198.51.100.9", "198.51.100.9"), ("198.51.100.9, 10.2.3.4", "198.51.100.9"),
            ("198.51.100.9 ,\t203.0.113.7,10.2.3.4", "198.51.100.9"), ("10.9.9.9, 10.2.3.4", "10.9.9.9"),
            ("[2001:db8::1]:80", "2001:db8::1"), ("2001:db8::1, fd00::1", "2001:db8::1"),
            ("::ffff:198.51.100.9", "198.51.100.9"), ("unknown", "10.0.0.1"),
            ("198.51.100.9, nonsense, 10.2.3.4", "10.2.3.4"), ("198.51.100.9,", "10.0.0.1"),
            ("010.0.0.1", "10.0.0.1"), ("for=198.51.100.9", "10.0.0.1"),
        ])
    func forwardedFor(_ header: String, _ client: String) throws {
        #expect(Self.blocks.count == 3)
        let peer = try #require(IPAddress("10.0.0.1"))
        #expect(TrustedProxies(Self.blocks).client(behind: peer, header).description == client)
    }

    @Test(
        "Forwarded is read as RFC 7239 writes it",
        arguments: [
            ("for=198.51.100.9", "198.51.100.9"), ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=1.1.1.1;proto=http;by=203.0.113.43, for=198.51.100.9 ; proto=https", "198.51.100.9"),
            ("for=198.51.100.9, for=\"10.2.3.4:80\"", "198.51.100.9"), ("for=_hidden", "10.0.0.1"),
            ("for=198.51.100.9, proto=https", "10.0.0.1"), ("for=198.51.100.9, for=unknown", "10.0.0.1"),
            ("198.51.100.9", "10.0.0.1"),
        ])
    func forwarded(_ header: String, _ client: String) throws {
        let peer = try #require(IPAddress("10.0.0.1"))
        let proxies = TrustedProxies(Self.blocks, header: .forwarded)
        #expect(proxies.client(behind: peer, header).description == client)
    }
}

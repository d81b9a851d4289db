import Testing

@testable import Transport

@Suite("Addresses")
struct AddressTests {
    @Test(
        "addresses are read strictly and written in their short form",
        arguments: [
            ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
            ("::1", "::1"), ("::", "::"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"), ("fe80::1", "fe80::1"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ])
    func reads(text: String, written: String) {
        #expect(IPAddress(text)?.description == written)
    }

    @Test(
        "what is not plainly an address is not one",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "0x7f.0.0.1", "127.1",
            "2130706433", "[::1]", "::1%lo", ":::", "1::2::3", "12345::", "localhost", "::1\0",
            "::ffff:1.2.3",
        ])
    func refuses(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(
        "socket addresses need a port; IPv6 needs brackets",
        arguments: [
            ("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:443", "[::1]:443"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("0.0.0.0:0", "0.0.0.0:0"), ("[::]:65535", "[::]:65535"),
        ])
    func sockets(text: String, written: String) {
        #expect(SocketAddress(text)?.description == written)
        #expect(SocketAddress(written) == SocketAddress(text))
    }

    @Test(
        "malformed socket addresses are refused",
        arguments: [
            "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "::1:80",
            "[127.0.0.1]:80", "[::1]", "example.com:80", "127.0.0.1:8o", "127.0.0.1:000080", "[]:1",
        ])
    func refusesSockets(text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test("loopback and unspecified addresses are known in every spelling")
    func kinds() {
        for text in ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"] {
            #expect(IPAddress(text)!.isLoopback)
        }
        for text in ["128.0.0.1", "::", "::2", "::127.0.0.1", "0.0.0.0"] {
            #expect(!IPAddress(text)!.isLoopback)
        }
        for text in ["0.0.0.0", "::"] { #expect(IPAddress(text)!.isUnspecified) }
        for text in ["0.0.0.1", "::1"] { #expect(!IPAddress(text)!.isUnspecified) }
        #expect(IPAddress("1.2.3.4")!.bytes == [1, 2, 3, 4])
        #expect(IPAddress("::102:304")!.bytes.suffix(4) == [1, 2, 3, 4])
        #expect(IPAddress("1.2.3.4") != IPAddress("::ffff:1.2.3.4"))
    }

    @Test(
        "blocks hold what their prefix says",
        arguments: [
            ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false), ("192.168.1.4/30", "192.168.1.7", true),
            ("192.168.1.4/30", "192.168.1.8", false), ("1.2.3.4", "1.2.3.4", true),
            ("1.2.3.4/32", "1.2.3.5", false),
            ("fd00::/8", "fdff::1", true), ("fd00::/8", "fe00::", false), ("::/0", "1::", true),
            ("2001:db8::/33", "2001:db8:7fff::", true), ("2001:db8::/33", "2001:db8:8000::", false),
            ("2001:db8::/64", "2001:db8:0:0:ffff::", true), ("2001:db8::/64", "2001:db8:0:1::", false),
            ("2001:db8::/65", "2001:db8::7fff:0:0:0", true), ("2001:db8::/65", "2001:db8::8000:0:0:0", false),
            ("::1/128", "::1", true), ("::1/128", "::2", false),
        ] as [(String, String, Bool)])
    func blocks(block: String, address: String, isInside: Bool) throws {
        #expect(try #require(AddressBlock(block)).contains(try #require(IPAddress(address))) == isInside)
    }

    @Test(
        "malformed blocks, and bits after the prefix, are refused",
        arguments: [
            "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "::1/127",
            "fd00::/129", "/8", "10.0.0.0/+8", "10.0.0.0/0008",
        ])
    func refusesBlocks(text: String) {
        #expect(AddressBlock(text) == nil)
    }
}

import Domain
import Testing

@Suite("addresses and ranges")
struct NetworkAddressTests {
    @Test(
        "a text is read as the address it means, and written in its one spelling",
        arguments: [
            ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
            ("::", "::"), ("::1", "::1"), ("2001:db8::", "2001:db8::"), ("1::8", "1::8"),
            ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"), ("::ffff:10.1.2.3", "10.1.2.3"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ])
    func reads(_ text: String, _ canonical: String) throws {
        let address = try #require(NetworkAddress(text))
        #expect(address.description == canonical)
        #expect(NetworkAddress(canonical) == address)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "+1.2.3.4", "1.2.3.4 ", ":", ":::", "1::2::3",
            "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::1%eth0", "[::1]", "1:2:3:4:5:6:7::8",
            "::1.2.3.4:5", "1:::2", String(repeating: "1", count: 300),
        ])
    func refuses(_ text: String) { #expect(NetworkAddress(text) == nil) }

    @Test(
        "a range holds what shares its prefix",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true), ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false), ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false), ("::/0", "2001:db8::1", true), ("::/0", "203.0.113.9", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false),
            ("2001:db8::/127", "2001:db8::1", true), ("2001:db8::/127", "2001:db8::2", false),
            ("2001:db8:0:0:8000::/65", "2001:db8::8000:0:0:1", true),
            ("2001:db8:0:0:8000::/65", "2001:db8::1", false),
        ])
    func contains(_ range: String, _ address: String, _ expected: Bool) throws {
        let range = try #require(AddressRange(range)), address = try #require(NetworkAddress(address))
        #expect(range.contains(address) == expected)
        #expect(AddressRange(range.description) == range)
    }

    @Test(
        "a range with bits behind its prefix, or a prefix that is none, is refused",
        arguments: [
            "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "/8", "2001:db8::1/32",
            "::/129", "10.0.0.0/8/8", "::ffff:0.0.0.0/95",
        ])
    func wrongRanges(_ text: String) { #expect(AddressRange(text) == nil) }
}

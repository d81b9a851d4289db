import Testing

@testable import HTTPWire

@Suite("addresses, queries and dates")
struct AddressTests {
    @Test(
        "an address is taken apart once",
        arguments: [
            ("http://127.0.0.1:8080/v1", false, "127.0.0.1", 8080, "/v1", "127.0.0.1:8080"),
            ("https://API.Example.com", true, "api.example.com", 443, "/", "api.example.com"),
            ("HTTPS://a:443/x?y=z", true, "a", 443, "/x?y=z", "a"),
            ("http://a:443/", false, "a", 443, "/", "a:443"),
            ("http://[::1]:9/", false, "::1", 9, "/", "[::1]:9"),
            ("http://a?b", false, "a", 80, "/?b", "a"), ("http://a:/", false, "a", 80, "/", "a"),
        ] as [(String, Bool, String, UInt16, String, String)])
    func address(
        _ text: String, _ isSecure: Bool, _ host: String, _ port: UInt16, _ target: String,
        _ authority: String
    ) throws {
        let address = try #require(WebAddress(text))
        #expect(address.isSecure == isSecure)
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.target == target)
        #expect(address.authority == authority)
        #expect(WebAddress(address.description) == address)
    }

    @Test(
        "an address that could mean two things is refused",
        arguments: [
            "", "a", "//a", "ftp://a/", "http:/a", "http://", "http:///x", "http://user@a/", "http://u:p@a/",
            "http://a/#f", "http://a#f", "http://a b/", "http://a/b c", "http://a\\b/", "http://a/\\b",
            "http://a:99999/", "http://a:0/", "http://a:x/", "http://[::1/", "http://a/\r\nx",
            "http://caf\u{e9}/",
            "http://a/\u{e9}", "javascript:x", "https://a/{b}", "http://a/\("x".repeated(9000))",
        ])
    func refused(_ text: String) { #expect(WebAddress(text) == nil) }

    @Test(
        "query items are decoded once",
        arguments: [
            ("", [String]()), ("a=b", ["a:b"]), ("a=b&c=d", ["a:b", "c:d"]), ("a", ["a:"]), ("a=", ["a:"]),
            ("=b", [":b"]), ("a=b=c", ["a:b=c"]), ("&&a=b&&", ["a:b"]), ("a+b=c%20d", ["a b:c d"]),
            ("a=%2526", ["a:%26"]), ("a=%zz", ["a:%zz"]), ("a=%4", ["a:%4"]), ("%61=%C3%A9", ["a:\u{e9}"]),
            ("a=%ff", ["a:\u{fffd}"]), ("a=1&a=2", ["a:1", "a:2"]),
        ])
    func query(_ query: String, _ expected: [String]) {
        let items = withExactCopy(bytes(query)) { QueryItems.parse($0) }
        #expect(items.map { "\($0.name):\($0.value)" } == expected)
    }

    @Test("a query has a bounded number of items")
    func manyItems() {
        #expect(withExactCopy(bytes("a=1&".repeated(1000))) { QueryItems.parse($0) }.count == 256)
    }

    @Test("what is escaped comes back", arguments: ["", "a-b_c.d~e", "a b&c=d/\u{e9}?%+"])
    func escape(_ value: String) {
        let escaped = QueryItems.escape(value)
        let items = withExactCopy(bytes("x=\(escaped)")) { QueryItems.parse($0) }
        #expect(items.first?.value == value)
        #expect(escaped.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f })
    }

    @Test(
        "dates are written as RFC 9110 says",
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (-5, "Thu, 01 Jan 1970 00:00:00 GMT"), (Int64.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] as [(Int64, String)])
    func date(_ seconds: Int64, _ expected: String) {
        #expect(HTTPDate.text(secondsSince1970: seconds) == expected)
    }

    @Test("methods know their names", arguments: HTTPMethod.allCases)
    func method(_ method: HTTPMethod) {
        #expect(HTTPMethod(method.description) == method)
        #expect(HTTPMethod(method.description.lowercased()) == nil)
        #expect(method.isIdempotent == ![.post, .patch].contains(method))
    }
}

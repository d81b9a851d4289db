import Testing

@testable import HTTPWire

/// A request head and what must become of it.
struct RequestCase: Sendable, CustomTestStringConvertible {
    let name: String
    let request: [UInt8]
    let expected: RequestVerdict
    var testDescription: String { name }

    /// Accepted as a whole.
    static func good(_ name: String, _ request: String) -> RequestCase {
        RequestCase(name: name, request: bytes(request), expected: .complete(request.utf8.count))
    }
    static func bad(_ name: String, _ request: String, _ fault: RequestFault) -> RequestCase {
        RequestCase(name: name, request: bytes(request), expected: .refused(fault))
    }
    static func bad(_ name: String, raw: [UInt8], _ fault: RequestFault) -> RequestCase {
        RequestCase(name: name, request: raw, expected: .refused(fault))
    }
    /// One field line after the Host of an otherwise plain request.
    static func field(_ name: String, _ line: String, _ fault: RequestFault) -> RequestCase {
        bad(name, "POST / HTTP/1.1\r\nHost: a\r\n\(line)\r\n\r\n", fault)
    }
    static func target(_ target: String, _ fault: RequestFault) -> RequestCase {
        bad("target \(target)", "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n", fault)
    }
    static func host(_ value: String, _ fault: RequestFault) -> RequestCase {
        bad("host \(value)", "GET / HTTP/1.1\r\nHost: \(value)\r\n\r\n", fault)
    }

    static let all = accepted + firstLines + lineEnds + fieldLines + framing + targets + hosts + sizes

    static let accepted: [RequestCase] = [
        good("plain", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        good("old version without host", "GET / HTTP/1.0\r\n\r\n"),
        good("every method", "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("server-wide options", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("one empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("no space after the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n"),
        good("tabs around a value", "GET / HTTP/1.1\r\nHost:\ta \t\r\n\r\n"),
        good("tab inside a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\tc\r\n\r\n"),
        good("empty value", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY:  \r\n\r\n"),
        good("high bytes in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: caf\u{e9}\r\n\r\n"),
        good("odd token characters", "GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09az: x\r\n\r\n"),
        good("absolute form", "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("absolute form, default port", "GET http://A:80/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("absolute form without path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("query with brackets", "GET /?include[]=a|b{c}^` HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("port", "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n"),
        good("empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n"),
        good("ipv6", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
        good("leading zeros in a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\n"),
        good(
            "largest length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n"),
        good("chunked in capitals", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n"),
        good(
            "expectation in capitals",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n"),
        good("old client cannot expect", "GET / HTTP/1.0\r\nExpect: tea\r\n\r\n"),
        good(
            "upgrade is ignored",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"),
        good("only this request is taken", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]

    static let firstLines: [RequestCase] = [
        bad("empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("leading line feed", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .bareLineFeed),
        bad("leading space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("leading bare return", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("a TLS hello", raw: [0x16, 0x03, 0x01, 0x02, 0x00], .malformedRequestLine),
        bad("nul", raw: [0], .malformedRequestLine),
        bad("HTTP/0.9", "GET /\r\n\r\n", .malformedRequestLine),
        bad("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("trailing space", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("a fourth word", "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("version without dot", "GET / HTTP/11\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("two-digit version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("version of letters", "GET / HTTP/a.b\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("other protocol", "GET / ICAP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion),
        bad("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", .unsupportedVersion),
        bad("HTTP/0.9 by name", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", .unsupportedVersion),
        bad("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", .methodNotImplemented),
        bad("TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", .methodNotImplemented),
        bad("lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", .methodNotImplemented),
        bad("unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", .methodNotImplemented),
        bad("method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("method with nul", "GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
    ]

    static let lineEnds: [RequestCase] = [
        bad("bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", .bareLineFeed),
        bad("bare line feed after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed),
        bad("bare line feed at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
        bad("return in the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
        bad("return in a value", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", .malformedField),
        bad("return before the end", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", .malformedField),
        bad("return in a name", "GET / HTTP/1.1\r\nHo\rst: a\r\n\r\n", .malformedField),
        bad("a lone return as last line", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", .malformedField),
    ]

    static let fieldLines: [RequestCase] = [
        field("fold with space", "X: a\r\n b", .malformedField),
        field("fold with tab", "X: a\r\n\tb", .malformedField),
        field("space before the colon", "X : a", .malformedField),
        field("tab before the colon", "X\t: a", .malformedField),
        field("space in a name", "X Y: a", .malformedField),
        field("no name", ": a", .malformedField),
        field("no colon", "Xyz", .malformedField),
        field("parenthesis in a name", "X(): a", .malformedField),
        field("slash in a name", "X/Y: a", .malformedField),
        field("quote in a name", "\"X\": a", .malformedField),
        field("high byte in a name", "X\u{e9}: a", .malformedField),
        field("nul in a name", "X\0: a", .malformedField),
        field("nul in a value", "X: a\0b", .malformedField),
        field("escape in a value", "X: a\u{1b}b", .malformedField),
        field("delete in a value", "X: a\u{7f}b", .malformedField),
        field("delete deep in a value", "X: aaaaaaaaaaaaaaaaaaaa\u{7f}b", .malformedField),
        field("bell deep in a value", "X: aaaaaaaaaaaaaaaaaaaa\u{07}bbbbbbbbbbbb", .malformedField),
        field("two credentials", "Authorization: a\r\nAuthorization: b", .repeatedCredential),
        bad("fold right after the request line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", .malformedField),
    ]

    static let framing: [RequestCase] = [
        field("length with sign", "Content-Length: +5", .invalidContentLength),
        field("negative length", "Content-Length: -5", .invalidContentLength),
        field("empty length", "Content-Length:", .invalidContentLength),
        field("hexadecimal length", "Content-Length: 0x5", .invalidContentLength),
        field("length list", "Content-Length: 5, 5", .invalidContentLength),
        field("length with space inside", "Content-Length: 5 5", .invalidContentLength),
        field("fraction", "Content-Length: 5.0", .invalidContentLength),
        field("length beyond 63 bits", "Content-Length: 9223372036854775808", .invalidContentLength),
        field("length of 2^64 + 5", "Content-Length: 18446744073709551621", .invalidContentLength),
        field("length of 40 digits", "Content-Length: \("9".repeated(40))", .invalidContentLength),
        field("full-width digits", "Content-Length: ５", .invalidContentLength),
        field("same length twice", "Content-Length: 5\r\nContent-Length: 5", .repeatedContentLength),
        field("two lengths", "Content-Length: 5\r\nContent-Length: 6", .repeatedContentLength),
        field("length and coding", "Content-Length: 5\r\nTransfer-Encoding: chunked", .lengthAndCoding),
        field("coding and length", "Transfer-Encoding: chunked\r\nContent-Length: 5", .lengthAndCoding),
        field(
            "coding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            .repeatedTransferEncoding),
        field("list of one coding twice", "Transfer-Encoding: chunked, chunked", .chunkedNotLast),
        field("gzip first", "Transfer-Encoding: gzip, chunked", .unknownTransferCoding),
        field("identity", "Transfer-Encoding: identity", .chunkedNotLast),
        field("gzip", "Transfer-Encoding: gzip", .chunkedNotLast),
        field("chunked not last", "Transfer-Encoding: chunked, gzip", .chunkedNotLast),
        field("unknown coding", "Transfer-Encoding: xchunked", .chunkedNotLast),
        field("coding with parameter", "Transfer-Encoding: chunked;q=1", .chunkedNotLast),
        field("quoted coding", "Transfer-Encoding: \"chunked\"", .chunkedNotLast),
        field("empty coding", "Transfer-Encoding:", .chunkedNotLast),
        field("list with hole", "Transfer-Encoding: ,chunked", .chunkedNotLast),
        field("coding with vertical tab", "Transfer-Encoding: \u{0b}chunked", .malformedField),
        field("space before the coding's colon", "Transfer-Encoding : chunked", .malformedField),
        bad(
            "coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            .codingInOldVersion),
        field("other expectation", "Expect: tea", .unknownExpectation),
        field("expectation list", "Expect: 100-continue, tea", .unknownExpectation),
        field("two expectations", "Expect: 100-continue\r\nExpect: 100-continue", .unknownExpectation),
        field("empty expectation", "Expect:", .unknownExpectation),
    ]

    static let targets: [RequestCase] = [
        target("x", .malformedTarget), target("*", .malformedTarget), target("a:443", .malformedTarget),
        target("//a\u{e9}", .malformedTarget), target("/a#b", .malformedTarget),
        target("/a?b#c", .malformedTarget), target("/<script>", .malformedTarget),
        target("/a\\b", .malformedTarget), target("/{a}", .malformedTarget), target("/a^b", .malformedTarget),
        target("/?a\"b", .malformedTarget), target("/a\u{7f}", .malformedRequestLine),
        target("ftp://a/", .malformedTarget), target("http://", .malformedTarget),
        target("http:///x", .malformedTarget), target("http://user@a/", .authorityMismatch),
        target("http://b/", .authorityMismatch), target("http://a:81/", .authorityMismatch),
        target("https://a:80/", .authorityMismatch), target("http://a:x/", .authorityMismatch),
        target("/%", .malformedPercentEncoding), target("/%4", .malformedPercentEncoding),
        target("/%4g", .malformedPercentEncoding), target("/a%", .malformedPercentEncoding),
        target("/?a=%", .malformedPercentEncoding), target("/?a=%4", .malformedPercentEncoding),
        target("/?a=%zz", .malformedPercentEncoding), target("/%ff", .malformedPercentEncoding),
        target("/%c0%af", .malformedPercentEncoding), target("/%ed%a0%80", .malformedPercentEncoding),
        target("/%00", .forbiddenPathByte), target("/a%00b", .forbiddenPathByte),
        target("/?a=%00", .forbiddenPathByte), target("/%0d%0aX:1", .forbiddenPathByte),
        target("/%7f", .forbiddenPathByte), target("/..", .pathAboveRoot), target("/a/../..", .pathAboveRoot),
        target("/%2e%2e/", .pathAboveRoot), target("/a/..%2f..", .pathAboveRoot),
        target("/..?a", .pathAboveRoot),
    ]

    static let hosts: [RequestCase] = [
        bad("no host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", .missingHost),
        bad("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .repeatedHost),
        bad("two hosts, old version", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", .repeatedHost),
        host("", .invalidHost), host("a b", .invalidHost), host("a/b", .invalidHost),
        host("a@b", .invalidHost),
        host("a,b", .invalidHost), host("a:b", .invalidHost), host("a:65536", .invalidHost),
        host("a:99999999999999999999", .invalidHost), host("[::1", .invalidHost), host("[]", .invalidHost),
        host("[::1]x", .invalidHost), host("[zz::1]", .invalidHost), host(":80", .invalidHost),
        host("a%2", .invalidHost), host("a?b", .invalidHost), host("http://a", .invalidHost),
        host("caf\u{e9}", .invalidHost), host("a:80:80", .invalidHost), host("[::1%25eth0]", .invalidHost),
    ]

    static let sizes: [RequestCase] = [
        good("longest request line", "GET /\("a".repeated(8192 - 14)) HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad(
            "request line too long", "GET /\("a".repeated(8192 - 13)) HTTP/1.1\r\nHost: a\r\n\r\n",
            .requestLineTooLong),
        bad("endless request line", "GET /\("a".repeated(9000))", .requestLineTooLong),
        good("most fields", "GET / HTTP/1.1\r\nHost: a\r\n\("X: y\r\n".repeated(99))\r\n"),
        bad(
            "too many fields", "GET / HTTP/1.1\r\nHost: a\r\n\("X: y\r\n".repeated(100))\r\n", .tooManyFields),
        good("largest head", "GET / HTTP/1.1\r\nHost: a\r\nX: \("y".repeated(65536 - 32))\r\n\r\n"),
        bad(
            "head too large", "GET / HTTP/1.1\r\nHost: a\r\nX: \("y".repeated(65536 - 31))\r\n\r\n",
            .headTooLarge),
        bad("endless head", "GET / HTTP/1.1\r\nHost: a\r\nX: \("y".repeated(66000))", .headTooLarge),
        bad("endless name", "GET / HTTP/1.1\r\n\("y".repeated(66000))", .headTooLarge),
    ]
}

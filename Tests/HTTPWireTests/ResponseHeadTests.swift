import Testing

@testable import HTTPWire

/// A response head and what must become of it.
struct ResponseCase: Sendable, CustomTestStringConvertible {
    let name: String
    let response: [UInt8]
    let expected: ResponseVerdict
    var testDescription: String { name }

    static func good(_ name: String, _ response: String) -> ResponseCase {
        ResponseCase(name: name, response: bytes(response), expected: .complete(response.utf8.count))
    }
    static func bad(_ name: String, _ response: String, _ fault: ResponseFault) -> ResponseCase {
        ResponseCase(name: name, response: bytes(response), expected: .refused(fault))
    }
    static func field(_ name: String, _ line: String, _ fault: ResponseFault) -> ResponseCase {
        bad(name, "HTTP/1.1 200 OK\r\n\(line)\r\n\r\n", fault)
    }

    static let all: [ResponseCase] =
        accepted + statusLines + [
            bad("bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", .bareLineFeed),
            bad("bare line feed at the end", "HTTP/1.1 200 OK\r\n\n", .bareLineFeed),
            field("fold", "X: a\r\n b", .malformedField),
            field("space before the colon", "Content-Length : 5", .malformedField),
            field("no colon", "Xyz", .malformedField),
            field("return in a value", "X: a\rb", .malformedField),
            field("nul in a value", "X: a\0", .malformedField),
            field("length with sign", "Content-Length: +5", .invalidContentLength),
            field("empty length", "Content-Length: ", .invalidContentLength),
            field("length list", "Content-Length: 5, 5", .invalidContentLength),
            field("length of 2^63", "Content-Length: 9223372036854775808", .invalidContentLength),
            field("same length twice", "Content-Length: 5\r\nContent-Length: 5", .repeatedContentLength),
            field("length and coding", "Content-Length: 5\r\nTransfer-Encoding: chunked", .lengthAndCoding),
            field("gzip, chunked", "Transfer-Encoding: gzip, chunked", .unknownTransferCoding),
            field("identity", "Transfer-Encoding: identity", .unknownTransferCoding),
            field(
                "coding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                .repeatedTransferEncoding),
            bad(
                "coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                .codingInOldVersion),
            bad("too many fields", "HTTP/1.1 200 OK\r\n\("X: y\r\n".repeated(101))\r\n", .tooManyFields),
            bad("header bomb", "HTTP/1.1 200 OK\r\nX: \("y".repeated(66000))", .headTooLarge),
            bad("endless reason", "HTTP/1.1 200 \("y".repeated(9000))", .statusLineTooLong),
        ]

    static let accepted: [ResponseCase] = [
        good("plain", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        good("no reason", "HTTP/1.1 200 \r\n\r\n"),
        good("reason with high bytes", "HTTP/1.1 404 Pas trouv\u{e9}\r\n\r\n"),
        good("old version", "HTTP/1.0 200 OK\r\n\r\n"),
        good("interim", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        good("largest status", "HTTP/1.1 599 X\r\n\r\n"),
    ]

    static let statusLines: [ResponseCase] = [
        bad("HTTP/0.9", "hello", .malformedStatusLine),
        bad("HTML", "<html>", .malformedStatusLine),
        bad("leading empty line", "\r\nHTTP/1.1 200 OK\r\n\r\n", .malformedStatusLine),
        bad("lower case", "http/1.1 200 OK\r\n\r\n", .malformedStatusLine),
        bad("another protocol", "ICY 200 OK\r\n\r\n", .malformedStatusLine),
        bad("no space after the status", "HTTP/1.1 200\r\n\r\n", .malformedStatusLine),
        bad("two digits", "HTTP/1.1 20 OK\r\n\r\n", .malformedStatusLine),
        bad("four digits", "HTTP/1.1 2000 OK\r\n\r\n", .malformedStatusLine),
        bad("letters", "HTTP/1.1 2x0 OK\r\n\r\n", .malformedStatusLine),
        bad("sign", "HTTP/1.1 -20 OK\r\n\r\n", .malformedStatusLine),
        bad("two spaces", "HTTP/1.1  200 OK\r\n\r\n", .malformedStatusLine),
        bad("nothing", "HTTP/\r\n\r\n", .malformedStatusLine),
        bad("control in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", .malformedStatusLine),
        bad("return in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", .malformedStatusLine),
        bad("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
        bad("HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", .unsupportedVersion),
        bad("status 000", "HTTP/1.1 000 X\r\n\r\n", .unexpectedStatus),
        bad("status 099", "HTTP/1.1 099 X\r\n\r\n", .unexpectedStatus),
        bad("status 600", "HTTP/1.1 600 X\r\n\r\n", .unexpectedStatus),
        bad("switching protocols", "HTTP/1.1 101 Switching Protocols\r\n\r\n", .unexpectedStatus),
    ]
}

@Suite("response heads")
struct ResponseHeadTests {
    @Test("every response gets its verdict", arguments: ResponseCase.all)
    func verdict(_ example: ResponseCase) {
        #expect(responseVerdict(example.response) == example.expected)
    }

    @Test("no way to cut a response in two changes its verdict", arguments: ResponseCase.all)
    func splits(_ example: ResponseCase) {
        let count = example.response.count
        let cuts =
            count < 2000 ? Array(1..<count) : Array(1..<40) + Array(stride(from: 40, to: count, by: 997))
        for cut in cuts {
            let verdict = responseVerdict(example.response, prefixes: [cut])
            #expect(verdict == example.expected, "cut at \(cut)")
        }
        if count < 2000 {
            #expect(responseVerdict(example.response, prefixes: Array(1..<count)) == example.expected)
        }
    }

    @Test(
        "framing follows the status, the method and the head",
        arguments: [
            (200, HTTPMethod.get, "", BodyFraming.untilClose), (200, .get, "Content-Length: 5", .length(5)),
            (200, .get, "Transfer-Encoding: chunked", .chunked),
            (200, .head, "Content-Length: 5", .length(0)),
            (200, .head, "Transfer-Encoding: chunked", .length(0)),
            (304, .get, "Content-Length: 5", .length(0)),
            (204, .post, "", .length(0)), (204, .post, "Content-Length: 5", .length(0)),
            (100, .post, "", .length(0)), (500, .post, "Content-Length: 0", .length(0)),
        ] as [(Int, HTTPMethod, String, BodyFraming)])
    func framing(_ status: Int, _ method: HTTPMethod, _ field: String, _ expected: BodyFraming) {
        var head = ResponseHead()
        let line = field.isEmpty ? "" : field + "\r\n"
        _ = withExactCopy(bytes("HTTP/1.1 \(status) X\r\n\(line)\r\n")) { head.parse($0) }
        #expect(head.status == status)
        #expect(head.framing(answering: method) == expected)
    }

    @Test(
        "a connection is kept only by a promise",
        arguments: [
            ("1.1", 200, "", true), ("1.1", 200, "Connection: close", false), ("1.0", 200, "", false),
            ("1.0", 200, "Connection: keep-alive", true), ("1.1", 204, "Content-Length: 5", false),
            ("1.1", 204, "Content-Length: 0", true), ("1.1", 204, "Transfer-Encoding: chunked", false),
            ("1.1", 304, "Content-Length: 5", true),
        ])
    func keepAlive(_ version: String, _ status: Int, _ field: String, _ expected: Bool) {
        var head = ResponseHead()
        let line = field.isEmpty ? "" : field + "\r\n"
        _ = withExactCopy(bytes("HTTP/\(version) \(status) X\r\n\(line)\r\n")) { head.parse($0) }
        #expect(head.keepAlive == expected)
    }

    @Test("one head serves response after response, interim ones included")
    func reuse() {
        var head = ResponseHead()
        withExactCopy(
            bytes("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Here\r\nContent-Length: 7\r\n\r\n")
        ) {
            view in
            #expect(head.parse(view) == .complete(25))
            #expect((head.isInterim) == true)
            head.reset()
            let rest = UnsafeRawBufferPointer(rebasing: view[25...])
            #expect(head.parse(rest) == .complete(rest.count))
            #expect((head.isInterim) == false)
            #expect(head.status == 404)
            #expect(head.announcedLength == 7)
            #expect(text(head.reason(in: rest.baseAddress!)) == "Not Here")
            #expect(text(head.fields.value(.contentLength, in: rest.baseAddress!)) == "7")
        }
    }
}

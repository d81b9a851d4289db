import Testing

@testable import HTTPWire

/// What a chunked body decodes to, cut in any way.
enum ChunkOutcome: Equatable, Sendable {
    case complete(content: String, length: Int)
    case unfinished(content: String)
    case refused(ChunkFault)
}

struct ChunkCase: Sendable, CustomTestStringConvertible {
    let name: String
    let body: [UInt8]
    let expected: ChunkOutcome
    var testDescription: String { name }

    static func good(_ name: String, _ body: String, _ content: String) -> ChunkCase {
        ChunkCase(
            name: name, body: bytes(body), expected: .complete(content: content, length: body.utf8.count))
    }
    static func bad(_ name: String, _ body: String, _ fault: ChunkFault = .malformed) -> ChunkCase {
        ChunkCase(name: name, body: bytes(body), expected: .refused(fault))
    }

    static let all: [ChunkCase] =
        accepted + refused + [
            ChunkCase(
                name: "the next request stays", body: bytes("1\r\na\r\n0\r\n\r\nGET /"),
                expected: .complete(content: "a", length: 11)),
            ChunkCase(name: "cut in data", body: bytes("5\r\nab"), expected: .unfinished(content: "ab")),
            ChunkCase(
                name: "cut before the end", body: bytes("1\r\na\r\n0\r\n"),
                expected: .unfinished(content: "a")),
            ChunkCase(
                name: "largest size", body: bytes("7fffffffffffffff\r\nab"),
                expected: .unfinished(content: "ab")),
        ]

    static let accepted: [ChunkCase] = [
        good("empty", "0\r\n\r\n", ""),
        good("one", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        good("two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
        good("hexadecimal", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
        good("leading zeros", "0000000000000001\r\na\r\n0000\r\n\r\n", "a"),
        good("extension", "1;x\r\na\r\n0;y\r\n\r\n", "a"),
        good("extension with value", "1;x=y;z=1\r\na\r\n0\r\n\r\n", "a"),
        good("quoted extension", "1;x=\"a\\\"b;\tc\"\r\na\r\n0\r\n\r\n", "a"),
        good("quoted, then another", "1;x=\"\";y\r\na\r\n0\r\n\r\n", "a"),
        good("trailers", "1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n", "a"),
        good("line ends in data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"),
        good("longest line", "1;\("x".repeated(4094))\r\na\r\n0\r\n\r\n", "a"),
        good("most trailers", "0\r\nX: \("y".repeated(16384 - 7))\r\n\r\n", ""),
        good("many small chunks", "\("1\r\na\r\n".repeated(13_000))0\r\n\r\n", "a".repeated(13_000)),
    ]

    static let refused: [ChunkCase] = [
        bad("no size", "\r\n\r\n"), bad("not hexadecimal", "g\r\n"), bad("sign", "+1\r\na\r\n"),
        bad("negative", "-1\r\n"), bad("prefix", "0x1\r\na\r\n"), bad("leading space", " 1\r\na\r\n"),
        bad("trailing space", "1 \r\na\r\n"), bad("trailing tab", "1\t\r\na\r\n"),
        bad("seventeen digits", "00000000000000001\r\na\r\n", .sizeTooLarge),
        bad("size of 2^63", "8000000000000000\r\n", .sizeTooLarge),
        bad("size of 2^64 - 1", "ffffffffffffffff\r\n", .sizeTooLarge),
        bad("size of 2^64", "10000000000000000\r\n", .sizeTooLarge),
        bad("line feed after the size", "1\na\r\n"), bad("return alone after the size", "1\ra\r\n"),
        bad("two returns", "1\r\r\na\r\n"), bad("no line end after data", "1\r\nab\r\n0\r\n\r\n"),
        bad("line feed after data", "1\r\na\n0\r\n\r\n"), bad("return alone after data", "1\r\na\r0\r\n\r\n"),
        bad("data longer than said", "1\r\nabc\r\n"), bad("line feed after the last size", "0\n\r\n"),
        bad("line feed at the end", "0\r\n\n", .malformedTrailer),
        bad("return, then letter at the end", "0\r\n\rx", .malformedTrailer),
        bad("empty extension", "1;\r\na\r\n"), bad("extension of two semicolons", "1;;x\r\na\r\n"),
        bad("space before the extension", "1 ;x\r\na\r\n"), bad("space after the semicolon", "1; x\r\na\r\n"),
        bad("extension without value", "1;x=\r\na\r\n"), bad("space in an extension", "1;x y\r\na\r\n"),
        bad("open quote", "1;x=\"a\r\nb\r\n"), bad("text after a quote", "1;x=\"a\"b\r\nc\r\n"),
        bad("line feed in an extension", "1;x\ny\r\na\r\n"), bad("nul in a quote", "1;x=\"\0\"\r\na\r\n"),
        bad("control after a backslash", "1;x=\"\\\u{1}\"\r\na\r\n"),
        bad("line too long", "1;\("x".repeated(4095))\r\na\r\n", .lineTooLong),
        bad("endless extension", "1;\("x".repeated(5000))", .lineTooLong),
        bad("endless quote", "1;x=\"\("y".repeated(5000))", .lineTooLong),
        bad("trailer without colon", "0\r\nX\r\n\r\n", .malformedTrailer),
        bad("trailer with space before the colon", "0\r\nX : y\r\n\r\n", .malformedTrailer),
        bad("folded trailer", "0\r\nX: y\r\n z\r\n\r\n", .malformedTrailer),
        bad("trailer without name", "0\r\n: y\r\n\r\n", .malformedTrailer),
        bad("nul in a trailer", "0\r\nX: \0\r\n\r\n", .malformedTrailer),
        bad("line feed in a trailer", "0\r\nX: y\n\r\n", .malformedTrailer),
        bad("return in a trailer", "0\r\nX: y\rz\r\n\r\n", .malformedTrailer),
        bad("trailers too large", "0\r\nX: \("y".repeated(16384))\r\n\r\n", .trailersTooLarge),
        bad("more framing than content", "\("1\r\na\r\n".repeated(20_000))0\r\n\r\n", .overhead),
        bad("extensions to no end", "\("1;\("x".repeated(4000))\r\na\r\n".repeated(20))", .overhead),
    ]
}

@Suite("chunked coding")
struct ChunkTests {
    static func outcome(_ body: [UInt8], cuts: [Int]) -> ChunkOutcome {
        var decoder = ChunkDecoder()
        var content: [UInt8] = []
        var position = 0
        for end in cuts + [body.count] {
            while position < end && !decoder.isComplete {
                do {
                    let step = try withExactCopy(body[position..<end]) { view in
                        Result { () throws(ChunkFault) in
                            let step = try decoder.decode(view)
                            content += view[step.framing..<(step.framing + step.content)]
                            return step
                        }
                    }.get()
                    position += step.framing + step.content
                } catch {
                    // After a fault nothing more is accepted.
                    _ = withExactCopy([0x30]) { view in
                        #expect(throws: ChunkFault.self) { () throws(ChunkFault) in try decoder.decode(view) }
                    }
                    return .refused(error)
                }
            }
        }
        #expect(decoder.contentBytes == content.count)
        let text = String(decoding: content, as: UTF8.self)
        return decoder.isComplete ? .complete(content: text, length: position) : .unfinished(content: text)
    }

    @Test("every body decodes or is refused", arguments: ChunkCase.all)
    func whole(_ example: ChunkCase) {
        #expect(Self.outcome(example.body, cuts: []) == example.expected)
    }

    @Test("no way to cut a body changes what it decodes to", arguments: ChunkCase.all)
    func splits(_ example: ChunkCase) {
        let count = example.body.count
        let cuts = count < 1000 ? Array(0..<count) : Array(stride(from: 1, to: count, by: max(1, count / 50)))
        for cut in cuts {
            #expect(Self.outcome(example.body, cuts: [cut]) == example.expected, "cut at \(cut)")
        }
        #expect(Self.outcome(example.body, cuts: Array(1..<count)) == example.expected)
    }

    @Test("scanning passes framing through and stops where the body ends", arguments: ChunkCase.all)
    func scan(_ example: ChunkCase) {
        for cut in [0, 1, example.body.count / 2] {
            var decoder = ChunkDecoder()
            var total = 0
            let result = Result { () throws(ChunkFault) in
                for piece in [example.body[..<cut], example.body[cut...]] where !piece.isEmpty {
                    total += try withExactCopy(piece) { view in
                        Result { () throws(ChunkFault) in try decoder.scan(view) }
                    }.get()
                }
            }
            switch (result, example.expected) {
            case (.success, .complete(_, let length)):
                #expect(decoder.isComplete)
                #expect(total == length)
            case (.success, .unfinished):
                #expect(!decoder.isComplete)
                #expect(total == example.body.count)
            case (.failure(let fault), .refused(let expected)): #expect(fault == expected)
            default: Issue.record("\(result) where \(example.expected) was expected")
            }
        }
    }

    @Test("responses may frame more than requests")
    func overhead() throws {
        let body = bytes("\("1\r\na\r\n".repeated(20_000))0\r\n\r\n")
        var decoder = ChunkDecoder(limits: .response)
        #expect(try body.withUnsafeBytes { try decoder.scan($0) } == body.count)
        decoder.reset()
        #expect(!decoder.isComplete)
        #expect(try body.withUnsafeBytes { try decoder.scan($0) } == body.count)
    }

    @Test("what the encoder writes the decoder reads", arguments: [0, 1, 9, 10, 15, 16, 255, 4096, 70_000])
    func roundTrip(_ size: Int) throws {
        var encoder = ChunkEncoder()
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        let framed = content.withUnsafeBytes { Array(encoder.encode($0, isLast: true)) }
        guard case .complete(let decoded, let length) = Self.outcome(framed, cuts: []) else {
            Issue.record("not complete")
            return
        }
        #expect(decoded == String(decoding: content, as: UTF8.self))
        #expect(length == framed.count)
        let open = content.withUnsafeBytes { Array(encoder.encode($0)) }
        #expect(open.count == framed.count - 5)
    }

    @Test(
        "size lines are plain hexadecimal",
        arguments: [(0, "0"), (1, "1"), (26, "1a"), (Int.max, "7fffffffffffffff")])
    func sizeLine(_ size: Int, _ digits: String) {
        withUnsafeTemporaryAllocation(byteCount: ChunkEncoder.maximumSizeLine, alignment: 1) { buffer in
            let count = ChunkEncoder.writeSizeLine(size, to: buffer.baseAddress!)
            #expect(String(decoding: buffer[..<count], as: UTF8.self) == digits + "\r\n")
        }
    }
}

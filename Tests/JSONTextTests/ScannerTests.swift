import JSONText
import Testing

/// What a check says of a text: nil is acceptable.
private func verdict(_ text: String) -> JSONError? { verdict(Array(text.utf8)) }

private func verdict(_ bytes: [UInt8]) -> JSONError? {
    do throws(JSONError) {
        try bytes.span.withUnsafeBytes { bytes throws(JSONError) in try validateJSON(bytes) }
        return nil
    } catch {
        return error
    }
}

@Suite("JSON scanner")
struct ScannerTests {
    @Test(
        "a hundred thousand open brackets are refused at the 129th, whatever follows",
        arguments: ["[", #"{"a":"#])
    func depthBomb(_ opening: String) {
        let bomb = String(repeating: opening, count: 100_000)
        #expect(verdict(bomb) == JSONError(.tooDeep, offset: 128 * opening.utf8.count))
        let tree = #expect(throws: JSONError.self) { try JSONValue.parse(bomb) }
        #expect(tree?.reason == .tooDeep)
        #expect(tree?.offset == 128 * opening.utf8.count)
    }

    @Test("128 levels are accepted and 129 are not, in arrays, objects and a mix")
    func depthLimit() {
        for (opening, closing) in [("[", "]"), (#"{"a":"#, "}"), (#"[{"a":"#, "}]")] {
            let perUnit = opening.hasPrefix("[{") ? 2 : 1
            func nested(_ depth: Int) -> String {
                let count = depth / perUnit
                return String(repeating: opening, count: count) + "1"
                    + String(repeating: closing, count: count)
            }
            #expect(verdict(nested(128)) == nil)
            #expect((try? JSONValue.parse(nested(128))) != nil)
            #expect(verdict("[" + nested(128) + "]")?.reason == .tooDeep)
            #expect((try? JSONValue.parse("[" + nested(128) + "]")) == nil)
        }
        let members = Array((#"{"a":"# + String(repeating: "[", count: 128) + "x").utf8)
        let error = #expect(throws: JSONError.self) {
            try members.withUnsafeBytes { bytes in
                var walk = try JSONMembers(bytes)
                _ = try walk.next()
            }
        }
        #expect(error == JSONError(.tooDeep, offset: 5 + 127))
    }

    /// Text, reason, offset.
    static let faults: [(String, JSONError.Reason, Int)] = [
        ("", .unexpectedEnd, 0), ("  ", .unexpectedEnd, 2), ("x", .unexpectedByte, 0),
        ("[1,]", .unexpectedByte, 3),
        ("[1 2]", .unexpectedByte, 3), ("[", .unexpectedEnd, 1), ("[1", .unexpectedEnd, 2),
        ("{", .unexpectedEnd, 1),
        (#"{"a"}"#, .unexpectedByte, 4), (#"{"a":1,}"#, .unexpectedByte, 7), (#"{a:1}"#, .unexpectedByte, 1),
        (#"{"a":1]"#, .unexpectedByte, 6), ("[1}", .unexpectedByte, 2), ("1 2", .trailingBytes, 2),
        ("{}{}", .trailingBytes, 2), ("tru", .unexpectedEnd, 3), ("trux", .unexpectedByte, 3),
        ("nul", .unexpectedEnd, 3),
        ("fals!", .unexpectedByte, 4), ("-", .unexpectedEnd, 1), ("-x", .invalidNumber, 1),
        ("01", .trailingBytes, 1),
        ("1.", .unexpectedEnd, 2), ("1.x", .invalidNumber, 2), ("1e", .unexpectedEnd, 2),
        ("1e+", .unexpectedEnd, 3),
        ("1ex", .invalidNumber, 2), (".5", .unexpectedByte, 0), ("+1", .unexpectedByte, 0),
        ("0x1", .trailingBytes, 1),
        (#""abc"#, .unexpectedEnd, 4), (#""\"#, .unexpectedEnd, 2), (#""\x""#, .invalidEscape, 1),
        (#""\u12g4""#, .invalidEscape, 1), (#""\u12"#, .invalidEscape, 1), (#""\ud800""#, .loneSurrogate, 1),
        (#""\udc00""#, .loneSurrogate, 1), (#""\ud800\ud800""#, .loneSurrogate, 1),
        (#""\ud800\n....""#, .loneSurrogate, 1),
        (#""\ud800\u00""#, .loneSurrogate, 1), ("\"a\u{1}\"", .controlCharacter, 2),
        ("\"\n\"", .controlCharacter, 1),
        ("\u{FEFF}{}", .unexpectedByte, 0), ("[1,\u{A0}2]", .unexpectedByte, 3), ("NaN", .unexpectedByte, 0),
    ]

    @Test("a fault is named with its reason and its offset", arguments: faults)
    func fault(_ text: String, _ reason: JSONError.Reason, _ offset: Int) {
        #expect(verdict(text) == JSONError(reason, offset: offset))
        let tree = #expect(throws: JSONError.self) { try JSONValue.parse(text) }
        #expect(tree?.reason == reason)
        #expect(tree?.offset == offset)
    }

    @Test(
        "bytes that are not UTF-8 are refused at every place in a word and in a long run",
        arguments: 0..<66)
    func invalidUTF8(_ padding: Int) {
        let table: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
            [0xE2, 0x82],
            [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF0, 0x9F, 0x98],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE2, 0x28, 0xA1],
            [0xE2, 0x82, 0x28],
            [0xF0, 0x9F, 0x98, 0x28], [0xF0, 0x9F, 0x28, 0x80],
        ]
        let before = [0x22] + [UInt8](repeating: 0x61, count: padding)
        for bytes in table {
            #expect(
                verdict(before + bytes + [0x22]) == JSONError(.invalidUTF8, offset: before.count), "\(bytes)")
            // Cut off by the end instead of by the quote.
            #expect(verdict(before + bytes) != nil)
        }
        let good: [[UInt8]] = [
            [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
            [0xEF, 0xBF, 0xBF],
            [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF], [0x7F],
        ]
        for bytes in good { #expect(verdict(before + bytes + bytes + [0x22]) == nil, "\(bytes)") }
    }

    @Test(
        "every byte is judged right in every lane of a word and of a long run, whatever stands around it",
        arguments: [0x61, 0x20, 0x7F, 0x21, 0x5D] as [UInt8])
    func everyByteInEveryLane(_ others: UInt8) {
        for lane in 0..<84 {
            for byte in UInt8.min...UInt8.max {
                var text = [0x22] + [UInt8](repeating: others, count: 84) + [0x22]
                text[1 + lane] = byte
                let isPlain = byte >= 0x20 && byte < 0x80 && byte != 0x22 && byte != 0x5C
                // A quote ends the string early; a backslash makes an escape that there is not, or
                // escapes the closing quote.
                if (verdict(text) == nil) != isPlain { Issue.record("byte \(byte) in lane \(lane)") }
            }
        }
    }

    @Test("white space is four characters, everywhere between tokens and nowhere else")
    func whitespace() {
        #expect(verdict(" \t\r\n{ \t\"a\" \r:\n [ 1 , 2 ] , \"b\" : { } , \"c\":[ ] } \n") == nil)
        for other in ["\u{B}", "\u{C}", "\u{0}", "\u{2028}"] { #expect(verdict("[" + other + "]") != nil) }
    }

    @Test("a document cut short at any byte is refused, and never read beyond")
    func truncation() {
        let document = Array(
            #"{"a":[1,-2.5e+3,"\u00e9\ud83d\ude00é😀",true,false,null,{}],"b":{"c":[]}}"#.utf8)
        #expect(verdict(document) == nil)
        for length in 0..<document.count {
            #expect(verdict(Array(document[..<length])) != nil, "\(length) bytes")
        }
    }

    @Test("the errors read as sentences")
    func descriptions() {
        #expect(JSONError(.tooDeep, offset: 7).description == "nesting deeper than 128 at byte 7")
        let located = JSONError(.duplicateName, offset: 9, pointer: "/a/0")
        #expect(located.description == "the same name twice in one object at byte 9, in /a/0")
        let all = (0...20).compactMap { JSONError.Reason(rawValue: $0) }
        #expect(Set(all.map(\.text)).count == all.count)
    }
}

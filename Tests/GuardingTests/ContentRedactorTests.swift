import Contract
import JSONText
import Testing

@testable import Guarding

@Suite("what is said is redacted before it leaves a node")
struct ContentRedactorTests {
    private static func side(_ text: String, byteCount: Int? = nil) -> CallContent.Side {
        let bytes = Array(text.utf8)
        return ContentRedactor.side(of: bytes, byteCount: byteCount ?? bytes.count)
    }

    // Written in two pieces, so that nobody's scanner takes this file for a leak.
    static let secrets = [
        "AKIA" + "IOSFODNN7EXAMPLE", "ghp_" + "0123456789abcdefghijklmnopqrstuvwxyz",
        "sk-proj-" + "0123456789abcdefghijABCDEFGHIJ", "ek_" + "0123456789abcdefghijABCDEFGHIJ",
        "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "4111 1111 1111 1111",
        "DE89 3704 0044 0532 0130 00", "jo.o@mail.example.com", "+55 11 91234-5678", "192.168.10.255",
    ]

    @Test("secrets and data of persons go, wherever in the JSON they stand", arguments: secrets)
    func planted(_ secret: String) throws {
        let places = [
            #"{"messages":[{"role":"user","content":"before SECRET after"}]}"#,
            #"{"messages":[{"role":"user","content":"a line\nSECRET\nanother"}]}"#,
            #"{"messages":[{"role":"user","content":"a tab\tSECRET \u00e9"}]}"#,
            #"{"SECRET":"as a name"}"#, #"["SECRET"]"#, #"{"a":{"b":[{"c":"x SECRET"}]}}"#,
        ]
        for place in places {
            let text = place.replacing("SECRET", with: secret)
            let side = Self.side(text)
            #expect(!side.text.contains(secret), "\(text)")
            #expect(side.redactions == 1 && !side.isTruncated, "\(side.text)")
            #expect(side.text.contains("[redacted: "))
            #expect(side.byteCount == UInt64(text.utf8.count))
            let value = try JSONValue.parse(Array(side.text.utf8))
            #expect(value.text.count > 10, "it is JSON still")
        }
    }

    @Test("a secret that is written with escapes is seen for what it is")
    func escaped() throws {
        let side = Self.side(#"{"content":"key \u0041KIAIOSFODNN7EXAMPLE, \"jo\u0040example.com\""}"#)
        #expect(side.redactions == 2, "\(side.text)")
        let value = try JSONValue.parse(Array(side.text.utf8))
        #expect(value["content"]?.string == #"key [redacted: aws_access_key], "[redacted: email]""#)
    }

    @Test("the number of a card is redacted as a number too; other numbers stay")
    func numbers() throws {
        let side = Self.side(#"{"card":4111111111111111,"at":1700000000,"n":[1,2.5,-3e7,true,null]}"#)
        #expect(side.redactions == 1)
        let value = try JSONValue.parse(Array(side.text.utf8))
        #expect(value["card"]?.string == "[redacted: card]")
        #expect(value["at"]?.exactInt64 == 1_700_000_000 && value["n"]?.array?.count == 5)
    }

    @Test("what has nothing to redact stays as it came, byte for byte")
    func untouched() {
        for text in [
            #"{"model":"m","messages":[{"role":"user","content":"Ol\u00e1, \"João\" 🙂"}] }"#, "{}", "[ ]",
            #""""#, "",
        ] {
            let side = Self.side(text)
            #expect(side.text == text && side.redactions == 0 && !side.isTruncated)
        }
    }

    @Test("a long one is shortened to its bound, and what the cut goes through is not left in halves")
    func cut() {
        let limit = CallContent.maximumTextBytes, wanted = ContentRedactor.wantedBytes
        let secret = "sk-proj-" + "0123456789abcdefghijABCDEFGHIJ0123456789"
        // The secret begins at every place about the cut.
        for shift in stride(from: 0, through: 60, by: 3) {
            let before = #"{"content":""# + String(repeating: "é ", count: (wanted - shift - 12) / 3)
            let after = " and so on " + String(repeating: "z", count: 9_000) + #""}"#
            let whole = Array((before + secret + after).utf8)
            let side = ContentRedactor.side(of: Array(whole.prefix(wanted)), byteCount: whole.count)
            #expect(side.isTruncated && side.byteCount == UInt64(whole.count))
            #expect(side.text.utf8.count <= limit && side.text.utf8.count > limit - 64)
            #expect(!side.text.contains("sk-p") && !side.text.contains("\u{FFFD}"))
        }
    }

    @Test("marks that make a text longer do not take it over its bound")
    func expansion() {
        let text = "[" + Array(repeating: #""a@b.co""#, count: 6_000).joined(separator: ",") + "]"
        let side = Self.side(text)
        #expect(side.redactions == 6_000 && side.isTruncated)
        #expect(side.text.utf8.count <= CallContent.maximumTextBytes && !side.text.contains("a@b.co"))
    }

    @Test("bytes that are no text make no trouble", arguments: [UInt8(0xFF), 0xC3, 0xF0, 0x80, 0x5C, 0x22])
    func garbage(_ byte: UInt8) {
        for count in [1, 2, 5, 70_000] {
            let bytes = [UInt8](repeating: byte, count: count)
            let side = ContentRedactor.side(
                of: Array(bytes.prefix(ContentRedactor.wantedBytes)), byteCount: count)
            #expect(side.text.utf8.count <= CallContent.maximumTextBytes)
        }
    }
}

import Domain
import TestSupport
import Testing

@testable import Patterns

@Suite("what is found in texts")
struct DetectorTests {
    private static func found(_ detector: Detector, in text: String) -> [String] {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { detector.findings(in: $0) }
            .map { String(decoding: bytes[$0.range], as: UTF8.self) }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let datum: PersonalDatum
        let text: String
        let found: [String]
        var testDescription: String { "\(datum.rawValue): \(text)" }
    }

    private static func row(_ datum: PersonalDatum, _ text: String, _ found: String...) -> Row {
        Row(datum: datum, text: text, found: found)
    }

    static let rows = [
        row(.email, "write to jo.o+tag@mail.example.com, please", "jo.o+tag@mail.example.com"),
        row(.email, "a@b is none, nor is @example.com"),
        row(.email, "<x@example.org> and y@example.co.uk", "x@example.org", "y@example.co.uk"),
        row(.phone, "call +55 11 91234-5678 now", "+55 11 91234-5678"),
        row(.phone, "call (415) 555-2671", "(415) 555-2671"),
        row(.phone, "version 1.2.3 of 2024-01-02"),
        row(.card, "4111 1111 1111 1111 is Visa's", "4111 1111 1111 1111"),
        row(.card, "5500-0000-0000-0004.", "5500-0000-0000-0004"),
        row(.card, "4111 1111 1111 1112 has a wrong digit"),
        row(.card, "0000 0000 0000 0000 is nobody's"),
        row(.card, "order 12 4111111111111111", "4111111111111111"),
        row(.iban, "to DE89 3704 0044 0532 0130 00 today", "DE89 3704 0044 0532 0130 00"),
        row(.iban, "GB82WEST12345698765432", "GB82WEST12345698765432"),
        row(.iban, "GB83WEST12345698765432"),
        row(
            .ipAddress, "from 192.168.10.255 or 2001:db8::ff00:42:8329", "192.168.10.255",
            "2001:db8::ff00:42:8329"),
        row(.ipAddress, "300.1.1.1, 1.2.3, std::vector and ::"),
    ]

    @Test("data of persons, told from what only looks like them", arguments: rows)
    func personalData(_ row: Row) {
        #expect(Self.found(Detector(personalData: [row.datum]), in: row.text) == row.found)
    }

    // Written in two pieces, so that nobody's scanner takes this file for a leak.
    static let secrets = [
        "AKIA" + "IOSFODNN7EXAMPLE", "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
        "ghp_" + "0123456789abcdefghijklmnopqrstuvwxyz", "glpat-" + "0123456789abcdefghij",
        "xoxb-" + "123456789012-abcdefghijkl", "sk_live_" + "0123456789abcdefghij",
        "sk-proj-" + "0123456789abcdefghijABCDEFGHIJ", "sk-ant-api03-" + "0123456789abcdefghijABC",
        "hf_" + "abcdefghijABCDEFGHIJ0123456789abcd", "npm_" + "0123456789abcdefghijklmnopqrstuvwxyz",
        "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIBVQ==\n-----END RSA PRIVATE KEY-----",
    ]

    @Test("credentials of services, keys and tokens, whole", arguments: secrets)
    func secret(_ secret: String) {
        #expect(Self.found(.secrets, in: "use '\(secret)' here") == [secret])
    }

    @Test(
        "what is no credential is none",
        arguments: [
            "the sk-learn library, a ghp_ prefix, AKIA alone", "eyJust a word. eyJ.", "hf_short",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        ])
    func noSecret(_ text: String) {
        #expect(Self.found(.secrets, in: text).isEmpty)
    }

    @Test("words are whole and of any case; their signs mean themselves")
    func words() throws {
        let detector = try Detector(words: ["project x", "a.c", "C++", "café"])
        #expect(
            Self.found(detector, in: "PROJECT X, projects xy, abc, a.c, c++, Café")
                == ["PROJECT X", "a.c", "c++", "Café"])
    }

    @Test("a pattern that is none is named by its place")
    func problems() throws {
        #expect(throws: DetectorProblem(index: 1, reason: "missing ): (b")) {
            try Detector(patterns: ["a", "(b"])
        }
        // Neither looking around nor looking back can be had in linear time.
        for text in [#"(a)\1"#, "a(?=b)", "(?<!a)b"] {
            #expect(throws: DetectorProblem.self) { try Detector(patterns: [text]) }
        }
        #expect(throws: DetectorProblem.self) {
            try Detector(patterns: [String(repeating: "a", count: Pattern.maximumBytes + 1)])
        }
    }

    @Test("findings are in order and disjoint, and marks take their places")
    func redaction() throws {
        let detector = try Detector(patterns: ["b+", "abb", "", "z"])
        let text = Array("aabbbz abb".utf8)
        text.withUnsafeBytes { bytes in
            let findings = detector.findings(in: bytes)
            #expect(findings.map(\.range) == [1..<5, 5..<6, 7..<10])
            let redacted = String(decoding: Detector.redacted(bytes, findings), as: UTF8.self)
            #expect(redacted == "a[redacted: pattern][redacted: pattern] [redacted: pattern]")
        }
    }

    @Test("patterns made to take for ever take no time")
    func time() throws {
        let detector = try Detector(patterns: ["(a+)+$", "(a|aa)+b", "(.*)*x"])
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 20_000)
        let clock = ContinuousClock()
        let taken = clock.measure { text.withUnsafeBytes { _ = detector.findings(in: $0) } }
        // Backtracking would not end in the age of the universe.
        #expect(taken < .seconds(20))
    }
}

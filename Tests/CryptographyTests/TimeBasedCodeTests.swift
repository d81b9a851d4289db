import Cryptography
import Testing

@Suite("Codes of an authenticator app")
struct TimeBasedCodeTests {
    private static let secret = Secret(utf8: "12345678901234567890")

    @Test(
        "the published codes (RFC 6238, appendix B), their last six digits",
        arguments: [
            (59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"),
            (2_000_000_000, "279037"), (20_000_000_000, "353130"),
        ] as [(Int64, String)])
    func vectors(_ seconds: Int64, _ code: String) {
        #expect(TimeBasedCode.code(Self.secret, step: TimeBasedCode.step(at: seconds)) == code)
        #expect(TimeBasedCode.step(of: code, Self.secret, at: seconds) == seconds / 30)
    }

    @Test("a clock may differ by a step, not by two")
    func clocks() {
        let code = TimeBasedCode.code(Self.secret, step: 100)
        #expect(TimeBasedCode.step(of: code, Self.secret, at: 99 * 30) == 100)
        #expect(TimeBasedCode.step(of: code, Self.secret, at: 101 * 30 + 29) == 100)
        #expect(TimeBasedCode.step(of: code, Self.secret, at: 102 * 30) == nil)
        #expect(TimeBasedCode.step(of: code, Self.secret, at: 98 * 30) == nil)
        #expect(TimeBasedCode.step(of: "", Self.secret, at: 100 * 30) == nil)
    }

    @Test(
        "base 32 is the published one (RFC 4648 §10), without padding",
        arguments: [
            ("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ])
    func base32(_ text: String, _ encoded: String) {
        #expect(Base32.encode(Array(text.utf8)) == encoded)
    }
}

import Cryptography
import Domain
import Testing

@testable import Operations

@Suite("Password policy")
struct PasswordPolicyTests {
    private func problem(
        _ password: String, _ policy: PasswordPolicy = PasswordPolicy()
    ) -> ValidationError.Code? {
        policy.problem(Secret(utf8: password), email: "Ana.Silva@example.com", at: "/password")?.code
    }

    @Test("length decides, within the operator's minimum; the address itself is no password")
    func length() {
        #expect(problem(String(repeating: "x", count: 11)) == .tooShort)
        #expect(problem(String(repeating: "x", count: 12)) == nil)
        #expect(problem(String(repeating: "x", count: 128)) == nil)
        #expect(problem(String(repeating: "x", count: 129)) == .tooLong)
        #expect(problem(String(repeating: "x", count: 15), PasswordPolicy(minimumBytes: 16)) == .tooShort)
        #expect(problem("ana.silva@EXAMPLE.com") == .notAllowed)
    }

    @Test("a breached password is refused, whether the list has it as text or as SHA-1")
    func breached() {
        let digest = Hexadecimal.encode(Array("correct horse battery".utf8).withUnsafeBytes { sha1($0) })
        let text = "password1234\r\n\n\(digest.uppercased()):42\nlast line without end"
        let policy = PasswordPolicy(breached: BreachList(text: Array(text.utf8)))
        #expect(policy.breached.count == 3)
        for word in ["password1234", "correct horse battery", "last line without end"] {
            #expect(problem(word, policy) == .notAllowed)
        }
        #expect(problem("password12345", policy) == nil)
    }

    @Test("the hashes are the published ones (FIPS 180-4, RFC 2202)")
    func vectors() {
        let digest = Array("abc".utf8).withUnsafeBytes { sha1($0) }
        #expect(Hexadecimal.encode(digest) == "a9993e364706816aba3e25717850c26c9cd0d89d")
        let tag = hmacSHA1(key: Secret(utf8: "Jefe"), message: Array("what do ya want for nothing?".utf8))
        #expect(Hexadecimal.encode(tag) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
    }
}

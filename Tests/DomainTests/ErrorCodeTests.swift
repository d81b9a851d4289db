import Domain
import Glibc
import Testing

@Suite("the error catalogue")
struct ErrorCodeTests {
    @Test("codes are unique snake case, and each is found by its name", arguments: ErrorCode.all)
    func codes(_ entry: ErrorCode) {
        #expect(entry.code.wholeMatch(of: /[a-z]+(_[a-z]+)*/) != nil)
        #expect(ErrorCode.all.count { $0.code == entry.code } == 1)
        #expect(ErrorCode.named(entry.code) == entry)
        #expect(ErrorCode.named(entry.code)?.safeText == entry.safeText)
    }

    @Test("every status is an error, every text a sentence of its own", arguments: ErrorCode.all)
    func texts(_ entry: ErrorCode) {
        #expect((400...599).contains(entry.status))
        #expect(entry.safeText.first?.isUppercase == true && entry.safeText.last == ".")
        #expect(entry.safeText.utf8.count <= 100)
        #expect(!entry.safeText.contains("|") && !entry.safeText.contains("\n"))
    }

    @Test("what cannot succeed by waiting is not called retryable", arguments: ErrorCode.all)
    func retries(_ entry: ErrorCode) {
        if entry.isRetryable { #expect([408, 409, 429, 500, 502, 503, 504].contains(entry.status)) }
        if [401, 403, 404, 413, 422].contains(entry.status) { #expect(!entry.isRetryable) }
        if [429, 503].contains(entry.status) { #expect(entry.isRetryable) }
    }

    @Test("an unknown name is no entry")
    func unknown() { #expect(ErrorCode.named("teapot") == nil) }

    /// `ECLUSA_RECORD=1 swift test --filter ErrorCodeTests` writes the page anew.
    @Test("docs/errors.md is the catalogue as it is")
    func page() throws {
        let path =
            "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/docs/errors.md"
        let expected = ErrorCode.catalogueMarkdown
        if getenv("ECLUSA_RECORD") != nil {
            let file = try #require(fopen(path, "w"))
            fputs(expected, file)
            fclose(file)
        }
        let file = try #require(fopen(path, "r"), "docs/errors.md is missing")
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        let page = String(decoding: bytes[..<count], as: UTF8.self)
        #expect(page == expected, "docs/errors.md is behind; run with ECLUSA_RECORD=1")
        for entry in ErrorCode.all { #expect(page.contains("| `\(entry.code)` | \(entry.status) |")) }
    }
}

import Domain
import Testing

/// Generated documents stay what the code says.
@Suite("generated documents")
struct GeneratedDocumentTests {
    @Test("docs/errors.md is the error catalogue")
    func errors() throws {
        try CommittedDocument(path: "docs/errors.md", generated: ErrorCode.catalogueMarkdown).check()
    }

    @Test("every error has one code, a sentence that ends, and a status that is an error")
    func catalogue() {
        #expect(Set(ErrorCode.all.map(\.code)).count == ErrorCode.all.count)
        for error in ErrorCode.all {
            #expect(error.safeText.hasSuffix("."), "\(error.code)")
            #expect((400...599).contains(error.status), "\(error.code)")
        }
    }
}

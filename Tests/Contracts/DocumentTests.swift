import Domain
import Settings
import Testing

@testable import ControlServer
@testable import GatewayServer
@testable import StandInProvider

/// Generated documents stay what the code says.
@Suite("generated documents")
struct GeneratedDocumentTests {
    @Test("docs/errors.md is the error catalogue")
    func errors() throws {
        try CommittedDocument(path: "docs/errors.md", generated: ErrorCode.catalogueMarkdown).check()
    }

    @Test("docs/settings.md is every program's settings")
    func settings() throws {
        let schemas = [ControlSettings.schema, GatewaySettings.schema, StandInProgram.schema]
        let page =
            "# Settings\n\nRendered from the programs' own tables by `make documents`. A setting `--some-name` is "
            + "also read from\n`ECLUSA_SOME_NAME`; the flag wins. Secrets come from files or variables, never from "
            + "flags.\n\n"
        try CommittedDocument(
            path: "docs/settings.md", generated: page + schemas.map(\.markdown).joined(separator: "\n")
        ).check()
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

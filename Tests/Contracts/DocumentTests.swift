import Domain
import Settings
import TestSupport
import Testing

@testable import GatewayServer
@testable import StandInProvider

/// What the documents promise, held against the code.
@Suite("contracts")
struct GeneratedDocumentTests {
    /// `make documents` writes these parts anew.
    @Test("docs/settings.md describes every program's settings as they are")
    func settings() {
        let pages = [
            ("eclusa-gateway", GatewaySettings.schema.markdown),
            ("eclusa-stand-in", StandInProgram.schema.markdown),
        ]
        for (program, part) in pages {
            let isCurrent = SettingsPage.isCurrent(part, program: program)
            #expect(isCurrent, "docs/settings.md is behind in \(program); run with ECLUSA_RECORD=1")
        }
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

import Foundation
import Testing

/// A document in the repository that is generated from code: it must equal what the code generates now.
struct CommittedDocument {
    let path: String
    let generated: String

    /// Compares; with ECLUSA_REWRITE_DOCUMENTS set (`make documents`) it writes instead.
    func check(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let file = Self.root.appendingPathComponent(path)
        if ProcessInfo.processInfo.environment["ECLUSA_REWRITE_DOCUMENTS"] != nil {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try generated.write(to: file, atomically: true, encoding: .utf8)
            return
        }
        let committed = try? String(contentsOf: file, encoding: .utf8)
        let isCurrent = committed == generated
        #expect(
            isCurrent, "\(path) is not what the code says; run `make documents` and commit it",
            sourceLocation: sourceLocation)
    }

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
}

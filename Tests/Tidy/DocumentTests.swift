import Foundation
import Testing

/// Documents that say what is true: folders, tests they name, links.
@Suite("documents")
struct DocumentTests {
    @Test("every module's folder appears in docs/ARCHITECTURE.md")
    func folders() throws {
        let page = try Repository.text(of: "docs/ARCHITECTURE.md")
        for plane in Repository.productFolders {
            let modules = Set(Repository.files(in: [plane], endingIn: [".swift", ".c"]).map(\.module))
            for module in modules where module != "Shared/C" {
                let name = module.split(separator: "/").last.map(String.init) ?? module
                let isNamed = page.contains("`\(name)`")
                #expect(isNamed, "docs/ARCHITECTURE.md does not name \(module)")
            }
        }
    }

    @Test("ARCHITECTURE.md is at most 250 lines")
    func length() throws {
        let lines = try Repository.text(of: "docs/ARCHITECTURE.md").components(separatedBy: "\n")
        #expect(lines.count <= 251)
    }

    @Test("every test file that ARCHITECTURE.md names as a guard exists")
    func guards() throws {
        let page = try Repository.text(of: "docs/ARCHITECTURE.md")
        let named = page.matches(of: #/`(Tests\/[\w\/.-]+)`/#).map { String($0.1) }
        #expect(named.count >= 8)
        for path in named {
            #expect(Repository.exists(path), "\(path) is named but is not there")
        }
    }

    @Test("every relative link in a document leads somewhere")
    func links() throws {
        let documents =
            ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
            + Repository.paths(under: "docs").filter { $0.hasSuffix(".md") }
        for document in documents {
            let folder = (document as NSString).deletingLastPathComponent
            for match in try Repository.text(of: document).matches(of: #/\]\(([^)#\s]+)(?:#[^)]*)?\)/#) {
                let target = String(match.1)
                if target.contains("://") || target.hasPrefix("mailto:") { continue }
                let path = folder.isEmpty ? target : "\(folder)/\(target)"
                #expect(Repository.exists(path), "\(document) links to \(target)")
            }
        }
    }

    @Test("the repository names no machine path")
    func machinePaths() {
        let suffixes = [".swift", ".md", ".sql", ".py", ".sh", ".json", ".yml", ".txt", ".c", ".h"]
        for file in Repository.files(
            in: Repository.productFolders + ["Tests", "docs", "infrastructure"],
            endingIn: suffixes)
        {
            if file.path.hasPrefix("Tests/Tidy") { continue }
            for (index, line) in file.lines.enumerated() {
                for word in ["/" + "work/", "/home" + "/", "/root" + "/"] where line.contains(word) {
                    Issue.record("\(file.path):\(index + 1) names a path of one machine")
                }
            }
        }
    }
}

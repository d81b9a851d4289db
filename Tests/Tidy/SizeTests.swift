import Testing

/// Page-sized code: a reader holds a function in the head and a file on a few screens.
@Suite("sizes")
struct SizeTests {
    static let longestLine = 110
    static let longestFunction = 70
    static let longestFile = 600

    @Test("no line is longer than 110 columns")
    func lines() {
        for file in Repository.swiftFiles {
            for (index, line) in file.lines.enumerated() where line.count > Self.longestLine {
                // A literal that cannot be wrapped (a test vector, a URL) may stand alone.
                if file.path.hasPrefix("Tests/"), line.contains("\"") { continue }
                Issue.record("\(file.path):\(index + 1) has \(line.count) columns")
            }
        }
    }

    @Test("no file is longer than 600 lines")
    func files() {
        for file in Repository.swiftFiles where file.lines.count > Self.longestFile + 1 {
            Issue.record(
                "\(file.path) has \(file.lines.count - 1) lines: split it by aspect (Type+Aspect.swift)")
        }
    }

    @Test("no function is longer than 70 lines")
    func functions() {
        for file in Repository.swiftFiles {
            for function in Self.functions(in: file) where function.length > Self.longestFunction {
                Issue.record("\(file.path):\(function.line) is a function of \(function.length) lines")
            }
        }
    }

    /// Functions by indentation: swift-format puts a body's closing brace in its declaration's own column.
    static func functions(in file: Repository.SourceFile) -> [(line: Int, length: Int)] {
        var found: [(line: Int, length: Int)] = []
        var open: [(line: Int, indent: Int)] = []
        for (index, line) in file.lines.enumerated() {
            let indent = line.prefix { $0 == " " }.count
            let code = line.dropFirst(indent)
            if code.hasPrefix("}"), let last = open.last, last.indent == indent {
                found.append((last.line + 1, index - last.line + 1))
                open.removeLast()
            }
            let declares = declarations.contains { code.hasPrefix($0) || code.contains(" \($0)") }
            if declares, !code.hasPrefix("//"), !code.hasSuffix("}"), !code.hasPrefix("\"") {
                open.append((index, indent))
            }
        }
        return found
    }
    static let declarations = ["func ", "init(", "init<"]

    @Test("the function finder counts a body from its declaration to its brace")
    func finder() {
        let file = Repository.SourceFile(
            path: "x.swift", lines: ["struct A {", "    func b() {", "        c()", "    }", "}"])
        #expect(Self.functions(in: file).map(\.length) == [3])
    }
}

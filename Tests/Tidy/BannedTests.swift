import Foundation
import Testing

/// Words the product does not use, each with what to use instead and why.
struct Ban: Sendable, CustomTestStringConvertible {
    let text: String
    let instead: String
    /// Path prefixes where the word is at home.
    var allowedIn: [String] = []
    var testsToo = false
    var testDescription: String { text }

    static let all = [
        Ban(text: "try!", instead: "handle the error: a trap is a remote crash"),
        Ban(text: "as!", instead: "a checked cast: a trap is a remote crash"),
        Ban(
            text: "print(", instead: "Log: lines have a level, fields and no secrets",
            allowedIn: ["ControlPlane/CommandLine"]),
        Ban(text: "Date()", instead: "the WallClock passed in: tests turn it"),
        Ban(
            text: "Task {", instead: "EventLoop.spawn: a task stays on its loop",
            allowedIn: ["Shared/EventLoops"]),
        Ban(text: "Task.detached", instead: "EventLoop.spawn: a task stays on its loop"),
        Ban(text: "Task.sleep", instead: "EventLoop.sleep: timers live on the loop's wheel", testsToo: true),
        Ban(text: "AsyncStream", instead: "a machine and a Wakeup: AsyncStream costs a hop an element"),
        Ban(text: "FIXME", instead: "fix it, or open an issue", testsToo: true),
        Ban(text: "TO" + "DO", instead: "do it, or open an issue", testsToo: true),
        Ban(text: "XXX ", instead: "say what is the matter", testsToo: true),
        Ban(text: "@unchecked Sendable", instead: "a Mutex, or a value", allowedIn: Ban.uncheckedHomes),
        Ban(text: "usleep(", instead: "a signal or the fake clock", testsToo: true),
        Ban(text: "#expect(true)", instead: "an expectation that can fail", testsToo: true),
    ]

    /// Types whose thread safety the compiler cannot see, each argued where it stands. May only shrink.
    static let uncheckedHomes = [
        "Shared/EventLoops", "Shared/Transport", "Shared/Cryptography", "Shared/Telemetry", "Shared/Policy",
        "Shared/Lifecycle", "DataPlane/LocalStore", "ControlPlane/CommandLine",
    ]
}

@Suite("banned words")
struct BannedTests {
    @Test("a banned word stands nowhere but at home", arguments: Ban.all)
    func banned(_ ban: Ban) {
        for file in Repository.swiftFiles {
            if file.path.hasPrefix("Tests/Tidy") { continue }
            if file.path.hasPrefix("Tests/"), !ban.testsToo { continue }
            if ban.allowedIn.contains(where: file.path.hasPrefix) { continue }
            for (index, line) in file.lines.enumerated() where Self.contains(line, word: ban.text) {
                Issue.record("\(file.path):\(index + 1) says \(ban.text); use \(ban.instead)")
            }
        }
    }

    /// A word in code: not inside a comment, not the tail of a longer name.
    static func contains(_ line: String, word: String) -> Bool {
        guard let range = line.range(of: word) else { return false }
        let before = line[..<range.lowerBound]
        if before.contains("//") && !["FIXME", "XXX", "TO" + "DO"].contains(word) { return false }
        guard let last = before.last, let first = word.first, first.isLetter else { return true }
        return !(last.isLetter || last.isNumber || last == "_")
    }

    @Test("SQL stands only in Store, the driver's own statements, migrations and tests")
    func sqlOnlyInStore() {
        let homes = ["ControlPlane/Store", "ControlPlane/PostgresDriver", "DataPlane/LocalStore"]
        let words = ["\"SELECT ", "\"INSERT INTO", "\"UPDATE ", "\"DELETE FROM", "SELECT * "]
        for file in Repository.productSwiftFiles where !homes.contains(where: file.path.hasPrefix) {
            for (index, line) in file.lines.enumerated() where words.contains(where: line.contains) {
                Issue.record("\(file.path):\(index + 1) holds SQL; it belongs in Store")
            }
        }
    }

    @Test("Foundation stays out of the data plane and of the shared machines")
    func foundation() {
        let homes = ["ControlPlane/CommandLine", "Tests/"]
        for file in Repository.swiftFiles where !homes.contains(where: file.path.hasPrefix) {
            for (index, line) in file.lines.enumerated() where line.contains("import Foundation") {
                Issue.record("\(file.path):\(index + 1) imports Foundation: large, slow, and not needed here")
            }
        }
    }

    @Test("nothing is public: the product has no library API")
    func access() {
        for file in Repository.productSwiftFiles {
            for (index, line) in file.lines.enumerated()
            where line.contains(#/^\s*(?:@\w+ )*public (?!import)/#) {
                Issue.record("\(file.path):\(index + 1) is public; `package` is the widest")
            }
        }
    }

    @Test("no vague names: a file is named after its type, never Utils or Manager")
    func names() {
        let vague = ["Utils", "Common", "Helpers", "Manager", "Base"]
        for file in Repository.swiftFiles {
            let name = file.path.split(separator: "/").last.map(String.init) ?? ""
            for word in vague where name == "\(word).swift" || name.hasSuffix("\(word).swift") {
                Issue.record("\(file.path): \(word) says nothing; name what it does")
            }
        }
    }
}

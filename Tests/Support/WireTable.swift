import Foundation

/// One line of a table in `Tests/Strictness`: bytes and what must become of them.
package struct WireCase: Sendable, CustomStringConvertible {
    package let section: String
    package let name: String
    /// The method of the request, where bytes are an answer to one.
    package let method: String
    package let bytes: [UInt8]
    /// Whether the sender ends the connection behind the bytes.
    package let isEnded: Bool
    /// In the words of `Tests/Strictness/README.md`, in order.
    package let outcomes: [String]

    package var description: String { "\(section): \(name)" }
}

/// The tables of `Tests/Strictness`, read once.
package enum WireTable {
    /// The content that stands for `{body}`.
    package static let body = #"{"ok":true}"#
    package static let requests = read("requests.txt")
    package static let answers = read("answers.txt")

    private static func read(_ file: String) -> [WireCase] {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        guard let text = try? String(contentsOf: tests.appending(path: "Strictness/\(file)"), encoding: .utf8)
        else { return [] }
        var cases: [WireCase] = []
        var section = Section()
        for line in text.split(separator: "\n") where !line.hasPrefix("# ") {
            if let name = value(of: "##", in: line) {
                section = Section(name: name)
            } else if let template = value(of: "template", in: line) {
                section.template = template
            } else if let expect = value(of: "expect", in: line) {
                section.expect = expect
            } else if let method = value(of: "method", in: line) {
                section.method = method
            } else if line == "then close" {
                section.isEnded = true
            } else {
                cases.append(section.wireCase(line))
            }
        }
        return cases
    }

    /// What stands behind a word at the beginning of a line; nil for a line that is a case.
    private static func value(of word: String, in line: Substring) -> String? {
        guard line.hasPrefix(word + " "), word == "##" || !line.contains("|") else { return nil }
        return line.dropFirst(word.count).trimmingCharacters(in: .whitespaces)
    }

    private struct Section {
        var name = ""
        var template = "{}"
        var expect = ""
        var method = "POST"
        var isEnded = false

        func wireCase(_ line: Substring) -> WireCase {
            let columns = line.split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            var text = template
            if let place = text.range(of: "{}") {
                text.replaceSubrange(place, with: columns.count > 1 ? columns[1] : "")
            }
            let outcome = columns.count > 2 ? columns[2] : expect
            let outcomes = String(decoding: WireText.expand(outcome), as: UTF8.self)
            return WireCase(
                section: name, name: columns[0], method: method, bytes: WireText.expand(text),
                isEnded: isEnded,
                outcomes: outcomes.isEmpty ? [] : outcomes.components(separatedBy: "; "))
        }
    }
}

/// Escapes and repetitions of the tables' texts.
enum WireText {
    static func expand(_ text: String) -> [UInt8] {
        var rest = Array(text.utf8)[...]
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\\"): bytes.append(escaped(&rest))
            case UInt8(ascii: "{"): bytes += braced(&rest) ?? [byte]
            default: bytes.append(byte)
            }
        }
        return bytes
    }

    private static func escaped(_ rest: inout ArraySlice<UInt8>) -> UInt8 {
        switch rest.popFirst() {
        case UInt8(ascii: "r"): return 13
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "t"): return 9
        case UInt8(ascii: "s"): return 32
        case UInt8(ascii: "0"): return 0
        case UInt8(ascii: "x"):
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            rest = rest.dropFirst(2)
            return UInt8(digits, radix: 16) ?? 0x3f
        case let other: return other ?? 0x5c
        }
    }

    /// What a text in braces stands for; nil, and nothing taken, when it is only a text in braces.
    private static func braced(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        var depth = 1
        var end = rest.startIndex
        while end < rest.endIndex {
            if rest[end] == UInt8(ascii: "{") { depth += 1 }
            if rest[end] == UInt8(ascii: "}") { depth -= 1 }
            if depth == 0 { break }
            end += 1
        }
        guard end < rest.endIndex,
            let bytes = meaning(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
        else { return nil }
        rest = rest[(end + 1)...]
        return bytes
    }

    private static func meaning(_ text: String) -> [UInt8]? {
        if let star = text.firstIndex(of: "*"), let count = Int(text[..<star]) {
            let piece = expand(String(text[text.index(after: star)...]))
            return Array(repeatElement(piece, count: count).joined())
        }
        let content = Array(WireTable.body.utf8)
        for word in ["body", "length", "hex"] where text.hasPrefix(word) {
            guard let change = Int("0" + text.dropFirst(word.count)) ?? Int(text.dropFirst(word.count)) else {
                return nil
            }
            switch word {
            case "body": return Array(content.prefix(content.count + change))
            case "length": return Array(String(content.count + change).utf8)
            default: return Array(String(content.count + change, radix: 16).utf8)
            }
        }
        return nil
    }
}

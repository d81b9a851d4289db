package import Domain

/// Something that was found in a text.
package struct Finding: Hashable, Sendable {
    /// Offsets of bytes.
    package let range: Range<Int>
    /// What it is: a word for marks and counts.
    package let label: String

    package init(range: Range<Int>, label: String) {
        self.range = range
        self.label = label
    }
}

/// Finds what a rule about texts is looking for. Any thread; its time is linear in the text.
package final class Detector: Sendable {
    struct Rule: Sendable {
        let pattern: Pattern
        let label: String
        /// Whether a match is what it looks like; nil: it is.
        var isGenuine: (@Sendable (UnsafeRawBufferPointer) -> Bool)?
    }

    /// Of one text; the rest is not looked for.
    package static let maximumFindings = 10_000

    private let rules: [Rule]

    init(_ rules: [Rule]) { self.rules = rules }

    /// Regular expressions, with their places when one of them is none.
    package convenience init(patterns: [String]) throws(DetectorProblem) {
        var rules: [Rule] = []
        for (index, text) in patterns.enumerated() {
            do throws(Pattern.Problem) {
                rules.append(Rule(pattern: try Pattern(text), label: "pattern"))
            } catch { throw DetectorProblem(index: index, reason: error.reason) }
        }
        self.init(rules)
    }

    /// Whole words and phrases, in any case.
    package convenience init(words: [String]) throws(DetectorProblem) {
        var rules: [Rule] = []
        for (index, word) in words.enumerated() {
            // A boundary stands only beside a letter or a digit.
            func boundary(_ scalar: Unicode.Scalar?) -> String {
                scalar.map { $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0)) } ?? false
                    ? "\\b" : ""
            }
            let scalars = word.unicodeScalars
            let text = boundary(scalars.first) + Pattern.quoted(word) + boundary(scalars.last)
            do throws(Pattern.Problem) {
                rules.append(Rule(pattern: try Pattern(text, ignoresCase: true), label: "word"))
            } catch { throw DetectorProblem(index: index, reason: error.reason) }
        }
        self.init(rules)
    }

    /// Data of persons.
    package convenience init(personalData kinds: [PersonalDatum]) {
        self.init(kinds.flatMap { PersonalDataRules.rules(for: $0) })
    }

    /// Credentials of the usual services, private keys and tokens.
    package static let secrets = Detector(SecretRules.all)

    /// What is there, in order and disjoint: what overlaps becomes one, under the first one's label.
    package func findings(in text: UnsafeRawBufferPointer) -> [Finding] {
        var found: [Finding] = []
        for rule in rules {
            var offset = 0
            while found.count < Self.maximumFindings,
                let match = rule.pattern.firstMatch(in: text, from: offset)
            {
                let isGenuine =
                    rule.isGenuine.map { $0(UnsafeRawBufferPointer(rebasing: text[match])) } ?? true
                if isGenuine, !match.isEmpty { found.append(Finding(range: match, label: rule.label)) }
                // What only looks like it may have the real thing inside.
                offset = isGenuine && !match.isEmpty ? match.upperBound : match.lowerBound + 1
                if offset > text.count { break }
            }
        }
        if found.count < 2 { return found }
        found.sort { ($0.range.lowerBound, -$0.range.count) < ($1.range.lowerBound, -$1.range.count) }
        var merged: [Finding] = []
        for finding in found {
            guard let last = merged.last, finding.range.lowerBound < last.range.upperBound else {
                merged.append(finding)
                continue
            }
            let end = max(last.range.upperBound, finding.range.upperBound)
            merged[merged.count - 1] = Finding(range: last.range.lowerBound..<end, label: last.label)
        }
        return merged
    }

    /// What stands in the place of a finding.
    package static func mark(_ label: String) -> String { "[redacted: \(label)]" }

    /// The text with marks in the places of findings, which must be in order and disjoint.
    package static func redacted(_ text: UnsafeRawBufferPointer, _ findings: [Finding]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var offset = 0
        for finding in findings {
            result += text[offset..<finding.range.lowerBound]
            result += Array(mark(finding.label).utf8)
            offset = finding.range.upperBound
        }
        return result + text[offset...]
    }
}

/// One of a detector's texts that cannot be looked for.
package struct DetectorProblem: Error, Hashable, Sendable {
    /// Its place in the list.
    package let index: Int
    package let reason: String
}

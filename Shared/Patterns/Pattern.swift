import CRE2

/// A regular expression in RE2's syntax: no look-around and no back-references, and in return its time grows
/// with the text and nothing else, whoever wrote either. Any thread.
package final class Pattern: Sendable {
    /// Why a text is no pattern.
    package struct Problem: Error, Hashable, Sendable {
        /// RE2's words, which may quote the pattern.
        package let reason: String
    }

    package static let maximumBytes = 1000

    // RE2 promises that a made expression may be asked by many threads at once.
    private nonisolated(unsafe) let expression: OpaquePointer

    /// - Parameter ignoresCase: letters stand for both of their cases.
    package init(_ text: String, ignoresCase: Bool = false) throws(Problem) {
        var text = text
        guard text.utf8.count <= Self.maximumBytes else {
            throw Problem(reason: "it has more than \(Self.maximumBytes) bytes")
        }
        var made: OpaquePointer?
        let reason = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 200) { problem in
            problem[0] = 0
            made = text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    re2_pattern_make($0.baseAddress, $0.count, ignoresCase ? 1 : 0, problem.baseAddress, 200)
                }
            }
            let bytes = problem.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            return String(decoding: bytes, as: UTF8.self)
        }
        guard let made else { throw Problem(reason: reason) }
        expression = made
    }

    deinit { re2_pattern_free(expression) }

    /// The first match that begins at an offset or behind it; nil when there is none. May be empty.
    package func firstMatch(in text: UnsafeRawBufferPointer, from offset: Int = 0) -> Range<Int>? {
        guard let base = text.baseAddress, (0...text.count).contains(offset) else { return nil }
        var start = 0
        var end = 0
        let found = re2_pattern_find(
            expression, base.assumingMemoryBound(to: CChar.self), text.count, offset, &start, &end)
        return found == 1 ? start..<end : nil
    }

    /// A text as a pattern that matches itself.
    package static func quoted(_ text: String) -> String {
        var quoted = ""
        for scalar in text.unicodeScalars {
            let isWord = scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "_"
            if scalar.isASCII, !isWord, scalar != " " {
                quoted.append("\\")
            }
            quoted.unicodeScalars.append(scalar)
        }
        return quoted
    }
}

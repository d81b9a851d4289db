/// One thing wrong with one field of an input: where (RFC 6901 JSON pointer), what (for programs), how to fix
/// it.
package struct ValidationError: Error, Hashable, Sendable {
    package enum Code: String, Sendable, CaseIterable {
        case required
        case unknownField = "unknown_field"
        case wrongType = "wrong_type"
        case invalidFormat = "invalid_format"
        case tooShort = "too_short"
        case tooLong = "too_long"
        case outOfRange = "out_of_range"
        case duplicate
        case notFound = "not_found"
        case notAllowed = "not_allowed"
    }

    /// `/targets/0/weight`; the empty text is the whole input. Query parameters use their name.
    package let pointer: String
    package let code: Code
    /// A sentence that says what would be right; never quotes a secret.
    package let message: String

    package init(_ pointer: String, _ code: Code, _ message: String) {
        self.pointer = pointer
        self.code = code
        self.message = message
    }

    /// The same complaint below another place: `/targets/0` + `/weight`.
    package func below(_ prefix: String) -> ValidationError {
        ValidationError(prefix + pointer, code, message)
    }
}

/// A rule for names and other short texts: lengths count UTF-8 bytes, so what passes also fits every table
/// and codec.
package struct TextRule: Sendable {
    package let minimum: Int
    package let maximum: Int
    /// What the characters must be, in words.
    package let explanation: String
    private let accepts: @Sendable (String) -> Bool

    package init(
        _ lengths: ClosedRange<Int>, _ explanation: String, accepts: @escaping @Sendable (String) -> Bool
    ) {
        minimum = lengths.lowerBound
        maximum = lengths.upperBound
        self.explanation = explanation
        self.accepts = accepts
    }

    /// nil when the text keeps the rule.
    package func check(_ text: String, at pointer: String) -> ValidationError? {
        let count = text.utf8.count
        if count < minimum {
            return ValidationError(pointer, .tooShort, "must have at least \(minimum) characters")
        }
        if count > maximum { return ValidationError(pointer, .tooLong, "must have at most \(maximum) bytes") }
        return accepts(text) ? nil : ValidationError(pointer, .invalidFormat, "must be \(explanation)")
    }

    /// Machine names in URLs: `acme`, `team-7`.
    package static let slug = TextRule(
        1...63, "lowercase letters, digits and inner hyphens, beginning with a letter or digit"
    ) { text in
        let bytes = Array(text.utf8)
        let hyphen = UInt8(ascii: "-")
        return bytes.first != hyphen && bytes.last != hyphen
            && bytes.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == hyphen }
    }

    /// Names for people: any language, no control characters, no blanks at the ends.
    package static let displayName = TextRule(
        1...200, "text without control characters and without blanks at its ends"
    ) { text in
        let isControl = { (scalar: Unicode.Scalar) in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned, .surrogate:
                true
            default: false
            }
        }
        let scalars = text.unicodeScalars
        return !scalars.contains(where: isControl) && scalars.first?.properties.isWhitespace == false
            && scalars.last?.properties.isWhitespace == false
    }

    /// Tags and names of metadata: `team:search`, `cost-centre.7`.
    package static let label = TextRule(
        1...64, "letters, digits and . _ - : / inside, beginning and ending with a letter or digit"
    ) { text in
        let bytes = Array(text.utf8)
        let marks = Array("._-:/".utf8)
        guard let first = bytes.first, let last = bytes.last else { return false }
        return Base62.isDigit(first) && Base62.isDigit(last)
            && bytes.allSatisfy { Base62.isDigit($0) || marks.contains($0) }
    }

    /// The model names applications ask for and providers offer: `gpt-4o-mini`, `meta/llama-3.1:8b`.
    package static let modelName = TextRule(
        1...128, "letters, digits and . _ - : / @ + inside, beginning and ending with a letter or digit"
    ) { text in
        let bytes = Array(text.utf8)
        guard let first = bytes.first, let last = bytes.last, Base62.isDigit(first), Base62.isDigit(last)
        else { return false }
        let marks = Array("._-:/@+".utf8)
        return bytes.allSatisfy { Base62.isDigit($0) || marks.contains($0) }
            && !zip(bytes, bytes.dropFirst()).contains {
                $0 == $1 && ($0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "."))
            }
    }

    /// An address like `ana@example.com`; whether it exists only a message can tell.
    package static let email = TextRule(3...254, "an e-mail address such as ana@example.com") { text in
        let parts = text.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        guard parts.count == 2, (1...64).contains(parts[0].count) else { return false }
        let local = parts[0].allSatisfy { $0 > 32 && $0 < 127 && !Array("\"(),:;<>[]\\".utf8).contains($0) }
        return local && BaseURL.isHostName(String(Substring(parts[1])))
            && parts[1].contains(UInt8(ascii: "."))
    }
}

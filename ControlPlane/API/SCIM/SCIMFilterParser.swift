import Domain
import Operations
import Store

/// Reads the filters of RFC 7644 §3.4.2.2: comparisons (`eq ne co sw ew pr`), `and`, `or`, `not` and
/// parentheses, over the attributes that are kept. `and` binds closer than `or`.
struct SCIMFilterParser {
    static let maximumBytes = 2_000
    private static let maximumDepth = 16

    private enum Word: Equatable {
        case name(String)
        case text(String)
        case open, close
    }

    private var words: [Word]
    private var position = 0
    private var depth = 0

    /// Throws `invalidFilter`, saying what is not understood.
    static func parse(_ text: String) throws(OperationError) -> SCIMFilter {
        guard text.utf8.count <= maximumBytes else { throw .scim("invalidFilter", "The filter is too long.") }
        var parser = SCIMFilterParser(words: try split(text))
        let filter = try parser.disjunction()
        guard parser.position == parser.words.count else {
            throw .scim("invalidFilter", "There is more after the end of the filter.")
        }
        return filter
    }

    private mutating func next() -> Word? {
        guard position < words.count else { return nil }
        position += 1
        return words[position - 1]
    }

    private mutating func takes(_ word: String) -> Bool {
        guard position < words.count, case .name(let name) = words[position], name.lowercased() == word else {
            return false
        }
        position += 1
        return true
    }

    private mutating func disjunction() throws(OperationError) -> SCIMFilter {
        var filter = try conjunction()
        while takes("or") { filter = .either(filter, try conjunction()) }
        return filter
    }

    private mutating func conjunction() throws(OperationError) -> SCIMFilter {
        var filter = try term()
        while takes("and") { filter = .both(filter, try term()) }
        return filter
    }

    private mutating func term() throws(OperationError) -> SCIMFilter {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else {
            throw .scim("invalidFilter", "The filter is nested too deeply.")
        }
        if takes("not") { return .not(try term()) }
        switch next() {
        case .open:
            let inner = try disjunction()
            guard next() == .close else { throw .scim("invalidFilter", "A parenthesis is not closed.") }
            return inner
        case .name(let name): return try comparison(of: name)
        default: throw .scim("invalidFilter", "An attribute is missing.")
        }
    }

    private mutating func comparison(of name: String) throws(OperationError) -> SCIMFilter {
        let attribute = try Self.attribute(name)
        if takes("pr") { return .isPresent(attribute) }
        guard case .name(let word) = next(),
            let comparison = SCIMFilter.Comparison(rawValue: word.lowercased())
        else { throw .scim("invalidFilter", "After \(name) comes one of eq, ne, co, sw, ew and pr.") }
        switch next() {
        case .text(let value): return .compare(attribute, comparison, Self.stored(attribute, value))
        case .name(let word) where ["true", "false"].contains(word.lowercased()):
            return .compare(attribute, comparison, word.lowercased())
        default: throw .scim("invalidFilter", "After \(word) comes a text in quotes, true or false.")
        }
    }

    static func attribute(_ name: String) throws(OperationError) -> SCIMFilter.Attribute {
        var plain = name.lowercased()
        for prefix in SCIMSchemas.prefixes where plain.hasPrefix(prefix) {
            plain = String(plain.dropFirst(prefix.count))
        }
        if plain == "emails" { plain = "emails.value" }
        if plain == "members" { plain = "members.value" }
        guard let known = SCIMFilter.Attribute(rawValue: plain) else {
            throw .scim("invalidFilter", "There is no attribute \(name.prefix(100)) to filter by.")
        }
        return known
    }

    /// IDs stand in the database as UUIDs.
    private static func stored(_ attribute: SCIMFilter.Attribute, _ value: String) -> String {
        guard attribute == .id || attribute == .member else { return value }
        return UserID(value)?.uuidText ?? GroupID(value)?.uuidText ?? value
    }

    private static func split(_ text: String) throws(OperationError) -> [Word] {
        var words: [Word] = []
        var rest = Substring(text)
        while let first = rest.first {
            switch first {
            case " ": rest = rest.dropFirst()
            case "(":
                words.append(.open)
                rest = rest.dropFirst()
            case ")":
                words.append(.close)
                rest = rest.dropFirst()
            case "\"":
                let (value, after) = try quoted(rest.dropFirst())
                words.append(.text(value))
                rest = after
            default:
                let word = rest.prefix { !" ()\"".contains($0) }
                words.append(.name(String(word)))
                rest = rest.dropFirst(word.count)
            }
        }
        return words
    }

    /// What stands before the closing quote, and what comes after it.
    static func quoted(_ text: Substring) throws(OperationError) -> (value: String, rest: Substring) {
        var value = ""
        var rest = text
        while let character = rest.popFirst() {
            if character == "\"" { return (value, rest) }
            guard character == "\\" else {
                value.append(character)
                continue
            }
            guard let escaped = rest.popFirst(), "\"\\/".contains(escaped) else {
                throw .scim("invalidFilter", "Of the escapes only \\\" and \\\\ are taken.")
            }
            value.append(escaped)
        }
        throw .scim("invalidFilter", "A quote is not closed.")
    }
}

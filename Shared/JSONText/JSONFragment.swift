/// A checked value inside a document: where it is, what it is, and its scalars. Borrows the document's
/// memory.
///
/// Valid as long as the document's bytes are neither moved nor changed. No heap until text is asked for.
package struct JSONFragment {
    package let document: UnsafeRawBufferPointer
    /// The value's bytes, quotes and brackets included. Unit: offsets in the document.
    package let range: Range<Int>
    package let kind: JSONKind
    /// For strings: the text differs from the bytes between the quotes.
    package let hasEscapes: Bool

    init(document: UnsafeRawBufferPointer, range: Range<Int>, hasEscapes: Bool) {
        self.document = document
        self.range = range
        self.hasEscapes = hasEscapes
        switch document[range.lowerBound] {
        case 0x7B: kind = .object
        case 0x5B: kind = .array
        case 0x22: kind = .string
        case 0x74, 0x66: kind = .boolean
        case 0x6E: kind = .null
        default: kind = .number
        }
    }

    /// Checks a whole document of any kind and gives its one value.
    package init(parsing document: UnsafeRawBufferPointer) throws(JSONError) {
        var scanner = JSONScanner(document, from: 0, to: document.count)
        scanner.skipWhitespace()
        let start = scanner.position
        guard scanner.skipValue(depth: 0) else { throw scanner.error }
        let range = start..<scanner.position
        let hasEscapes = scanner.stringHasEscapes
        guard scanner.skipToEnd() else { throw scanner.error }
        self.init(document: document, range: range, hasEscapes: hasEscapes)
    }

    /// Checks the value of a member of the object that is the document; the offset is its first byte. What is
    /// around it is the caller's business.
    package init(memberValueAt start: Int, in document: UnsafeRawBufferPointer) throws(JSONError) {
        var scanner = JSONScanner(document, from: start, to: document.count)
        guard scanner.skipValue(depth: 1) else { throw scanner.error }
        self.init(
            document: document, range: start..<scanner.position, hasEscapes: scanner.stringHasEscapes)
    }

    /// The value exactly as sent.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: document[range]) }

    /// Whether this is an array without elements.
    package var isEmptyArray: Bool {
        guard kind == .array else { return false }
        var scanner = JSONScanner(document, from: range.lowerBound + 1, to: range.upperBound)
        scanner.skipWhitespace()
        return scanner.current == 0x5D
    }

    package var isNull: Bool { kind == .null }

    package var boolean: Bool? { kind == .boolean ? document[range.lowerBound] == 0x74 : nil }

    /// The number, when it is a whole number inside Int64: `7`, `7.0` and `70e-1` are; `7.5` and `1e19` are
    /// not.
    package var exactInt64: Int64? { kind == .number ? JSONNumber.exactInt64(bytes) : nil }

    /// The nearest double; ±infinity beyond its range, which the caller clamps or refuses.
    package var double: Double? {
        kind == .number ? Double(Substring(decoding: bytes, as: UTF8.self)) : nil
    }

    /// A string's text with its escapes resolved, or nil for every other kind.
    package var string: String? {
        guard kind == .string else { return nil }
        return JSONStringText(document: document, range: content, hasEscapes: hasEscapes).string
    }

    /// The bytes between a string's quotes, escapes unresolved.
    package var stringBytes: UnsafeRawBufferPointer? {
        kind == .string ? UnsafeRawBufferPointer(rebasing: document[content]) : nil
    }

    /// Whether this is a string with exactly this text, escapes resolved. No heap.
    package func isString(_ text: StaticString) -> Bool {
        guard kind == .string else { return false }
        return JSONStringText(document: document, range: content, hasEscapes: hasEscapes).equals(
            UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// A string's unescaped UTF-8, borrowed from the document when it has no escapes; nil for every other
    /// kind.
    package func withStringText<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard kind == .string else { return nil }
        let text = JSONStringText(document: document, range: content, hasEscapes: hasEscapes)
        return try text.withUTF8(body)
    }

    /// The members of an object, one at a time, refusing repeated names.
    package func members() throws(JSONError) -> JSONMembers {
        guard kind == .object else { throw JSONError(.notAnObject, offset: range.lowerBound) }
        return try JSONMembers(document, from: range.lowerBound, to: range.upperBound)
    }

    /// The elements of an array, one at a time.
    package func elements() throws(JSONError) -> JSONElements {
        guard kind == .array else { throw JSONError(.notAnArray, offset: range.lowerBound) }
        return JSONElements(self)
    }

    /// The whole value as a tree, for the cold path. Limits as in `JSONValue.parse`; offsets count from this
    /// value.
    package func value(limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
        try JSONValue.parse(bytes, limits: limits)
    }

    private var content: Range<Int> { range.lowerBound + 1..<range.upperBound - 1 }
}

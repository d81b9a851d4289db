/// One member of an object: its name and its value, with the byte ranges an editor needs.
package struct JSONMember {
    package let value: JSONFragment
    /// The name's bytes between the quotes, escapes unresolved.
    package let nameRange: Range<Int>
    package let nameHasEscapes: Bool
    /// End of the value before this one, or nil for the first member. Unit: offset in the document.
    package let previousEnd: Int?

    /// From the name's opening quote to the end of the value.
    package var range: Range<Int> { nameRange.lowerBound - 1..<value.range.upperBound }

    /// The name, escapes resolved.
    package var name: String { text.string }

    /// Whether the name, escapes resolved, is exactly this. No heap.
    @inline(__always)
    package func isNamed(_ name: StaticString) -> Bool {
        if !nameHasEscapes, nameRange.count != name.utf8CodeUnitCount { return false }
        return text.equals(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    }

    /// The name's unescaped UTF-8, valid inside `body`.
    package func withName<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try text.withUTF8(body)
    }

    private var text: JSONStringText {
        JSONStringText(document: value.document, range: nameRange, hasEscapes: nameHasEscapes)
    }
}

/// Walks the members of one object and checks the whole of it on the way: the gateway's hot path. No heap for
/// up to 32 members.
///
/// Everything inside is checked as strictly as by `validateJSON`, and a name that repeats (compared
/// unescaped) is refused. The document is acceptable only when `next` has returned nil: use nothing before
/// that.
package struct JSONMembers: ~Copyable {
    private let document: UnsafeRawBufferPointer
    private var scanner: JSONScanner
    private var seen = SeenNames()
    private var previousEnd: Int?
    private var state = State.beforeFirst
    /// Whether the object is the document, so that nothing may follow it.
    private let isWholeDocument: Bool

    private enum State { case beforeFirst, afterMember, finished }

    /// The members of the object that is the whole document.
    package init(_ document: UnsafeRawBufferPointer) throws(JSONError) {
        scanner = try Self.opened(JSONScanner(document, from: 0, to: document.count))
        self.document = document
        isWholeDocument = true
    }

    /// The members of an object inside the document.
    init(_ document: UnsafeRawBufferPointer, from start: Int, to end: Int) throws(JSONError) {
        scanner = try Self.opened(JSONScanner(document, from: start, to: end))
        self.document = document
        isWholeDocument = start == 0 && end == document.count
    }

    /// Past the opening brace. Before the large rest of the value is made, so that none of it is copied.
    @inline(__always)
    private static func opened(_ whole: JSONScanner) throws(JSONError) -> JSONScanner {
        var scanner = whole
        scanner.skipWhitespace()
        guard scanner.current == 0x7B else { throw notAnObject(scanner) }
        scanner.position &+= 1
        return scanner
    }

    /// Tells a document that is JSON of another kind from one that is not JSON.
    @inline(never)
    private static func notAnObject(_ start: JSONScanner) -> JSONError {
        var scanner = start
        guard scanner.skipValue(depth: 0), scanner.skipToEnd() else { return scanner.error }
        return JSONError(.notAnObject, offset: start.position)
    }

    /// The next member; nil after the last one, when the rest has been checked too.
    package mutating func next() throws(JSONError) -> JSONMember? {
        if state == .finished { return nil }
        scanner.skipWhitespace()
        if scanner.current == 0x7D {
            scanner.position &+= 1
            state = .finished
            if isWholeDocument, !scanner.skipToEnd() { throw scanner.error }
            return nil
        }
        if state == .afterMember {
            guard scanner.current == 0x2C else { throw unexpected() }
            scanner.position &+= 1
            scanner.skipWhitespace()
        }
        guard scanner.current == 0x22 else { throw unexpected() }
        let nameStart = scanner.position &+ 1
        guard scanner.skipString() else { throw scanner.error }
        let nameRange = nameStart..<scanner.position &- 1
        let nameHasEscapes = scanner.stringHasEscapes
        let name = JSONStringText(document: document, range: nameRange, hasEscapes: nameHasEscapes)
        guard seen.insert(name) else { throw JSONError(.duplicateName, offset: nameStart &- 1) }
        scanner.skipWhitespace()
        guard scanner.current == 0x3A else { throw unexpected() }
        scanner.position &+= 1
        scanner.skipWhitespace()
        let valueStart = scanner.position
        guard scanner.skipValue(depth: 1) else { throw scanner.error }
        let value = JSONFragment(
            document: document, range: valueStart..<scanner.position, hasEscapes: scanner.stringHasEscapes)
        let member = JSONMember(
            value: value, nameRange: nameRange, nameHasEscapes: nameHasEscapes, previousEnd: previousEnd)
        previousEnd = scanner.position
        state = .afterMember
        return member
    }

    private mutating func unexpected() -> JSONError {
        _ = scanner.fail(.unexpectedByte)
        return scanner.error
    }
}

/// Walks the elements of a checked array.
package struct JSONElements {
    private let document: UnsafeRawBufferPointer
    private var scanner: JSONScanner
    private var isFirst = true

    init(_ array: JSONFragment) {
        document = array.document
        scanner = JSONScanner(array.document, from: array.range.lowerBound + 1, to: array.range.upperBound)
    }

    /// The next element; nil after the last one.
    package mutating func next() throws(JSONError) -> JSONFragment? {
        scanner.skipWhitespace()
        if scanner.current == 0x5D || scanner.position >= scanner.end { return nil }
        if !isFirst {
            scanner.position &+= 1
            scanner.skipWhitespace()
        }
        isFirst = false
        let start = scanner.position
        guard scanner.skipValue(depth: 1) else { throw scanner.error }
        return JSONFragment(
            document: document, range: start..<scanner.position, hasEscapes: scanner.stringHasEscapes)
    }
}

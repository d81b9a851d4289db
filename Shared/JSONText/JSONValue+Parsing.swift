/// What a document may cost before it is refused. Depth is always at most 128.
package struct JSONLimits: Sendable {
    /// Unit: bytes.
    package var maximumBytes: Int
    /// Scalars and containers together.
    package var maximumValues: Int

    package init(maximumBytes: Int = 1 << 20, maximumValues: Int = 100_000) {
        self.maximumBytes = maximumBytes
        self.maximumValues = maximumValues
    }
}

extension JSONValue {
    /// The tree of a strict RFC 8259 document; every object refuses repeated names. Errors carry offset and
    /// pointer.
    package static func parse(
        _ document: UnsafeRawBufferPointer, limits: JSONLimits = JSONLimits()
    ) throws(JSONError) -> JSONValue {
        guard document.count <= limits.maximumBytes else {
            throw JSONError(.tooLarge, offset: limits.maximumBytes)
        }
        var builder = JSONTreeBuilder(document, maximumValues: limits.maximumValues)
        return try builder.build()
    }

    package static func parse(
        _ document: [UInt8], limits: JSONLimits = JSONLimits()
    ) throws(JSONError) -> JSONValue {
        try document.span.withUnsafeBytes { bytes throws(JSONError) in try parse(bytes, limits: limits) }
    }

    package static func parse(
        _ text: String, limits: JSONLimits = JSONLimits()
    ) throws(JSONError) -> JSONValue {
        try parse(Array(text.utf8), limits: limits)
    }
}

/// Builds a tree with its own stack, so that depth costs heap it can count and not call frames.
private struct JSONTreeBuilder {
    private struct Container {
        var isObject: Bool
        var elements: [JSONValue] = []
        var members: [JSONObject.Member] = []
        var pendingName = ""
        var seen = SeenNames()
    }

    private let document: UnsafeRawBufferPointer
    private var scanner: JSONScanner
    private var stack: [Container] = []
    private var valuesLeft: Int

    init(_ document: UnsafeRawBufferPointer, maximumValues: Int) {
        self.document = document
        scanner = JSONScanner(document, from: 0, to: document.count)
        valuesLeft = maximumValues
    }

    mutating func build() throws(JSONError) -> JSONValue {
        scanner.skipWhitespace()
        while true {
            guard var value = try valueOrOpening() else { continue }
            // Hand the value to its container; while that closes, hand the container to its own.
            while true {
                guard !stack.isEmpty else {
                    guard scanner.skipToEnd() else { throw scanner.error }
                    return value
                }
                add(value)
                scanner.skipWhitespace()
                if scanner.current == 0x2C {
                    scanner.position += 1
                    scanner.skipWhitespace()
                    if stack[stack.count - 1].isObject { try readName() }
                    break
                }
                guard scanner.current == (stack[stack.count - 1].isObject ? 0x7D : 0x5D) else {
                    throw failure(.unexpectedByte)
                }
                value = close()
            }
        }
    }

    /// A finished value, or nil when a container with something in it was opened.
    private mutating func valueOrOpening() throws(JSONError) -> JSONValue? {
        valuesLeft -= 1
        guard valuesLeft >= 0 else { throw failure(.tooManyValues) }
        let first = scanner.current
        guard first == 0x7B || first == 0x5B else { return try scalar() }
        guard stack.count < jsonMaximumDepth else { throw failure(.tooDeep) }
        let isObject = first == 0x7B
        stack.append(Container(isObject: isObject))
        scanner.position += 1
        scanner.skipWhitespace()
        if scanner.current == (isObject ? 0x7D : 0x5D) { return close() }
        if isObject { try readName() }
        return nil
    }

    private mutating func close() -> JSONValue {
        scanner.position += 1
        let container = stack.removeLast()
        return container.isObject
            ? .object(JSONObject(uniqueMembers: container.members)) : .array(container.elements)
    }

    private mutating func add(_ value: JSONValue) {
        let top = stack.count - 1
        if stack[top].isObject {
            stack[top].members.append(JSONObject.Member(name: stack[top].pendingName, value: value))
        } else {
            stack[top].elements.append(value)
        }
    }

    private mutating func readName() throws(JSONError) {
        let start = scanner.position
        stack[stack.count - 1].pendingName = ""
        guard scanner.current == 0x22 else { throw failure(.unexpectedByte) }
        guard scanner.skipString() else { throw located(scanner.error) }
        let name = JSONStringText(
            document: document, range: start + 1..<scanner.position - 1, hasEscapes: scanner.stringHasEscapes)
        stack[stack.count - 1].pendingName = name.string
        guard stack[stack.count - 1].seen.insert(name) else {
            throw located(JSONError(.duplicateName, offset: start))
        }
        scanner.skipWhitespace()
        guard scanner.current == 0x3A else { throw failure(.unexpectedByte) }
        scanner.position += 1
        scanner.skipWhitespace()
    }

    private mutating func scalar() throws(JSONError) -> JSONValue {
        let start = scanner.position
        guard scanner.skipScalar() else { throw located(scanner.error) }
        let fragment = JSONFragment(
            document: document, range: start..<scanner.position, hasEscapes: scanner.stringHasEscapes)
        return switch fragment.kind {
        case .string: .string(fragment.string ?? "")
        case .boolean: .boolean(fragment.boolean ?? false)
        case .number: .number(JSONNumber(checkedText: String(decoding: fragment.bytes, as: UTF8.self)))
        default: .null
        }
    }

    private mutating func failure(_ reason: JSONError.Reason) -> JSONError {
        _ = scanner.fail(reason)
        return located(scanner.error)
    }

    /// The same error with the pointer to the value that was being read (RFC 6901).
    private func located(_ error: JSONError) -> JSONError {
        let pointer = stack.map { container in
            guard container.isObject else { return "/\(container.elements.count)" }
            let escaped = container.pendingName.utf8.flatMap { byte -> [UInt8] in
                switch byte {
                case 0x7E: Array("~0".utf8)
                case 0x2F: Array("~1".utf8)
                default: [byte]
                }
            }
            return "/" + String(decoding: escaped, as: UTF8.self)
        }
        return JSONError(error.reason, offset: error.offset, pointer: pointer.joined())
    }
}

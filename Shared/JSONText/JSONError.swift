/// Why bytes are not acceptable JSON, and where. Safe to show to whoever sent them.
package struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Reason: UInt8, Sendable {
        case unexpectedByte
        case unexpectedEnd
        case trailingBytes
        case invalidNumber
        case invalidEscape
        case loneSurrogate
        case controlCharacter
        case invalidUTF8
        case tooDeep
        case tooLarge
        case tooManyValues
        case duplicateName
        case notAnObject
        case notAnArray
    }

    package let reason: Reason
    /// Where in the document. Unit: bytes from its start.
    package let offset: Int
    /// The value being read, as an RFC 6901 pointer. Known only to `JSONValue.parse`; "" is the whole
    /// document.
    package let pointer: String

    package init(_ reason: Reason, offset: Int, pointer: String = "") {
        self.reason = reason
        self.offset = offset
        self.pointer = pointer
    }

    package var description: String {
        pointer.isEmpty
            ? "\(reason.text) at byte \(offset)" : "\(reason.text) at byte \(offset), in \(pointer)"
    }
}

extension JSONError.Reason {
    /// One phrase for the sender of the document.
    package var text: String {
        switch self {
        case .unexpectedByte: "a character that JSON does not allow here"
        case .unexpectedEnd: "the document ends too early"
        case .trailingBytes: "something follows the document"
        case .invalidNumber: "a number that JSON does not allow"
        case .invalidEscape: "an escape that JSON does not allow"
        case .loneSurrogate: "half of a surrogate pair"
        case .controlCharacter: "an unescaped control character in a string"
        case .invalidUTF8: "bytes that are not UTF-8"
        case .tooDeep: "nesting deeper than 128"
        case .tooLarge: "the document is too large"
        case .tooManyValues: "the document has too many values"
        case .duplicateName: "the same name twice in one object"
        case .notAnObject: "not an object"
        case .notAnArray: "not an array"
        }
    }
}

/// What a JSON value is, told by its first byte.
package enum JSONKind: UInt8, Sendable {
    case object, array, string, number, boolean, null
}

/// How deep containers may nest, counting the outermost. RFC 8259 §9 lets a parser choose.
package let jsonMaximumDepth = 128

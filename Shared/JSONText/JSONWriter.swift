/// Appends JSON text to a byte buffer: commas and escapes are its business, the shape is the caller's.
///
/// Reusable: `removeAll` keeps the memory. One thread.
package struct JSONWriter {
    package private(set) var bytes: [UInt8]
    private var needsComma = false

    /// A writer that goes on after `bytes`, which may be any text; its capacity is used.
    package init(appendingTo bytes: [UInt8] = []) { self.bytes = bytes }

    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    // MARK: Containers

    package mutating func beginObject() { open(0x7B) }
    package mutating func endObject() { close(0x7D) }
    package mutating func beginArray() { open(0x5B) }
    package mutating func endArray() { close(0x5D) }

    /// An object whose members `body` writes.
    package mutating func object<Failure: Error>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        beginObject()
        try body(&self)
        endObject()
    }

    /// An array whose elements `body` writes.
    package mutating func array<Failure: Error>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        beginArray()
        try body(&self)
        endArray()
    }

    // MARK: Values

    /// A member's name; its value must follow.
    package mutating func name(_ name: String) {
        string(name)
        bytes.append(0x3A)
        needsComma = false
    }

    package mutating func string(_ text: String) {
        separate()
        var text = text
        text.withUTF8 { appendQuoted(UnsafeRawBufferPointer($0)) }
    }

    /// A string from bytes; what is not UTF-8 becomes U+FFFD.
    package mutating func string(utf8 text: UnsafeRawBufferPointer) {
        string(String(decoding: text, as: UTF8.self))
    }

    package mutating func integer(_ value: some FixedWidthInteger) {
        separate()
        bytes.append(contentsOf: String(value).utf8)
    }

    /// The shortest text that reads back the same; infinities and NaN, which JSON lacks, become null.
    package mutating func double(_ value: Double) {
        separate()
        bytes.append(contentsOf: (value.isFinite ? "\(value)" : "null").utf8)
    }

    package mutating func boolean(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    package mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    /// Text that is JSON already, as one value.
    package mutating func raw(_ json: UnsafeRawBufferPointer) {
        separate()
        bytes.append(contentsOf: json)
    }

    package mutating func raw(_ json: [UInt8]) {
        separate()
        bytes.append(contentsOf: json)
    }

    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .boolean(let value): boolean(value)
        case .string(let value): string(value)
        case .number(let value):
            separate()
            bytes.append(contentsOf: value.text.utf8)
        case .array(let elements):
            beginArray()
            for element in elements { self.value(element) }
            endArray()
        case .object(let object):
            beginObject()
            for member in object.members { field(member.name, member.value) }
            endObject()
        }
    }

    // MARK: Members

    package mutating func field(_ name: String, _ value: String) {
        self.name(name)
        string(value)
    }

    package mutating func field(_ name: String, _ value: some FixedWidthInteger) {
        self.name(name)
        integer(value)
    }

    package mutating func field(_ name: String, _ value: Double) {
        self.name(name)
        double(value)
    }

    package mutating func field(_ name: String, _ value: Bool) {
        self.name(name)
        boolean(value)
    }

    package mutating func field(_ name: String, _ value: JSONValue) {
        self.name(name)
        self.value(value)
    }

    /// A text or null.
    package mutating func field(_ name: String, _ value: String?) {
        self.name(name)
        if let value { string(value) } else { null() }
    }

    /// A whole number or null.
    package mutating func field(_ name: String, _ value: (some FixedWidthInteger)?) {
        self.name(name)
        if let value { integer(value) } else { null() }
    }

    package mutating func nullField(_ name: String) {
        self.name(name)
        null()
    }

    /// A member that is an object.
    package mutating func objectField<Failure: Error>(
        _ name: String, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.name(name)
        try object(body)
    }

    /// A member that is an array.
    package mutating func arrayField<Failure: Error>(
        _ name: String, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.name(name)
        try array(body)
    }

    // MARK: Bytes

    private mutating func separate() {
        if needsComma { bytes.append(0x2C) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func appendQuoted(_ text: UnsafeRawBufferPointer) {
        bytes.append(0x22)
        var runStart = 0
        for index in text.indices {
            let byte = text[index]
            if byte >= 0x20 && byte != 0x22 && byte != 0x5C {
                if byte < 0xC2 || byte > 0xE2 { continue }
                guard let separator = Self.lineSeparator(at: index, in: text) else { continue }
                bytes.append(contentsOf: text[runStart..<index])
                bytes.append(contentsOf: separator.escape.utf8)
                runStart = index + separator.count
                continue
            }
            bytes.append(contentsOf: text[runStart..<index])
            appendEscape(byte)
            runStart = index + 1
        }
        bytes.append(contentsOf: text[runStart...])
        bytes.append(0x22)
    }

    /// U+0085, U+2028 and U+2029 may stand in JSON as they are, but some clients of streams split lines at
    /// them.
    private static func lineSeparator(
        at index: Int, in text: UnsafeRawBufferPointer
    ) -> (escape: String, count: Int)? {
        if text[index] == 0xC2, index + 1 < text.count, text[index + 1] == 0x85 { return ("\\u0085", 2) }
        guard text[index] == 0xE2, index + 2 < text.count, text[index + 1] == 0x80 else { return nil }
        if text[index + 2] == 0xA8 { return ("\\u2028", 3) }
        return text[index + 2] == 0xA9 ? ("\\u2029", 3) : nil
    }

    private mutating func appendEscape(_ byte: UInt8) {
        bytes.append(0x5C)
        switch byte {
        case 0x22, 0x5C: bytes.append(byte)
        case 0x08: bytes.append(0x62)
        case 0x0C: bytes.append(0x66)
        case 0x0A: bytes.append(0x6E)
        case 0x0D: bytes.append(0x72)
        case 0x09: bytes.append(0x74)
        default:
            bytes.append(contentsOf: byte < 0x10 ? "u000".utf8 : "u001".utf8)
            let low = byte & 15
            bytes.append(low < 10 ? 0x30 + low : 0x57 + low)
        }
    }
}

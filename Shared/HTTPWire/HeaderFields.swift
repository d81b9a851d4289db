/// An ordered list of fields, for paths where a few allocations do not matter. Names compare without case.
package struct HeaderFields: Sendable, ExpressibleByDictionaryLiteral {
    package typealias Field = (name: String, value: String)
    package private(set) var all: [Field] = []

    package init() {}

    package init(dictionaryLiteral elements: (String, String)...) {
        all = elements.map { (name: $0.0, value: $0.1) }
    }

    /// The fields of a parsed head, names in lower case; bytes that are not UTF-8 are replaced.
    package init(_ fields: borrowing FieldTable, in bytes: UnsafeRawPointer) {
        all.reserveCapacity(fields.count)
        for index in 0..<fields.count {
            let slot = fields[index]
            all.append(
                (
                    name: String(decoding: slot.name(in: bytes), as: UTF8.self).lowercased(),
                    value: String(decoding: slot.value(in: bytes), as: UTF8.self)
                ))
        }
    }

    package var isEmpty: Bool { all.isEmpty }

    /// Adds a field after the ones there are; validity is checked where a head is written.
    package mutating func append(_ name: String, _ value: String) { all.append((name: name, value: value)) }

    /// Removes every field of this name.
    package mutating func remove(_ name: String) { all.removeAll { Self.same($0.name, name) } }

    package func contains(_ name: String) -> Bool { all.contains { Self.same($0.name, name) } }

    /// All values of a field, in order.
    package func values(_ name: String) -> [String] {
        all.filter { Self.same($0.name, name) }.map(\.value)
    }

    /// The first value; assigning replaces every field of the name, nil removes them.
    package subscript(name: String) -> String? {
        get { all.first { Self.same($0.name, name) }?.value }
        set {
            remove(name)
            if let newValue { append(name, newValue) }
        }
    }

    private static func same(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count
            && zip(left.utf8, right.utf8).allSatisfy { lowercased($0) == lowercased($1) }
    }
}

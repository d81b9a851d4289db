package import Domain
package import JSONText
import Operations

/// Everything wrong with an input, each at its JSON pointer.
package struct InvalidInput: Error, Sendable {
    package let problems: [ValidationError]

    package init(_ problems: [ValidationError]) { self.problems = problems }

    init(_ code: ValidationError.Code, _ message: String) {
        problems = [ValidationError("", code, message)]
    }
}

/// Turns one JSON value into a typed one, or says what is wrong with it; describes what it takes as a
/// `Schema`.
///
/// Pure. Problems carry pointers relative to the value.
package struct Reader<Value: Sendable>: Sendable {
    package let schema: Schema
    let read: @Sendable (JSONValue) throws(InvalidInput) -> Value

    package init(_ schema: Schema, read: @escaping @Sendable (JSONValue) throws(InvalidInput) -> Value) {
        self.schema = schema
        self.read = read
    }
}

extension Reader where Value == String {
    /// A text that keeps a rule of Domain.
    package static func text(_ rule: TextRule, format: String? = nil, example: String? = nil) -> Reader {
        let schema = TextSchema(rule.minimum...rule.maximum, format: format, example: example)
        return Reader(.text(schema)) { json throws(InvalidInput) in
            let text = try textOf(json)
            if let problem = rule.check(text, at: "") { throw InvalidInput([problem]) }
            return text
        }
    }

    /// A text of so many UTF-8 bytes that is never shown again.
    package static func secretText(_ byteCounts: ClosedRange<Int>, format: String? = nil) -> Reader {
        let schema = TextSchema(byteCounts, format: format, isWriteOnly: true)
        return Reader(.text(schema)) { json throws(InvalidInput) in
            let text = try textOf(json)
            try checkLength(text.utf8.count, byteCounts, unit: "bytes")
            return text
        }
    }

    /// Any text of so many UTF-8 bytes.
    package static func anyText(_ byteCounts: ClosedRange<Int>, format: String? = nil) -> Reader {
        Reader(.text(TextSchema(byteCounts, format: format))) { json throws(InvalidInput) in
            let text = try textOf(json)
            try checkLength(text.utf8.count, byteCounts, unit: "bytes")
            // No column can hold it.
            if text.utf8.contains(0) {
                throw InvalidInput(.invalidFormat, "must not have the character U+0000")
            }
            return text
        }
    }
}

extension Reader where Value == Bool {
    package static var flag: Reader {
        Reader(.boolean) { json throws(InvalidInput) in
            guard let value = json.boolean else { throw InvalidInput(.wrongType, "must be true or false") }
            return value
        }
    }
}

extension Reader where Value: FixedWidthInteger {
    /// A whole number within limits.
    package static func integer(_ range: ClosedRange<Value>) -> Reader {
        let bounds = Int64(clamping: range.lowerBound)...Int64(clamping: range.upperBound)
        return Reader(.integer(bounds)) { json throws(InvalidInput) in
            guard json.number != nil else { throw InvalidInput(.wrongType, "must be a whole number") }
            guard let number = json.exactInt64, bounds.contains(number) else {
                throw InvalidInput(
                    .outOfRange, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return Value(clamping: number)
        }
    }
}

extension Reader {
    /// The ID of one noun.
    package static func id<Noun>() -> Reader where Value == ID<Noun> {
        Reader(.id(Noun.self)) { json throws(InvalidInput) in
            let text = try textOf(json)
            guard let id = ID<Noun>(text) else {
                throw InvalidInput(.invalidFormat, "must be an ID such as \(Noun.idPrefix)_01h…")
            }
            return id
        }
    }

    /// One of a closed set of words.
    package static func word(_ words: [(String, Value)]) -> Reader {
        let names = words.map(\.0)
        let longest = names.map(\.utf8.count).max() ?? 0
        return Reader(.text(TextSchema(0...longest, values: names))) { json throws(InvalidInput) in
            let text = try textOf(json)
            guard let found = words.first(where: { $0.0 == text }) else {
                // A message has 500 characters; the description lists all.
                let shown = names.prefix(12).joined(separator: ", ")
                let more = names.count > 12 ? " and \(names.count - 12) others; see the description" : ""
                throw InvalidInput(.notAllowed, "must be one of \(shown)\(more)")
            }
            return found.1
        }
    }

    package static func word() -> Reader
    where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
        word(Value.allCases.map { ($0.rawValue, $0) })
    }

    /// At most so many elements, in order; a problem names the element by its index.
    package static func list<Element>(
        of element: Reader<Element>, _ counts: ClosedRange<Int>
    ) -> Reader where Value == [Element] {
        Reader(.list(element.schema, maximumCount: counts.upperBound)) { json throws(InvalidInput) in
            guard let elements = json.array else { throw InvalidInput(.wrongType, "must be a list") }
            try checkLength(elements.count, counts, unit: "entries")
            var values: [Element] = []
            var problems: [ValidationError] = []
            for (index, json) in elements.enumerated() {
                do throws(InvalidInput) { values.append(try element.read(json)) } catch {
                    problems += error.problems.map { $0.below("/\(index)") }
                }
            }
            guard problems.isEmpty else { throw InvalidInput(problems) }
            return values
        }
    }

    /// An object of known members, turned into one value.
    static func object(
        _ shape: BodyShape, _ make: @escaping @Sendable (BodyValues) throws(OperationError) -> Value
    ) -> Reader {
        Reader(.object(shape.schema)) { json throws(InvalidInput) in
            let values = try shape.read(json)
            do throws(OperationError) { return try make(values) } catch { throw InvalidInput(error.problems) }
        }
    }
}

extension Reader where Value == Timestamp {
    /// An RFC 3339 time; any offset is taken, microseconds are kept.
    package static var time: Reader {
        Reader(.time) { json throws(InvalidInput) in
            guard let time = Timestamp(try textOf(json)) else {
                throw InvalidInput(.invalidFormat, "must be an RFC 3339 time such as 2026-03-09T12:00:00Z")
            }
            return time
        }
    }
}

extension Reader where Value == Int64 {
    /// Dollars per million tokens as a decimal text, read as nano-USD per million tokens.
    package static var rate: Reader {
        Reader(.money) { json throws(InvalidInput) in
            guard let rate = PriceRates.rate(try textOf(json)) else {
                throw InvalidInput(
                    .invalidFormat, "must be dollars per million tokens as a decimal text such as \"0.15\"")
            }
            return rate
        }
    }
}

private func textOf(_ json: JSONValue) throws(InvalidInput) -> String {
    guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
    return text
}

private func checkLength(_ count: Int, _ range: ClosedRange<Int>, unit: String) throws(InvalidInput) {
    if count < range.lowerBound {
        throw InvalidInput(.tooShort, "must have at least \(range.lowerBound) \(unit)")
    }
    if count > range.upperBound {
        throw InvalidInput(.tooLong, "must have at most \(range.upperBound) \(unit)")
    }
}

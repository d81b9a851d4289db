/// One SQL statement: text that was written in the source, and the values it binds.
///
/// Interpolation can only bind. `"where id = \(id)"` sends `where id = $1` and the value apart from it, so
/// a value is never read as SQL. Literals arrive as `StaticString`, which no run-time text can become:
/// there is no way to build a statement from a `String`. Fragments compose with `\(fragment: …)` and are
/// renumbered.
package struct SQL: ExpressibleByStringInterpolation, Sendable {
    enum Part: Sendable {
        case text(StaticString)
        case bind(SQLParameter)
    }

    private(set) var parts: [Part]

    package init(stringLiteral value: StaticString) {
        parts = [.text(value)]
    }

    package init(stringInterpolation: StringInterpolation) {
        parts = stringInterpolation.parts
    }

    package static func + (left: SQL, right: SQL) -> SQL {
        var joined = left
        joined.parts.append(contentsOf: right.parts)
        return joined
    }

    package struct StringInterpolation: StringInterpolationProtocol {
        var parts: [Part] = []

        package init(literalCapacity: Int, interpolationCount: Int) {
            parts.reserveCapacity(interpolationCount * 2 + 1)
        }

        package mutating func appendLiteral(_ literal: StaticString) {
            parts.append(.text(literal))
        }

        package mutating func appendInterpolation<Value: SQLBindable>(_ value: Value) {
            parts.append(.bind(value.sqlParameter))
        }

        package mutating func appendInterpolation<Value: SQLBindable>(_ value: Value?) {
            parts.append(.bind(value?.sqlParameter ?? .null(Value.sqlType)))
        }

        /// Binds one array, for `= any(…)` and `unnest(…)`: the text stays the same for any number.
        package mutating func appendInterpolation<Value: SQLBindable>(_ values: [Value]) {
            parts.append(.bind(.array(Value.sqlType, values.map(\.sqlParameter))))
        }

        /// Binds one array whose members may be null.
        package mutating func appendInterpolation<Value: SQLBindable>(_ values: [Value?]) {
            let members = values.map { $0?.sqlParameter ?? .null(Value.sqlType) }
            parts.append(.bind(.array(Value.sqlType, members)))
        }

        package mutating func appendInterpolation(_ bytes: [UInt8]) {
            parts.append(.bind(.bytes(bytes)))
        }

        package mutating func appendInterpolation(_ bytes: [UInt8]?) {
            parts.append(.bind(bytes.map { .bytes($0) } ?? .null(.bytes)))
        }

        package mutating func appendInterpolation(_ list: [[UInt8]]) {
            parts.append(.bind(.array(.bytes, list.map { .bytes($0) })))
        }

        package mutating func appendInterpolation(_ parameter: SQLParameter) {
            parts.append(.bind(parameter))
        }

        package mutating func appendInterpolation(fragment: SQL) {
            parts.append(contentsOf: fragment.parts)
        }
    }

    /// The text as the server gets it, placeholders numbered from `$1`.
    package var text: String {
        var text = ""
        var number = 0
        for part in parts {
            switch part {
            case .text(let literal):
                text += literal.description
            case .bind:
                number += 1
                text += "$\(number)"
            }
        }
        return text
    }

    /// The bound values, in the order of their placeholders.
    package var parameters: [SQLParameter] {
        parts.compactMap { part in
            if case .bind(let parameter) = part { parameter } else { nil }
        }
    }
}

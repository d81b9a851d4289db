import Domain
import JSONText

/// Whether what is declared says what is there already: the same, though it may be spelled otherwise or leave
/// out what has a usual value.
enum DeclaredValue {
    static func isSame(_ wanted: JSONValue, _ present: JSONValue, _ schema: Schema) -> Bool {
        switch schema {
        case .nullable(let inner):
            return wanted.isNull || present.isNull ? wanted == present : isSame(wanted, present, inner)
        case .object(let object):
            guard wanted.object != nil, present.object != nil else { return wanted == present }
            return object.members.allSatisfy { member in
                guard let value = wanted[member.name] else { return true }
                return isSame(value, present[member.name] ?? .null, member.schema)
            }
        case .list(let element, _):
            guard let wanted = wanted.array, let present = present.array, wanted.count == present.count
            else { return false }
            if case .text(let text) = element, !text.values.isEmpty {
                return Set(wanted.map(\.text)) == Set(present.map(\.text))
            }
            return zip(wanted, present).allSatisfy { isSame($0, $1, element) }
        case .dictionary:
            guard let wanted = wanted.object, let present = present.object else { return wanted == present }
            return wanted.members.count == present.members.count
                && wanted.members.allSatisfy { present[$0.name] == $0.value }
        case .text(let text):
            guard let wanted = wanted.string, let present = present.string else { return wanted == present }
            return wanted == present || canonical(.string(wanted)) == canonical(.string(present))
                || (decimalPatterns.contains(text.pattern) && trimmed(wanted) == trimmed(present))
        case .integer, .boolean, .anyObject: return wanted == present
        }
    }

    /// One spelling of a moment; everything else as it is.
    static func canonical(_ value: JSONValue) -> JSONValue {
        guard let text = value.string, text.utf8.count >= 20, let time = Timestamp(text) else { return value }
        return .string(time.description)
    }

    /// The same text for values that name the same thing: of an object, whatever is not null.
    static func identity(_ value: JSONValue) -> String {
        guard let object = value.object else { return value.isNull ? "" : canonical(value).text }
        return object.members.filter { !$0.value.isNull }.map { "\($0.name)=\(identity($0.value))" }
            .sorted().joined(separator: ",")
    }

    private static let decimalPatterns: [String?] = [Schema.money, LimitBody.amountSchema].map { schema in
        if case .text(let text) = schema { text.pattern } else { nil }
    }

    /// A decimal number without zeros that say nothing.
    private static func trimmed(_ number: String) -> String {
        guard number.contains(".") else { return number }
        var number = number
        while number.last == "0" { number.removeLast() }
        if number.last == "." { number.removeLast() }
        return number
    }
}

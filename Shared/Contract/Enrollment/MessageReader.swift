package import Domain
import JSONText

/// Why a JSON message of the node protocol was refused: every problem with its pointer.
package struct MessageError: Error, Hashable, Sendable, CustomStringConvertible {
    package let problems: [ValidationError]

    package init(_ problems: [ValidationError]) { self.problems = problems }

    package var description: String {
        problems.map { "\($0.pointer.isEmpty ? "body" : $0.pointer) \($0.message)" }.joined(separator: "; ")
    }
}

/// Reads the members of one JSON object, collecting every problem before it refuses.
///
/// A strict reader refuses members nobody asked for (requests); a lenient one skips them, so that an older
/// node understands the answers of a newer control plane.
struct MessageReader {
    private let members: JSONObject
    private let pointer: String
    private let isStrict: Bool
    private var asked: [String] = []
    private(set) var problems: [ValidationError] = []

    /// The largest message, in bytes.
    static let maximumBytes = 64 << 10

    init(_ bytes: [UInt8], strict: Bool) throws(MessageError) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(
                bytes, limits: JSONLimits(maximumBytes: Self.maximumBytes, maximumValues: 2000))
        } catch {
            throw MessageError([ValidationError("", .invalidFormat, "is not JSON: \(error)")])
        }
        guard let members = value.object else {
            throw MessageError([ValidationError("", .wrongType, "must be a JSON object")])
        }
        self.init(members, at: "", strict: strict)
    }

    private init(_ members: JSONObject, at pointer: String, strict: Bool) {
        self.members = members
        self.pointer = pointer
        isStrict = strict
    }

    private mutating func fail(_ name: String, _ code: ValidationError.Code, _ message: String) {
        problems.append(ValidationError("\(pointer)/\(name)", code, message))
    }

    private mutating func ask(_ name: String) -> JSONValue? {
        asked.append(name)
        guard let value = members[name], !value.isNull else { return nil }
        return value
    }

    mutating func optionalText(_ name: String, upTo limit: Int) -> String? {
        guard let value = ask(name) else { return nil }
        guard let text = value.string else {
            fail(name, .wrongType, "must be a string")
            return nil
        }
        guard text.utf8.count <= limit else {
            fail(name, .tooLong, "must have at most \(limit) bytes")
            return nil
        }
        return text
    }

    mutating func text(_ name: String, upTo limit: Int) -> String {
        if let text = optionalText(name, upTo: limit) { return text }
        missing(name)
        return ""
    }

    /// A text that some type understands; nil only together with a problem.
    mutating func parsed<Value>(
        _ name: String, upTo limit: Int, _ what: String, _ parse: (String) -> Value?
    ) -> Value? {
        guard let text = optionalText(name, upTo: limit) else {
            missing(name)
            return nil
        }
        if let value = parse(text) { return value }
        fail(name, .invalidFormat, "must be \(what)")
        return nil
    }

    mutating func optionalParsed<Value>(
        _ name: String, upTo limit: Int, _ what: String, _ parse: (String) -> Value?
    ) -> Value? {
        guard ask(name) != nil else { return nil }
        return parsed(name, upTo: limit, what, parse)
    }

    mutating func number(_ name: String, _ range: ClosedRange<Int64>) -> Int64 {
        guard let value = ask(name) else {
            missing(name)
            return range.lowerBound
        }
        guard let number = value.exactInt64, range.contains(number) else {
            fail(name, .outOfRange, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            return range.lowerBound
        }
        return number
    }

    /// A nested object; nil when it is not there.
    mutating func object(_ name: String) -> MessageReader? {
        guard let value = ask(name) else { return nil }
        guard let object = value.object else {
            fail(name, .wrongType, "must be an object")
            return nil
        }
        return MessageReader(object, at: "\(pointer)/\(name)", strict: isStrict)
    }

    /// Says that a member has to be there, unless something else is wrong with it already.
    mutating func missing(_ name: String) {
        let place = "\(pointer)/\(name)"
        if !problems.contains(where: { $0.pointer == place }) { fail(name, .required, "is required") }
    }

    /// Takes over what a nested reader found.
    mutating func adopt(_ nested: MessageReader) { problems += nested.allProblems }

    private var allProblems: [ValidationError] {
        guard isStrict else { return problems }
        return problems
            + members.names(notIn: asked).map {
                ValidationError("\(pointer)/\($0)", .unknownField, "is not known here")
            }
    }

    /// Throws everything that was found.
    func finish() throws(MessageError) {
        let found = allProblems
        if !found.isEmpty { throw MessageError(found) }
    }
}

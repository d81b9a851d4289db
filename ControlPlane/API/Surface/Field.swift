import Domain
package import JSONText
package import Operations

/// One member of a request body, or one query parameter: its name, what it must be, and its type in Swift.
package struct Field<Value: Sendable>: Sendable {
    package let name: String
    package let summary: String
    fileprivate let schema: Schema
    /// What stands for a missing member; nil: it is required.
    fileprivate let absent: Value?
    fileprivate let read: @Sendable (JSONValue) throws(InvalidInput) -> Value

    /// A member that must be there.
    package static func required(_ name: String, _ reader: Reader<Value>, _ summary: String) -> Field {
        Field(name: name, summary: summary, schema: reader.schema, absent: nil, read: reader.read)
    }

    /// A member that has a value of its own when it is missing.
    package static func defaulted(
        _ name: String, _ reader: Reader<Value>, to absent: Value, _ summary: String
    ) -> Field {
        Field(name: name, summary: summary, schema: reader.schema, absent: absent, read: reader.read)
    }

    /// A member that may be missing or null: nil either way.
    package static func optional<Wrapped>(
        _ name: String, _ reader: Reader<Wrapped>, _ summary: String
    ) -> Field where Value == Wrapped? {
        Field(name: name, summary: summary, schema: .nullable(reader.schema), absent: .some(nil)) {
            json throws(InvalidInput) in
            json.isNull ? nil : try reader.read(json)
        }
    }

    /// A member that, when missing, leaves things as they are: nil. Null is refused, since nothing can be
    /// unset.
    package static func change<Wrapped>(
        _ name: String, _ reader: Reader<Wrapped>, _ summary: String
    ) -> Field where Value == Wrapped? {
        Field(name: name, summary: summary, schema: reader.schema, absent: .some(nil)) {
            json throws(InvalidInput) in try reader.read(json)
        }
    }

    /// A member that, when missing, leaves things as they are; null empties them.
    package static func edit<Wrapped>(
        _ name: String, _ reader: Reader<Wrapped>, _ summary: String
    ) -> Field where Value == Edit<Wrapped> {
        Field(name: name, summary: summary, schema: .nullable(reader.schema), absent: .keep) {
            json throws(InvalidInput) in
            json.isNull ? .clear : .set(try reader.read(json))
        }
    }
}

/// A `Field` whose type is known only to itself, so that fields of all types form one list.
package protocol AnyField: Sendable {
    var name: String { get }
    var member: MemberSchema { get }
    func readAny(_ json: JSONValue?) throws(InvalidInput) -> any Sendable
}

extension Field: AnyField {
    package var member: MemberSchema {
        MemberSchema(name: name, schema: schema, isRequired: absent == nil, summary: summary)
    }

    package func readAny(_ json: JSONValue?) throws(InvalidInput) -> any Sendable {
        if let json { return try read(json) }
        guard let absent else { throw InvalidInput(.required, "is required") }
        return absent
    }
}

/// The members a body, or the parameters a query, may have: no others pass.
package struct BodyShape: Sendable {
    package let name: String
    package let fields: [any AnyField]
    /// Anything may stand in it: `fields` only describe what counts, and `BodyValues.document` holds it all.
    package let isOpen: Bool

    package init(_ name: String, _ fields: [any AnyField], isOpen: Bool = false) {
        self.name = name
        self.fields = fields
        self.isOpen = isOpen
    }

    package var schema: ObjectSchema {
        ObjectSchema(name: name, members: fields.map(\.member), isOpen: isOpen)
    }

    /// Every value, or every problem: unknown members, missing ones, wrong ones.
    package func read(_ json: JSONValue) throws(InvalidInput) -> BodyValues {
        guard let object = json.object else { throw InvalidInput(.wrongType, "must be a JSON object") }
        if isOpen { return BodyValues(shape: name, document: json) }
        var problems = object.names(notIn: fields.map(\.name)).map {
            ValidationError("/\(pointerToken($0))", .unknownField, "is not a field of this request")
        }
        var values = BodyValues(shape: name)
        for field in fields {
            do throws(InvalidInput) {
                values.set(field.name, to: try field.readAny(object[field.name]))
            } catch {
                problems += error.problems.map { $0.below("/\(pointerToken(field.name))") }
            }
        }
        guard problems.isEmpty else { throw InvalidInput(problems) }
        return values
    }
}

/// What a body held, after every check.
package struct BodyValues: Sendable {
    private let shape: String
    private var values: [String: any Sendable] = [:]
    /// The body of an open shape; of others null.
    let document: JSONValue

    init(shape: String, document: JSONValue = .null) {
        self.shape = shape
        self.document = document
    }

    mutating func set(_ name: String, to value: any Sendable) { values[name] = value }

    /// Whether the shape that was read has the field.
    func has<Value>(_ field: Field<Value>) -> Bool { values[field.name] != nil }

    /// The value of a field of the shape that was read. Asking for another shape's field is our own mistake.
    package subscript<Value>(field: Field<Value>) -> Value {
        get throws(OperationError) {
            guard let boxed = values[field.name], let value = boxed as? Value else {
                throw .fault("\(shape) has no field \(field.name) of type \(Value.self)")
            }
            return value
        }
    }
}

/// A name as a token of a JSON pointer (RFC 6901 §3), cut to a length that is safe to echo.
func pointerToken(_ name: String) -> String {
    var token = ""
    for scalar in name.unicodeScalars.prefix(64) {
        switch scalar {
        case "~": token += "~0"
        case "/": token += "~1"
        default: token.unicodeScalars.append(scalar)
        }
    }
    return token
}

package import JSONText

/// What the API shows of a value: an allow-list. A member that is not here is not in any answer.
package struct Representation<Value>: Sendable {
    package struct Member: Sendable {
        let schema: MemberSchema
        let json: @Sendable (Value) -> JSONValue

        /// - `isMoving`: it changes without being written (times of last use, health, standing); such members
        ///   are no part of the entity tag.
        package init(
            _ name: String, _ schema: Schema, _ summary: String, isMoving: Bool = false,
            _ json: @escaping @Sendable (Value) -> JSONValue
        ) {
            self.schema = MemberSchema(
                name: name, schema: schema, isRequired: true, summary: summary, isMoving: isMoving)
            self.json = json
        }
    }

    package let name: String
    package let members: [Member]

    /// No two members have one name.
    package init(_ name: String, _ members: [Member]) {
        precondition(Set(members.map(\.schema.name)).count == members.count, "two members of one name")
        self.name = name
        self.members = members
    }

    package var schema: Schema {
        .object(ObjectSchema(name: name, members: members.map(\.schema)))
    }

    package func json(_ value: Value) -> JSONValue {
        let members = members.map { JSONObject.Member(name: $0.schema.name, value: $0.json(value)) }
        return .object(JSONObject(uniqueMembers: members))
    }
}

extension JSONValue {
    /// A text, or null.
    static func optional(_ value: (some CustomStringConvertible)?) -> JSONValue {
        value.map { .string($0.description) } ?? .null
    }

    static func text(_ value: some CustomStringConvertible) -> JSONValue { .string(value.description) }

    static func integer(_ value: some FixedWidthInteger) -> JSONValue {
        .number(JSONNumber(Int64(clamping: value)))
    }

    static func optional(_ value: (some FixedWidthInteger)?) -> JSONValue {
        value.map { .integer($0) } ?? .null
    }
}

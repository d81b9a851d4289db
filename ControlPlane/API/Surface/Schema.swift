package import Domain

/// What a JSON value of the API looks like: the vocabulary of JSON Schema the API uses, no more.
///
/// One value serves three ends: `Reader` checks requests with it, OpenAPI is printed from it, and tests hold
/// every answer against it.
package indirect enum Schema: Sendable {
    case text(TextSchema)
    case integer(ClosedRange<Int64>)
    case boolean
    case list(Schema, maximumCount: Int)
    case object(ObjectSchema)
    /// An object whose members have any names.
    case dictionary(Schema, maximumCount: Int)
    /// An object that differs from case to case; only in answers.
    case anyObject
    case nullable(Schema)
}

/// The rule of a JSON string. Lengths count Unicode scalars, as JSON Schema does.
package struct TextSchema: Sendable {
    package var lengths: ClosedRange<Int>
    package var format: String?
    package var pattern: String?
    package var values: [String]
    package var example: String?
    /// Goes in, never comes out: passwords, credentials.
    package var isWriteOnly: Bool
    /// Comes out once, and never again.
    package var isShownOnce: Bool

    package init(
        _ lengths: ClosedRange<Int>, format: String? = nil, pattern: String? = nil, values: [String] = [],
        example: String? = nil, isWriteOnly: Bool = false, isShownOnce: Bool = false
    ) {
        self.lengths = lengths
        self.format = format
        self.pattern = pattern
        self.values = values
        self.example = example
        self.isWriteOnly = isWriteOnly
        self.isShownOnce = isShownOnce
    }
}

/// An object with exactly these members, or (open) with others too. With a name it is a component of the
/// OpenAPI document, printed once.
package struct ObjectSchema: Sendable {
    package let name: String?
    package let members: [MemberSchema]
    /// It may have others too; only in requests.
    package let isOpen: Bool

    package init(name: String?, members: [MemberSchema], isOpen: Bool = false) {
        self.name = name
        self.members = members
        self.isOpen = isOpen
    }
}

/// One member of an object.
package struct MemberSchema: Sendable {
    package let name: String
    package let schema: Schema
    package let isRequired: Bool
    package let summary: String
    /// Changes without being written, like a time of last use: no part of the entity tag.
    package let isMoving: Bool

    package init(name: String, schema: Schema, isRequired: Bool, summary: String, isMoving: Bool = false) {
        self.name = name
        self.schema = schema
        self.isRequired = isRequired
        self.summary = summary
        self.isMoving = isMoving
    }
}

extension Schema {
    /// The ID of one noun.
    package static func id<Noun: Identified>(_ noun: Noun.Type) -> Schema {
        let length = Noun.idPrefix.utf8CodeUnitCount + 27
        return .text(
            TextSchema(length...length, pattern: "^\(Noun.idPrefix)_[0-7][0-9a-hjkmnp-tv-z]{25}$"))
    }

    /// An RFC 3339 time in UTC.
    package static let time = Schema.text(TextSchema(20...40, format: "date-time"))

    /// An exact decimal number of US dollars, as text.
    package static let money = Schema.text(
        TextSchema(1...24, pattern: "^-?(0|[1-9][0-9]{0,9})(\\.[0-9]{1,9})?$", example: "0.15"))

    package static func text(_ lengths: ClosedRange<Int>) -> Schema { .text(TextSchema(lengths)) }

    /// A secret of so many characters that only this answer shows.
    package static func shownOnce(_ lengths: ClosedRange<Int>) -> Schema {
        .text(TextSchema(lengths, isShownOnce: true))
    }

    package static func words(_ values: [String]) -> Schema {
        .text(TextSchema(0...(values.map(\.utf8.count).max() ?? 0), values: values))
    }

    /// A count that is never negative.
    package static let count = Schema.integer(0...Int64.max)
}

extension Schema {
    /// Goes in and never comes out, so that nobody can tell whether it is what is there already.
    var isWriteOnly: Bool {
        switch self {
        case .text(let text): text.isWriteOnly
        case .nullable(let inner): inner.isWriteOnly
        default: false
        }
    }
}

import PostgresDriver

/// A filter of RFC 7644 §3.4.2.2 over the attributes that are kept.
package indirect enum SCIMFilter: Hashable, Sendable {
    package enum Attribute: String, CaseIterable, Sendable {
        case id
        case userName = "username"
        case externalID = "externalid"
        case displayName = "displayname"
        case givenName = "name.givenname"
        case familyName = "name.familyname"
        case email = "emails.value"
        case active
        /// Of groups: the ID of a member.
        case member = "members.value"
    }

    package enum Comparison: String, CaseIterable, Sendable {
        case equals = "eq"
        case differs = "ne"
        case contains = "co"
        case begins = "sw"
        case ends = "ew"
    }

    case compare(Attribute, Comparison, String)
    case isPresent(Attribute)
    case both(SCIMFilter, SCIMFilter)
    case either(SCIMFilter, SCIMFilter)
    case not(SCIMFilter)

    /// As a predicate over the columns of a kind of resource; nil: one of its attributes is none of that
    /// kind's. `hasMember` asks whether a group has a member.
    func predicate(_ columns: (Attribute) -> SQL?, hasMember: ((String) -> SQL)? = nil) -> SQL? {
        switch self {
        case .both(let left, let right): Self.joined(left, " and ", right, columns, hasMember)
        case .either(let left, let right): Self.joined(left, " or ", right, columns, hasMember)
        case .not(let filter):
            filter.predicate(columns, hasMember: hasMember).map {
                "not coalesce((\(fragment: $0)), false)"
            }
        case .compare(.member, .equals, let value): hasMember?(value)
        case .isPresent(let attribute): columns(attribute).map { "\(fragment: $0) <> ''" }
        case .compare(let attribute, let comparison, let value):
            columns(attribute).map { Self.comparison($0, comparison, value) }
        }
    }

    private static func joined(
        _ left: SCIMFilter, _ word: SQL, _ right: SCIMFilter, _ columns: (Attribute) -> SQL?,
        _ hasMember: ((String) -> SQL)?
    ) -> SQL? {
        guard let left = left.predicate(columns, hasMember: hasMember),
            let right = right.predicate(columns, hasMember: hasMember)
        else { return nil }
        return "(\(fragment: left)\(fragment: word)\(fragment: right))"
    }

    /// Texts compare without case, as RFC 7643 has it for all of these but the identifiers, for which it does
    /// no harm.
    private static func comparison(_ column: SQL, _ comparison: Comparison, _ value: String) -> SQL {
        switch comparison {
        case .equals: "lower(\(fragment: column)) = lower(\(value))"
        case .differs: "lower(\(fragment: column)) is distinct from lower(\(value))"
        case .contains: "position(lower(\(value)) in lower(\(fragment: column))) > 0"
        case .begins: "starts_with(lower(\(fragment: column)), lower(\(value)))"
        case .ends: "right(lower(\(fragment: column)), length(\(value))) = lower(\(value))"
        }
    }
}

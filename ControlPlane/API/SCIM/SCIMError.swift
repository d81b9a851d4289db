import Domain
import JSONText
import Operations

/// A failure as RFC 7644 §3.12 has it, and no member more: clients are strict. Our code is in a field.
enum SCIMError {
    static let codeField = "x-eclusa-error-code"

    static func document(_ error: OperationError) -> [UInt8] {
        var object = JSONObject()
        object["schemas"] = ["urn:ietf:params:scim:api:messages:2.0:Error"]
        object["status"] = .string("\(error.code.status)")
        object["scimType"] = type(of: error).map { .string($0) }
        let problems = error.problems.prefix(10).map { "\(attribute(at: $0.pointer)) \($0.message)" }
        object["detail"] = .string(
            problems.isEmpty
                ? error.detail ?? error.code.safeText : problems.joined(separator: "; ") + ".")
        return JSONValue.object(object).bytes
    }

    /// What our own nouns call otherwise than SCIM.
    private static let otherNames = ["/name": "displayName", "/email": "emails"]

    /// What a pointer points at, in the notation of SCIM: `/members/0/value` is `members[0].value`.
    private static func attribute(at pointer: String) -> String {
        if let attribute = otherNames[pointer] { return attribute }
        let tokens = pointer.split(separator: "/")
        if tokens.isEmpty { return "The body" }
        return tokens.dropFirst().reduce(String(tokens[0])) { path, token in
            token.allSatisfy(\.isNumber) ? "\(path)[\(token)]" : "\(path).\(token)"
        }
    }

    /// A word of table 9.
    private static func type(of error: OperationError) -> String? {
        if let reason = error.reason { return reason }
        return switch error.code {
        case .conflict where error.problems.contains { $0.code == .duplicate }: "uniqueness"
        case .invalidRequest: "invalidValue"
        case .invalidJSON: "invalidSyntax"
        default: nil
        }
    }

    static let schema = ObjectSchema(
        name: "SCIMError",
        members: [
            member("schemas", .list(.text(1...100), maximumCount: 1), "What kind of document it is."),
            member("status", .text(3...3), "The HTTP status."),
            MemberSchema(
                name: "scimType", schema: .text(1...40), isRequired: false,
                summary: "What happened, in the words of SCIM."),
            member("detail", .text(1...6000), "What happened, for people."),
        ])

    private static func member(_ name: String, _ schema: Schema, _ summary: String) -> MemberSchema {
        MemberSchema(name: name, schema: schema, isRequired: true, summary: summary)
    }
}

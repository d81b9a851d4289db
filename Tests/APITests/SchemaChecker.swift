import API
import JSONText

extension Schema {
    /// Everything about a value that is not as the schema says: what a strict client would stumble over.
    func problems(in json: JSONValue, at place: String = "$") -> [String] {
        switch (self, json) {
        case (.nullable, .null), (.boolean, .boolean): []
        case (.nullable(let wrapped), _): wrapped.problems(in: json, at: place)
        case (.text(let text), .string(let value)): text.problems(in: value, at: place)
        case (.integer(let range), .number):
            json.exactInt64.map(range.contains) == true ? [] : ["\(place): \(json.text) is out of range"]
        case (.list(let element, let maximum), .array(let elements)):
            (elements.count > maximum ? ["\(place): too many elements"] : [])
                + elements.enumerated().flatMap { element.problems(in: $1, at: "\(place)[\($0)]") }
        case (.anyObject, .object): []
        case (.dictionary(let value, _), .object(let object)):
            object.members.flatMap { value.problems(in: $0.value, at: "\(place).\($0.name)") }
        case (.object(let schema), .object(let object)):
            object.names(notIn: schema.members.map(\.name)).map { "\(place): unknown member \($0)" }
                + schema.members.flatMap { member -> [String] in
                    guard let value = object[member.name] else {
                        return member.isRequired ? ["\(place): no \(member.name)"] : []
                    }
                    return member.schema.problems(in: value, at: "\(place).\(member.name)")
                }
        default: ["\(place): \(json.text.prefix(40)) is of another type"]
        }
    }
}

extension TextSchema {
    fileprivate func problems(in text: String, at place: String) -> [String] {
        var problems: [String] = []
        if !values.isEmpty && !values.contains(text) {
            problems.append("\(place): \(text) is not a known word")
        }
        if values.isEmpty && !lengths.contains(text.unicodeScalars.count) {
            problems.append("\(place): \(text.unicodeScalars.count) characters")
        }
        if let pattern, (try? Regex(pattern).wholeMatch(in: text)) == nil {
            problems.append("\(place): \(text) does not match \(pattern)")
        }
        if isWriteOnly { problems.append("\(place): a write-only value in an answer") }
        return problems
    }
}

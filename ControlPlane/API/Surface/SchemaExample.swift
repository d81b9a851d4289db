package import JSONText

extension Schema {
    /// A value that fits, for readers of the description: what the field's own example says, else something
    /// plain.
    package var example: JSONValue {
        switch self {
        case .text(let text): .string(text.exampleText)
        case .integer(let range): .integer(min(max(range.lowerBound, 1), range.upperBound))
        case .boolean: true
        case .list(let element, _): .array([element.example])
        case .object(let object): object.example
        case .anyObject: .object(JSONObject())
        case .dictionary(let value, _): ["name": value.example]
        case .nullable(let wrapped): wrapped.example
        }
    }
}

extension ObjectSchema {
    /// Every member with its example.
    package var example: JSONValue {
        var object = JSONObject()
        for member in members { object[member.name] = member.schema.example }
        return .object(object)
    }
}

extension TextSchema {
    fileprivate var exampleText: String {
        if let example { return example }
        if let first = values.first { return first }
        switch format {
        case "date-time": return "2026-03-09T12:00:00Z"
        case "email": return "ana@example.com"
        default: break
        }
        // An ID: its prefix stands at the beginning of its pattern.
        if let pattern, pattern.hasSuffix("{25}$"),
            let prefix = pattern.dropFirst().split(separator: "[").first
        {
            return prefix + "01jdz3v9q8e4ys5m8k2h7c6b1a"
        }
        let text = "example"
        if text.count < lengths.lowerBound { return String(repeating: "x", count: lengths.lowerBound) }
        return String(text.prefix(lengths.upperBound))
    }
}

package import JSONText

/// Why a request cannot be read, or cannot be said in a provider's dialect; safe to tell the caller.
package enum RequestProblem: Error, Sendable, Equatable {
    case notJSON(JSONError)
    /// A member that must be there: its name as the dialect writes paths (`messages.0.content`).
    case missing(String)
    case wrongType(String, String)
    /// The provider's dialect has no way to say it: the member, and why or what to do.
    case unsupported(String, String)

    package var field: String? {
        switch self {
        case .notJSON: nil
        case .missing(let field), .wrongType(let field, _), .unsupported(let field, _): field
        }
    }

    package var message: String {
        switch self {
        case .notJSON(let error): "The body is not valid JSON: \(error)."
        case .missing(let field): "The member '\(field)' is required."
        case .wrongType(let field, let wanted): "The member '\(field)' must be \(wanted)."
        case .unsupported(let field, let why): "The member '\(field)' cannot be used here: \(why)."
        }
    }
}

/// Reads the members of one object of a request; knows where it is, for clear errors, and which members
/// nobody asked for. Null counts as absent, as in every dialect.
struct RequestReader {
    let path: String
    private let object: JSONObject
    private var read: Set<String> = []

    init(_ value: JSONValue, at path: String = "") throws(RequestProblem) {
        guard let object = value.object else {
            throw .wrongType(path.isEmpty ? "body" : path, "an object")
        }
        self.object = object
        self.path = path
    }

    func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    /// The member under any of its spellings; nil when missing or null.
    mutating func value(_ names: String...) -> JSONValue? { value(names) }

    mutating func value(_ names: [String]) -> JSONValue? {
        read.formUnion(names)
        for name in names {
            if let value = object[name], !value.isNull { return value }
        }
        return nil
    }

    mutating func text(_ names: String...) throws(RequestProblem) -> String? {
        guard let value = value(names) else { return nil }
        guard let text = value.string else { throw .wrongType(place(names[0]), "a string") }
        return text
    }

    mutating func requiredText(_ names: String...) throws(RequestProblem) -> String {
        guard let value = value(names) else { throw .missing(place(names[0])) }
        guard let text = value.string else { throw .wrongType(place(names[0]), "a string") }
        return text
    }

    mutating func flag(_ names: String...) throws(RequestProblem) -> Bool? {
        guard let value = value(names) else { return nil }
        guard let flag = value.boolean else { throw .wrongType(place(names[0]), "true or false") }
        return flag
    }

    mutating func number(_ names: String...) throws(RequestProblem) -> Double? {
        guard let value = value(names) else { return nil }
        guard let number = value.double, number.isFinite else {
            throw .wrongType(place(names[0]), "a number")
        }
        return number
    }

    mutating func integer(_ names: String...) throws(RequestProblem) -> Int64? {
        guard let value = value(names) else { return nil }
        // SDKs send 100.0 for 100 here and there.
        if let integer = value.exactInt64 { return integer }
        if let number = value.double, number.rounded() == number, abs(number) < 9e15 { return Int64(number) }
        throw .wrongType(place(names[0]), "a whole number")
    }

    /// Sizes and counts that must be positive.
    mutating func count(_ names: String...) throws(RequestProblem) -> Int64? {
        guard let value = value(names) else { return nil }
        guard let integer = value.exactInt64 ?? value.double.flatMap({ Int64(exactly: $0) }), integer >= 1
        else {
            throw .wrongType(place(names[0]), "a whole number of at least 1")
        }
        return integer
    }

    mutating func list(_ names: String...) throws(RequestProblem) -> [JSONValue]? {
        guard let value = value(names) else { return nil }
        guard let list = value.array else { throw .wrongType(place(names[0]), "a list") }
        return list
    }

    mutating func object(_ names: String...) throws(RequestProblem) -> RequestReader? {
        guard let value = value(names) else { return nil }
        return try RequestReader(value, at: place(names[0]))
    }

    /// A text, or a list of texts.
    mutating func texts(_ names: String...) throws(RequestProblem) -> [String] {
        guard let value = value(names) else { return [] }
        if let text = value.string { return [text] }
        guard let list = value.array else {
            throw .wrongType(place(names[0]), "a string or a list of strings")
        }
        var texts: [String] = []
        for (index, element) in list.enumerated() {
            guard let text = element.string else {
                throw .wrongType("\(place(names[0])).\(index)", "a string")
            }
            texts.append(text)
        }
        return texts
    }

    /// Members that nobody has read, for the policy on untranslated ones.
    func unread() -> [String] {
        object.members.filter { !read.contains($0.name) && !$0.value.isNull }.map { place($0.name) }
    }

    /// Members that are understood and mean nothing here.
    mutating func ignore(_ names: String...) { read.formUnion(names) }
}

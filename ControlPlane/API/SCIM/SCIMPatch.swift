import JSONText
import Operations

/// The operations of a PATCH (RFC 7644 §3.5.2), applied to the resource as it would be shown. Attributes that
/// are not kept are passed over, as they are in PUT and POST. Names compare without case.
struct SCIMPatch {
    static let maximumOperations = 100

    private enum Verb: String {
        case add, replace, remove
    }

    /// `members[value eq "user_…"].display`
    private struct Path {
        var attribute: String
        var filter: (name: String, value: String)?
        var part: String?
    }

    private static let names = [
        "userName", "externalId", "displayName", "name", "givenName", "familyName", "formatted", "active",
        "emails", "members", "value", "type", "primary", "display", "id", "meta", "schemas", "groups",
    ]
    private static let multiValued: Set<String> = ["emails", "members", "groups"]

    private var resource: JSONObject

    /// The resource after a PATCH request's body.
    static func apply(_ body: JSONValue, to resource: JSONValue) throws(OperationError) -> JSONValue {
        guard let operations = body.member("Operations")?.array, !operations.isEmpty else {
            throw .scim("invalidSyntax", "A PATCH has a list of Operations.")
        }
        guard operations.count <= maximumOperations else {
            throw .scim("invalidValue", "A PATCH has at most \(maximumOperations) Operations.")
        }
        var patch = SCIMPatch(resource: resource.object ?? JSONObject())
        for operation in operations { try patch.apply(operation) }
        return .object(patch.resource)
    }

    private mutating func apply(_ operation: JSONValue) throws(OperationError) {
        guard let verb = Verb(rawValue: operation.member("op")?.string?.lowercased() ?? "") else {
            throw .scim("invalidSyntax", "op is one of add, replace and remove.")
        }
        let value = operation.member("value") ?? .null
        if let path = operation.member("path")?.string, !path.isEmpty {
            return try apply(verb, at: path, value)
        }
        if verb == .remove { throw .scim("noTarget", "remove needs a path.") }
        guard let members = value.object?.members else {
            throw .scim("invalidValue", "Without a path the value is an object.")
        }
        for member in members { try apply(verb, at: member.name, member.value) }
    }

    private mutating func apply(_ verb: Verb, at text: String, _ value: JSONValue) throws(OperationError) {
        guard let path = try Self.path(text) else { return }
        // Some providers repeat the id in what they replace.
        if path.attribute == "id", value != resource["id"] {
            throw .scim("mutability", "The id of a resource never changes.")
        }
        if ["id", "meta", "schemas", "groups"].contains(path.attribute) { return }
        if Self.multiValued.contains(path.attribute) {
            try applyToList(verb, path, value)
        } else if let part = path.part {
            var object = resource[path.attribute]?.object ?? JSONObject()
            object[part] = verb == .remove ? nil : value
            resource[path.attribute] = .object(object)
        } else if verb != .remove, let new = value.object {
            var object = resource[path.attribute]?.object ?? JSONObject()
            for member in new.members { object[Self.canonical(member.name) ?? member.name] = member.value }
            resource[path.attribute] = .object(object)
        } else {
            resource[path.attribute] = verb == .remove ? nil : value
        }
    }

    private mutating func applyToList(_ verb: Verb, _ path: Path, _ value: JSONValue) throws(OperationError) {
        var list = resource[path.attribute]?.array ?? []
        let isMeant: (JSONValue) -> Bool = { element in
            guard let filter = path.filter else { return true }
            return Self.text(element.member(filter.name))?.lowercased() == filter.value.lowercased()
        }
        switch (verb, path.part) {
        case (.remove, nil) where path.filter == nil && !(value.array ?? []).isEmpty:
            let gone = Set((value.array ?? []).compactMap { $0.member("value")?.string })
            list.removeAll { gone.contains($0.member("value")?.string ?? "") }
        case (.remove, nil): list.removeAll(where: isMeant)
        case (.add, nil) where path.filter == nil, (.replace, nil) where path.filter == nil:
            let new = value.array ?? (value.isNull ? [] : [value])
            if verb == .replace { list = [] }
            let known = Set(list.compactMap { $0.member("value")?.string })
            list += new.filter { !known.contains($0.member("value")?.string ?? "") }
        case (_, let part):
            let places = list.indices.filter { isMeant(list[$0]) }
            if places.isEmpty, verb == .add, let part {
                var element = JSONObject()
                if let filter = path.filter { element[filter.name] = .string(filter.value) }
                element[part] = value
                list.append(.object(element))
            } else if places.isEmpty {
                throw .scim("noTarget", "Nothing is at \(path.attribute) with that filter.")
            }
            for place in places {
                if let part {
                    var element = list[place].object ?? JSONObject()
                    element[part] = verb == .remove ? nil : value
                    list[place] = .object(element)
                } else {
                    list[place] = value
                }
            }
        }
        resource[path.attribute] = .array(list)
    }

    // MARK: Paths

    private static func canonical(_ name: String) -> String? {
        names.first { $0.lowercased() == name.lowercased() }
    }

    /// nil: an attribute that is not kept.
    private static func path(_ text: String) throws(OperationError) -> Path? {
        var rest = Substring(text)
        for prefix in SCIMSchemas.prefixes where rest.lowercased().hasPrefix(prefix) {
            rest = rest.dropFirst(prefix.count)
        }
        let name = rest.prefix { $0 != "." && $0 != "[" }
        guard let attribute = canonical(String(name)) else { return nil }
        var path = Path(attribute: attribute)
        rest = rest.dropFirst(name.count)
        if rest.first == "[" {
            guard let end = rest.lastIndex(of: "]") else {
                throw .scim("invalidPath", "A bracket is not closed.")
            }
            path.filter = try filter(rest[rest.index(after: rest.startIndex)..<end])
            rest = rest[rest.index(after: end)...]
        }
        guard let dot = rest.first else { return path }
        guard dot == ".", !rest.dropFirst().isEmpty else {
            throw .scim("invalidPath", "This path is not understood.")
        }
        guard let part = canonical(String(rest.dropFirst())) else { return nil }
        path.part = part
        return path
    }

    private static func filter(_ text: Substring) throws(OperationError) -> (name: String, value: String) {
        let words = text.split(separator: " ", maxSplits: 2)
        guard words.count == 3, words[1].lowercased() == "eq", let name = canonical(String(words[0])) else {
            throw .scim("invalidPath", "In a path a filter is one comparison by eq.")
        }
        guard words[2].first == "\"" else { return (name, String(words[2])) }
        return (name, try SCIMFilterParser.quoted(words[2].dropFirst()).value)
    }

    private static func text(_ json: JSONValue?) -> String? {
        if let flag = json?.boolean { return flag ? "true" : "false" }
        return json?.string
    }
}

extension JSONValue {
    /// A member by its name without case, as SCIM has it.
    func member(_ name: String) -> JSONValue? {
        object?.members.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

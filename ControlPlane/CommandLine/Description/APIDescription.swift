import CDescription
import JSONText

/// The admin API as its OpenAPI document has it: what the commands of `eclusa` are made from. The document is
/// part of the program, so that help and completion need no server.
struct APIDescription: Sendable {
    let operations: [APIOperation]

    /// The document this release was built with; a test holds it against the route table.
    static let embedded: APIDescription = {
        let bytes = UnsafeRawBufferPointer(start: openapi_json, count: openapi_json_count)
        let limits = JSONLimits(maximumBytes: 16 << 20, maximumValues: 1_000_000)
        return APIDescription((try? JSONValue.parse(bytes, limits: limits)) ?? .null)
    }()

    init(_ document: JSONValue) {
        let components = document["components"] ?? .null
        var operations: [APIOperation] = []
        for path in document["paths"]?.object?.members ?? [] where path.name.hasPrefix(Self.base) {
            for operation in path.value.object?.members ?? [] {
                let reader = SchemaReader(components: components)
                operations += [reader.operation(operation.name, path.name, operation.value)]
                    .compactMap(\.self)
            }
        }
        self.operations = operations
    }

    static let base = "/api/v1"

    func operation(_ id: String) -> APIOperation? { operations.first { $0.id == id } }

    /// The list a thing of a path parameter stands in: the path before the parameter.
    func list(before parameter: String, in path: String) -> APIOperation? {
        guard let end = path.firstRange(of: "/{\(parameter)}") else { return nil }
        return operations.first { $0.isList && $0.path == path[..<end.lowerBound] }
    }

    /// The list that things whose IDs begin so stand in, of a tenant when there is one of its own.
    func list(ofPrefix prefix: String, inTenant: Bool) -> APIOperation? {
        let lists = operations.flatMap { operation in
            operation.pathParameters.filter { $0.prefix == prefix }.compactMap {
                list(before: $0.name, in: operation.path)
            }
        }.filter { $0.pathParameters.allSatisfy { $0.name == "tenant" } }
        return lists.first { $0.path.contains("{tenant}") == inTenant } ?? lists.first
    }
}

/// One operation of the API, ready to be a command.
struct APIOperation: Sendable {
    enum Answer: Sendable {
        case nothing
        case one
        /// A page of things with these members.
        case list(members: [String])
        case rows

        var isMany: Bool {
            switch self {
            case .list, .rows: true
            case .nothing, .one: false
            }
        }
    }

    struct PathParameter: Sendable {
        let name: String
        let summary: String
        /// What its IDs begin with.
        let prefix: String
    }

    /// `keys.create`
    let id: String
    let method: String
    /// With `/api/v1` and parameters in braces.
    let path: String
    let summary: String
    let pathParameters: [PathParameter]
    /// Query, header and body, in the order of the document.
    let inputs: [APIInput]
    let takesBody: Bool
    let answer: Answer

    var noun: String { String(id.prefix { $0 != "." }) }
    var verb: String { String(id.drop { $0 != "." }.dropFirst()) }
    var isList: Bool { if case .list = answer { true } else { false } }
}

/// One thing an operation can be told.
struct APIInput: Sendable {
    enum Place: Sendable { case query, header, body }

    indirect enum Kind: Sendable {
        case text
        case integer
        case boolean
        case word([String])
        /// An ID that begins so.
        case id(prefix: String)
        case list(Kind)
        /// Members by name, those that are known.
        case object([String: Kind])
    }

    let name: String
    let place: Place
    let summary: String
    let kind: Kind
    let isRequired: Bool
    let isNullable: Bool
    /// Goes in and never comes out: read from files and terminals, never from a command line.
    let isSecret: Bool
    /// Given or not, without a value. Filters of lists are not: both answers are asked for.
    let isFlag: Bool

    /// `--base-url` for `base_url`.
    var option: String {
        let plain = name.lowercased().replacing("_", with: "-")
        return isSecret ? plain + "-file" : plain
    }

    var placeholder: String? {
        if isSecret { return "FILE" }
        switch kind {
        case .text: return "TEXT"
        case .integer: return "N"
        case .boolean: return isFlag ? nil : "true|false"
        case .word(let words): return words.count <= 4 ? words.joined(separator: "|") : "WORD"
        case .id: return "NAME"
        case .list: return "A,B"
        case .object: return "A=B,C=D"
        }
    }
}

/// Reads operations out of an OpenAPI document.
private struct SchemaReader {
    let components: JSONValue

    func operation(_ method: String, _ path: String, _ value: JSONValue) -> APIOperation? {
        guard let id = value["operationId"]?.string, id.contains(".") else { return nil }
        let parameters = (value["parameters"]?.array ?? []).map(resolved)
        let answer = answer(value["responses"]?.object?.members.first { $0.name.hasPrefix("2") }?.value)
        let isRead = method.lowercased() == "get"
        let inPath = parameters.filter { $0["in"] == "path" }.compactMap { parameter in
            parameter["name"]?.string.map { name in
                APIOperation.PathParameter(
                    name: name, summary: parameter["description"]?.string ?? "",
                    prefix: prefix(parameter["schema"]?["pattern"]?.string) ?? "")
            }
        }
        let others = parameters.compactMap { parameter -> APIInput? in
            let place: APIInput.Place
            switch parameter["in"]?.string {
            case "query": place = .query
            case "header": place = .header
            default: return nil
            }
            return input(
                parameter["name"]?.string ?? "", parameter["schema"] ?? .null, place,
                summary: parameter["description"]?.string ?? "",
                isRequired: parameter["required"] == true, isFilter: isRead && answer.isMany)
        }
        let body = value["requestBody"]?["content"]?["application/json"]?["schema"].map(resolved)
        let required = Set(body?["required"]?.array?.compactMap(\.string) ?? [])
        let members = (body?["properties"]?.object?.members ?? []).map { member in
            input(
                member.name, member.value, .body, summary: member.value["description"]?.string ?? "",
                isRequired: required.contains(member.name), isFilter: false)
        }
        return APIOperation(
            id: id, method: method.uppercased(), path: path, summary: value["summary"]?.string ?? "",
            pathParameters: inPath, inputs: others + members, takesBody: body != nil,
            answer: answer)
    }

    private func answer(_ response: JSONValue?) -> APIOperation.Answer {
        guard let content = response?["content"]?.object?.members.first else { return .nothing }
        guard ["application/json", "application/scim+json"].contains(content.name) else { return .rows }
        let properties = content.value["schema"].map(resolved)?["properties"]
        guard properties?["next_cursor"] != nil, let items = properties?["data"]?["items"] else {
            return .one
        }
        return .list(members: resolved(items)["properties"]?.object?.names ?? [])
    }

    private func input(
        _ name: String, _ schema: JSONValue, _ place: APIInput.Place, summary: String, isRequired: Bool,
        isFilter: Bool
    ) -> APIInput {
        let choices = schema["anyOf"]?.array ?? []
        let inner = choices.first { $0["type"] != "null" } ?? schema
        return APIInput(
            name: name, place: place, summary: summary, kind: kind(resolved(inner)), isRequired: isRequired,
            isNullable: choices.contains { $0["type"] == "null" }, isSecret: inner["writeOnly"] == true,
            isFlag: place != .body && !isFilter)
    }

    private func kind(_ schema: JSONValue, depth: Int = 0) -> APIInput.Kind {
        if let words = schema["enum"]?.array { return .word(words.compactMap(\.string)) }
        switch schema["type"]?.string {
        case "integer": return .integer
        case "boolean": return .boolean
        case "array":
            return .list(depth > 4 ? .text : kind(resolved(schema["items"] ?? .null), depth: depth + 1))
        case "object":
            var members: [String: APIInput.Kind] = [:]
            for member in schema["properties"]?.object?.members ?? [] where depth <= 4 {
                let choices = member.value["anyOf"]?.array ?? []
                let inner = choices.first { $0["type"] != "null" } ?? member.value
                members[member.name] = kind(resolved(inner), depth: depth + 1)
            }
            return .object(members)
        default: return prefix(schema["pattern"]?.string).map { .id(prefix: $0) } ?? .text
        }
    }

    /// `ws` of `^ws_[0-7]…`; nil for patterns of other texts.
    private func prefix(_ pattern: String?) -> String? {
        guard let pattern, pattern.hasPrefix("^"), let end = pattern.firstRange(of: "_[0-") else {
            return nil
        }
        let prefix = pattern[pattern.index(after: pattern.startIndex)..<end.lowerBound]
        return prefix.allSatisfy { $0.isASCII && $0.isLetter } && !prefix.isEmpty ? String(prefix) : nil
    }

    private func resolved(_ schema: JSONValue) -> JSONValue {
        guard let reference = schema["$ref"]?.string else { return schema }
        let parts = reference.split(separator: "/").suffix(2).map(String.init)
        return parts.reduce(Optional(components)) { $0?[$1] } ?? schema
    }
}

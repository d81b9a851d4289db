import JSONText

/// Texts of a command line as values of the API.
enum InputValue {
    static func read(_ given: String, _ input: APIInput, _ names: NameResolver) async throws -> JSONValue {
        if input.isNullable, given == "null" { return .null }
        let text = input.place == .body ? try InputFile.value(given) : given
        return try await read(text, input.kind, "--\(input.option)", names)
    }

    private static func read(
        _ text: String, _ kind: APIInput.Kind, _ option: String, _ names: NameResolver
    ) async throws -> JSONValue {
        switch kind {
        case .text: return .string(text)
        case .integer:
            guard let number = Int64(text) else {
                throw CommandFailure.usage("\(option) must be a whole number, not '\(text)'")
            }
            return .number(JSONNumber(number))
        case .boolean:
            guard text == "true" || text == "false" else {
                throw CommandFailure.usage("\(option) must be true or false, not '\(text)'")
            }
            return .boolean(text == "true")
        case .word(let words):
            guard words.contains(text) else {
                let nearest = Nearest.name(to: text, among: words).map { "; did you mean '\($0)'?" } ?? ""
                throw CommandFailure.usage(
                    "\(option) must be one of \(words.joined(separator: ", ")), not '\(text)'\(nearest)")
            }
            return .string(text)
        case .id(let prefix): return .string(try await names.id(text, prefix: prefix, noun: option))
        case .list(let element):
            if text.hasPrefix("[") { return try await named(try parse(text, option), kind, names) }
            var values: [JSONValue] = []
            for part in text.split(separator: ",") {
                values.append(try await read(String(part), element, option, names))
            }
            return .array(values)
        case .object(let members):
            if text.hasPrefix("{") { return try await named(try parse(text, option), kind, names) }
            var object = JSONObject()
            for pair in text.split(separator: ",") {
                guard let equals = pair.firstIndex(of: "=") else {
                    throw CommandFailure.usage("\(option) must be JSON, or name=value,name=value")
                }
                let name = String(pair[..<equals])
                let value = String(pair[pair.index(after: equals)...])
                object[name] = try await read(value, members[name] ?? .text, option, names)
            }
            return .object(object)
        }
    }

    /// The value with names in place of IDs turned into IDs.
    private static func named(
        _ value: JSONValue, _ kind: APIInput.Kind, _ names: NameResolver
    ) async throws -> JSONValue {
        switch (kind, value) {
        case (.id(let prefix), .string(let text)):
            return .string(try await names.id(text, prefix: prefix, noun: prefix))
        case (.list(let element), .array(let values)):
            var named: [JSONValue] = []
            for value in values { named.append(try await self.named(value, element, names)) }
            return .array(named)
        case (.object(let members), .object(var object)):
            for member in object.members {
                guard let kind = members[member.name] else { continue }
                object[member.name] = try await named(member.value, kind, names)
            }
            return .object(object)
        default: return value
        }
    }

    private static func parse(_ text: String, _ option: String) throws(CommandFailure) -> JSONValue {
        do throws(JSONError) { return try JSONValue.parse(text, limits: limits) } catch {
            throw .usage("\(option) is not valid JSON: \(error)")
        }
    }

    private static let limits = JSONLimits(maximumBytes: InputFile.largestBytes, maximumValues: 200_000)

    /// The JSON object a file holds; `-` is standard input.
    static func object(file: String) throws(CommandFailure) -> JSONObject {
        let bytes = try InputFile.read(file)
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue.parse(bytes, limits: limits) } catch {
            throw .usage("\(file) is not valid JSON: \(error)")
        }
        guard let object = value.object else { throw .usage("\(file) must hold one JSON object") }
        return object
    }
}

/// Turns what people call things into IDs, by looking at the lists things stand in. Lives on its loop.
final class NameResolver {
    private let admin: AdminClient
    private let tenantWish: String?
    private let inTenant: Bool
    private var tenantID: String?

    init(admin: AdminClient, tenantWish: String?, inTenant: Bool) {
        self.admin = admin
        self.tenantWish = tenantWish
        self.inTenant = inTenant
    }

    func tenant() async throws -> String {
        if let tenantID { return tenantID }
        let id: String
        if let tenantWish, Self.isID(tenantWish, of: "tenant") {
            id = tenantWish
        } else {
            id = try CommandContext.pick("tenant", tenantWish, from: try await admin.list("/tenants"))
        }
        tenantID = id
        return id
    }

    /// The ID of the thing somebody calls `wish`.
    ///
    /// - `known`: the path of the command so far, whose earlier parameters are IDs already.
    func id(
        _ wish: String, prefix: String, noun: String, list: APIOperation? = nil, known: String? = nil
    ) async throws -> String {
        if prefix.isEmpty || Self.isID(wish, of: prefix) || (prefix == "change" && wish.hasPrefix("change_"))
        {
            return wish
        }
        let list = list ?? APIDescription.embedded.list(ofPrefix: prefix, inTenant: inTenant)
        guard let list else { throw CommandFailure.usage("'\(wish)' must be an ID such as \(prefix)_01h…") }
        let things = try await admin.list(try await path(of: list, known))
        return try CommandContext.pick(noun, wish, from: things)
    }

    /// The only thing there is of a kind.
    func only(prefix: String, option: String) async throws -> String {
        guard let list = APIDescription.embedded.list(ofPrefix: prefix, inTenant: inTenant) else {
            throw CommandFailure.usage("missing --\(option)")
        }
        return try CommandContext.pick(option, nil, from: try await admin.list(try await path(of: list, nil)))
    }

    private func path(of list: APIOperation, _ known: String?) async throws -> String {
        var path = String(list.path.dropFirst(APIDescription.base.count))
        if let known {
            // The same beginning, with its parameters filled in.
            let parts = path.split(separator: "/").count
            return "/" + known.split(separator: "/").prefix(parts).joined(separator: "/")
        }
        if path.contains("{tenant}") { path = path.replacing("{tenant}", with: try await tenant()) }
        return path
    }

    static func isID(_ text: String, of prefix: String) -> Bool {
        text.hasPrefix(prefix + "_") && text.utf8.count == prefix.utf8.count + 27
    }
}

import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations

/// Which answers have an entity tag (RFC 9110 §8.8.3), and what it is: a hash over what the answer shows of
/// the noun, without the members that move by themselves. So equal tags mean that nobody changed it.
///
/// It follows from the route table: a noun has tags when it can be read at a path that a write goes to, or at
/// the path above an action's.
package struct EntityTags: Sendable {
    /// The noun inside a route's answer: the answer itself, or one member of it.
    private struct Place {
        let noun: ObjectSchema
        let member: String?
    }

    /// Of the routes whose answers have tags, by operation.
    private let places: [String: Place]
    /// The route that reads what another changes, by the operation of the latter.
    private let readers: [String: AdminRoute]

    package init(of routes: [AdminRoute]) {
        var readable: [String: AdminRoute] = [:]
        for route in routes where route.method == .get { readable[route.path] = route }
        var nouns: Set<String> = []
        var readers: [String: AdminRoute] = [:]
        for route in routes where route.isWrite {
            guard let reader = readable[Self.pathOfNoun(route, isReadable: readable[route.path] != nil)],
                case .json(.object(let object)) = reader.answer.content, let name = object.name
            else { continue }
            nouns.insert(name)
            readers[route.operationID] = reader
        }
        self.readers = readers
        var places: [String: Place] = [:]
        for route in routes { places[route.operationID] = Self.place(of: nouns, route.answer) }
        self.places = places
    }

    /// Where the thing is read that a write changes. `…/keys/{key}/revoke` changes what `…/keys/{key}`
    /// reads; a POST to a list changes nothing that is there.
    private static func pathOfNoun(_ route: AdminRoute, isReadable: Bool) -> String {
        guard route.method == .post else { return route.path }
        if isReadable { return "" }
        let parts = route.path.split(separator: "/")
        guard let last = parts.last, !last.hasPrefix("{"), parts.dropLast().last?.hasPrefix("{") == true
        else { return "" }
        return "/" + parts.dropLast().joined(separator: "/")
    }

    /// The route that reads what this one changes; nil: it changes nothing that can be read by itself.
    package func reader(of route: AdminRoute) -> AdminRoute? { readers[route.operationID] }

    /// Whether a write changes the very thing that its path names, and not something beside it, as what is
    /// posted to a tenant does, unless it is answered with the tenant.
    func changesItsNoun(_ route: AdminRoute) -> Bool {
        let reader = reader(of: route)
        guard route.method == .post else { return reader != nil || !route.pathParameters.isEmpty }
        guard let reader else { return false }
        return route.pathParameters.last != .tenant
            || places[route.operationID]?.noun.name == places[reader.operationID]?.noun.name
    }

    private static func place(of nouns: Set<String>, _ shape: AnswerShape) -> Place? {
        guard case .json(.object(let object)) = shape.content else { return nil }
        if let name = object.name, nouns.contains(name) { return Place(noun: object, member: nil) }
        for member in object.members {
            if case .object(let inner) = member.schema, let name = inner.name, nouns.contains(name) {
                return Place(noun: inner, member: member.name)
            }
        }
        return nil
    }

    /// Whether a route's answers carry a tag.
    package func carriesTag(_ route: AdminRoute) -> Bool { places[route.operationID] != nil }

    /// The tag of a route's answer, quotes and all; nil when it has none.
    func tag(of json: JSONValue?, _ route: AdminRoute) -> String? {
        guard let json, let place = places[route.operationID] else { return nil }
        guard let noun = place.member.map({ json[$0] }) ?? json else { return nil }
        let digest = sha256(Schema.object(place.noun).steadyPart(of: noun).bytes)
        return "\"\(Base64.encodeURL(Array(digest.bytes.prefix(16))))\""
    }
}

/// The condition of `If-Match` (RFC 9110 §13.1.1).
enum EntityTagCondition: Sendable, Equatable {
    /// `*`: whatever there is.
    case any
    case oneOf([String])

    /// At most so many are compared; more are a mistake.
    static let maximumTags = 32

    /// nil: not a list of entity tags. Weak ones are kept as they are written, and never match.
    init?(_ text: String) {
        var rest = Substring(text).drop { $0 == " " || $0 == "\t" }
        if rest.hasPrefix("*") {
            guard rest.dropFirst().allSatisfy({ $0 == " " || $0 == "\t" }) else { return nil }
            self = .any
            return
        }
        var tags: [String] = []
        while !rest.isEmpty {
            if rest.first == "," || rest.first == " " || rest.first == "\t" {
                rest = rest.dropFirst()
                continue
            }
            guard let tag = Self.takeTag(&rest), tags.count < Self.maximumTags else { return nil }
            tags.append(tag)
            rest = rest.drop { $0 == " " || $0 == "\t" }
            guard rest.isEmpty || rest.first == "," else { return nil }
        }
        if tags.isEmpty { return nil }
        self = .oneOf(tags)
    }

    private static func takeTag(_ rest: inout Substring) -> String? {
        let start = rest.startIndex
        if rest.hasPrefix("W/") { rest = rest.dropFirst(2) }
        guard rest.first == "\"", let end = rest.dropFirst().firstIndex(of: "\"") else { return nil }
        let tag = String(rest.base[start...end])
        guard tag.utf8.allSatisfy({ $0 == 0x21 || $0 >= 0x22 && $0 != 0x7f }) else { return nil }
        rest = rest[rest.index(after: end)...]
        return tag
    }

    /// Strong comparison: a weak tag is never equal to anything.
    func holds(for tag: String?) -> Bool {
        guard let tag else { return false }
        return switch self {
        case .any: true
        case .oneOf(let tags): tags.contains(tag)
        }
    }
}

extension Schema {
    /// Whether anything in it moves without being written.
    private var hasMovingPart: Bool {
        switch self {
        case .object(let object): object.members.contains { $0.isMoving || $0.schema.hasMovingPart }
        case .list(let element, _): element.hasMovingPart
        case .dictionary(let value, _), .nullable(let value): value.hasMovingPart
        default: false
        }
    }

    /// The value without the members that move by themselves.
    fileprivate func steadyPart(of json: JSONValue) -> JSONValue {
        guard hasMovingPart else { return json }
        switch (self, json) {
        case (.object(let schema), .object(let object)):
            let steady = schema.members.compactMap { member -> JSONObject.Member? in
                guard !member.isMoving, let value = object[member.name] else { return nil }
                return JSONObject.Member(name: member.name, value: member.schema.steadyPart(of: value))
            }
            return .object(JSONObject(uniqueMembers: steady))
        case (.list(let element, _), .array(let elements)):
            return .array(elements.map { element.steadyPart(of: $0) })
        case (.nullable(let wrapped), _): return wrapped.steadyPart(of: json)
        case (.dictionary(let value, _), .object(var object)):
            for name in object.names { object[name] = object[name].map { value.steadyPart(of: $0) } }
            return .object(object)
        default: return json
        }
    }

    /// Whether a value of it holds something that is shown once.
    var holdsSecret: Bool {
        switch self {
        case .text(let text): text.isShownOnce
        case .object(let object): object.members.contains { $0.schema.holdsSecret }
        case .list(let value, _), .dictionary(let value, _), .nullable(let value): value.holdsSecret
        case .integer, .boolean, .anyObject: false
        }
    }

    /// The value with `*` for every character of what is shown once.
    func masked(_ json: JSONValue) -> JSONValue {
        guard holdsSecret else { return json }
        switch (self, json) {
        case (.text, .string(let text)): return .string(String(repeating: "*", count: text.count))
        case (.object(let schema), .object(var object)):
            for member in schema.members {
                object[member.name] = object[member.name].map { member.schema.masked($0) }
            }
            return .object(object)
        case (.list(let element, _), .array(let elements)): return .array(elements.map(element.masked))
        case (.nullable(let wrapped), _): return wrapped.masked(json)
        case (.dictionary(let value, _), .object(var object)):
            for name in object.names { object[name] = object[name].map(value.masked) }
            return .object(object)
        default: return json
        }
    }
}

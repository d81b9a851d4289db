import Domain
import HTTPWire
import JSONText
import Operations

/// The things of a tenant, or of the platform, as one document, and the way from a document to things that
/// are as it says. Every step is the request it stands for: the same route, checks, permissions and audit
/// event. For one request.
final class Declaration {
    /// Larger tenants are read by their lists.
    static let maximumThings = 20_000

    /// What applying did, or would do, about one thing.
    struct Step: Sendable {
        enum Action: String, Sendable, CaseIterable { case create, update, unchanged, skip }

        let noun: String
        let name: String
        let action: Action
        var changes: [String] = []
        var reason: String?
    }

    private let nouns: [DeclaredNoun]
    private let call: Call
    private let operations: Operations
    private var references = DeclaredReferences()
    /// By noun and identity: what is there, in full.
    private var present: [String: [String: JSONObject]] = [:]
    private var things: [String: [JSONObject]] = [:]
    private(set) var steps: [Step] = []
    /// References to people who were asked in and have not come yet.
    private var awaited: Set<String> = []
    /// Addresses with an open invitation, once they were asked for.
    private var invited: Set<String>?

    init(of nouns: [DeclaredNoun], _ call: Call, _ operations: Operations) {
        self.nouns = nouns
        self.call = call
        self.operations = operations
    }

    // MARK: Reading what is there

    /// Reads what the caller may read.
    func load(withKeys: Bool) async throws(OperationError) {
        for noun in nouns where withKeys || noun.name != "keys" {
            guard var found = try await all(of: noun) else { continue }
            // Nothing could name their keys.
            if !withKeys, Self.ofSubjects.contains(noun.name) { found.removeAll { Self.isOfKey($0) } }
            for thing in found where !noun.belongs(thing) { nameShared(thing, noun) }
            // Lists begin with the newest; who made them began with the oldest.
            let own = Array(found.filter(noun.belongs).reversed())
            things[noun.name] = own
            for thing in own { note(thing, noun) }
        }
        noteRoles()
    }

    /// Nouns whose things have a subject, which may be a key.
    static let ofSubjects = ["limits", "guardrails"]

    static func isOfKey(_ thing: JSONObject) -> Bool { thing["subject"]?["key"]?.string != nil }

    /// Puts what members were given directly into the members: whoever invites them elsewhere offers it.
    private func noteRoles() {
        guard let members = things["members"], let bindings = things["bindings"] else { return }
        things["members"] = members.map { member in
            let own = bindings.filter { $0["user"] == member["id"] }
            let wide = own.filter { $0["workspace"]?.isNull ?? true }
            // An invitation is for the whole tenant or for one workspace.
            let place = wide.isEmpty ? own.first?["workspace"] ?? .null : .null
            let roles = wide.isEmpty ? own.filter { $0["workspace"] == place } : wide
            var member = member
            member[InvitationMember.roles] = .array(roles.compactMap { $0["role"] })
            member[InvitationMember.workspace] = place
            return member
        }
    }

    private func all(of noun: DeclaredNoun) async throws(OperationError) -> [JSONObject]? {
        guard let above = noun.above else {
            return try await all(noun.list)?.map { noun.declared($0, nil) }
        }
        var found: [JSONObject] = []
        for upper in things[above.noun] ?? [] {
            guard let id = upper["id"]?.string else { continue }
            guard let page = try await all(noun.list, [above.member: id]) else { return nil }
            found += page.map { noun.declared($0, id) }
        }
        return found
    }

    /// Every page of a list; nil when the caller may not read it.
    private func all(
        _ route: AdminRoute, _ above: [String: String] = [:]
    ) async throws(OperationError) -> [JSONObject]? {
        var found: [JSONObject] = []
        var cursor: JSONValue = .null
        repeat {
            let names = Set((route.query?.fields ?? []).map(\.name))
            var query = JSONObject()
            if names.contains(Paging.limit.name) {
                query[Paging.limit.name] = .integer(PageRequest.maximumLimit)
            }
            if !cursor.isNull { query[Paging.cursor.name] = cursor }
            let answer: Answer
            do throws(OperationError) {
                answer = try await ask(route, above, query: query, body: nil)
            } catch  where error.code == .forbidden {
                return nil
            }
            found += (answer.json?["data"]?.array ?? []).compactMap(\.object)
            guard found.count <= Self.maximumThings else {
                throw OperationError(
                    .conflict,
                    detail: "There are more than \(Self.maximumThings) \(route.tag): read them by their list."
                )
            }
            cursor = answer.json?["next_cursor"] ?? .null
        } while !cursor.isNull
        return found
    }

    private func note(_ thing: JSONObject, _ noun: DeclaredNoun) {
        present[noun.name, default: [:]][noun.key(of: thing)] = thing
        guard let word = noun.reference, let id = thing["id"]?.string else { return }
        let parts = noun.identity.compactMap { member in thing[member]?.string }.map { text in
            // A reference inside a name goes by its own name.
            references.name(of: text).map { String($0.drop { $0 != "/" }.dropFirst()) } ?? text
        }
        references.add("@\(word)/\(parts.joined(separator: "/"))", for: id)
    }

    private func nameShared(_ thing: JSONObject, _ noun: DeclaredNoun) {
        guard let word = noun.reference, let id = thing["id"]?.string, thing["tenant"]?.isNull == true,
            let name = thing["name"]?.string
        else { return }
        references.add("@shared-\(word)/\(name)", for: id)
    }

    // MARK: The document

    func document() -> JSONValue {
        var document = JSONObject()
        for noun in nouns {
            guard let things = things[noun.name] else { continue }
            let names = noun.members.map(\.name)
            document[noun.name] = .array(
                things.map { thing in
                    var declared = JSONObject()
                    for name in names {
                        if let value = thing[name] { declared[name] = references.named(value) }
                    }
                    return .object(declared)
                })
        }
        return .object(document)
    }

    // MARK: Applying

    /// Makes things as the document says. What it does not mention stays as it is, things and members alike.
    func apply(_ document: [String: [JSONObject]]) async throws(OperationError) {
        for noun in nouns {
            var left = Array((document[noun.name] ?? []).enumerated())
            // Things of one noun may refer to each other, in any order.
            while !left.isEmpty {
                var waiting: [(offset: Int, element: JSONObject)] = []
                var problems: [ValidationError] = []
                for (index, declared) in left {
                    var unknown: [DeclaredReferences.Unknown] = []
                    let wanted = references.resolved(.object(declared), unknown: &unknown)
                    if !unknown.isEmpty, awaited.isSuperset(of: unknown.map(\.name)) {
                        let reason = "is about somebody who has not come in yet: apply it again then"
                        skip(wanted.object ?? JSONObject(), noun, reason)
                    } else if let first = unknown.first {
                        waiting.append((index, declared))
                        problems.append(
                            ValidationError(
                                "/\(noun.name)/\(index)\(first.pointer)", .notAllowed,
                                "refers to \(first.name.prefix(200)), which is not there"))
                    } else if let thing = wanted.object {
                        try await apply(thing, noun, at: "/\(noun.name)/\(index)")
                    }
                }
                guard waiting.count < left.count else { throw .invalid(Array(problems.prefix(100))) }
                left = waiting
            }
        }
    }

    private func apply(
        _ wanted: JSONObject, _ noun: DeclaredNoun, at pointer: String
    ) async throws(OperationError) {
        let strange = wanted.names(notIn: noun.members.map(\.name))
        guard strange.isEmpty else {
            throw .invalid(
                strange.map {
                    ValidationError(
                        "\(pointer)/\(pointerToken($0))", .unknownField, "is not a field of these")
                })
        }
        let title = title(of: wanted, noun)
        guard let thing = present[noun.name]?[noun.key(of: wanted)] else {
            return try await make(wanted, noun, title, at: pointer)
        }
        let changed = noun.members.filter { member in
            guard let value = wanted[member.name], !member.schema.isWriteOnly,
                !noun.atFirst.contains(member.name), !noun.identity.contains(member.name)
            else { return false }
            return !DeclaredValue.isSame(value, thing[member.name] ?? .null, member.schema)
        }
        if changed.isEmpty {
            steps.append(Step(noun: noun.name, name: title, action: .unchanged))
            return
        }
        let changeable = Set(noun.update?.body?.fields.map(\.name) ?? [])
        let fixed = changed.filter { !changeable.contains($0.name) }
        guard let update = noun.update, fixed.isEmpty else {
            throw OperationError(
                .conflict,
                problems: fixed.map {
                    ValidationError(
                        "\(pointer)/\($0.name)", .notAllowed, "cannot be changed after it is made")
                })
        }
        var body = JSONObject()
        for member in changed { body[member.name] = wanted[member.name] }
        let now = try await send(body, noun, update, of: thing["id"]?.string, at: pointer)
        steps.append(
            Step(noun: noun.name, name: title, action: .update, changes: changed.map(\.name)))
        if let now { note(now, noun) }
    }

    private func make(
        _ wanted: JSONObject, _ noun: DeclaredNoun, _ title: String, at pointer: String
    ) async throws(OperationError) {
        if let reason = noun.isMadeElsewhere { return skip(wanted, noun, reason) }
        if noun.name == "members", try await isAwaited(wanted, noun) { return }
        let made = try await send(wanted, noun, noun.create, of: nil, at: pointer)
        steps.append(Step(noun: noun.name, name: title, action: .create))
        if noun.answersOther { return }
        if let made { note(made, noun) }
    }

    /// Whether somebody who is no member needs no invitation now, and the step for it. From here on, what is
    /// about them waits.
    private func isAwaited(
        _ wanted: JSONObject, _ noun: DeclaredNoun
    ) async throws(OperationError) -> Bool {
        let email = wanted[InvitationMember.email]?.string ?? ""
        awaited.insert("@user/\(email)")
        if wanted[InvitationMember.roles]?.array?.isEmpty ?? true {
            skip(wanted, noun, "is no member, and there are no roles to invite them with")
            return true
        }
        let isInvited = try await openInvitations().contains(email.lowercased())
        if isInvited { skip(wanted, noun, "is invited already") }
        return isInvited
    }

    /// The addresses that were invited and have not come, in lowercase.
    private func openInvitations() async throws(OperationError) -> Set<String> {
        if let invited { return invited }
        let list = InvitationRoutes.all.first { $0.operationID == "invitations.list" }
        guard let list else { throw .fault("no route to list invitations") }
        let open = try await all(list).map { $0.filter { $0["standing"] == "open" } }
        let found = Set((open ?? []).compactMap { $0["email"]?.string?.lowercased() })
        invited = found
        return found
    }

    private func skip(_ wanted: JSONObject, _ noun: DeclaredNoun, _ reason: String) {
        steps.append(
            Step(noun: noun.name, name: title(of: wanted, noun), action: .skip, reason: reason))
    }

    /// What a thing is called in a plan.
    private func title(of thing: JSONObject, _ noun: DeclaredNoun) -> String {
        func words(_ value: JSONValue) -> [String] {
            value.object?.members.flatMap { words($0.value) } ?? [value.string].compactMap(\.self)
        }
        return noun.identity.flatMap { words(references.named(thing[$0] ?? .null)) }.joined(separator: " ")
    }

    /// Makes or changes one thing by its own route; its representation afterwards.
    private func send(
        _ members: JSONObject, _ noun: DeclaredNoun, _ route: AdminRoute, of id: String?, at pointer: String
    ) async throws(OperationError) -> JSONObject? {
        var body = members
        var path: [String: String] = [:]
        for parameter in noun.create.pathParameters where parameter != .tenant {
            path[parameter.name] = members[parameter.name]?.string ?? ""
            body[parameter.name] = nil
        }
        if let id, let parameter = route.pathParameters.last { path[parameter.name] = id }
        do throws(OperationError) {
            let answer = try await ask(route, path, query: JSONObject(), body: .object(body))
            return answer.json?.object
        } catch {
            throw OperationError(
                error.code, detail: "\(error.detail.map { "\($0) " } ?? "")This was at \(pointer).",
                problems: error.problems.map { $0.below(pointer) },
                retryAfterSeconds: error.retryAfterSeconds, privateDetail: error.privateDetail)
        }
    }

    private func ask(
        _ route: AdminRoute, _ path: [String: String], query: JSONObject, body: JSONValue?
    ) async throws(OperationError) -> Answer {
        var parameters = RouteParameters()
        if let tenant = call.text(of: .tenant) { parameters[PathParameter.tenant.name] = tenant }
        for (name, value) in path { parameters[name] = value }
        let nothing = BodyShape("nothing", [])
        let (queried, read): (BodyValues, BodyValues)
        do throws(InvalidInput) {
            queried = try (route.query ?? nothing).read(.object(query))
            read = try (body == nil ? nothing : route.body ?? nothing).read(body ?? [:])
        } catch {
            throw .invalid(error.problems)
        }
        return try await route.handle(
            Call(
                operations: operations, origin: call.origin, query: queried, body: read,
                signedIn: call.signedIn, parameters: parameters, surroundings: call.surroundings))
    }
}

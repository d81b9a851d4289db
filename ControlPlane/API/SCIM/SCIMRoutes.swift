import Domain
import HTTPWire
import JSONText
import Operations
import Store

/// SCIM 2.0 (RFC 7643, 7644): an identity provider manages the users and groups of a tenant, with a
/// management token of a service account that has `scim:provision`.
enum SCIMRoutes {
    static let all = users + groups + discovery

    private static let base = "/api/v1/tenants/{tenant}/scim/v2"
    private static let access = Access.needs(.scimProvision, in: .tenant)

    // MARK: Users

    private static let users: [AdminRoute] = [
        .scim(
            .get, "\(base)/Users", access, "scim-users.list", "List the users an identity provider manages",
            query: SCIMPageRequest.fields, answers: .object(SCIMSchemas.list(of: SCIMSchemas.userShape))
        ) { call throws(OperationError) in
            let asked = try SCIMPageRequest(call)
            let page = try await call.operations.scim.users(
                in: try call.tenant, asked.filter, from: asked.start - 1, limit: asked.count,
                by: try call.caller)
            let resources = try SCIMResources(call)
            return asked.document(try known(page, "Users"), resources.json)
        },
        .scim(
            .post, "\(base)/Users", access, "scim-users.create", "Make a user a member of the tenant",
            body: SCIMSchemas.userBody, status: 201, answers: .object(SCIMSchemas.userShape)
        ) { call throws(OperationError) in
            let resources = try SCIMResources(call)
            let draft = try resources.userDraft(call.document)
            return resources.json(
                try await call.operations.scim.createUser(draft, in: try call.tenant, by: try call.caller))
        },
        .scim(
            .get, "\(base)/Users/{user}", access, "scim-users.get", "Get a user",
            answers: .object(SCIMSchemas.userShape)
        ) { call throws(OperationError) in
            let resources = try SCIMResources(call)
            return resources.json(
                try await call.operations.scim.user(
                    try call.user, in: try call.tenant, by: try call.caller))
        },
        change(.put, "Users/{user}", "scim-users.replace", "Replace a user", SCIMSchemas.userBody),
        change(.patch, "Users/{user}", "scim-users.update", "Change a user", SCIMSchemas.patchBody),
        .scim(
            .delete, "\(base)/Users/{user}", access, "scim-users.delete",
            "Take a user out of the tenant; their account stays", status: 204, answers: nil
        ) { call throws(OperationError) in
            try await call.operations.scim.deleteUser(
                try call.user, in: try call.tenant, by: try call.caller)
            return nil
        },
    ]

    private static func change(
        _ method: HTTPMethod, _ path: String, _ operationID: String, _ summary: String, _ body: BodyShape
    ) -> AdminRoute {
        .scim(
            method, "\(base)/\(path)", access, operationID, summary, body: body,
            answers: .object(SCIMSchemas.userShape)
        ) { call throws(OperationError) in
            let resources = try SCIMResources(call)
            let document = call.document
            let changed = try await call.operations.scim.replaceUser(
                try call.user, in: try call.tenant, as: operationID, by: try call.caller
            ) { before throws(OperationError) in
                try resources.userDraft(
                    method == .patch
                        ? try SCIMPatch.apply(document, to: resources.json(before)) : document)
            }
            return resources.json(changed)
        }
    }

    // MARK: Groups

    private static let groups: [AdminRoute] = [
        .scim(
            .get, "\(base)/Groups", access, "scim-groups.list",
            "List the groups an identity provider manages",
            query: SCIMPageRequest.fields, answers: .object(SCIMSchemas.list(of: SCIMSchemas.groupShape))
        ) { call throws(OperationError) in
            let asked = try SCIMPageRequest(call)
            let page = try await call.operations.scim.groups(
                in: try call.tenant, asked.filter, from: asked.start - 1, limit: asked.count,
                by: try call.caller)
            let resources = try SCIMResources(call)
            return asked.document(try known(page, "Groups"), resources.json)
        },
        .scim(
            .post, "\(base)/Groups", access, "scim-groups.create", "Make a group",
            body: SCIMSchemas.groupBody, status: 201, answers: .object(SCIMSchemas.groupShape)
        ) { call throws(OperationError) in
            let resources = try SCIMResources(call)
            let draft = try resources.groupDraft(call.document)
            return resources.json(
                try await call.operations.scim.createGroup(draft, in: try call.tenant, by: try call.caller))
        },
        .scim(
            .get, "\(base)/Groups/{group}", access, "scim-groups.get", "Get a group with its members",
            answers: .object(SCIMSchemas.groupShape)
        ) { call throws(OperationError) in
            let resources = try SCIMResources(call)
            return resources.json(
                try await call.operations.scim.group(
                    try call.group, in: try call.tenant, by: try call.caller))
        },
        changeGroup(.put, "scim-groups.replace", "Replace a group", SCIMSchemas.groupBody),
        changeGroup(.patch, "scim-groups.update", "Change a group or its members", SCIMSchemas.patchBody),
        .scim(
            .delete, "\(base)/Groups/{group}", access, "scim-groups.delete",
            "Delete a group with its roles; its members stay", status: 204, answers: nil
        ) { call throws(OperationError) in
            try await call.operations.scim.deleteGroup(
                try call.group, in: try call.tenant, by: try call.caller)
            return nil
        },
    ]

    private static func changeGroup(
        _ method: HTTPMethod, _ operationID: String, _ summary: String, _ body: BodyShape
    ) -> AdminRoute {
        .scim(
            method, "\(base)/Groups/{group}", access, operationID, summary, body: body,
            answers: .object(SCIMSchemas.groupShape)
        ) { call throws(OperationError) in
            let resources = try SCIMResources(call)
            let document = call.document
            let changed = try await call.operations.scim.replaceGroup(
                try call.group, in: try call.tenant, as: operationID, by: try call.caller
            ) { before throws(OperationError) in
                try resources.groupDraft(
                    method == .patch
                        ? try SCIMPatch.apply(document, to: resources.json(before)) : document)
            }
            return resources.json(changed)
        }
    }

    private static func known<Item>(
        _ page: SCIMPage<Item>?, _ what: String
    ) throws(OperationError) -> SCIMPage<Item> {
        guard let page else { throw .scim("invalidFilter", "\(what) do not have this attribute.") }
        return page
    }

    // MARK: Discovery (RFC 7644 §4)

    private static let discovery: [AdminRoute] = [
        told("ServiceProviderConfig", "scim-service.get", "What this SCIM service can do") { base, _ in
            SCIMSchemas.serviceProviderConfig(base)
        },
        told("ResourceTypes", "scim-resource-types.list", "List the kinds of resources") { base, _ in
            SCIMPageRequest.document(SCIMSchemas.resourceTypes(base))
        },
        told("ResourceTypes/{resource_type}", "scim-resource-types.get", "Get a kind of resource") {
            base, id in
            SCIMSchemas.resourceTypes(base).first { $0["id"]?.string == id }
        },
        told("Schemas", "scim-schemas.list", "List the schemas of resources") { base, _ in
            SCIMPageRequest.document(SCIMSchemas.schemas(base))
        },
        told("Schemas/{schema}", "scim-schemas.get", "Get a schema") { base, id in
            SCIMSchemas.schemas(base).first { $0["id"]?.string == id }
        },
    ]

    /// What the service says of itself, behind the same door as the rest.
    private static func told(
        _ path: String, _ operationID: String, _ summary: String,
        _ document: @escaping @Sendable (_ base: String, _ id: String?) -> JSONValue?
    ) -> AdminRoute {
        .scim(.get, "\(base)/\(path)", access, operationID, summary, answers: .anyObject) {
            call throws(OperationError) in
            try await call.operations.scim.allow(in: try call.tenant, by: try call.caller)
            let id = call.text(of: .resourceType) ?? call.text(of: .scimSchema)
            guard let answer = document(try SCIMResources(call).base, id) else { throw .notFound }
            return answer
        }
    }
}

extension AdminRoute {
    private static let attributes = Field<String?>.optional(
        "attributes", .anyText(0...500), "Only these attributes, with commas between them.")
    private static let excludedAttributes = Field<String?>.optional(
        "excludedAttributes", .anyText(0...500), "All but these attributes.")

    /// Speaks SCIM: answers a document of its own, and takes one in its body. nil: nothing to answer.
    fileprivate static func scim(
        _ method: HTTPMethod, _ path: String, _ access: Access, _ operationID: String, _ summary: String,
        query: [any AnyField] = [], body: BodyShape? = nil, status: Int = 200, answers schema: Schema?,
        _ handle: @escaping @Sendable (Call) async throws(OperationError) -> JSONValue?
    ) -> AdminRoute {
        AdminRoute(
            method: method, path: path, access: access, operationID: operationID, summary: summary,
            query: BodyShape("query", query + [attributes, excludedAttributes]), body: body,
            answer: AnswerShape(status: status, content: schema.map { .json($0) } ?? .nothing), form: .scim
        ) { call throws(OperationError) in
            guard let document = try await handle(call) else {
                return Answer(status: status, mediaType: "", body: [])
            }
            var answer = Answer.json(document, status: status, mediaType: Form.scim.mediaType)
            if status == 201 { answer.location = document["meta"]?["location"]?.string }
            let selection = SCIMSelection(
                only: try call.query[attributes], but: try call.query[excludedAttributes])
            if let selection { answer.shown = selection.selected(document) }
            return answer
        }
    }
}

/// Which attributes of a resource are asked for (RFC 7644 §3.9); `id` and `schemas` are always there.
struct SCIMSelection {
    private let wanted: Set<String>?
    private let unwanted: Set<String>

    /// nil: all of them.
    init?(only: String?, but: String?) {
        if only == nil && but == nil { return nil }
        wanted = only.map(Self.names)
        unwanted = but.map(Self.names) ?? []
    }

    /// The first parts of attribute names: `urn:…:User:name.givenName` is `name`.
    private static func names(_ text: String) -> Set<String> {
        Set(
            text.lowercased().split(separator: ",").map { name in
                var plain = name.filter { $0 != " " }
                for prefix in SCIMSchemas.prefixes where plain.hasPrefix(prefix) {
                    plain = String(plain.dropFirst(prefix.count))
                }
                return String(plain.prefix { $0 != "." })
            })
    }

    func selected(_ document: JSONValue) -> JSONValue {
        guard var object = document.object else { return document }
        if let resources = object["Resources"]?.array {
            object["Resources"] = .array(resources.map(selected))
            return .object(object)
        }
        for member in object.members {
            let name = member.name.lowercased()
            let isKept = wanted?.contains(name) ?? !unwanted.contains(name)
            if !isKept && name != "id" && name != "schemas" { object[member.name] = nil }
        }
        return .object(object)
    }
}

/// What a list is asked for (RFC 7644 §3.4.2): a filter, where to begin (from 1), how many.
struct SCIMPageRequest {
    private static let filterText = Field<String?>.optional(
        "filter", .anyText(0...SCIMFilterParser.maximumBytes),
        "Such as userName eq \"ana@example.com\": eq, ne, co, sw, ew, pr, and, or, not.")
    private static let startText = Field<Int64>.defaulted(
        "startIndex", .integer(Int64.min...Int64.max), to: 1, "Where to begin, counted from 1.")
    private static let countText = Field<Int64>.defaulted(
        "count", .integer(Int64.min...Int64.max), to: 100,
        "At most so many; no more than \(SCIMSchemas.maximumResults) come at once.")
    static let fields: [any AnyField] = [filterText, startText, countText]

    let filter: SCIMFilter?
    let start: Int64
    let count: Int64

    init(_ call: Call) throws(OperationError) {
        let text = try call.query[Self.filterText]
        filter = if let text { try SCIMFilterParser.parse(text) } else { nil }
        // Values out of range count as the nearest in it (§3.4.2.4).
        start = min(max(try call.query[Self.startText], 1), 1_000_000_000)
        count = min(max(try call.query[Self.countText], 0), SCIMSchemas.maximumResults)
    }

    func document<Item>(_ page: SCIMPage<Item>, _ json: (Item) -> JSONValue) -> JSONValue {
        Self.document(page.items.map(json), total: page.total, from: start)
    }

    static func document(_ resources: [JSONValue], total: Int64? = nil, from start: Int64 = 1) -> JSONValue {
        [
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": .integer(total ?? Int64(resources.count)), "startIndex": .integer(start),
            "itemsPerPage": .integer(resources.count), "Resources": .array(resources),
        ]
    }
}

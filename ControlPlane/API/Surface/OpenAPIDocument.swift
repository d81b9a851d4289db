import Domain
import HTTPWire
package import JSONText

/// The OpenAPI 3.1 description of a route table: the same bytes for the same table.
package struct OpenAPIDocument {
    private let routes: [AdminRoute]
    private let version: String
    private let entityTags: EntityTags
    private let errors: OpenAPIErrors
    private var components = JSONObject()

    /// Compact JSON.
    package static func json(of routes: [AdminRoute], version: String) -> JSONValue {
        var document = OpenAPIDocument(routes: routes, version: version)
        return document.build()
    }

    private init(routes: [AdminRoute], version: String) {
        self.routes = routes
        self.version = version
        entityTags = EntityTags(of: routes)
        errors = OpenAPIErrors()
    }

    private mutating func build() -> JSONValue {
        var paths = JSONObject()
        for route in routes {
            var item = paths[route.path]?.object ?? JSONObject()
            item[route.method.description.lowercased()] = operation(route)
            paths[route.path] = .object(item)
        }
        _ = reference(to: ErrorEdge.schema)
        _ = reference(to: SCIMError.schema)
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Eclusa admin API", "version": .string(version),
                "description": .string(Self.introduction),
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "servers": [["url": "/"]],
            "security": [["accessToken": []]],
            "tags": .array(tags),
            "paths": .object(paths),
            "components": [
                "securitySchemes": [
                    "accessToken": [
                        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                        "description": "The access token of POST /api/v1/sessions.",
                    ]
                ],
                "responses": .object(errors.components(for: routes)),
                "parameters": Self.sharedParameters,
                "headers": Self.sharedHeaders,
                "schemas": .object(sortedComponents),
            ],
        ]
    }

    private static let introduction = """
        Administration of tenants, providers, models, routes, keys and gateway nodes. Lists come in pages; \
        errors are problem documents with a code; unknown fields and parameters are refused.
        """

    private var tags: [JSONValue] {
        var names: [String] = []
        for route in routes where !names.contains(route.tag) { names.append(route.tag) }
        return names.map { ["name": .string($0)] }
    }

    private var sortedComponents: JSONObject {
        var sorted = JSONObject()
        for name in components.names.sorted() { sorted[name] = components[name] }
        return sorted
    }

    private mutating func operation(_ route: AdminRoute) -> JSONValue {
        var operation = JSONObject()
        operation["operationId"] = .string(route.operationID)
        operation["tags"] = [.string(route.tag)]
        operation["summary"] = .string(route.summary)
        switch route.access {
        case .needs(let permission, let place):
            operation["description"] = .string(
                "Needs the permission `\(permission.rawValue)` in the \(place.words)."
            )
            operation["x-permission"] = .string(permission.rawValue)
        case .signedIn(let reason): operation["description"] = .string("For everybody signed in: \(reason)")
        case .public(let reason):
            operation["description"] = .string("Without signing in: \(reason)")
            operation["security"] = []
        }
        let parameters = parameters(of: route)
        if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
        if let body = route.body {
            var content = JSONObject()
            for type in Set(["application/json", route.form.mediaType]).sorted() {
                content[type] = ["schema": reference(to: body.schema)]
            }
            operation["requestBody"] = ["required": true, "content": .object(content)]
        }
        operation["responses"] = responses(of: route)
        operation["x-error-codes"] = .array(errors.codes(of: route).map { .string($0.code) })
        return .object(operation)
    }

    private mutating func parameters(of route: AdminRoute) -> [JSONValue] {
        let inPath = route.pathParameters.map { parameter -> JSONValue in
            [
                "name": .string(parameter.name), "in": "path", "required": true,
                "description": .string(parameter.summary),
                "schema": [
                    "type": "string",
                    "pattern": .string(parameter.pattern ?? "^\(parameter.prefix)_[0-9a-z]+$"),
                ],
            ]
        }
        let inQuery = (route.parameters?.fields ?? []).map { field -> JSONValue in
            var parameter = JSONObject()
            parameter["name"] = .string(field.name)
            parameter["in"] = "query"
            parameter["required"] = .boolean(field.member.isRequired)
            parameter["description"] = .string(field.member.summary)
            if case .list = field.member.schema {
                // One parameter with commas, not one for each element.
                parameter["style"] = "form"
                parameter["explode"] = false
            }
            parameter["schema"] = json(field.member.schema.unwrapped)
            return .object(parameter)
        }
        var inHeader: [JSONValue] = []
        if entityTags.reader(of: route) != nil {
            inHeader.append(["$ref": "#/components/parameters/IfMatch"])
        }
        if route.method == .post && route.takesTerms {
            inHeader.append(["$ref": "#/components/parameters/IdempotencyKey"])
        }
        return inPath + inQuery + inHeader
    }

    private static let sharedParameters: JSONValue = [
        "IfMatch": [
            "name": "If-Match", "in": "header", "required": false,
            "description": .string(
                "Entity tags as read: the change is made only if one of them is still right, else 412. `*` "
                    + "asks only that the thing exists. Without it the last change wins."),
            "schema": ["type": "string", "examples": ["\"mZ3x8qkVf0Yb1n6tRwLpQA\""]],
        ],
        "IdempotencyKey": [
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": .string(
                "A text of the caller's choice, such as a UUID. For 24 hours the same request under it has "
                    + "one effect and the same answer, marked by idempotency-replayed; another request "
                    + "under it is refused with 422. Answers that show a secret are kept for 10 minutes, "
                    + "after that the repetition answers 409 secret_already_shown. Failures are not kept."),
            "schema": [
                "type": "string", "pattern": "^[!-~]+$", "minLength": 1,
                "maxLength": .integer(Terms.maximumKeyBytes),
            ],
        ],
    ]

    private static let sharedHeaders: JSONValue = [
        "ETag": [
            "description": "The entity tag of what the answer shows, for If-Match.",
            "schema": ["type": "string"],
        ],
        "Change": [
            "description": "The token of this change, for GET /api/v1/changes/{change}.",
            "schema": ["type": "string"],
        ],
        "DryRun": [
            "description": "`true`: nothing was kept.", "schema": ["type": "string", "enum": ["true"]],
        ],
        "Replayed": [
            "description": "`true`: the answer to the first request with this Idempotency-Key.",
            "schema": ["type": "string", "enum": ["true"]],
        ],
    ]

    private mutating func responses(of route: AdminRoute) -> JSONValue {
        var success = JSONObject()
        success["description"] = "Done."
        let headers = headers(of: route)
        if !headers.isEmpty { success["headers"] = .object(headers) }
        switch route.answer.content {
        case .nothing: break
        case .json(let schema): success["content"] = [route.form.mediaType: ["schema": json(schema)]]
        case .text(let mediaType):
            let type = mediaType == "application/json" ? "object" : "string"
            success["content"] = [mediaType: ["schema": ["type": .string(type)]]]
        case .stream(let mediaTypes):
            success["description"] = "Rows, streamed; a cut answer is not complete."
            var content = JSONObject()
            for type in mediaTypes {
                content[String(type.prefix { $0 != ";" })] = ["schema": ["type": "string"]]
            }
            success["content"] = .object(content)
        }
        var responses = JSONObject()
        responses[String(route.answer.status)] = .object(success)
        for (status, reference) in errors.responses(of: route) { responses[status] = reference }
        return .object(responses)
    }

    private func headers(of route: AdminRoute) -> JSONObject {
        var headers = JSONObject()
        func add(_ name: String, _ component: String) {
            headers[name] = ["$ref": .string("#/components/headers/\(component)")]
        }
        if route.answer.carriesChange { add("eclusa-change", "Change") }
        if entityTags.carriesTag(route) { add("etag", "ETag") }
        if route.takesTerms { add("eclusa-dry-run", "DryRun") }
        if route.takesTerms && route.method == .post { add("idempotency-replayed", "Replayed") }
        return headers
    }

    // MARK: Schemas

    /// A named object is printed once, among the components.
    private mutating func reference(to object: ObjectSchema) -> JSONValue {
        guard let name = object.name else { return json(of: object) }
        if components[name] == nil {
            components[name] = .null
            components[name] = json(of: object)
            if var component = components[name]?.object {
                component["examples"] = [object.example]
                components[name] = .object(component)
            }
        }
        return ["$ref": .string("#/components/schemas/\(name)")]
    }

    private mutating func json(of object: ObjectSchema) -> JSONValue {
        var properties = JSONObject()
        for member in object.members {
            var property = json(member.schema)
            if var object = property.object {
                object["description"] = .string(member.summary)
                property = .object(object)
            }
            properties[member.name] = property
        }
        return [
            "type": "object", "additionalProperties": .boolean(object.isOpen),
            "properties": .object(properties),
            "required": .array(object.members.filter(\.isRequired).map { .string($0.name) }),
        ]
    }

    private mutating func json(_ schema: Schema) -> JSONValue {
        switch schema {
        case .text(let text): json(of: text)
        case .integer(let range):
            [
                "type": "integer", "minimum": .integer(range.lowerBound),
                "maximum": .integer(range.upperBound),
            ]
        case .boolean: ["type": "boolean"]
        case .list(let element, let count):
            ["type": "array", "items": json(element), "maxItems": .integer(count)]
        case .object(let object): reference(to: object)
        case .dictionary(let value, let count):
            [
                "type": "object", "additionalProperties": json(value), "maxProperties": .integer(count),
            ]
        case .anyObject: ["type": "object"]
        case .nullable(let wrapped): ["anyOf": [json(wrapped), ["type": "null"]]]
        }
    }

    private func json(of text: TextSchema) -> JSONValue {
        var object = JSONObject()
        object["type"] = "string"
        if text.values.isEmpty {
            object["minLength"] = .integer(text.lengths.lowerBound)
            object["maxLength"] = .integer(text.lengths.upperBound)
        } else {
            object["enum"] = .array(text.values.map { .string($0) })
        }
        if let format = text.format { object["format"] = .string(format) }
        if let pattern = text.pattern { object["pattern"] = .string(pattern) }
        if let example = text.example { object["examples"] = [.string(example)] }
        if text.isWriteOnly { object["writeOnly"] = true }
        if text.isShownOnce { object["x-shown-once"] = true }
        return .object(object)
    }
}

extension Schema {
    /// What stands inside `nullable`: a query parameter that may be missing is never null.
    var unwrapped: Schema {
        if case .nullable(let wrapped) = self { wrapped } else { self }
    }
}

extension Access.Place {
    fileprivate var words: String {
        switch self {
        case .platform: "platform"
        case .tenant: "tenant"
        case .workspace: "tenant, or in the one workspace concerned"
        }
    }
}

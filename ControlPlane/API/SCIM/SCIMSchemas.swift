import Domain
import JSONText

/// What a client can ask the service about itself (RFC 7644 §4): what is supported, and the attributes that
/// are kept (RFC 7643 §7).
enum SCIMSchemas {
    static let user = "urn:ietf:params:scim:schemas:core:2.0:User"
    static let group = "urn:ietf:params:scim:schemas:core:2.0:Group"
    /// What may stand before an attribute's name, in lowercase.
    static let prefixes = [user, group].map { "\($0):".lowercased() }

    static let maximumResults: Int64 = 200

    static func serviceProviderConfig(_ base: String) -> JSONValue {
        let no: JSONValue = ["supported": false]
        return [
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": ["supported": true],
            "bulk": ["supported": false, "maxOperations": 0, "maxPayloadSize": 0],
            "filter": ["supported": true, "maxResults": .number(JSONNumber(maximumResults))],
            "changePassword": no, "sort": no, "etag": ["supported": true],
            "authenticationSchemes": [
                [
                    "type": "oauthbearertoken", "name": "Management token",
                    "description": "A token of a service account whose role has scim:provision.",
                    "primary": true,
                ]
            ],
            "meta": [
                "resourceType": "ServiceProviderConfig",
                "location": .string("\(base)/ServiceProviderConfig"),
            ],
        ]
    }

    static func resourceTypes(_ base: String) -> [JSONValue] {
        [("User", "Users", user), ("Group", "Groups", group)].map { name, endpoint, schema in
            [
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": .string(name),
                "name": .string(name), "endpoint": .string("/\(endpoint)"), "description": .string(name),
                "schema": .string(schema), "schemaExtensions": [],
                "meta": [
                    "resourceType": "ResourceType", "location": .string("\(base)/ResourceTypes/\(name)"),
                ],
            ]
        }
    }

    static func schemas(_ base: String) -> [JSONValue] {
        [
            schema(
                user, "User", base,
                [
                    attribute("userName", "What the provider calls the user.", required: true, unique: true),
                    attribute(
                        "name", "The parts of the name.",
                        parts: [
                            attribute("givenName", "The given name."),
                            attribute("familyName", "The family name."),
                        ]),
                    attribute("displayName", "The name as it is shown."),
                    attribute("active", "Whether the user is a member of the tenant.", type: "boolean"),
                    attribute(
                        "emails", "One address; missing, userName is one.", required: true, isList: true,
                        parts: [
                            attribute("value", "The address.", required: true),
                            attribute("type", "Always work.", words: ["work"]),
                            attribute("primary", "Always true.", type: "boolean"),
                        ]),
                    attribute(
                        "groups", "The groups the user is in.", isList: true, mutability: "readOnly",
                        parts: [
                            attribute("value", "The group's id.", mutability: "readOnly"),
                            attribute(
                                "$ref", "Where the group is.", type: "reference", mutability: "readOnly"),
                            attribute("display", "The group's name.", mutability: "readOnly"),
                        ]),
                ]),
            schema(
                group, "Group", base,
                [
                    attribute("displayName", "Unique in the tenant.", required: true, unique: true),
                    attribute(
                        "members", "The users in the group.", isList: true,
                        parts: [
                            attribute("value", "The user's id.", mutability: "immutable"),
                            attribute(
                                "$ref", "Where the user is.", type: "reference", mutability: "immutable"),
                            attribute("type", "Always User.", mutability: "immutable", words: ["User"]),
                        ]),
                ]),
        ]
    }

    private static func schema(
        _ id: String, _ name: String, _ base: String, _ attributes: [JSONValue]
    ) -> JSONValue {
        [
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": .string(id),
            "name": .string(name), "description": .string(name), "attributes": .array(attributes),
            "meta": ["resourceType": "Schema", "location": .string("\(base)/Schemas/\(id)")],
        ]
    }

    private static func attribute(
        _ name: String, _ description: String, type: String = "string", required: Bool = false,
        unique: Bool = false, isList: Bool = false, mutability: String = "readWrite",
        words: [String] = [], parts: [JSONValue] = []
    ) -> JSONValue {
        var object = JSONObject()
        object["name"] = .string(name)
        object["type"] = .string(parts.isEmpty ? type : "complex")
        object["multiValued"] = .boolean(isList)
        object["description"] = .string(description)
        object["required"] = .boolean(required)
        object["caseExact"] = false
        object["mutability"] = .string(mutability)
        object["returned"] = "default"
        object["uniqueness"] = .string(unique ? "server" : "none")
        if !words.isEmpty { object["canonicalValues"] = .array(words.map { .string($0) }) }
        if type == "reference" { object["referenceTypes"] = ["User", "Group"] }
        if !parts.isEmpty { object["subAttributes"] = .array(parts) }
        return .object(object)
    }

    // MARK: Shapes, for the description of the API

    /// Bodies may hold more than we keep: what is not named here is passed over.
    static let userBody = BodyShape(
        "SCIMUserDocument",
        [
            text("userName", "What the provider calls the user."),
            text("externalId", "The provider's own id of the user."),
            text("displayName", "The name as it is shown."),
            Field<Bool?>.optional("active", .flag, "Whether the user is a member."),
        ], isOpen: true)
    static let groupBody = BodyShape(
        "SCIMGroupDocument",
        [text("displayName", "The name of the group."), text("externalId", "The provider's own id of it.")],
        isOpen: true)
    private static let operation = BodyShape(
        "SCIMPatchOperation",
        [
            Field<String>.required("op", .anyText(1...20), "add, replace or remove."),
            text("path", "What it is about; missing: the value's members say it."),
        ], isOpen: true)
    static let patchBody = BodyShape(
        "SCIMPatch",
        [
            Field<[BodyValues]>.required(
                "Operations", .list(of: .object(operation) { $0 }, 1...SCIMPatch.maximumOperations),
                "What is to be done, in this order.")
        ], isOpen: true)

    private static func text(_ name: String, _ summary: String) -> Field<String?> {
        .optional(name, .anyText(1...255), summary)
    }

    static let userShape = ObjectSchema(
        name: "SCIMUser",
        members: [
            always("schemas", .list(.text(1...200), maximumCount: 4), "What kind of resource it is."),
            always("id", .id(User.self), "Never changes."),
            sometimes("userName", .text(1...254), "What the provider calls the user, unique in the tenant."),
            sometimes("externalId", .text(0...255), "The provider's own id of the user."),
            sometimes(
                "name",
                .object(
                    ObjectSchema(
                        name: nil,
                        members: [
                            sometimes("givenName", .text(0...255), "The given name."),
                            sometimes("familyName", .text(0...255), "The family name."),
                        ])), "The parts of the name."),
            sometimes("displayName", .text(0...255), "The name as it is shown."),
            sometimes("emails", .list(reference(email), maximumCount: 1), "One address."),
            sometimes("active", .boolean, "Whether the user is a member of the tenant."),
            sometimes("groups", .list(.anyObject, maximumCount: 10_000), "The user's groups."),
            sometimes("meta", .object(meta), "Where and when."),
        ])
    static let groupShape = ObjectSchema(
        name: "SCIMGroup",
        members: [
            always("schemas", .list(.text(1...200), maximumCount: 4), "What kind of resource it is."),
            always("id", .id(Group.self), "Never changes."),
            sometimes("displayName", .text(1...200), "Unique in the tenant."),
            sometimes("externalId", .text(0...255), "The provider's own id of the group."),
            sometimes("members", .list(.anyObject, maximumCount: 10_000), "Users in the group."),
            sometimes("meta", .object(meta), "Where and when."),
        ])

    static func list(of shape: ObjectSchema) -> ObjectSchema {
        ObjectSchema(
            name: shape.name.map { "\($0)List" },
            members: [
                always("schemas", .list(.text(1...200), maximumCount: 1), "A list."),
                always("totalResults", .count, "How many there are in all."),
                always("startIndex", .integer(1...1_000_000_000), "Where the page begins."),
                always("itemsPerPage", .integer(0...maximumResults), "How many are on the page."),
                always(
                    "Resources", .list(.object(shape), maximumCount: Int(maximumResults)), "The page."),
            ])
    }

    private static let email = [
        sometimes("value", .text(3...254), "The address."), sometimes("type", .words(["work"]), "Work."),
        sometimes("primary", .boolean, "Always true."),
    ]
    private static let meta = ObjectSchema(
        name: nil,
        members: [
            always("resourceType", .words(["User", "Group"]), "What it is."),
            always("created", .time, "When it was made."),
            always("lastModified", .time, "When it was last changed."),
            always("location", .text(1...2048), "Where it is."),
        ])

    private static func reference(_ members: [MemberSchema]) -> Schema {
        .object(ObjectSchema(name: nil, members: members))
    }

    private static func always(_ name: String, _ schema: Schema, _ summary: String) -> MemberSchema {
        MemberSchema(name: name, schema: schema, isRequired: true, summary: summary)
    }

    private static func sometimes(_ name: String, _ schema: Schema, _ summary: String) -> MemberSchema {
        MemberSchema(name: name, schema: schema, isRequired: false, summary: summary)
    }
}

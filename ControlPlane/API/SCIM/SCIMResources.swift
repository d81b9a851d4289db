import Domain
import JSONText
import Operations
import Store

/// Users and groups in JSON, both ways.
struct SCIMResources {
    /// Where the resources of the tenant are, without a slash at its end.
    let base: String

    init(_ call: Call) throws(OperationError) {
        base = "\(call.operations.environment.publicURL)/api/v1/tenants/\(try call.tenant)/scim/v2"
    }

    // MARK: Out

    func json(_ person: SCIMPerson) -> JSONValue {
        let user = person.user
        var object = JSONObject()
        object["schemas"] = [.string(SCIMSchemas.user)]
        object["id"] = .string(user.user.description)
        object["externalId"] = user.externalID.map { .string($0) }
        object["userName"] = .string(user.userName)
        var name = JSONObject()
        name["givenName"] = user.givenName.map { .string($0) }
        name["familyName"] = user.familyName.map { .string($0) }
        if !name.isEmpty { object["name"] = .object(name) }
        object["displayName"] = user.displayName.map { .string($0) }
        object["emails"] = [["value": .string(user.email), "type": "work", "primary": true]]
        object["active"] = .boolean(user.isActive)
        object["groups"] = .array(
            person.groups.map { group in
                [
                    "value": .string(group.id.description), "display": .string(group.name),
                    "$ref": .string("\(base)/Groups/\(group.id)"),
                ]
            })
        object["meta"] = meta("User", "Users/\(user.user)", user.createdAt, user.updatedAt)
        return .object(object)
    }

    func json(_ group: SCIMGroup) -> JSONValue {
        var object = JSONObject()
        object["schemas"] = [.string(SCIMSchemas.group)]
        object["id"] = .string(group.group.id.description)
        object["externalId"] = group.externalID.map { .string($0) }
        object["displayName"] = .string(group.group.name)
        object["members"] = .array(
            group.members.map { member in
                [
                    "value": .string(member.description), "type": "User",
                    "$ref": .string("\(base)/Users/\(member)"),
                ]
            })
        object["meta"] = meta(
            "Group", "Groups/\(group.group.id)", group.group.createdAt, group.group.updatedAt)
        return .object(object)
    }

    private func meta(
        _ type: String, _ place: String, _ created: Timestamp, _ updated: Timestamp
    ) -> JSONValue {
        [
            "resourceType": .string(type), "created": .string(created.description),
            "lastModified": .string(updated.description), "location": .string("\(base)/\(place)"),
        ]
    }

    // MARK: In

    func userDraft(_ json: JSONValue) throws(OperationError) -> SCIMUserDraft {
        guard let userName = try text(json, "userName"), !userName.isEmpty else {
            throw .scim("invalidValue", "userName is required.")
        }
        let emails = json.member("emails")?.array ?? []
        let primary = emails.first { $0.member("primary")?.boolean == true } ?? emails.first
        let name = json.member("name") ?? .null
        return SCIMUserDraft(
            userName: userName, externalID: try text(json, "externalId"),
            displayName: try text(json, "displayName"), givenName: try text(name, "givenName"),
            familyName: try text(name, "familyName"), email: try text(primary ?? .null, "value"),
            isActive: try flag(json, "active") ?? true)
    }

    func groupDraft(_ json: JSONValue) throws(OperationError) -> SCIMGroupDraft {
        guard let name = try text(json, "displayName"), !name.isEmpty else {
            throw .scim("invalidValue", "displayName is required.")
        }
        var members: [UserID] = []
        for member in json.member("members")?.array ?? [] {
            guard let id = UserID(member.member("value")?.string ?? "") else {
                throw .scim("invalidValue", "The value of each member is the id of a User.")
            }
            members.append(id)
        }
        return SCIMGroupDraft(name: name, externalID: try text(json, "externalId"), members: members)
    }

    private func text(_ json: JSONValue, _ name: String) throws(OperationError) -> String? {
        guard let value = json.member(name), !value.isNull else { return nil }
        guard let text = value.string else { throw .scim("invalidValue", "\(name) is a text.") }
        return text
    }

    /// Some providers send "True" for true.
    private func flag(_ json: JSONValue, _ name: String) throws(OperationError) -> Bool? {
        guard let value = json.member(name), !value.isNull else { return nil }
        if let flag = value.boolean { return flag }
        switch value.string?.lowercased() {
        case "true": return true
        case "false": return false
        default: throw .scim("invalidValue", "\(name) is true or false.")
        }
    }
}

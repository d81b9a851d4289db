import Domain
import JSONText

/// A noun as declarations have it: its own routes, and what tells one of its things from another. What a
/// thing is made of is what those routes take; nothing is said twice.
struct DeclaredNoun: Sendable {
    /// Its member of the document.
    let name: String
    let list: AdminRoute
    let create: AdminRoute
    /// nil: its things are made and never changed.
    let update: AdminRoute?
    /// The members that say which thing it is.
    let identity: [String]
    /// The word references to its things begin with; nil: nothing refers to them.
    let reference: String?
    /// The member that stands in the path of its routes, with the noun it is of.
    private(set) var above: (member: String, noun: String)?
    /// Members that count when a thing is made, and never again.
    private(set) var atFirst: Set<String> = []
    /// Where a thing is made elsewhere, why.
    private(set) var isMadeElsewhere: String?
    /// Whether a thing of the list belongs into the declaration.
    private(set) var belongs: @Sendable (JSONObject) -> Bool = { _ in true }
    /// A thing as it is declared, of an element of the list and the ID of what it is under.
    private(set) var declared: @Sendable (JSONObject, String?) -> JSONObject = { element, _ in element }
    /// Making it answers something else than the thing.
    private(set) var answersOther = false

    private init(
        _ name: String, of routes: [AdminRoute], as operations: String? = nil, identity: [String],
        reference: String? = nil, with change: (inout DeclaredNoun) -> Void = { _ in }
    ) {
        let noun = operations ?? name.replacing("_", with: "-")
        self.init(
            name, routes, list: "\(noun).list", create: "\(noun).create", update: "\(noun).update",
            identity: identity, reference: reference)
        change(&self)
    }

    private init(
        _ name: String, _ routes: [AdminRoute], list: String, create: String, update: String? = nil,
        identity: [String], reference: String? = nil
    ) {
        func route(_ id: String) -> AdminRoute? { routes.first { $0.operationID == id } }
        guard let list = route(list), let create = route(create) else {
            preconditionFailure("\(name) has no routes to list and make its things")
        }
        self.name = name
        self.list = list
        self.create = create
        self.update = update.flatMap(route)
        self.identity = identity
        self.reference = reference
    }

    /// Of a tenant. Those that others refer to come first.
    static let ofTenant: [DeclaredNoun] =
        [
            DeclaredNoun("workspaces", of: WorkspaceRoutes.all, identity: ["slug"], reference: "workspace"),
            DeclaredNoun("roles", of: RoleRoutes.all, identity: ["name"], reference: "role"),
            members,
            DeclaredNoun("groups", of: GroupRoutes.all, identity: ["name"], reference: "group"),
            groupMembers,
            DeclaredNoun(
                "service_accounts", of: ServiceAccountRoutes.all, identity: ["name"],
                reference: "service_account"),
            DeclaredNoun("identity_providers", of: IdentityProviderRoutes.all, identity: ["name"]),
        ] + catalogue(of: .tenant) + [
            DeclaredNoun("routes", of: RouteRoutes.all, identity: ["name"], reference: "route"),
            DeclaredNoun(
                "bindings", of: BindingRoutes.all,
                identity: ["user", "group", "service_account", "role", "workspace"]),
            DeclaredNoun("keys", of: KeyRoutes.all, identity: ["workspace", "name"], reference: "key") {
                $0.isMadeElsewhere = "its text is shown once: issue it with keys.create"
                $0.belongs = { $0["revoked_at"]?.isNull ?? true }
            },
            DeclaredNoun("limits", of: LimitRoutes.all, identity: ["subject", "name"]),
            DeclaredNoun("guardrails", of: GuardrailRoutes.all, identity: ["name"]),
        ]

    /// Of the platform: what it shares with all tenants.
    static let ofPlatform = catalogue(of: .platform)

    private static func catalogue(of owner: Ownership) -> [DeclaredNoun] {
        [
            DeclaredNoun(
                "providers", of: ProviderRoutes.all, as: owner.noun("providers"), identity: ["name"],
                reference: "provider"),
            DeclaredNoun(
                "models", of: ModelRoutes.all, as: owner.noun("models"), identity: ["provider", "name"],
                reference: "model"
            ) {
                // A tenant's list has the platform's too.
                if owner == .tenant { $0.belongs = { $0["tenant"]?.string != nil } }
            },
            DeclaredNoun(
                "prices", of: ModelRoutes.all, as: owner.noun("prices"),
                identity: ["model", "effective_from"]
            ) { $0.above = ("model", "models") },
        ]
    }

    /// People by their address. Whoever is no member yet is invited.
    private static let members: DeclaredNoun = {
        var noun = DeclaredNoun(
            "members", MemberRoutes.all + InvitationRoutes.all, list: "members.list",
            create: "invitations.create", identity: [InvitationMember.email], reference: "user")
        noun.atFirst = [InvitationMember.roles, InvitationMember.workspace]
        noun.answersOther = true
        noun.declared = { element, _ in
            var member = JSONObject()
            member["id"] = element["user"]?["id"]
            member[InvitationMember.email] = element["user"]?["email"]
            return member
        }
        return noun
    }()

    private static let groupMembers: DeclaredNoun = {
        var noun = DeclaredNoun(
            "group_members", GroupRoutes.all, list: "groups.list-members", create: "groups.add-member",
            identity: ["group", "user"])
        noun.above = ("group", "groups")
        noun.answersOther = true
        noun.declared = { element, group in
            var member = JSONObject()
            member["group"] = group.map { .string($0) }
            member["user"] = element["id"]
            return member
        }
        return noun
    }()

    /// The members a declared thing may have: those of the body that makes it, and of the path before it.
    var members: [MemberSchema] {
        let inPath = create.pathParameters.filter { $0 != .tenant }.map { parameter in
            MemberSchema(
                name: parameter.name, schema: .text(1...200), isRequired: true, summary: parameter.summary)
        }
        return inPath + (create.body?.fields.map(\.member) ?? [])
    }

    func member(_ name: String) -> MemberSchema? { members.first { $0.name == name } }

    /// The same text for things that are the same.
    func key(of thing: JSONObject) -> String {
        identity.map { member in
            let text = DeclaredValue.identity(thing[member] ?? .null)
            return member == InvitationMember.email ? text.lowercased() : text
        }.joined(separator: "\n")
    }
}

/// What an invitation is made of, by the names of its body's members.
enum InvitationMember {
    static let email = UserBody.email.name
    static let roles = InvitationBody.roles.name
    static let workspace = InvitationBody.workspace.name
}

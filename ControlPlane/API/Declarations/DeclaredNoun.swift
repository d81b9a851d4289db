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
    let above: (member: String, noun: String)?
    /// Where a thing is made elsewhere, why.
    let isMadeElsewhere: String?
    /// Whether a thing of the list belongs into the tenant's declaration.
    let belongs: @Sendable (JSONObject) -> Bool

    private init(
        _ name: String, of routes: [AdminRoute], identity: [String], reference: String? = nil,
        above: (member: String, noun: String)? = nil, isMadeElsewhere: String? = nil,
        belongs: @escaping @Sendable (JSONObject) -> Bool = { _ in true }
    ) {
        self.name = name
        let noun = name.replacing("_", with: "-")
        func route(_ verb: String) -> AdminRoute? { routes.first { $0.operationID == "\(noun).\(verb)" } }
        guard let list = route("list"), let create = route("create") else {
            preconditionFailure("\(name) has no routes to list and make its things")
        }
        self.list = list
        self.create = create
        update = route("update")
        self.identity = identity
        self.reference = reference
        self.above = above
        self.isMadeElsewhere = isMadeElsewhere
        self.belongs = belongs
    }

    /// Those that others refer to come first.
    static let all: [DeclaredNoun] = [
        DeclaredNoun("workspaces", of: WorkspaceRoutes.all, identity: ["slug"], reference: "workspace"),
        DeclaredNoun("groups", of: GroupRoutes.all, identity: ["name"], reference: "group"),
        DeclaredNoun("roles", of: RoleRoutes.all, identity: ["name"], reference: "role"),
        DeclaredNoun(
            "service_accounts", of: ServiceAccountRoutes.all, identity: ["name"],
            reference: "service_account"),
        DeclaredNoun("providers", of: ProviderRoutes.all, identity: ["name"], reference: "provider"),
        DeclaredNoun(
            "models", of: ModelRoutes.all, identity: ["provider", "name"], reference: "model",
            belongs: { $0["tenant"]?.string != nil }),
        DeclaredNoun(
            "prices", of: ModelRoutes.all, identity: ["model", "effective_from"],
            above: ("model", "models")),
        DeclaredNoun("routes", of: RouteRoutes.all, identity: ["name"], reference: "route"),
        DeclaredNoun(
            "bindings", of: BindingRoutes.all,
            identity: ["user", "group", "service_account", "role", "workspace"]),
        DeclaredNoun(
            "keys", of: KeyRoutes.all, identity: ["workspace", "name"], reference: "key",
            isMadeElsewhere: "its text is shown once: issue it with keys.create",
            belongs: { $0["revoked_at"]?.isNull ?? true }),
    ]

    /// The members a declared thing may have.
    var members: [MemberSchema] {
        let own = create.body?.fields.map(\.member) ?? []
        guard let above else { return own }
        let schema = Schema.text(1...200)
        return [MemberSchema(name: above.member, schema: schema, isRequired: true, summary: "Of what.")] + own
    }

    func member(_ name: String) -> MemberSchema? { members.first { $0.name == name } }

    /// The same text for things that are the same.
    func key(of thing: JSONObject) -> String {
        identity.map { member in
            DeclaredValue.canonical(thing[member] ?? .null).text
        }.joined(separator: "\n")
    }
}

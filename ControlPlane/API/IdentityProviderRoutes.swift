import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations

enum IdentityProviderRoutes {
    static let all: [AdminRoute] =
        routes(of: "/api/v1/identity-providers", .platform, "shared-identity-providers", "the platform's") {
            _ throws(OperationError) in nil
        }
        + routes(
            of: "/api/v1/tenants/{tenant}/identity-providers", .tenant, "identity-providers",
            "a tenant's"
        ) { call throws(OperationError) in try call.tenant } + signIn

    private static func routes(
        of base: String, _ place: Access.Place, _ noun: String, _ whose: String,
        _ owner: @escaping @Sendable (Call) throws(OperationError) -> TenantID?
    ) -> [AdminRoute] {
        [
            .list(
                base, .needs(.identityProvidersRead, in: place), "\(noun).list",
                "List \(whose) identity providers",
                query: [IdentityProviderBody.ofState, Paging.namePrefix], of: .identityProvider
            ) { call throws(OperationError) in
                try await call.operations.identityProviders.list(
                    of: try owner(call), isEnabled: try call.query[IdentityProviderBody.ofState],
                    try call.page, by: try call.caller)
            },
            .one(
                .post, base, .needs(.identityProvidersCreate, in: place), "\(noun).create",
                "Let people sign in by an identity provider of \(whose)", body: IdentityProviderBody.new,
                status: 201, answers: .identityProvider
            ) { call throws(OperationError) in
                let body = call.body
                return try await call.operations.identityProviders.create(
                    name: try body[IdentityProviderBody.name], issuer: try body[IdentityProviderBody.issuer],
                    clientID: try body[IdentityProviderBody.clientID], try IdentityProviderBody.rest(body),
                    of: try owner(call), by: try call.caller)
            },
            .one(
                .get, "\(base)/{identity_provider}", .needs(.identityProvidersRead, in: place),
                "\(noun).get", "Get an identity provider", answers: .identityProvider
            ) { call throws(OperationError) in
                try await call.operations.identityProviders.get(
                    try call.identityProvider, of: try owner(call), by: try call.caller)
            },
            .one(
                .patch, "\(base)/{identity_provider}", .needs(.identityProvidersUpdate, in: place),
                "\(noun).update", "Change an identity provider", body: IdentityProviderBody.change,
                answers: .identityProvider
            ) { call throws(OperationError) in
                try await call.operations.identityProviders.update(
                    try call.identityProvider, try IdentityProviderBody.changed(call.body),
                    of: try owner(call), by: try call.caller)
            },
            .nothing(
                .delete, "\(base)/{identity_provider}", .needs(.identityProvidersDelete, in: place),
                "\(noun).delete", "Delete an identity provider; its users stay"
            ) { call throws(OperationError) in
                try await call.operations.identityProviders.delete(
                    try call.identityProvider, of: try owner(call), by: try call.caller)
            },
        ]
    }

    private static let slug = Field<String?>.optional(
        "tenant", .text(.slug), "The slug of the tenant to sign in to; missing: the platform.")

    private static let signIn: [AdminRoute] = [
        .one(
            .get, "/api/v1/sessions/providers",
            .public(reason: "it says where one may sign in, before one has."), "sessions.list-providers",
            "Where one may sign in", query: [slug], answers: .signInOptions
        ) { call throws(OperationError) in
            SignInOptions(
                providers: try await call.operations.providerSignIns.options(slug: try call.query[slug]))
        },
        .one(
            .post, "/api/v1/sessions/providers", .public(reason: "it is how one signs in."),
            "sessions.begin-provider", "Begin to sign in at an identity provider",
            body: ProviderSignInBody.begin, status: 201, answers: .providerSignIn
        ) { call throws(OperationError) in
            try await call.operations.providerSignIns.begin(try call.body[ProviderSignInBody.provider])
        },
        .one(
            .post, "/api/v1/sessions/providers/complete",
            .public(reason: "the flow and the provider's code are the credentials."),
            "sessions.complete-provider", "Finish signing in at an identity provider",
            body: ProviderSignInBody.complete, status: 201, answers: .signIn
        ) { call throws(OperationError) in
            try await call.operations.providerSignIns.complete(
                flow: try call.body[ProviderSignInBody.flow], state: try call.body[ProviderSignInBody.state],
                code: try call.body[ProviderSignInBody.code],
                at: try call.body[ProviderSignInBody.provider], from: call.origin)
        }.openingSession(),
    ]
}

/// Where one may sign in.
struct SignInOptions: Sendable {
    let providers: [IdentityProvider]
}

extension Representation<SignInOptions> {
    private static let option = Representation<IdentityProvider>(
        "SignInProvider",
        [
            .init("id", .id(IdentityProvider.self), "For beginning to sign in.") { .text($0.id) },
            .init("name", .text(1...200), "Name for people.") { .string($0.name) },
        ])

    static let signInOptions = Representation(
        "SignInOptions",
        [
            .init("providers", .list(option.schema, maximumCount: 100), "Identity providers.") {
                .array($0.providers.map(option.json))
            }
        ])
}

extension Representation<ProviderSignIn> {
    static let providerSignIn = Representation(
        "ProviderSignIn",
        [
            .init("authorization_url", .text(1...8192), "Where to send the browser.") {
                .string($0.authorizationURL)
            },
            .init(
                "flow", .text(1...200),
                "Keep it in the browser; without it what the provider answers is worth nothing."
            ) { .string($0.flow) },
            .init("expires_at", .time, "Until when to come back.") { .text($0.expires) },
        ])
}

extension Representation<IdentityProvider> {
    private static let mapping = Representation<IdentityProvider.RoleMapping>(
        "RoleMapping",
        [
            .init("group", .text(1...255), "A group at the provider; *: everybody.") { .string($0.group) },
            .init("role", .text(1...63), "The role its members have here.") { .string($0.role) },
        ])

    static let identityProvider = Representation(
        "IdentityProvider",
        [
            .init(
                "id", .id(IdentityProvider.self),
                "Never changes. At the provider, register /sign-in/callback/ with it behind our public URL."
            ) { .text($0.id) },
            .init("tenant", .nullable(.id(Tenant.self)), "Whose it is; null: the platform's.") {
                .optional($0.tenant)
            },
            .init("name", .text(1...200), "Name for people, unique with its owner.") { .string($0.name) },
            .init("issuer", .text(8...2048), "Its issuer, exactly as its tokens name it.") {
                .string($0.issuer)
            },
            .init("client_id", .text(1...500), "What we are called there.") { .string($0.clientID) },
            .init("has_client_secret", .boolean, "Whether a client secret is stored; it is never shown.") {
                .boolean($0.hasClientSecret)
            },
            .init("scopes", .list(.text(1...100), maximumCount: 20), "What is asked for.") {
                .array($0.scopes.map { .string($0) })
            },
            .init("group_claim", .text(1...200), "The claim that lists somebody's groups.") {
                .string($0.groupClaim)
            },
            .init(
                "role_mappings",
                .list(mapping.schema, maximumCount: IdentityProvider.maximumMappings),
                "Which group has which role here."
            ) { .array($0.mappings.map(mapping.json)) },
            .init(
                "allowed_domains", .list(.text(3...253), maximumCount: IdentityProvider.maximumDomains),
                "Domains of e-mail addresses that may sign in; empty: every one."
            ) { .array($0.allowedDomains.map { .string($0) }) },
            .init("creates_users", .boolean, "Whether somebody unknown becomes a user.") {
                .boolean($0.createsUsers)
            },
            .init("enabled", .boolean, "Whether people may sign in by it.") { .boolean($0.isEnabled) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])
}

/// The bodies that make or change an identity provider.
enum IdentityProviderBody {
    static let ofState = Field<Bool?>.optional("enabled", .flag, "Only providers in this state.")
    private static let issuerSummary = "Its issuer, exactly as its tokens name it: an https URL."
    static let name = Field<String>.required(
        "name", .text(.displayName, example: "Acme SSO"), "Name for people.")
    static let issuer = Field<String>.required("issuer", .anyText(8...2048, format: "uri"), issuerSummary)
    static let clientID = Field<String>.required("client_id", .anyText(1...500), "What we are called there.")
    static let newName = Field<String?>.change("name", .text(.displayName), "Name for people.")
    static let newIssuer = Field<String?>.change("issuer", .anyText(8...2048, format: "uri"), issuerSummary)
    static let newClientID = Field<String?>.change(
        "client_id", .anyText(1...500), "What we are called there.")
    static let secret = Field<String?>.change(
        "client_secret", .secretText(1...1024), "The client secret; missing: a public client, or no change.")
    static let scopes = Field<[String]?>.change(
        "scopes", .list(of: .anyText(1...100), 1...20), "What is asked for; openid must be among it.")
    static let groupClaim = Field<String?>.change(
        "group_claim", .anyText(1...200), "The claim that lists somebody's groups.")
    static let group = Field<String>.required("group", .anyText(1...255), "A group there; *: everybody.")
    static let mappingShape = BodyShape("NewRoleMapping", [group, UserBody.role])
    static let mappings = Field<[IdentityProvider.RoleMapping]?>.change(
        "role_mappings",
        .list(
            of: .object(mappingShape) { values throws(OperationError) in
                IdentityProvider.RoleMapping(
                    group: try values[group], role: try values[UserBody.role].name)
            }, 0...IdentityProvider.maximumMappings),
        "Which group has which role here. Nobody maps a role with permissions they lack.")
    static let domains = Field<[String]?>.change(
        "allowed_domains",
        .list(of: .text(.domain, example: "example.com"), 0...IdentityProvider.maximumDomains),
        "Domains of e-mail addresses that may sign in; empty: every one.")
    static let createsUsers = Field<Bool?>.change(
        "creates_users", .flag, "Whether somebody unknown becomes a user.")
    static let isEnabled = Field<Bool?>.change("enabled", .flag, "Whether people may sign in by it.")
    private static let common: [any AnyField] = [
        secret, scopes, groupClaim, mappings, domains, createsUsers, isEnabled,
    ]
    static let new = BodyShape("NewIdentityProvider", [name, issuer, clientID] + common)
    static let change = BodyShape("IdentityProviderChange", [newName, newIssuer, newClientID] + common)

    static func rest(_ body: BodyValues) throws(OperationError) -> IdentityProviderChange {
        var change = IdentityProviderChange()
        if let text = try body[secret] { change.clientSecret = Secret(utf8: text) }
        change.scopes = try body[scopes]
        change.groupClaim = try body[groupClaim]
        change.mappings = try body[mappings]
        change.allowedDomains = try body[domains]
        change.createsUsers = try body[createsUsers]
        change.isEnabled = try body[isEnabled]
        return change
    }

    static func changed(_ body: BodyValues) throws(OperationError) -> IdentityProviderChange {
        var change = try rest(body)
        change.name = try body[newName]
        change.issuer = try body[newIssuer]
        change.clientID = try body[newClientID]
        return change
    }
}

/// The bodies of a sign-in at a provider.
enum ProviderSignInBody {
    static let provider = Field<IdentityProviderID>.required(
        "provider", .id(), "Where to sign in; at the end, the one in the address the browser came back to.")
    static let begin = BodyShape("NewProviderSignIn", [provider])
    static let flow = Field<String>.required(
        "flow", .secretText(1...200), "As the beginning answered it; it counts once.")
    static let state = Field<String>.required(
        "state", .secretText(1...1024), "As the provider sent the browser back with.")
    static let code = Field<String>.required(
        "code", .secretText(1...4096), "As the provider sent the browser back with.")
    static let complete = BodyShape("ProviderSignInEnd", [provider, flow, state, code])
}

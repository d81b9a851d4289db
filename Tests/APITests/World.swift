import API
import Contract
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

/// Two tenants with one of everything, a user for every role, and tokens for all of them. Lives on its
/// server's loop.
final class World {
    struct TenantThings {
        var tenant = ""
        var workspace = ""
        var provider = ""
        var model = ""
        var route = ""
        var key = ""
        var group = ""
        var serviceAccount = ""
    }

    let server: AdminServer
    let admin: String
    /// Things of the tenant that is asked about.
    private(set) var acme = TenantThings()
    /// Another tenant, with the same kinds of things.
    private(set) var other = TenantThings()
    private(set) var shared = TenantThings()
    private var counter = 0
    /// A credential of each place that has one for probes.
    var credentials: [String: String] = [:]
    /// A thing of each place and kind that probes may share.
    var shareable: [String: String] = [:]
    private var platformMachine: String?
    /// A token for each built-in role: of the platform's roles there, of a tenant's roles in `acme`.
    private(set) var tokens: [String: String] = [:]
    /// Who has them.
    private var users: [String: UserID] = [:]
    private var spareUser: UserID?
    private var spareMember: String?
    private var budget: String?
    private var guarding: String?
    /// Of the shared model.
    var sharedPrice: PriceID?
    /// The owner of the other tenant.
    private(set) var stranger = ""

    init(_ server: AdminServer) async throws {
        self.server = server
        admin = try await server.administrator()
        acme = try await fill()
        other = try await fill()
        shared.provider = try await make("/api/v1/providers", Self.provider("shared"))
        shared.model = try await make(
            "/api/v1/models", ["provider": .string(shared.provider), "name": "shared-model"])
        // Closed, that route would forbid everybody.
        _ = try await server.send(.patch, "/api/v1/sign-up-settings", token: admin, body: ["open": true])
        let acmeID = try #require(TenantID(acme.tenant)), otherID = try #require(TenantID(other.tenant))
        for role in Role.builtIn {
            let user = try await user()
            users[role.name] = user
            tokens[role.name] = try await token(
                of: user, role, role.isPlatformRole ? .platform : .tenant(acmeID))
        }
        try await furnish(acmeID)
        stranger = try await token(.tenantOwner, .tenant(otherID))
    }

    /// A group and a service account, without audit rows.
    private func furnish(_ tenant: TenantID) async throws {
        let now = server.clock.now
        let group = Group(
            id: GroupID(at: now), tenant: tenant, name: "Everybody", createdAt: now, updatedAt: now)
        let account = ServiceAccount(
            id: ServiceAccountID(at: now), tenant: tenant, name: "Machine", createdAt: now, updatedAt: now)
        try await server.database.pool.withTransaction { connection in
            try await GroupStore.create(group, connection)
            try await ServiceAccountStore.create(account, connection)
        }
        acme.group = group.id.description
        acme.serviceAccount = account.id.description
    }

    /// A text nobody used yet.
    func fresh(_ prefix: String = "thing") -> String {
        counter += 1
        return "\(prefix)-\(counter)"
    }

    /// A month that is over and has no invoice yet.
    func freshMonth() -> String {
        counter += 1
        let month = 12 * 2025 - counter
        return "\(month / 12)-\(month % 12 < 9 ? "0" : "")\(month % 12 + 1)"
    }

    static func provider(_ name: String) -> JSONValue {
        [
            "name": .string(name), "kind": "openai", "base_url": "https://api.example.com/v1",
            "credential": "sk-test-0123456789abcd",
        ]
    }

    /// POSTs as the administrator; answers the new thing's id.
    func make(_ path: String, _ body: JSONValue, id: String...) async throws -> String {
        let reply = try await server.send(.post, path, token: admin, body: body)
        #expect(reply.status == 201, "\(path): \(reply.text)")
        let path = id.isEmpty ? ["id"] : id
        return try #require(path.reduce(Optional(reply.json)) { $0?[$1] }?.string)
    }

    private func fill() async throws -> TenantThings {
        var things = TenantThings()
        things.tenant = try await make("/api/v1/tenants", ["slug": .string(fresh("tenant")), "name": "Acme"])
        let base = "/api/v1/tenants/\(things.tenant)"
        things.workspace = try await make("\(base)/workspaces", ["slug": "default", "name": "Default"])
        things.provider = try await make("\(base)/providers", Self.provider("openai"))
        things.model = try await make(
            "\(base)/models", ["provider": .string(things.provider), "name": "gpt-4o-mini"])
        _ = try await make("\(base)/models/\(things.model)/prices", ["input": "0.15", "output": "0.60"])
        things.route = try await make(
            "\(base)/routes", ["name": "chat", "targets": [["model": .string(things.model)]]])
        things.key = try await key(things)
        return things
    }

    func key(_ things: TenantThings) async throws -> String {
        try await make(
            "/api/v1/tenants/\(things.tenant)/keys", ["workspace": .string(things.workspace), "name": "app"],
            id: "key", "id")
    }

    /// A budget of `acme`.
    static func report(_ name: String) -> JSONValue {
        ["name": .string(name), "recipients": ["finance@example.com"]]
    }

    static func webhook(_ name: String) -> JSONValue {
        ["name": .string(name), "kind": "webhook", "url": "https://hooks.example.com/eclusa"]
    }

    static func alertRule(_ name: String, isOfPlatform: Bool) -> JSONValue {
        isOfPlatform
            ? ["name": .string(name), "kind": "node_offline", "threshold": 300]
            : ["name": .string(name), "kind": "error_rate", "threshold": 5]
    }

    /// An alert of a rule, as if it had been found.
    func alert(of rule: String) async throws -> String {
        let (id, now) = (AlertID(at: server.clock.now), server.clock.now)
        let rule = try #require(AlertRuleID(rule))
        try await server.database.pool.withConnection { connection in
            _ = try await connection.execute(
                """
                insert into alerts (tenant_id, id, rule_id, subject, about, value, threshold, started_at,
                                    last_held_at)
                select tenant_id, \(id), id, \(id.description), '', 9, 5, \(now), \(now)
                  from alert_rules where id = \(rule)
                """)
        }
        return id.description
    }

    func limit() async throws -> String {
        try await make(
            "/api/v1/tenants/\(acme.tenant)/limits",
            ["name": .string(fresh("limit")), "metric": "cost", "amount": "5.00", "period": "month"])
    }

    /// One that nobody deletes.
    func keptLimit() async throws -> String {
        if let known = budget { return known }
        let made = try await limit()
        budget = made
        return made
    }

    func guardrail() async throws -> String {
        try await make(
            "/api/v1/tenants/\(acme.tenant)/guardrails",
            ["name": .string(fresh("guardrail")), "kind": "secrets"])
    }

    /// One that nobody deletes.
    func keptGuardrail() async throws -> String {
        if let known = guarding { return known }
        let made = try await guardrail()
        guarding = made
        return made
    }

    /// A user with one role, signed in without the cost of a password.
    func token(_ role: Role, _ scope: Scope) async throws -> String {
        try await token(of: try await user(), role, scope)
    }

    private func token(of user: UserID, _ role: Role, _ scope: Scope) async throws -> String {
        try await give(role, to: user, scope)
        return try await signIn(user)
    }

    /// A session without a password.
    func signIn(_ user: UserID, only tenant: TenantID? = nil) async throws -> String {
        let now = server.clock.now
        let session = Session(
            id: SessionID(at: now), user: user, userAgent: "", address: "", createdAt: now,
            lastSeenAt: now,
            expires: now.advanced(bySeconds: 86_400), onlyTenant: tenant)
        try await server.database.pool.withTransaction { connection in
            let token = sha256(Array(session.id.description.utf8))
            try await SessionStore.create(session, token: token, connection)
        }
        return server.keys.accessTokens.issue(user: user, session: session.id, now: now)
    }

    func give(_ role: Role, to user: UserID, _ scope: Scope) async throws {
        let now = server.clock.now
        try await server.database.pool.withTransaction { connection in
            try await BindingStore.create(
                Binding(
                    id: BindingID(at: now), user: user, role: role.name, scope: scope, createdBy: nil,
                    createdAt: now), connection)
        }
    }

    /// A user without roles; leaves no audit row.
    func user() async throws -> UserID {
        let now = server.clock.now
        let user = User(
            id: UserID(at: now), email: "\(fresh("user"))@example.com", name: "User", createdAt: now,
            updatedAt: now)
        try await server.database.pool.withTransaction { connection in
            try await UserStore.create(user, passwordHash: nil, connection)
        }
        return user.id
    }

    /// Puts a user and a member by, so that bodies of requests that need one write nothing.
    func stock() async throws {
        if spareUser == nil { spareUser = try await user() }
        if spareMember == nil { spareMember = try await member() }
    }

    func takeUser() async throws -> UserID {
        defer { spareUser = nil }
        if let spareUser { return spareUser }
        return try await user()
    }

    func takeMember() async throws -> String {
        defer { spareMember = nil }
        if let spareMember { return spareMember }
        return try await member()
    }

    /// A member of `acme` and of its group, without roles of their own.
    func member() async throws -> String {
        let user = try await user()
        let now = server.clock.now
        let tenant = try #require(TenantID(acme.tenant)), group = try #require(GroupID(acme.group))
        try await server.database.pool.withTransaction { connection in
            _ = try await MemberStore.add(user, to: tenant, at: now, connection)
            _ = try await GroupStore.add(user, to: group, of: tenant, at: now, connection)
        }
        return user.description
    }

    /// A tenant in which the users of all roles have these roles too.
    func doomed() async throws -> String {
        let id = try await make("/api/v1/tenants", ["slug": .string(fresh("doomed")), "name": "Doomed"])
        let tenant = try #require(TenantID(id))
        for role in Role.builtIn where !role.isPlatformRole {
            try await give(role, to: try #require(users[role.name]), .tenant(tenant))
        }
        return id
    }

    private func base(_ noun: String) -> String { "/api/v1/tenants/\(acme.tenant)/\(noun)" }

    func spareWorkspace() async throws -> String {
        try await make(base("workspaces"), ["slug": .string(fresh("spare")), "name": "Spare"])
    }

    func group() async throws -> String {
        try await make(base("groups"), ["name": .string(fresh("group"))])
    }

    func role(_ permissions: [Permission] = [.usageRead]) async throws -> String {
        try await make(
            base("roles"),
            [
                "name": .string(fresh("role")),
                "permissions": .array(permissions.map { .string($0.rawValue) }),
            ])
    }

    /// A user and a group that an identity provider manages.
    func scimUser() async throws -> String {
        try await make(base("scim/v2/Users"), ["userName": .string("\(fresh("s"))@example.com")])
    }

    func scimGroup() async throws -> String {
        try await make(base("scim/v2/Groups"), ["displayName": .string(fresh("group"))])
    }

    func serviceAccount() async throws -> String {
        try await make(base("service-accounts"), ["name": .string(fresh("machine"))])
    }

    /// The same one for an account and its token, unless it is to be used up.
    func platformServiceAccount(isSpare: Bool = false) async throws -> String {
        if !isSpare, let known = platformMachine { return known }
        let made = try await make("/api/v1/service-accounts", ["name": .string(fresh("machine"))])
        if isSpare { return made }
        platformMachine = made
        return made
    }

    func platformManagementToken() async throws -> String {
        let account = try await platformServiceAccount()
        return try await make(
            "/api/v1/service-accounts/\(account)/tokens", ["name": "pods"], id: "token", "id")
    }

    func managementToken() async throws -> String {
        try await make(
            base("service-accounts/\(acme.serviceAccount)/tokens"), ["name": "terraform"], id: "token", "id")
    }

    /// The role viewer of somebody who has no other.
    func binding(_ tenant: TenantID?) async throws -> String {
        let user = try await user()
        let binding = Binding(
            id: BindingID(at: server.clock.now), user: user, role: "viewer",
            scope: tenant.map { .tenant($0) } ?? .platform, createdBy: nil, createdAt: server.clock.now)
        try await server.database.pool.withTransaction { try await BindingStore.create(binding, $0) }
        return binding.id.description
    }

    /// A node that has joined; answers its id.
    func node() async throws -> String {
        let secret = JoinSecret()
        let now = server.clock.now
        let token = JoinToken(
            id: JoinTokenID(at: now), nodeName: fresh("node"), region: "default", createdBy: nil,
            createdAt: now,
            expires: now.advanced(bySeconds: 900))
        let joining = NodeStore.Joining(
            id: NodeID(at: now), identityKey: randomBytes(32), sealingKey: randomBytes(32),
            softwareVersion: "0.1.0")
        try await server.database.pool.withTransaction { connection in
            try await JoinTokenStore.create(token, hash: secret.digest, connection)
            _ = try await NodeStore.join(joining, token: secret.digest, at: now, connection)
        }
        return joining.id.description
    }

    static let snapshotVersion = SnapshotVersion(epoch: 1, counter: 1)

    /// A version that was published, without any shards; made when it is first asked for.
    func snapshot() async throws -> String {
        let now = server.clock.now
        try await server.database.pool.withTransaction { connection in
            if try await SnapshotStore.find(Self.snapshotVersion, connection) != nil { return }
            let pages = stride(from: 0, to: 257, by: 64).map { first in
                ManifestPage(
                    firstShard: first, references: Array(repeating: nil, count: min(64, 257 - first))
                ).object
            }
            let manifest = Manifest(
                version: Self.snapshotVersion, issuedAt: now, freshUntil: now, layout: .small,
                pages: pages.map(\.address), fleetKey: nil)
            let visibility = try await SnapshotStore.visibility(connection)
            let publication = SnapshotStore.Publication(
                version: Self.snapshotVersion, manifest: manifest.signed(by: server.keys.snapshotKey).encoded,
                objects: pages.map(\.address), newObjects: pages.map { ($0.address, $0.bytes) },
                builtFrom: visibility)
            let expected = try await SnapshotStore.state(connection).version
            _ = try await SnapshotStore.publish(publication, expected: expected, at: now, connection)
        }
        return Self.snapshotVersion.description
    }
}

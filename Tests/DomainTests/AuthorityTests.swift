import Domain
import TestSupport
import Testing

@Suite("authorisation")
struct AuthorityTests {
    static let mine = TenantID(high: 1, low: 1)
    static let other = TenantID(high: 2, low: 2)
    static let workspace = WorkspaceID(high: 3, low: 3)
    static let sibling = WorkspaceID(high: 4, low: 4)

    static func bound(_ role: Role, _ scope: Scope) -> Authority {
        Authority([.init(role: role, scope: scope)])
    }

    @Test(
        "nobody may do anything by default, and nothing shows that a tenant exists",
        arguments: Permission.allCases)
    func denyByDefault(_ permission: Permission) {
        #expect(authorise(.none, permission, in: .platform) == .forbidden)
        #expect(authorise(.none, permission, in: .tenant(Self.mine)) == .hidden)
        #expect(authorise(.none, permission, in: .workspace(Self.mine, Self.workspace)) == .hidden)
    }

    @Test("the platform admin may do everything everywhere", arguments: Permission.allCases)
    func platformAdmin(_ permission: Permission) {
        let admin = Self.bound(.platformAdmin, .platform)
        for scope in [Scope.platform, .tenant(Self.mine), .workspace(Self.mine, Self.workspace)] {
            #expect(authorise(admin, permission, in: scope) == .allowed)
        }
    }

    @Test(
        "the auditor reads everything but what is said in calls, and changes nothing",
        arguments: Permission.allCases)
    func auditor(_ permission: Permission) {
        let decision = authorise(Self.bound(.platformAuditor, .platform), permission, in: .tenant(Self.mine))
        let reads = permission.verb == "read" && permission != .contentsRead
        #expect(decision == (reads ? .allowed : .forbidden))
    }

    @Test("a tenant's role counts in that tenant and its workspaces, nowhere else", arguments: Role.builtIn)
    func tenantRoles(_ role: Role) {
        let authority = Self.bound(role, .tenant(Self.mine))
        for permission in Permission.allCases {
            let has = role.permissions.contains(permission) && !permission.isPlatformOnly
            let expected: AuthorisationDecision = has ? .allowed : .forbidden
            #expect(authorise(authority, permission, in: .tenant(Self.mine)) == expected)
            #expect(authorise(authority, permission, in: .workspace(Self.mine, Self.workspace)) == expected)
            #expect(authorise(authority, permission, in: .tenant(Self.other)) == .hidden)
            #expect(authorise(authority, permission, in: .workspace(Self.other, Self.workspace)) == .hidden)
            #expect(authorise(authority, permission, in: .platform) == .forbidden)
        }
    }

    @Test("a workspace's role counts in that workspace only")
    func workspaceRoles() {
        let developer = Self.bound(.developer, .workspace(Self.mine, Self.workspace))
        #expect(authorise(developer, .keysCreate, in: .workspace(Self.mine, Self.workspace)) == .allowed)
        #expect(authorise(developer, .keysCreate, in: .workspace(Self.mine, Self.sibling)) == .forbidden)
        #expect(authorise(developer, .keysCreate, in: .tenant(Self.mine)) == .forbidden)
        #expect(authorise(developer, .keysCreate, in: .workspace(Self.other, Self.workspace)) == .hidden)
    }

    @Test("several bindings add up")
    func union() {
        let authority = Authority([
            .init(role: .viewer, scope: .tenant(Self.mine)),
            .init(role: .developer, scope: .workspace(Self.mine, Self.workspace)),
        ])
        #expect(authorise(authority, .usageRead, in: .tenant(Self.mine)) == .allowed)
        #expect(authorise(authority, .keysCreate, in: .tenant(Self.mine)) == .forbidden)
        #expect(authorise(authority, .keysCreate, in: .workspace(Self.mine, Self.workspace)) == .allowed)
    }

    @Test("nobody grants what they lack")
    func granting() {
        let owner = Self.bound(.tenantOwner, .tenant(Self.mine))
        let admin = Self.bound(.tenantAdmin, .tenant(Self.mine))
        let platform = Self.bound(.platformAdmin, .platform)
        #expect(mayGrant(owner, .tenantOwner, in: .tenant(Self.mine)))
        #expect(mayGrant(admin, .developer, in: .workspace(Self.mine, Self.workspace)))
        #expect(!mayGrant(admin, .tenantOwner, in: .tenant(Self.mine)))
        #expect(!mayGrant(owner, .viewer, in: .tenant(Self.other)))
        #expect(!mayGrant(owner, .platformAdmin, in: .platform))
        #expect(mayGrant(platform, .platformAdmin, in: .platform))
        #expect(!mayGrant(platform, .platformAdmin, in: .tenant(Self.mine)))
        #expect(!mayGrant(.none, .viewer, in: .tenant(Self.mine)))
    }

    @Test("scopes contain themselves and what is inside them")
    func scopes() {
        let all: [Scope] = [.platform, .tenant(Self.mine), .workspace(Self.mine, Self.workspace)]
        for (outer, larger) in all.enumerated() {
            for (inner, smaller) in all.enumerated() { #expect(larger.contains(smaller) == (outer <= inner)) }
        }
        #expect(all.map(\.tenant) == [nil, Self.mine, Self.mine])
    }

    @Test("roles are found by name, have different names, and each has something to do")
    func names() {
        for role in Role.builtIn {
            #expect(Role.builtIn(named: role.name) == role)
            #expect(!role.permissions.isEmpty)
        }
        #expect(Set(Role.builtIn.map(\.name)).count == Role.builtIn.count)
        #expect(Role.builtIn(named: "root") == nil)
        #expect(
            Role.builtIn.filter(\.isPlatformRole).map(\.name) == [
                "platform-admin", "platform-auditor", "node-enroller",
            ])
    }

    @Test("permissions are noun:verb in lowercase", arguments: Permission.allCases)
    func permissionNames(_ permission: Permission) {
        #expect(permission.rawValue == "\(permission.noun):\(permission.verb)")
        #expect(permission.rawValue.wholeMatch(of: /[a-z-]+:[a-z]+/) != nil)
    }
}

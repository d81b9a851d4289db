import API
import Cryptography
import Domain
import EventLoops
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("Members, groups, roles and bindings")
struct RoleTests {
    @Test("nobody gives, through any door, a permission they lack, and nobody takes one away either")
    func escalation() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let admin = world.tokens["tenant-admin"]
            let user = try await world.member()
            // What the admin of a tenant lacks: deleting it.
            let strong = try await world.role([.usageRead, .tenantsDelete])
            let group = try await world.group()
            let machine = try await world.serviceAccount()
            for holder in [("group", group), ("service_account", machine)] {
                let given = try await server.send(
                    .post, "\(base)/bindings", token: world.admin,
                    body: [holder.0: .string(holder.1), "role": .string(strong)])
                #expect(given.status == 201, "\(given.text)")
            }
            let owned = try await server.send(
                .post, "\(base)/bindings", token: world.admin,
                body: ["user": .string(user), "role": "tenant-owner"])
            let stranger = try await world.user()
            for (method, path, body): (HTTPMethod, String, JSONValue?) in [
                (.post, "bindings", ["user": .string(user), "role": "tenant-owner"]),
                (.post, "bindings", ["user": .string(user), "role": "platform-admin"]),
                (.post, "bindings", ["user": .string(user), "role": .string(strong)]),
                (.delete, "bindings/\(owned.string("id"))", nil),
                (.delete, "members/\(user)", nil),
                (
                    .post, "members",
                    [
                        "user": .string(stranger.description),
                        "roles": [["role": "tenant-owner"]],
                    ]
                ),
                (.put, "groups/\(group)/members/\(user)", nil),
                (.delete, "groups/\(group)", nil),
                (.post, "service-accounts/\(machine)/tokens", ["name": "stolen"]),
                (.delete, "service-accounts/\(machine)", nil),
            ] {
                let reply = try await server.send(method, "\(base)/\(path)", token: admin, body: body)
                #expect(reply.status == 403, "\(method) \(path): \(reply.text)")
            }
            for (method, path, body): (HTTPMethod, String, JSONValue) in [
                (.post, "roles", ["name": "strong", "permissions": ["tenants:delete"]]),
                (.patch, "roles/\(strong)", ["permissions": ["usage:read"]]),
                (.patch, "roles/\(try await world.role())", ["permissions": ["tenants:delete"]]),
                (.post, "roles", ["name": "viewer", "permissions": ["usage:read"]]),
                (.post, "roles", ["name": "platform", "permissions": ["nodes:read"]]),
            ] {
                let reply = try await server.send(method, "\(base)/\(path)", token: admin, body: body)
                #expect(reply.status == 400, "\(method) \(path): \(reply.text)")
            }
        }
    }

    @Test("a group's role counts for its members at once, and no longer than they are in it")
    func groups() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let user = try #require(UserID(try await world.member()))
            let token = try await world.signIn(user)
            let group = try await world.group()
            let role = try await world.role([.usageRead, .keysRead])
            _ = try await server.send(
                .post, "\(base)/bindings", token: world.admin,
                body: ["group": .string(group), "role": .string(role)])
            func status() async throws -> Int {
                try await server.send(.get, "\(base)/keys", token: token).status
            }
            #expect(try await status() == 404, "a member without a role sees nothing of the tenant")
            let member = "\(base)/groups/\(group)/members/\(user)"
            for _ in 0..<2 {
                #expect(try await server.send(.put, member, token: world.admin).status == 200)
            }
            #expect(try await status() == 200)

            let access = try await server.send(.get, "\(base)/members/\(user)", token: world.admin)
            let held = access.json["permissions"]?.array?.compactMap(\.string)
            #expect(Set(held ?? []) == ["usage:read", "keys:read"])
            #expect(access.json["bindings"]?[0]?["group"]?.string == group)

            let narrowed = try await server.send(
                .patch, "\(base)/roles/\(role)", token: world.admin, body: ["permissions": ["usage:read"]])
            #expect(narrowed.status == 200)
            #expect(try await status() == 403)
            let used = try await server.send(.delete, "\(base)/roles/\(role)", token: world.admin)
            #expect(used.code == "in_use")
            _ = try await server.send(.delete, member, token: world.admin)
            let usage = try await server.send(.get, "\(base)/usage", token: token)
            #expect(usage.status == 404)
            #expect(try await server.send(.delete, member, token: world.admin).status == 404)
            _ = try await server.send(.delete, "\(base)/groups/\(group)", token: world.admin)
            let free = try await server.send(.delete, "\(base)/roles/\(role)", token: world.admin)
            #expect(free.status == 200)
        }
    }

    @Test("what a member may do is listed as it is decided, workspace by workspace")
    func effective() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let user = try await world.member()
            let workspace = world.acme.workspace
            for body: JSONValue in [
                ["user": .string(user), "role": "billing-manager"],
                ["user": .string(user), "role": "developer", "workspace": .string(workspace)],
            ] {
                let reply = try await server.send(.post, "\(base)/bindings", token: world.admin, body: body)
                #expect(reply.status == 201, "\(reply.text)")
            }
            let access = try await server.send(.get, "\(base)/members/\(user)", token: world.admin)
            let held = access.json["permissions"]?.array?.compactMap(\.string) ?? []
            #expect(Set(held) == Set(Role.billingManager.permissions.map(\.rawValue)))
            let more = access.json["workspaces"]?[0]
            #expect(more?["workspace"]?.string == workspace)
            let besides = Role.developer.permissions.subtracting(Role.billingManager.permissions)
            #expect(
                Set(more?["permissions"]?.array?.compactMap(\.string) ?? []) == Set(besides.map(\.rawValue)))
        }
    }

    @Test("the last owner stays, whichever way they would go, also when two go at once")
    func lastOwner() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.other.tenant)"
            let listed = try await server.send(.get, "\(base)/bindings", token: world.admin)
            let first = try #require(listed.json["data"]?[0])
            let owner = try #require(first["user"]?.string), binding = try #require(first["id"]?.string)
            for path in ["bindings/\(binding)", "members/\(owner)"] {
                let reply = try await server.send(.delete, "\(base)/\(path)", token: world.admin)
                #expect(reply.status == 409, "\(reply.text)")
            }
            // A second owner, through a group.
            let group = try await world.make("\(base)/groups", ["name": "Owners"])
            let second = try await world.user()
            _ = try await world.make(
                "\(base)/members", ["user": .string(second.description)], id: "user", "id")
            _ = try await server.send(.put, "\(base)/groups/\(group)/members/\(second)", token: world.admin)
            _ = try await world.make(
                "\(base)/bindings", ["group": .string(group), "role": "tenant-owner"])
            var statuses: [Int] = []
            let done = Wakeup()
            for path in ["members/\(owner)", "groups/\(group)"] {
                server.database.loop.spawn {
                    let reply = try? await server.send(.delete, "\(base)/\(path)", token: world.admin)
                    statuses.append(reply?.status ?? 0)
                    if statuses.count == 2 { done.signal() }
                }
            }
            await done.wait()
            #expect(statuses.sorted() == [200, 409])
        }
    }

    @Test("a member who is removed may do nothing there from the next request on")
    func removal() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let user = try #require(UserID(try await world.member()))
            try await world.give(.viewer, to: user, .tenant(try #require(TenantID(world.acme.tenant))))
            let token = try await world.signIn(user)
            #expect(try await server.send(.get, "\(base)/keys", token: token).status == 200)
            let removed = try await server.send(.delete, "\(base)/members/\(user)", token: world.admin)
            #expect(removed.status == 200, "\(removed.text)")
            #expect(try await server.send(.get, "\(base)/keys", token: token).status == 404)
            #expect(try await server.send(.get, "/api/v1/me", token: token).status == 200)
        }
    }
}

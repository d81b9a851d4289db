import API
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

/// RFC 7643 and 7644, with their own examples where they have some.
@Suite("SCIM")
struct SCIMTests {
    /// An identity provider of `acme`.
    private struct Provider {
        let world: World
        let token: String
        var base: String { "/api/v1/tenants/\(world.acme.tenant)/scim/v2" }

        init(_ world: World) async throws {
            self.world = world
            let tenant = "/api/v1/tenants/\(world.acme.tenant)"
            let account = try await world.serviceAccount()
            let role = try await world.role([.scimProvision])
            _ = try await world.make(
                "\(tenant)/bindings", ["service_account": .string(account), "role": .string(role)])
            let issued = try await world.server.send(
                .post, "\(tenant)/service-accounts/\(account)/tokens", token: world.admin,
                body: ["name": "identity provider"])
            token = issued.string("secret")
        }

        func send(_ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil) async throws -> Reply {
            var fields: HeaderFields = [:]
            fields.append("authorization", "Bearer \(token)")
            if body != nil { fields.append("content-type", "application/scim+json") }
            let reply = try await world.server.sendRaw(
                method, base + path, fields: fields, body: body?.bytes ?? [])
            if reply.status != 204 { #expect(reply.fields["content-type"] == "application/scim+json") }
            return reply
        }

        /// Filters are written as in the RFC and percent-encoded here.
        func find(_ kind: String, _ filter: String) async throws -> Reply {
            let encoded = filter.utf8.map { byte in
                let isPlain =
                    (48...57).contains(byte) || (65...90).contains(byte | 32 == byte ? byte - 32 : byte)
                return isPlain
                    ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }.joined()
            return try await send(.get, "/\(kind)?filter=\(encoded)")
        }

        func user(_ name: String, _ more: JSONValue = [:]) async throws -> String {
            var body: JSONValue = [
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": .string("\(name)@acme.example"),
            ]
            if case .object(var object) = body {
                for member in more.object?.members ?? [] { object[member.name] = member.value }
                body = .object(object)
            }
            let made = try await send(.post, "/Users", body)
            #expect(made.status == 201, "\(made.text)")
            return made.string("id")
        }

        func patch(_ path: String, _ operations: JSONValue...) async throws -> Reply {
            try await send(
                .patch, path,
                [
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                    "Operations": .array(operations),
                ])
        }
    }

    @Test("a user is made (RFC 7644 §3.3), is a member at once, and their account is made but never changed")
    func creation() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let provider = try await Provider(world)
            let made = try await provider.send(
                .post, "/Users",
                [
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bjensen",
                    "externalId": "bjensen",
                    "name": [
                        "formatted": "Ms. Barbara J Jensen III", "familyName": "Jensen",
                        "givenName": "Barbara",
                    ],
                    "emails": [["value": "bjensen@example.com", "primary": true]], "title": "Tour Guide",
                ])
            #expect(made.status == 201, "\(made.text)")
            #expect(made.fields["location"] == made.string("meta", "location"))
            #expect(made.string("name", "familyName") == "Jensen" && made.json["active"]?.boolean == true)
            let id = made.string("id")
            let member = try await server.send(
                .get, "/api/v1/tenants/\(world.acme.tenant)/members/\(id)", token: world.admin)
            #expect(member.string("member", "user", "email") == "bjensen@example.com")
            let again = try await provider.send(
                .post, "/Users", ["userName": "BJensen", "emails": [["value": "other@example.com"]]])
            #expect(again.status == 409 && again.string("scimType") == "uniqueness", "\(again.text)")
            #expect(again.string("detail") == "userName is taken already.")

            // Somebody the platform knows already, from another tenant: it is not ours to take them in,
            // unless they are a member or the platform gave us their domain.
            let known = try await world.user()
            let before = try await server.send(.get, "/api/v1/users/\(known)", token: world.admin)
            let email = before.string("user", "email")
            let taken = try await provider.send(.post, "/Users", ["userName": .string(email)])
            #expect(taken.status == 409 && taken.string("scimType") == "uniqueness", "\(taken.text)")
            let settled = try await server.send(
                .patch, "/api/v1/tenants/\(world.acme.tenant)", token: world.admin,
                body: ["sign_up_domain": .string(User.domain(of: email))])
            #expect(settled.status == 200)
            let joined = try await provider.send(
                .post, "/Users", ["userName": .string(email), "displayName": "Renamed"])
            #expect(joined.string("id") == known.description)
            _ = try await provider.send(
                .put, "/Users/\(known)", ["userName": .string(email), "active": false])
            let after = try await server.send(.get, "/api/v1/users/\(known)", token: world.admin)
            #expect(after.json["user"] == before.json["user"])
            let long = String(repeating: "x", count: 256)
            for (body, type): (JSONValue, String) in [
                (["displayName": "nobody"], "invalidValue"), (["userName": 7], "invalidValue"),
                (["userName": "no address"], "invalidValue"),
                (["userName": "a@b.example", "active": "perhaps"], "invalidValue"),
                (["userName": "a@b.example", "name": ["givenName": .string(long)]], "invalidValue"),
            ] {
                let reply = try await provider.send(.post, "/Users", body)
                #expect(reply.status == 400 && reply.string("scimType") == type, "\(reply.text)")
                #expect(!reply.string("detail").contains("/"), "attributes are named as SCIM does")
            }
        }
    }

    @Test("users and groups are found by filters and listed in pages (RFC 7644 §3.4.2)")
    func filters() async throws {
        try await withAdminServer { server in
            let provider = try await Provider(try await World(server))
            let ana = try await provider.user(
                "ana", ["externalId": "701984", "name": ["familyName": "O'Malley", "givenName": "Ana"]])
            let bia = try await provider.user("bia", ["displayName": "Bia \"B\" Silva"])
            let carl = try await provider.user("carl", ["active": false])
            for (filter, expected): (String, [String]) in [
                (#"userName eq "ANA@acme.example""#, [ana]),
                (#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "b""#, [bia]),
                (#"name.familyName co "O'Malley""#, [ana]), (#"externalId eq "701984""#, [ana]),
                (#"userName co "acme" and active eq true"#, [ana, bia]), ("active eq false", [carl]),
                (#"displayName eq "Bia \"B\" Silva""#, [bia]), ("displayName pr", [bia]),
                (#"not (userName sw "a") and (userName co "b" or userName co "c")"#, [bia, carl]),
                (#"userName ew "nobody""#, []), (#"id eq "\#(ana)""#, [ana]),
                (#"emails.value eq "ana@acme.example""#, [ana]), (#"emails eq "ana@acme.example""#, [ana]),
                (#"userName co "%""#, []),
            ] {
                let found = try await provider.find("Users", filter)
                let ids = found.json["Resources"]?.array?.compactMap { $0["id"]?.string }
                #expect(Set(ids ?? ["none"]) == Set(expected), "\(filter): \(found.text)")
                #expect(found.json["totalResults"]?.exactInt64 == Int64(expected.count))
            }
            for filter in [
                "", "userName", "userName eq", "userName is \"a\"", "(userName pr", "userName eq \"a",
                "password eq \"a\"", "userName pr pr", String(repeating: "(", count: 100),
            ] {
                let reply = try await provider.find("Users", filter)
                #expect(reply.status == 400 && reply.string("scimType") == "invalidFilter", "\(filter)")
            }
            var seen: [String] = []
            for start in 1...4 {
                let page = try await provider.send(.get, "/Users?startIndex=\(start)&count=1")
                #expect(page.json["totalResults"]?.exactInt64 == 3)
                seen += page.json["Resources"]?.array?.compactMap { $0["id"]?.string } ?? []
            }
            #expect(seen.count == 3 && Set(seen) == [ana, bia, carl])
            let few = try await provider.send(.get, "/Users/\(ana)?attributes=userName")
            #expect(few.json.object?.names.sorted() == ["id", "schemas", "userName"])
        }
    }

    @Test("users are changed by PUT and PATCH (RFC 7644 §3.5), and go; what they may do ends with it")
    func changes() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let provider = try await Provider(world)
            let id = try await provider.user("ana", ["displayName": "Ana"])
            let path = "/Users/\(id)"
            let patched = try await provider.patch(
                path,
                ["op": "Add", "value": ["name.givenName": "Ana", "name": ["familyName": "Reis"]]],
                ["op": "replace", "path": "displayName", "value": "Ana Reis"],
                ["op": "replace", "path": "emails[type eq \"work\"].value", "value": "ana@new.example"],
                ["op": "add", "path": "title", "value": "not kept"])
            #expect(patched.status == 200, "\(patched.text)")
            #expect(patched.string("name", "givenName") == "Ana")
            #expect(patched.string("name", "familyName") == "Reis")
            #expect(patched.string("displayName") == "Ana Reis")
            #expect(patched.json["emails"]?[0]?["value"]?.string == "ana@new.example")
            let removed = try await provider.patch(path, ["op": "remove", "path": "displayName"])
            #expect(removed.json["displayName"] == nil)
            for (operation, type): (JSONValue, String) in [
                (["op": "remove"], "noTarget"), (["op": "move", "path": "userName"], "invalidSyntax"),
                (["op": "replace", "path": "id", "value": "x"], "mutability"),
                (["op": "replace", "value": ["id": "x"]], "mutability"),
                (["op": "replace", "path": "emails[type eq \"home\"].value", "value": "x"], "noTarget"),
                (["op": "replace", "path": "emails[type", "value": "x"], "invalidPath"),
                (["op": "remove", "path": "userName"], "invalidValue"),
            ] {
                let reply = try await provider.patch(path, operation)
                #expect(reply.status == 400 && reply.string("scimType") == type, "\(reply.text)")
            }

            let user = try #require(UserID(id))
            try await world.give(.viewer, to: user, .tenant(try #require(TenantID(world.acme.tenant))))
            let token = try await world.signIn(user)
            let keys = "/api/v1/tenants/\(world.acme.tenant)/keys"
            #expect(try await server.send(.get, keys, token: token).status == 200)
            // As some providers write it.
            let off = try await provider.patch(
                path, ["op": "Replace", "path": "active", "value": "False"])
            #expect(off.json["active"]?.boolean == false)
            #expect(try await server.send(.get, keys, token: token).status == 401)
            #expect(try await server.send(.get, keys, token: world.signIn(user)).status == 404)
            #expect(try await provider.send(.delete, path).status == 204)
            let gone = try await provider.send(.get, path)
            #expect(gone.status == 404 && gone.string("status") == "404")
            #expect(gone.json["schemas"]?[0]?.string == "urn:ietf:params:scim:api:messages:2.0:Error")
        }
    }

    @Test("a group's members get its roles; an inactive one gets them back with their membership")
    func groups() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let provider = try await Provider(world)
            let ana = try await provider.user("ana"), bia = try await provider.user("bia")
            let made = try await provider.send(
                .post, "/Groups", ["displayName": "Tour Guides", "members": [["value": .string(ana)]]])
            #expect(made.status == 201, "\(made.text)")
            let id = made.string("id")
            _ = try await world.make(
                "/api/v1/tenants/\(world.acme.tenant)/bindings",
                ["group": .string(id), "role": "viewer"])
            let keys = "/api/v1/tenants/\(world.acme.tenant)/keys"
            var tokens: [String: String] = [:]
            for user in [ana, bia] { tokens[user] = try await world.signIn(try #require(UserID(user))) }
            func may(_ user: String) async throws -> Bool {
                try await server.send(.get, keys, token: tokens[user]).status == 200
            }
            #expect(try await [may(ana), may(bia)] == [true, false])
            // RFC 7644 §3.5.2.1
            let added = try await provider.patch(
                "/Groups/\(id)",
                ["op": "add", "path": "members", "value": [["display": "Bia", "value": .string(bia)]]])
            #expect(added.json["members"]?.array?.count == 2, "\(added.text)")
            #expect(try await [may(ana), may(bia)] == [true, true])
            let shown = try await provider.send(.get, "/Users/\(bia)")
            #expect(shown.json["groups"]?[0]?["display"]?.string == "Tour Guides")
            for isActive in [false, true] {
                _ = try await provider.patch(
                    "/Users/\(bia)", ["op": "replace", "value": ["active": .boolean(isActive)]])
                tokens[bia] = try await world.signIn(try #require(UserID(bia)))
                #expect(try await may(bia) == isActive)
            }
            // §3.5.2.2
            let one = try await provider.patch(
                "/Groups/\(id)", ["op": "remove", "path": .string("members[value eq \"\(ana)\"]")])
            #expect(one.json["members"]?.array?.compactMap { $0["value"]?.string } == [bia])
            let none = try await provider.patch("/Groups/\(id)", ["op": "remove", "path": "members"])
            #expect(none.json["members"]?.array?.isEmpty == true)
            #expect(try await [may(ana), may(bia)] == [false, false])
            let found = try await provider.find("Groups", "displayName eq \"tour guides\"")
            #expect(found.json["totalResults"]?.exactInt64 == 1)
            let stranger = try await provider.send(
                .put, "/Groups/\(id)",
                [
                    "displayName": "Tour Guides",
                    "members": [["value": .string(UserID(at: server.clock.now).description)]],
                ])
            #expect(stranger.status == 400)
            let taken = try await provider.send(.post, "/Groups", ["displayName": "TOUR GUIDES"])
            #expect(taken.status == 409 && taken.string("scimType") == "uniqueness")
            #expect(taken.string("detail") == "displayName is taken already.")
            #expect(try await provider.send(.delete, "/Groups/\(id)").status == 204)
        }
    }

    @Test("the service says what it is, to those who may use it; others and other tenants get nothing")
    func discovery() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let provider = try await Provider(world)
            let config = try await provider.send(.get, "/ServiceProviderConfig")
            #expect(config.json["patch"]?["supported"]?.boolean == true)
            for (path, count) in [("/ResourceTypes", 2), ("/Schemas", 2)] {
                let list = try await provider.send(.get, path)
                #expect(list.json["totalResults"]?.exactInt64 == Int64(count))
                for resource in list.json["Resources"]?.array ?? [] {
                    let id = resource["id"]?.string ?? ""
                    #expect(try await provider.send(.get, "\(path)/\(id)").json == resource)
                }
            }
            for path in [
                "/Schemas/urn:nothing", "/Users/nobody", "/Groups/\(try await provider.user("ana"))",
            ] {
                #expect(try await provider.send(.get, path).status == 404, "\(path)")
            }
            func status(_ token: String?, _ tenant: String) async throws -> Int {
                try await server.send(.get, "/api/v1/tenants/\(tenant)/scim/v2/Users", token: token).status
            }
            #expect(try await status(nil, world.acme.tenant) == 401)
            #expect(try await status(provider.token, world.other.tenant) == 404)
            #expect(try await status(world.tokens["tenant-admin"], world.acme.tenant) == 403)
        }
    }

    @Test("changes of users are taken as Okta and Entra send them")
    func dialects() async throws {
        try await withAdminServer { server in
            let provider = try await Provider(try await World(server))
            // Entra: much that is not kept, and a work address.
            let made = try await provider.send(
                .post, "/Users",
                [
                    "schemas": [
                        "urn:ietf:params:scim:schemas:core:2.0:User",
                        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                    ],
                    "externalId": "0a21f0f2", "userName": "ana@acme.example", "active": true,
                    "displayName": "Ana",
                    "emails": [["type": "work", "primary": true, "value": "ana@acme.example"]],
                    "meta": ["resourceType": "User"], "roles": [],
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": ["department": "R&D"],
                ])
            #expect(made.status == 201, "\(made.text)")
            let path = "/Users/\(made.string("id"))"
            let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
            for (operations, active, name): ([JSONValue], Bool, String?) in [
                ([["op": "Replace", "path": "active", "value": "False"]], false, "Ana"),
                ([["op": "Replace", "path": "active", "value": "True"]], true, "Ana"),
                ([["op": "Replace", "value": ["active": false, "displayName": "A"]]], false, "A"),
                ([["op": "replace", "value": ["active": true, "\(urn):department": "Sales"]]], true, "A"),
                (
                    [
                        ["op": "Add", "path": .string("\(urn):manager"), "value": "x"],
                        ["op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1"],
                        [
                            "op": "Replace", "path": "emails[type eq \"work\"].value",
                            "value": "b@acme.example",
                        ],
                        ["op": "Remove", "path": "displayName"],
                    ], true, nil
                ),
                (
                    [["op": "replace", "value": ["id": .string(made.string("id")), "displayName": "Ana"]]],
                    true, "Ana"
                ),
            ] {
                let reply = try await provider.send(
                    .patch, path,
                    [
                        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                        "Operations": .array(operations),
                    ])
                #expect(reply.status == 200, "\(reply.text)")
                #expect(reply.json["active"]?.boolean == active, "\(reply.text)")
                #expect(reply.json["displayName"]?.string == name, "\(reply.text)")
            }
        }
    }

    @Test("changes of groups are taken as Okta and Entra send them")
    func groupDialects() async throws {
        try await withAdminServer { server in
            let provider = try await Provider(try await World(server))
            let id = try await provider.user("ana")
            let group = try await provider.send(
                .post, "/Groups", ["displayName": "Staff", "externalId": "8aa1a0c0", "members": []])
            let groupPath = "/Groups/\(group.string("id"))"
            for (operation, count): (JSONValue, Int) in [
                (["op": "Add", "path": "members", "value": [["value": .string(id)]]], 1),
                (["op": "Add", "path": "members", "value": [["value": .string(id)]]], 1),
                (["op": "Remove", "path": "members", "value": [["value": .string(id)]]], 0),
                (["op": "add", "value": ["members": [["value": .string(id), "display": "ana"]]]], 1),
                (
                    [
                        "op": "replace",
                        "value": ["id": .string(group.string("id")), "displayName": "All staff"],
                    ], 1
                ),
                (["op": "remove", "path": .string("members[value eq \"\(id)\"]")], 0),
                (["op": "replace", "path": "members", "value": [["value": .string(id)]]], 1),
            ] {
                let reply = try await provider.patch(groupPath, operation)
                #expect(reply.json["members"]?.array?.count == count, "\(operation.text): \(reply.text)")
            }
            let bare = try await provider.send(.get, "\(groupPath)?excludedAttributes=members&unknown=1")
            #expect(bare.json["members"] == nil && bare.string("displayName") == "All staff")
            for (filter, total): (String, Int64) in [
                ("id eq \"\(group.string("id"))\" and members eq \"\(id)\"", 1),
                ("members eq \"\(group.string("id"))\"", 0), ("externalId eq \"8aa1a0c0\"", 1),
            ] {
                let found = try await provider.find("Groups", filter)
                #expect(found.json["totalResults"]?.exactInt64 == total, "\(filter): \(found.text)")
            }
        }
    }

    @Test("a deprovisioned user's sessions end, but not those of an account that is not the tenant's")
    func sessionsEnd() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let provider = try await Provider(world)
            let tenant = try #require(TenantID(world.acme.tenant))
            let made = try #require(UserID(try await provider.user("ana")))
            let token = try await world.signIn(made)
            let off: JSONValue = ["op": "replace", "value": ["active": false]]
            _ = try await provider.patch("/Users/\(made)", off)
            #expect(try await server.send(.get, "/api/v1/me", token: token).status == 401)

            let guest = try #require(UserID(try await world.member()))
            let email = try await server.send(.get, "/api/v1/users/\(guest)", token: world.admin)
                .string("user", "email")
            let taken = try await provider.send(.post, "/Users", ["userName": .string(email)])
            #expect(taken.string("id") == guest.description, "\(taken.text)")
            let own = try await world.signIn(guest), here = try await world.signIn(guest, only: tenant)
            _ = try await provider.send(.delete, "/Users/\(guest)")
            #expect(try await server.send(.get, "/api/v1/me", token: own).status == 200)
            #expect(try await server.send(.get, "/api/v1/me", token: here).status == 401)
            let base = "/api/v1/tenants/\(tenant)"
            #expect(try await server.send(.get, "\(base)/members/\(guest)", token: world.admin).status == 404)
        }
    }

    @Test("of members added at once none is lost, and If-Match keeps writers apart")
    func atOnce() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let provider = try await Provider(world)
            let group = try await provider.send(.post, "/Groups", ["displayName": "Staff"])
            let path = "/Groups/\(group.string("id"))"
            var ids: [String] = []
            for index in 0..<4 { ids.append(try await provider.user("user\(index)")) }
            let added = ids
            let replies = await server.all(4) { index in
                try await provider.patch(
                    path, ["op": "add", "path": "members", "value": [["value": .string(added[index])]]])
            }
            #expect(replies.map(\.status) == [200, 200, 200, 200])
            let all = try await provider.send(.get, path)
            #expect(all.json["members"]?.array?.count == 4, "\(all.text)")

            let tag = try #require(all.fields["etag"])
            for (tag, status) in [(tag, 200), (tag, 412)] {
                let reply = try await server.send(
                    .put, provider.base + path, token: provider.token, body: ["displayName": "Other"],
                    fields: ["if-match": tag])
                #expect(reply.status == status, "\(reply.text)")
            }
        }
    }
}

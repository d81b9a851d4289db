import API
import Contract
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("Keys in full")
struct KeyTests {
    @Test("a key is changed in every respect, and null empties what may be empty")
    func update() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/keys/\(world.acme.key)"
            let changed = try await server.send(
                .patch, path, token: world.admin,
                body: [
                    "name": "checkout", "endpoints": ["chat", "models"],
                    "routes": [.string(world.acme.route)],
                    "models": [.string(world.acme.model), .string(world.shared.model)],
                    "ip_ranges": ["10.0.0.0/8", "2001:DB8::/32", "192.0.2.1"], "strict": true,
                    "tags": ["team:red"], "metadata": ["ticket": "A-1"], "not_before": "2020-01-01T00:00:00Z",
                    "expires_at": "2099-01-01T00:00:00Z",
                ])
            #expect(changed.status == 200, "\(changed.text)")
            #expect(changed.json["ip_ranges"]?.text == #"["10.0.0.0/8","2001:db8::/32","192.0.2.1/32"]"#)
            #expect(changed.json["metadata"]?["ticket"]?.string == "A-1")
            #expect(changed.json["strict"]?.boolean == true)
            #expect(changed.json["models"]?.array?.count == 2)
            let got = try await server.send(.get, path, token: world.admin)
            #expect(got.json == changed.json)
            let emptied = try await server.send(
                .patch, path, token: world.admin,
                body: [
                    "endpoints": .null, "routes": [], "models": [], "ip_ranges": [], "not_before": .null,
                    "expires_at": .null, "tags": [], "metadata": [:], "strict": false,
                ])
            for name in ["endpoints", "not_before", "expires_at"] { #expect(emptied.json[name] == .null) }
            for name in ["routes", "models", "ip_ranges", "tags"] {
                #expect(emptied.json[name]?.array?.isEmpty == true)
            }
            #expect(emptied.string("name") == "checkout", "what is missing stays")
            _ = try await server.send(.post, "\(path)/revoke", token: world.admin)
            let late = try await server.send(.patch, path, token: world.admin, body: ["name": "x"])
            #expect(late.code == "already_revoked")
        }
    }

    @Test("what is wrong with a change or a new key is said at its place, and nothing is changed")
    func problems() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/keys"
            let path = "\(base)/\(world.acme.key)"
            let before = try await server.send(.get, path, token: world.admin)
            let cases: [(JSONValue, [String])] = [
                (["ip_ranges": ["10.0.0.1/8", "::1", "x"]], ["/ip_ranges/0", "/ip_ranges/2"]),
                (["tags": ["a", "a"]], ["/tags/1"]), (["tags": ["no blanks"]], ["/tags/0"]),
                (["tags": .array((0..<17).map { .string("t\($0)") })], ["/tags"]),
                (["metadata": ["a b": "x"]], ["/metadata"]),
                (["metadata": ["a": .string(String(repeating: "x", count: 513))]], ["/metadata/a"]),
                (["metadata": ["a": 1]], ["/metadata/a"]),
                (["models": [.string(world.other.model)]], ["/models/0"]),
                (["routes": [.string(world.other.route)]], ["/routes/0"]),
                (["expires_at": "2020-01-01T00:00:00Z"], ["/expires_at"]),
                (["owner": .string(UserID(at: server.clock.now).description)], ["/owner"]),
                (["kind": "personal"], ["/kind"]), (["name": .null], ["/name"]),
            ]
            for (body, pointers) in cases {
                let reply = try await server.send(.patch, path, token: world.admin, body: body)
                #expect(reply.status == 400, "\(body.text)")
                #expect(reply.pointers == pointers, "\(body.text): \(reply.text)")
            }
            #expect(try await server.send(.get, path, token: world.admin).json == before.json)
            let workspace = JSONValue.string(world.acme.workspace)
            let new: [(JSONValue, [String])] = [
                (["workspace": workspace, "name": "p", "kind": "personal"], ["/owner"]),
                (
                    [
                        "workspace": workspace, "name": "p", "kind": "playground",
                        "expires_at": .string(server.clock.now.advanced(bySeconds: 301).description),
                    ], ["/expires_at"]
                ),
            ]
            for (body, pointers) in new {
                let reply = try await server.send(.post, base, token: world.admin, body: body)
                #expect(reply.pointers == pointers, "\(body.text): \(reply.text)")
            }
            let playground = try await server.send(
                .post, base, token: world.admin,
                body: ["workspace": workspace, "name": "p", "kind": "playground"])
            let expires = server.clock.now.advanced(bySeconds: 300).description
            #expect(playground.string("key", "expires_at") == expires)
        }
    }

    @Test("a rotated key has a new secret under its old public id; the old one has a time of its own")
    func rotation() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/keys"
            let issued = try await server.send(
                .post, base, token: world.admin,
                body: ["workspace": .string(world.acme.workspace), "name": "app"])
            let old = try #require(KeyText(issued.string("secret")))
            let path = "\(base)/\(issued.string("key", "id"))"
            let until = server.clock.now.advanced(bySeconds: 3600)
            let rotated = try await server.send(
                .post, "\(path)/rotate", token: world.admin,
                body: ["previous_valid_until": .string(until.description)])
            let new = try #require(KeyText(rotated.string("secret")))
            #expect(new.publicID == old.publicID && new.reveal() != old.reveal())
            #expect(rotated.string("key", "previous_valid_until") == until.description)
            func published() async throws -> KeyEntry? {
                let keys = try await server.database.pool.withTransaction(.readOnlySnapshot) {
                    try await SnapshotExport.keys(at: server.clock.now, $0).keys
                }
                return keys.first { $0.publicID == old.publicID }
            }
            var entry = try await published()
            #expect(entry?.secretHash == SecretHash(of: new))
            #expect(entry?.previous == PreviousSecret(hash: SecretHash(of: old), until: until))
            let ended = try await server.send(.post, "\(path)/end-overlap", token: world.admin)
            #expect(ended.string("previous_valid_until") == server.clock.now.description)
            entry = try await published()
            #expect(entry?.previous?.until == server.clock.now)
            let tooLong = try await server.send(
                .post, "\(path)/rotate", token: world.admin,
                body: ["previous_valid_until": "2099-01-01T00:00:00Z"])
            #expect(tooLong.pointers == ["/previous_valid_until"])
            let again = try await server.send(.post, "\(path)/rotate", token: world.admin, body: [:])
            let third = try #require(KeyText(again.string("secret")))
            entry = try await published()
            #expect(entry?.secretHash == SecretHash(of: third))
            #expect(entry?.previous?.hash == SecretHash(of: new), "the oldest secret is gone")
            let list = try await server.send(.get, base, token: world.admin)
            for text in [old, new, third] {
                #expect(!list.text.contains(text.reveal()) && !server.logged.all.contains(text.reveal()))
            }
            _ = try await server.send(.post, "\(path)/revoke", token: world.admin)
            let late = try await server.send(.post, "\(path)/rotate", token: world.admin, body: [:])
            #expect(late.code == "already_revoked")
        }
    }

    @Test("keys are revoked by tag, workspace or owner, a part at a time, and never by no filter at all")
    func bulk() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = "/api/v1/tenants/\(world.acme.tenant)"
            let workspace = try #require(WorkspaceID(world.acme.workspace))
            let acme = try #require(TenantID(world.acme.tenant))
            let count = KeyOperations.maximumRevokedAtOnce + 20
            try await server.database.pool.withTransaction { connection in
                var generator = SystemRandomNumberGenerator()
                for index in 0..<count {
                    let text = KeyText(using: &generator)
                    let key = Key(
                        id: KeyID(at: server.clock.now), tenant: acme, workspace: workspace,
                        name: "k\(index)",
                        publicID: text.publicID, tags: index % 2 == 0 ? ["ci", "old"] : ["ci"],
                        createdAt: server.clock.now)
                    try await KeyStore.create(
                        key, secretHash: SecretHash(of: text), createdBy: nil, connection)
                }
            }
            func revoke(_ body: JSONValue) async throws -> Reply {
                try await server.send(.post, "\(tenant)/key-revocations", token: world.admin, body: body)
            }
            #expect(try await revoke([:]).pointers == [""])
            let first = try await revoke(["tag": "ci"])
            #expect(first.json["revoked"]?.array?.count == KeyOperations.maximumRevokedAtOnce)
            #expect(first.json["remaining"]?.exactInt64 == 20)
            #expect(first.string("propagation") == "/api/v1/changes/\(first.change ?? "")")
            let second = try await revoke(["tag": "ci", "workspace": .string(world.acme.workspace)])
            #expect(second.json["revoked"]?.array?.count == 20)
            #expect(second.json["remaining"]?.exactInt64 == 0)
            let other = try await server.send(
                .get, "\(tenant)/keys/\(world.acme.key)", token: world.admin)
            #expect(other.string("standing") == "active", "a key without the tag stands")
            let listed = try await server.send(.get, "\(tenant)/keys?tag=old&limit=200", token: world.admin)
            #expect(listed.json["data"]?.array?.count == 200)
            let named = try await revoke(["keys": [.string(world.acme.key), .string(world.other.key)]])
            #expect(named.json["revoked"]?.text == "[\"\(world.acme.key)\"]")
            let foreign = try await server.send(
                .get, "/api/v1/tenants/\(world.other.tenant)/keys/\(world.other.key)", token: world.admin)
            #expect(foreign.string("standing") == "active", "another tenant's key stands")
        }
    }

    @Test("a key is found by the tags it has, not by those it had")
    func tags() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/keys"
            func found(_ tag: String) async throws -> [String?] {
                let list = try await server.send(.get, "\(base)?tag=\(tag)", token: world.admin)
                return (list.json["data"]?.array ?? []).map { $0["id"]?.string }
            }
            let key = world.acme.key
            let steps: [(tags: JSONValue, red: [String], blue: [String])] = [
                (["red", "blue"], [key], [key]), (["blue"], [], [key]), ([], [], []), (["red"], [key], []),
            ]
            for (tags, red, blue) in steps {
                let changed = try await server.send(
                    .patch, "\(base)/\(key)", token: world.admin, body: ["tags": tags])
                #expect(changed.status == 200, "\(changed.text)")
                #expect(try await found("red") == red, "\(tags)")
                #expect(try await found("blue") == blue, "\(tags)")
            }
        }
    }

    @Test(
        "what is read of a key can be sent back, and makes another like it",
        arguments: [nil, ["chat"], ["embeddings", "passthrough"]] as [[String]?])
    func sentBack(_ endpoints: [String]?) async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/keys"
            func kept(_ json: JSONValue, by operation: String) -> JSONValue {
                let route = RouteTable.all.first { $0.operationID == operation }
                var body = JSONObject()
                for field in route?.body?.fields ?? [] { body[field.name] = json[field.name] }
                return .object(body)
            }
            let sent: JSONValue = endpoints.map { .array($0.map { .string($0) }) } ?? .null
            let made = try await server.send(
                .post, base, token: world.admin,
                body: [
                    "workspace": .string(world.acme.workspace), "name": "first", "endpoints": sent,
                    "tags": ["a"], "metadata": ["team": "x"],
                ])
            let first = try #require(made.json["key"])
            #expect(first["endpoints"] == sent)
            let changed = try await server.send(
                .patch, "\(base)/\(try #require(first["id"]?.string))", token: world.admin,
                body: kept(first, by: "keys.update"))
            #expect(changed.status == 200, "\(changed.text)")
            #expect(kept(changed.json, by: "keys.create") == kept(first, by: "keys.create"))
            let copied = try await server.send(
                .post, base, token: world.admin, body: kept(first, by: "keys.create"))
            #expect(copied.status == 201, "\(copied.text)")
            let copy = try #require(copied.json["key"])
            #expect(kept(copy, by: "keys.create") == kept(first, by: "keys.create"))
        }
    }

    @Test("a personal key ends when its owner leaves; other keys only lose their owner")
    func owners() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let acme = try #require(TenantID(world.acme.tenant))
            let base = "/api/v1/tenants/\(world.acme.tenant)/keys"
            let email = "\(world.fresh("u"))@example.com"
            let user = try await world.make(
                "/api/v1/users",
                [
                    "email": .string(email), "name": "U", "password": "a long enough password",
                    "bindings": [["role": "viewer", "tenant": .string(world.acme.tenant)]],
                ], id: "user", "id")
            var ids: [String] = []
            for kind in ["personal", "application"] {
                ids.append(
                    try await world.make(
                        base,
                        [
                            "workspace": .string(world.acme.workspace), "name": "k", "kind": .string(kind),
                            "owner": .string(user),
                        ], id: "key", "id"))
            }
            let mine = try await server.send(.get, "\(base)?owner=\(user)", token: world.admin)
            #expect(mine.json["data"]?.array?.count == 2)
            let member = try #require(UserID(user))
            try await server.database.pool.withTransaction { connection in
                try await connection.execute(
                    "delete from members where tenant_id = \(acme) and user_id = \(member)")
            }
            let standings = try await ids.asyncMap {
                try await server.send(.get, "\(base)/\($0)", token: world.admin).string("standing")
            }
            #expect(standings == ["revoked", "active"])
        }
    }
}

extension Array {
    fileprivate func asyncMap<Result>(_ body: (Element) async throws -> Result) async throws -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await body(element)) }
        return results
    }
}

import API
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("Reading the audit log")
struct AuditDepthTests {
    private func members(_ reply: Reply, _ name: String) -> [String] {
        reply.json["data"]?.array?.compactMap { $0[name]?.string } ?? []
    }

    @Test("a change has what was before and after, of what changed alone")
    func beforeAndAfter() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let secret = "sk-new-credential-0123456789"
            _ = try await server.send(
                .patch, "\(base)/providers/\(world.acme.provider)", token: world.admin,
                body: [
                    "enabled": false, "credential": .string(secret),
                    "headers": ["x-team": "header-canary-1234"],
                ])
            let log = try await server.send(
                .get, "\(base)/audit-events?action=providers.update", token: world.admin)
            let event = try #require(log.json["data"]?[0])
            let details = try #require(event["details"])
            #expect(details["name"] == "openai")
            #expect(details["before"]?["enabled"] == true && details["after"]?["enabled"] == false)
            #expect(details["after"]?["credential_replaced"] == true)
            #expect(details["after"]?["headers"] == ["x-team"] && details["before"]?["headers"] == [])
            #expect(details["after"]?["base_url"] == nil, "what did not change is not there")
            #expect(!log.text.contains(secret) && !log.text.contains("header-canary"))
            #expect(event["target_id"]?.string == world.acme.provider)
            #expect(event["tenant"]?.string == world.acme.tenant)
            let id = try #require(event["id"]?.string)
            let one = try await server.send(.get, "\(base)/audit-events/\(id)", token: world.admin)
            #expect(one.json == event)
            let elsewhere = try await server.send(.get, "/api/v1/audit-events/\(id)", token: world.admin)
            #expect(elsewhere.status == 404)
        }
    }

    @Test("the log is filtered by actor, action, target and time; a wrong filter is named")
    func filters() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/audit-events"
            let me = try await server.send(.get, "/api/v1/me", token: world.admin).string("user", "id")
            for (query, expected) in [
                ("action=keys", ["keys.create"]), ("action=routes.create", ["routes.create"]),
                ("target=\(world.acme.model)", ["models.create"]),
                ("target_kind=workspace", ["workspaces.create"]),
                ("actor=\(me)&action=keys", ["keys.create"]),
                ("actor=\(NodeID(at: server.clock.now))", []), ("to=2000-01-01T00:00:00Z", []),
            ] {
                let reply = try await server.send(.get, "\(path)?\(query)", token: world.admin)
                #expect(members(reply, "action") == expected, "\(query): \(reply.text)")
            }
            for (query, pointer) in [
                ("actor=ana", "actor"), ("from=yesterday", "from"), ("cursor=AAAA", "cursor"),
                ("from=2030-01-01T00:00:00Z&to=2020-01-01T00:00:00Z", "from"), ("before=3", "before"),
                ("cursor=AZ3pAAAAAAAAAAAAAAAAAA", "cursor"),
            ] {
                let reply = try await server.send(.get, "\(path)?\(query)", token: world.admin)
                #expect(reply.status == 400 && reply.pointers == [pointer], "\(query): \(reply.text)")
            }
        }
    }

    @Test("what a user did is found across logs by the platform, and by themselves")
    func activity() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let owner = try #require(world.tokens["tenant-owner"])
            _ = try await server.send(
                .post, "/api/v1/tenants/\(world.acme.tenant)/workspaces", token: owner,
                body: ["slug": "mine", "name": "Mine"])
            let mine = try await server.send(.get, "/api/v1/me/audit-events", token: owner)
            #expect(members(mine, "action") == ["workspaces.create"])
            let id = try await server.send(.get, "/api/v1/me", token: owner).string("user", "id")
            let theirs = try await server.send(
                .get, "/api/v1/users/\(id)/audit-events", token: world.tokens["platform-auditor"])
            #expect(theirs.json["data"] == mine.json["data"])
            let admins = try await server.send(
                .get, "/api/v1/me/audit-events?limit=200", token: world.admin)
            #expect(Set(members(admins, "tenant")).isSuperset(of: [world.acme.tenant, world.other.tenant]))
        }
    }

    @Test("verifying says that a chain holds, or where it was changed")
    func verifying() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/audit-events/verify"
            let auditor = try #require(world.tokens["platform-auditor"])
            let whole = try await server.send(.post, path, token: auditor)
            #expect(whole.json == ["holds": true, "events": 6, "first_broken": nil])
            try await server.database.pool.withConnection { connection in
                try await connection.executeScript("alter table audit_events disable trigger history_stays")
                try await connection.executeScript(
                    "update audit_events set details = '{}' where sequence = 4 and target_kind = 'price'")
            }
            let broken = try await server.send(.post, path, token: auditor)
            #expect(broken.json == ["holds": false, "events": 6, "first_broken": 4])
            let platform = try await server.send(.post, "/api/v1/audit-events/verify", token: auditor)
            #expect(platform.json["holds"] == true)
        }
    }

    @Test("a log of thousands of events is exported whole, in order, once each, in both formats")
    func export() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let count = 1501
            try await server.database.pool.withTransaction { connection in
                for number in 0..<count - 6 {
                    try await AuditStore.append(
                        AuditEvent(
                            id: AuditEventID(at: server.clock.now), tenant: tenant,
                            occurredAt: server.clock.now, actor: .system, action: "things.count",
                            target: .init(kind: "thing"),
                            details: #"{"name": "a \"quoted\", \#(number)\n=1+1"}"#), connection)
                }
            }
            let path = "/api/v1/tenants/\(world.acme.tenant)/audit-events/export"
            let lines = try await server.send(.get, path, token: world.admin)
            #expect(lines.fields["content-type"] == "application/x-ndjson")
            #expect(lines.fields["content-disposition"] == "attachment; filename=\"audit-events.ndjson\"")
            let events = lines.text.split(separator: "\n").map { try? JSONValue.parse(Array($0.utf8)) }
            let sequences = events.map { $0?["sequence"]?.exactInt64 ?? 0 }
            #expect(sequences == (1...Int64(count)).reversed())
            let table = try await server.send(
                .get, "\(path)?format=csv&action=things.count", token: world.admin)
            #expect(table.fields["content-type"]?.hasPrefix("text/csv") == true)
            let rows = table.text.split(separator: "\r\n")
            #expect(rows.count == count - 6 + 1)
            #expect(rows.first?.hasPrefix("sequence,id,tenant,occurred_at,actor,action,") == true)
            #expect(rows.last?.contains(#""{""name"":""a \""quoted\"", 0\n=1+1""}""#) == true)
            let none = try await server.send(.get, "\(path)?format=csv&action=nothing", token: world.admin)
            #expect(none.text.split(separator: "\r\n").count == 1)
            let wrong = try await server.send(.get, "\(path)?format=xml", token: world.admin)
            #expect(wrong.status == 400 && wrong.pointers == ["format"])
        }
    }

    @Test("a write whose audit event cannot be kept does not happen")
    func failClosed() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            try await server.database.pool.withConnection {
                try await $0.executeScript(
                    """
                    create function full_disk() returns trigger language plpgsql as
                        $$ begin raise exception 'no room' using errcode = '53100'; end $$;
                    create trigger a_full_disk before insert on audit_events
                        for each row execute function full_disk();
                    """)
            }
            let refused = try await server.send(
                .post, "\(base)/workspaces", token: world.admin, body: ["slug": "lost", "name": "Lost"])
            #expect(refused.status >= 500)
            let read = try await server.send(.get, "\(base)/workspaces", token: world.admin)
            #expect(read.status == 200 && !members(read, "slug").contains("lost"), "reads go on")
            try await server.database.pool.withConnection {
                try await $0.executeScript("drop trigger a_full_disk on audit_events")
            }
            let made = try await server.send(
                .post, "\(base)/workspaces", token: world.admin, body: ["slug": "lost", "name": "Lost"])
            #expect(made.status == 201, "nothing of the refused one was left")
        }
    }

    @Test("CSV cells that a spreadsheet would run are made texts")
    func formulas() {
        struct Cell { let text: String }
        let shape = Representation<Cell>("Cell", [.init("text", .text(0...100), "") { .string($0.text) }])
        let encoder = RowEncoder(shape, as: .csv)
        let rows = encoder.encode(["=1+1", "-1.5", "@x", "plain", "a,b", "say \"hi\"", ""].map(Cell.init))
        #expect(
            String(decoding: rows, as: UTF8.self)
                == "text\r\n'=1+1\r\n-1.5\r\n'@x\r\nplain\r\n\"a,b\"\r\n\"say \"\"hi\"\"\"\r\n\r\n")
    }
}

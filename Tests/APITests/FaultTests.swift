import API
import Domain
import EventLoops
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

/// What happens when something under the API breaks.
@Suite("Faults")
struct FaultTests {
    @Test("with Postgres away the API says so at once, and works again when it is back")
    func databaseAway() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            try await server.setDatabase(reachable: false)
            let start = monotonicNanoseconds()
            let reply = try await server.send(.get, "/api/v1/me", token: token)
            #expect(reply.status == 503)
            #expect(reply.code == "unavailable")
            #expect(reply.fields["retry-after"] == "2")
            let second = try await server.send(.get, "/api/v1/me", token: token)
            #expect(second.status == 503)
            #expect(monotonicNanoseconds() - start < 15_000_000_000)
            let ready = try await server.send(.get, "/health/ready")
            #expect(ready.status == 503)
            #expect(ready.string("detail").contains("database"))
            #expect(try await server.send(.get, "/health/live").status == 200)

            try await server.setDatabase(reachable: true)
            // The pool tries again by itself, with growing pauses; ask until it has.
            var status = 503
            for _ in 0..<200 where status == 503 {
                status = try await server.send(.get, "/api/v1/me", token: token).status
                if status == 503 { await server.database.loop.sleep(nanoseconds: 50_000_000) }
            }
            #expect(status == 200)
        }
    }

    @Test("our own mistakes are answered without their details, which are in the log under the request's id")
    func ourMistake() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            try await server.database.pool.withConnection {
                try await $0.executeScript("alter table tenants rename to elsewhere")
            }
            let reply = try await server.send(.get, "/api/v1/tenants", token: token)
            #expect(reply.status == 500)
            #expect(reply.code == "internal")
            #expect(!reply.text.contains("tenants\\\"") && !reply.text.contains("relation"))
            let line = try #require(
                server.logged.all.split(separator: "\n").first { $0.contains("an admin request failed") })
            #expect(line.contains(reply.string("request_id")))
            #expect(line.contains("does not exist"))
        }
    }

    @Test("a statement that takes too long is ended and said to have taken too long")
    func tooSlow() async throws {
        try await withAdminServer(statementTimeoutMilliseconds: 2_000) { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let reply = try await server.database.pool.withTransaction { connection in
                _ = try await connection.query("select from tenants for update")
                return try await server.send(.patch, path, token: world.admin, body: ["name": "X"])
            }
            #expect(reply.status == 504)
            #expect(reply.code == "deadline_exceeded")
        }
    }

    @Test("of two changes of one thing at once, the second waits for the first and is made after it")
    func changedMeanwhile() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let done = Wakeup()
            var reply: Reply?
            try await server.database.pool.withTransaction { connection in
                try await connection.execute("update tenants set updated_at = now() where slug <> 'platform'")
                server.database.loop.spawn {
                    reply = try? await server.send(.patch, path, token: world.admin, body: ["name": "X"])
                    done.signal()
                }
                try await server.waitForBlockedStatement()
            }
            await done.wait()
            #expect(reply?.status == 200)
            #expect(reply?.string("name") == "X")
        }
    }

    @Test("a declaration that finds a change under way is applied to what that left")
    func appliedMeanwhile() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let done = Wakeup()
            var reply: Reply?
            try await server.database.pool.withTransaction { connection in
                try await connection.execute("update workspaces set updated_at = now()")
                server.database.loop.spawn {
                    reply = try? await server.send(
                        .post, "\(path)/apply", token: world.admin,
                        body: ["workspaces": [["slug": "default", "name": "Renamed"]]])
                    done.signal()
                }
                try await server.waitForBlockedStatement()
            }
            await done.wait()
            #expect(reply?.status == 200, "\(reply?.text ?? "")")
            let workspace = try await server.send(
                .get, "\(path)/workspaces/\(world.acme.workspace)", token: world.admin)
            #expect(workspace.string("name") == "Renamed")
        }
    }

    @Test("a provider's address that no node may dial is refused when it is set")
    func egress() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            server.refusedHosts = ["metadata.internal"]
            let reply = try await server.send(
                .post, "/api/v1/providers", token: token,
                body: ["name": "x", "kind": "openai", "base_url": "http://metadata.internal/latest"])
            #expect(reply.status == 400)
            #expect(reply.pointers == ["/base_url"])
            #expect(reply.json["errors"]?[0]?["code"]?.string == "not_allowed")
            let fine = try await server.send(
                .post, "/api/v1/providers", token: token, body: World.provider("fine"))
            let moved = try await server.send(
                .patch, "/api/v1/providers/\(fine.string("id"))", token: token,
                body: ["base_url": "http://metadata.internal"])
            #expect(moved.pointers == ["/base_url"])
        }
    }
}

extension AdminServer {
    /// Cuts every connection of the API's database and refuses new ones, or lets them in again.
    func setDatabase(reachable: Bool) async throws {
        let name = try #require(database.url.database)
        let server = PostgresPool(
            loop: database.loop, url: database.url.with(database: "postgres"), size: 1, purpose: "test",
            statementTimeoutMilliseconds: 10_000)
        try await server.withConnection { connection in
            try await connection.executeScript("alter database \(name) with allow_connections \(reachable)")
            if !reachable {
                _ = try await connection.query(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = \(name)")
            }
        }
        await server.close()
    }

    /// Returns when a statement in the database waits for a lock.
    func waitForBlockedStatement() async throws {
        for _ in 0..<500 {
            let rows = try await database.pool.withConnection {
                try await $0.query(
                    """
                    select 1 from pg_stat_activity
                     where datname = current_database() and wait_event_type = 'Lock'
                    """)
            }
            if rows.count > 0 { return }
            await database.loop.sleep(nanoseconds: 10_000_000)
        }
        Issue.record("nothing waits for a lock")
    }
}

import API
import Domain
import EventLoops
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

/// `GET /api/v1/changes/{change}?wait=…`
@Suite("Following a change")
struct ChangeTests {
    @Test("a wait ends when the change is complete, or when its time is over")
    func waits() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let written = try await server.send(
                .patch, "/api/v1/tenants/\(world.acme.tenant)", token: world.admin, body: ["name": "New"])
            let path = "/api/v1/changes/\(try #require(written.change))"
            let start = monotonicNanoseconds()
            let late = try await server.send(.get, "\(path)?wait=300ms", token: world.admin)
            #expect(late.json["complete"]?.boolean == false)
            #expect(monotonicNanoseconds() - start >= 300_000_000)

            let done = Wakeup()
            var reply: Reply?
            server.database.loop.spawn {
                reply = try? await server.send(.get, "\(path)?wait=20s", token: world.admin)
                done.signal()
            }
            try await server.publishEverything()
            await done.wait()
            #expect(reply?.json["complete"]?.boolean == true)
            #expect(monotonicNanoseconds() - start < 20_000_000_000)
        }
    }

    @Test("a wait is a time with its unit, at most a minute")
    func parameter() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            for (wait, status) in [
                ("0s", 200), ("1ms", 200), ("5", 400), ("61s", 400), ("-1s", 400), ("1m", 400), ("s", 400),
                ("99999s", 400), ("1.5s", 400),
            ] {
                let reply = try await server.send(
                    .get, "/api/v1/changes/change_0000000000000001?wait=\(wait)", token: token)
                #expect(reply.status == status, "\(wait)")
            }
        }
    }
}

extension AdminServer {
    /// Makes a snapshot version of all that is committed, as a publisher would.
    func publishEverything() async throws {
        try await database.pool.withConnection {
            _ = try await $0.execute(
                """
                insert into snapshot_versions (epoch, counter, manifest, objects, published_at, built_from)
                select epoch, 1, '\\x00', '{}', now(), pg_current_snapshot() from snapshot_state
                """)
        }
    }
}

import API
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import TestSupport
import Testing

/// `?dry_run=true`: what would happen, without anything happening.
@Suite("Dry runs")
struct DryRunTests {
    @Test("every write can be rehearsed: the answer is what it would be, and nothing is kept")
    func everyWrite() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            _ = try await world.snapshot()
            for route in RouteTable.all where route.takesTerms {
                let probe = RouteProbe(route, world)
                let path = try await probe.path()
                let before = try await server.fingerprint()
                let changes = server.changes
                let reply = try await probe.send(token: world.admin, path: "\(path)?dry_run=true")
                #expect(
                    reply.status == route.answer.status || reply.status == 401
                        || reply.code == "link_invalid",
                    "\(route.operationID): \(reply.text)")
                #expect(
                    (reply.fields["eclusa-dry-run"] == "true") == (reply.status < 400), "\(route.operationID)"
                )
                #expect(try await server.fingerprint() == before, "\(route.operationID) left something")
                #expect(server.changes == changes)
            }
        }
    }

    @Test("what would be refused is refused, without an audit event")
    func refused() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/workspaces?dry_run=true"
            let before = try await server.count("audit_events")
            let taken = try await server.send(
                .post, path, token: world.admin, body: ["slug": "default", "name": "D"])
            #expect(taken.status == 409)
            let invalid = try await server.send(.post, path, token: world.admin, body: ["slug": "Ä"])
            #expect(invalid.pointers == ["/slug", "/name"])
            let forbidden = try await server.send(
                .post, path, token: world.tokens["viewer"], body: ["slug": "x", "name": "D"])
            #expect(forbidden.status == 403)
            #expect(try await server.count("audit_events") == before)
        }
    }

    @Test("no usable secret is shown, and no change token")
    func secrets() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let reply = try await server.send(
                .post, "/api/v1/tenants/\(world.acme.tenant)/keys?dry_run=true", token: world.admin,
                body: ["workspace": .string(world.acme.workspace), "name": "app"])
            #expect(reply.status == 201)
            #expect(reply.string("secret") == String(repeating: "*", count: 58))
            #expect(reply.change == nil)
            let bundle = try await server.send(
                .post, "/api/v1/join-tokens?dry_run=true", token: world.admin, body: ["node_name": "n"])
            #expect(bundle.string("bundle").allSatisfy { $0 == "*" })
        }
    }

    @Test("it is a parameter of writes alone, true or false")
    func parameter() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)"
            let read = try await server.send(.get, "\(path)?dry_run=true", token: world.admin)
            #expect(read.pointers == ["dry_run"])
            let signIn = try await server.send(
                .post, "/api/v1/sessions?dry_run=true", body: ["email": "a@example.com", "password": "x"])
            #expect(signIn.pointers == ["dry_run"])
            let odd = try await server.send(
                .patch, "\(path)?dry_run=yes", token: world.admin, body: ["name": "X"])
            #expect(odd.pointers == ["dry_run"])
            let real = try await server.send(
                .patch, "\(path)?dry_run=false", token: world.admin, body: ["name": "Real"])
            #expect(real.status == 200 && real.fields["eclusa-dry-run"] == nil)
            #expect(try await server.send(.get, path, token: world.admin).string("name") == "Real")
        }
    }
}

extension AdminServer {
    /// A text that differs when any row of any table was added, changed or deleted.
    func fingerprint() async throws -> String {
        let tables = try await database.pool.withConnection {
            try await $0.query(
                """
                select string_agg(
                    table_name || '=' || (xpath('/row/c/text()', query_to_xml(
                        format('select count(*) || ''/'' || coalesce(max(xmin::text::bigint), 0) as c '
                               'from %I', table_name), false, true, '')))[1]::text, ' '
                    order by table_name)
                  from information_schema.tables
                 where table_schema = 'public' and table_type = 'BASE TABLE'
                   -- Tries are counted whatever becomes of their request.
                   and table_name <> 'sign_in_failures'
                """)
        }
        return try tables.first?.text(0) ?? ""
    }
}

import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

/// A page in the middle of a large table must touch a page's worth of rows, found by an index: what a list
/// costs then does not depend on what the table holds. Looks at what Postgres did, not at the text of a plan.
@Suite("lists over large tables")
struct LargeListTests {
    static let rows = 20_000
    static let limit = 50

    struct World: Sendable {
        let tenant: TenantID
        let workspace: WorkspaceID
        let user: UserID

        /// IDs of the rows are these, by their number.
        func id<Noun>(_ number: Int) -> ID<Noun> {
            ID(high: 0x7000, low: 0x8000_0000_0000_0000 + UInt64(number))
        }

        func keys(_ standing: KeyStanding, _ connection: PostgresConnection) async throws -> Int {
            let now = Timestamp(microseconds: 1_800_000_000_000_000)
            return try await KeyStore.list(
                of: tenant, standing: (standing, at: now), middle(), connection
            ).items.count
        }

        func keys(_ filter: KeyFilter, _ connection: PostgresConnection) async throws -> Int {
            try await KeyStore.list(of: tenant, where: filter, middle(), connection).items.count
        }

        func middle<Noun>() -> Page<Noun> {
            Page(after: id(LargeListTests.rows / 2), limit: LargeListTests.limit)
        }
    }

    struct Example: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let table: String
        var count = LargeListTests.limit
        let list: @Sendable (World, PostgresConnection) async throws -> Int
    }

    static let examples = [
        Example(testDescription: "keys of a tenant", table: "keys") { world, connection in
            try await KeyStore.list(of: world.tenant, world.middle(), connection).items.count
        },
        Example(testDescription: "keys that work", table: "keys") { world, connection in
            try await world.keys(.active, connection)
        },
        Example(testDescription: "keys that are revoked", table: "keys") { world, connection in
            try await world.keys(.revoked, connection)
        },
        Example(testDescription: "keys that have expired", table: "keys", count: 10) { world, connection in
            try await world.keys(.expired, connection)
        },
        Example(testDescription: "keys to come", table: "keys", count: 10) { world, connection in
            try await world.keys(.notYetValid, connection)
        },
        Example(testDescription: "keys by name", table: "keys", count: 11) { world, connection in
            let page = Page<Key>(limit: LargeListTests.limit, namePrefix: "Key 777")
            return try await KeyStore.list(of: world.tenant, page, connection).items.count
        },
        Example(testDescription: "keys of a workspace", table: "keys") { world, connection in
            try await world.keys(KeyFilter(workspace: world.workspace), connection)
        },
        Example(testDescription: "keys with a rare tag", table: "keys", count: 10) { world, connection in
            try await world.keys(KeyFilter(tag: "rare"), connection)
        },
        Example(testDescription: "keys with a tag that many have", table: "keys") { world, connection in
            try await world.keys(KeyFilter(tag: "often"), connection)
        },
        Example(testDescription: "keys of a rare kind", table: "keys", count: 10) { world, connection in
            try await world.keys(KeyFilter(kind: .playground), connection)
        },
        Example(testDescription: "users", table: "users") { world, connection in
            try await UserStore.search(UserFilter(), world.middle(), connection).items.count
        },
        Example(testDescription: "users of one status", table: "users") { world, connection in
            let active = UserFilter(status: .active)
            return try await UserStore.search(active, world.middle(), connection).items.count
        },
        Example(testDescription: "users of a rare status", table: "users") { world, connection in
            let disabled = UserFilter(status: .disabled)
            return try await UserStore.search(disabled, world.middle(), connection).items.count
        },
        Example(testDescription: "users by name", table: "users", count: 11) { world, connection in
            let page = Page<User>(limit: LargeListTests.limit, namePrefix: "USER 777")
            return try await UserStore.search(UserFilter(), page, connection).items.count
        },
        Example(testDescription: "members of a tenant", table: "users") { world, connection in
            try await UserStore.members(of: world.tenant, world.middle(), connection).items.count
        },
        Example(testDescription: "members of a rare status", table: "users") { world, connection in
            try await MemberStore.list(
                of: world.tenant, where: UserFilter(status: .disabled), world.middle(), connection
            ).items.count
        },
        Example(testDescription: "members by address", table: "users", count: 11) { world, connection in
            try await MemberStore.list(
                of: world.tenant, where: UserFilter(emailPrefix: "user777"),
                Page(limit: LargeListTests.limit), connection
            ).items.count
        },
        Example(testDescription: "bindings of a role", table: "bindings") { world, connection in
            try await BindingStore.list(
                of: world.tenant, where: BindingFilter(role: .builtIn("developer")), world.middle(),
                connection
            ).items.count
        },
        Example(testDescription: "bindings in a workspace", table: "bindings") { world, connection in
            try await BindingStore.list(
                of: world.tenant, where: BindingFilter(workspace: world.workspace), world.middle(),
                connection
            ).items.count
        },
        Example(testDescription: "sessions of a user", table: "sessions") { world, connection in
            try await SessionStore.list(
                of: world.user, at: Timestamp(microseconds: 0), world.middle(), connection
            ).items.count
        },
    ]

    @Test("a page from the middle is found by an index and reads little more than itself")
    func middlePages() async throws {
        try await withTestDatabase { database in
            let world = try await Self.fill(database.pool)
            // As the admin API: what row-level security keeps from an index is seen only so.
            let pool = database.makePool(role: .app)
            for example in Self.examples {
                try await pool.withTenant(world.tenant) { connection in
                    let before = try await Self.effort(example.table, connection)
                    let count = try await example.list(world, connection)
                    let after = try await Self.effort(example.table, connection)
                    #expect(count == example.count, "\(example.testDescription)")
                    #expect(after.scans == before.scans, "\(example.testDescription): reads the whole table")
                    let read = after.rows - before.rows
                    let name = example.testDescription
                    #expect((1...2 * Self.limit).contains(read), "\(name): \(read) rows read")
                }
            }
            await pool.close()
        }
    }

    /// Scans of the whole table and rows fetched from it, by this transaction.
    private static func effort(
        _ table: String, _ connection: PostgresConnection
    ) async throws -> (scans: Int, rows: Int) {
        let rows = try await connection.query(
            """
            select seq_scan, coalesce(idx_tup_fetch, 0) + seq_tup_read
              from pg_stat_xact_user_tables where relname = \(table)
            """)
        let row = try #require(rows.first)
        return (try row.int(0), try row.int(1))
    }

    private static func fill(_ pool: PostgresPool) async throws -> World {
        try await pool.withTransaction { connection in
            let fixture = Fixture()
            let tenant = try await fixture.tenant("large", connection)
            let workspace = try await fixture.workspace("large", of: tenant, connection)
            let user = try await fixture.user("large@example.com", connection)
            let count = Int64(rows)
            _ = try await connection.execute(
                """
                insert into keys (tenant_id, id, workspace_id, name, public_id, secret_hash, endpoints,
                                  routes, created_at, updated_at, revoked_at, expires_at, not_before, tags,
                                  kind)
                select \(tenant.id), ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                       \(workspace.id), 'key ' || n, lpad(n::text, 16, '0'), sha256(n::text::bytea), 1, '{}',
                       now(), now(), case n % 10 when 1 then now() end,
                       case when n % 1000 = 2 then timestamptz '2020-01-01'
                            when n % 2 = 0 then timestamptz '2099-01-01' end,
                       case when n % 1000 = 3 then timestamptz '2098-01-01' end,
                       case when n % 1000 = 4 then '{often,rare}' when n % 100 = 5 then '{often}'
                            else '{}' end::text[],
                       case when n % 1000 = 6 then 'playground' else 'application' end
                  from generate_series(1, \(count)) n
                """)
            _ = try await connection.execute(
                """
                insert into users (id, email, name, status, created_at, updated_at)
                select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                       'user' || n || '@example.com', 'User ' || n,
                       case n % 10 when 4 then 'disabled' else 'active' end, now(), now()
                  from generate_series(1, \(count)) n
                """)
            _ = try await connection.execute(
                """
                insert into members (tenant_id, user_id, created_at)
                select \(tenant.id), id, now() from users where id <> \(user.id)
                """)
            _ = try await connection.execute(
                """
                insert into bindings (tenant_id, id, user_id, workspace_id, role, created_at)
                select \(tenant.id), id, id,
                       case when n % 100 = 6 then \(workspace.id) end,
                       case when n % 100 = 5 then 'developer' else 'viewer' end, now()
                  from (select id, row_number() over (order by id) as n
                          from users where id <> \(user.id)) as numbered
                """)
            _ = try await connection.execute(
                """
                insert into sessions (id, user_id, user_agent, address, created_at, last_seen_at, expires_at)
                select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, \(user.id), 'test',
                       '127.0.0.1', now(), now(), now() + interval '1 day'
                  from generate_series(1, \(count)) n
                """)
            try await connection.executeScript("analyze")
            return World(tenant: tenant.id, workspace: workspace.id, user: user.id)
        }
    }
}

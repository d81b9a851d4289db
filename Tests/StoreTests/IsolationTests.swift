import Domain
import PostgresDriver
import TestSupport
import Testing

@testable import Store

/// Row-level security: what Postgres itself keeps apart, whatever the statements say.
@Suite("tenant isolation")
struct IsolationTests {
    @Test("every table of tenants is under forced row-level security with the one policy")
    func everyTable() async throws {
        let open = try await texts(
            """
            select relname::text
              from pg_class as guarded
             where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
               and (relname = 'tenants' or exists (select
                                                     from pg_attribute
                                                    where attrelid = guarded.oid and attname = 'tenant_id'))
               and not (relrowsecurity and relforcerowsecurity
                        and (relispartition
                             or exists (select
                                          from pg_policies
                                         where tablename = relname and policyname = 'tenant_isolation'
                                           and cmd = 'ALL' and roles = '{public}'
                                           and qual like '%= ( SELECT current_tenant() AS current_tenant))'
                                           and with_check is null)))
            """)
        #expect(open == [], "call isolate_by_tenant in the migration that makes the table")
    }

    @Test("what else may be seen than a tenant's own rows is pinned")
    func otherPolicies() async throws {
        let others = try await texts(
            """
            select tablename || ' ' || policyname || ' ' || cmd
              from pg_policies
             where policyname <> 'tenant_isolation'
             order by 1
            """)
        #expect(
            others
                == [
                    "models platform_is_shared SELECT", "prices platform_is_shared SELECT",
                    "providers platform_is_shared SELECT",
                ])
    }

    @Test("a statement that names no tenant sees, changes and deletes the rows of the current one alone")
    func withoutPredicate() async throws {
        try await withTwoTenants { app, acme, other, _ in
            for tenant in [acme, other] {
                let seen = try await app.withTenant(tenant.id) { connection in
                    try await connection.query("select tenant_id from workspaces").map { row in
                        try row.id(0) as TenantID
                    }
                }
                #expect(seen == [tenant.id])
            }
            let changed = try await app.withTenant(acme.id) { connection in
                try await connection.execute("update keys set name = 'renamed'")
            }
            let gone = try await app.withTenant(acme.id) { connection in
                try await connection.execute("delete from key_uses")
                return try await connection.execute("delete from routes")
            }
            #expect(changed == 1 && gone == 1)
            let left = try await app.withTenant(other.id) { connection in
                try await connection.query("select name from keys").map { try $0.text(0) }
                    + connection.query("select name from routes").map { try $0.text(0) }
            }
            #expect(left == ["app", "gpt"])
        }
    }

    @Test("in every table that both tenants have rows in, each sees only its own and what is shared")
    func everyFilledTable() async throws {
        try await withTwoTenants { app, acme, _, owner in
            let tables = try await owner.withConnection { connection in
                try await connection.query(
                    """
                    select polrelid::regclass::text
                      from pg_policy
                     where polname = 'tenant_isolation' and polrelid <> 'tenants'::regclass
                       and has_table_privilege('eclusa_app', polrelid, 'select')
                     order by 1
                    """
                ).map { try $0.text(0) }
            }
            var filled: [String] = []
            for table in tables {
                let isFilled = await postgresFailure {
                    try await owner.withConnection {
                        try await $0.executeScript(
                            """
                            do $$ begin
                                if (select count(distinct tenant_id) from \(table)) > 1 then
                                    raise exception 'filled';
                                end if;
                            end $$
                            """)
                    }
                }
                if isFilled != nil { filled.append(table) }
                try await app.withTenant(acme.id) {
                    try await $0.executeScript(
                        """
                        do $$ begin
                            if exists (select from \(table)
                                        where tenant_id <> current_tenant()
                                          and ('\(table)' not in ('models', 'prices', 'providers')
                                               or tenant_id <> '00000000-0000-0000-0000-000000000000')) then
                                raise exception 'rows of others in \(table)';
                            end if;
                        end $$
                        """)
                }
            }
            #expect(
                Set(filled).isSuperset(of: [
                    "audit_events", "bindings", "keys", "members", "models", "prices", "providers",
                    "route_targets", "routes", "workspaces",
                ]))
        }
    }

    @Test("outside withTenant no row of any tenant is there, also after a tenant's transaction")
    func outside() async throws {
        try await withTwoTenants { _, acme, _, _ in
            // One connection: what the first transaction set must be gone.
            let app = acme.pool(1)
            _ = try await app.withTenant(acme.id) { try await $0.query("select from tenants") }
            let seen = try await app.withConnection { connection in
                try await connection.query("select from workspaces").count
                    + connection.query("select from tenants").count
            }
            await app.close()
            #expect(seen == 0)
        }
    }

    @Test("rows of another tenant can neither be made nor be given away")
    func foreignRows() async throws {
        try await withTwoTenants { app, acme, other, _ in
            let made = await postgresFailure {
                try await app.withTenant(acme.id) { connection in
                    _ = try await Fixture().workspace("theirs", of: other.tenant, connection)
                }
            }
            let given = await postgresFailure {
                try await app.withTenant(acme.id) { connection in
                    try await connection.execute("update routes set tenant_id = \(other.id)")
                }
            }
            #expect(made?.sqlState == "42501" && given?.sqlState == "42501")
        }
    }

    @Test("a visit to another tenant ends where it began")
    func visit() async throws {
        try await withTwoTenants { app, acme, other, _ in
            try await app.withTenant(acme.id) { connection in
                func here() async throws -> TenantID? {
                    try await connection.query("select id from tenants").first?.id(0)
                }
                let there = try await TenantIsolation.visit(other.id, from: acme.id, connection) {
                    try await here()
                }
                let back = try await here()
                #expect(there == other.id && back == acme.id)
            }
        }
    }

    @Test("reads across tenants see all of them, and nothing can be written there")
    func across() async throws {
        try await withTwoTenants { app, acme, other, _ in
            let seen = try await app.acrossTenants { connection in
                try await connection.query("select tenant_id from workspaces order by 1").map { row in
                    try row.id(0) as TenantID
                }
            }
            #expect(seen == [acme.id, other.id])
            for statement: SQL in [
                "update workspaces set name = 'x'", "select secret_hash from keys",
                "select sealed from provider_credentials", "select password_hash from users",
                "select sealed from platform_secrets",
            ] {
                let refused = await postgresFailure {
                    try await app.acrossTenants { try await $0.query(statement) }
                }
                #expect(["42501", "25006"].contains(refused?.sqlState), "\(statement.text)")
            }
        }
    }
}

/// A tenant with one of everything, and a way to another pool of the admin API's role.
private struct Filled {
    let tenant: Tenant
    let pool: (Int) -> PostgresPool
    var id: TenantID { tenant.id }
}

/// The pool of the admin API, two tenants with one of everything, and the superuser's pool.
private func withTwoTenants(
    _ body: @escaping @Sendable (PostgresPool, Filled, Filled, PostgresPool) async throws -> Void
) async throws {
    try await withTestDatabase { database in
        let app = database.makePool(role: .app)
        let tenants = try await database.pool.withTransaction { connection in
            let fixture = Fixture()
            let shared = try await fixture.provider("shared", of: nil, connection)
            _ = try await fixture.model("shared", of: shared, connection)
            var tenants: [Tenant] = []
            for slug in ["acme", "other"] {
                let tenant = try await fixture.tenant(slug, connection)
                let workspace = try await fixture.workspace(of: tenant, connection)
                let provider = try await fixture.provider(of: tenant, connection)
                let model = try await fixture.model(of: provider, connection)
                _ = try await fixture.price(of: model, connection)
                _ = try await fixture.route(of: tenant, to: [model], connection)
                _ = try await fixture.key(of: workspace, connection)
                let user = try await fixture.user("\(slug)@example.com", connection)
                let now = fixture.now
                try await BindingStore.create(
                    Binding(
                        id: BindingID(at: now), user: user.id, role: "viewer", scope: .tenant(tenant.id),
                        createdBy: nil, createdAt: now), connection)
                try await AuditStore.append(
                    AuditEvent(
                        id: AuditEventID(at: now), tenant: tenant.id, occurredAt: now, actor: .system,
                        action: "tenants.create", target: .init(kind: "tenant", tenant.id)), connection)
                tenants.append(tenant)
            }
            return tenants.map { Filled(tenant: $0) { database.makePool(size: $0, role: .app) } }
        }
        do {
            try await body(app, tenants[0], tenants[1], database.pool)
            await app.close()
        } catch {
            await app.close()
            throw error
        }
    }
}

/// The first column of a query over the migrated schema.
func texts(_ sql: SQL) async throws -> [String] {
    try await withTestDatabase { database in
        try await database.pool.withConnection { connection in
            try await connection.query(sql).map { try $0.text(0) }
        }
    }
}

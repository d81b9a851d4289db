import Domain
import EventLoops
import PostgresDriver
import TestSupport
import Testing

@testable import Store

/// What the program's roles may do, and how they come to be.
@Suite("database roles")
struct DatabaseRoleTests {
    /// Every grant there is. A migration that needs more adds its line here, where a review sees it.
    private static let pinned = """
        alert_channels.enabled: reports=r
        alert_channels.id: reports=r
        alert_channels.quiet_from: reports=r
        alert_channels.quiet_to: reports=r
        alert_channels.tenant_id: reports=r
        alert_channels.time_zone: reports=r
        alert_channels: app=arwd
        alert_deliveries.channel_id: reports=r
        alert_deliveries.event: reports=r
        alert_deliveries.finished_at: reports=r
        alert_deliveries.id: reports=r
        alert_deliveries.next_attempt_at: reports=r
        alert_deliveries.place: reports=r
        alert_deliveries.severity: reports=r
        alert_deliveries.status: reports=r
        alert_deliveries.tenant_id: reports=r
        alert_deliveries: app=arwd
        alert_rules.enabled: reports=r
        alert_rules.id: reports=r
        alert_rules.tenant_id: reports=r
        alert_rules: app=arwd
        alerts.resolved_at: reports=r
        alerts.tenant_id: reports=r
        alerts: app=arwd
        audit_events: app=ar reports=r
        audit_heads: app=arw
        backups: app=arw
        billing_settings: app=arwd reports=r
        bindings: app=arwd reports=r
        call_contents: app=rwd ingest=rd publisher=a
        email_tokens: app=ard
        grant_accounts: app=rw publisher=arwd
        grant_streams: publisher=arw
        grants: app=rw ingest=rw publisher=arwd reports=r
        group_members: app=arwd publisher=r reports=r
        groups: app=arwd reports=r
        guardrails: app=arwd publisher=rw
        idempotency_keys: app=arwd
        identity_provider_roles: app=ard
        identity_providers.id: reports=r
        identity_providers.tenant_id: reports=r
        identity_providers: app=arwd
        invitations: app=arwd
        invoice_lines: app=ar reports=r
        invoice_numbers: app=arw
        invoices: app=arw reports=r
        job_runs: app=arw
        join_tokens: app=ard publisher=rw
        key_tags: app=ard
        key_uses: app=rd ingest=arw
        keys: app=arwd publisher=r
        ledger_balances: app=arw ingest=arw publisher=r reports=r
        ledger_days: app=arw ingest=arw reports=r
        ledger_entries: app=ar ingest=a reports=r
        ledger_proofs: app=ar
        ledger_transactions: app=ar ingest=a reports=r
        limit_alerts: app=r publisher=ard
        limits: app=arwd ingest=r publisher=r reports=r
        mails: app=arwd
        management_tokens: app=arwd
        management_tokens.id: reports=r
        management_tokens.public_id: reports=r
        management_tokens.service_account_id: reports=r
        management_tokens.tenant_id: reports=r
        members: app=arwd reports=r
        models: app=arwd publisher=r
        node_reports: app=r publisher=arw
        nodes: app=rw publisher=arw
        payments: app=ar reports=r
        platform_secrets: app=arwd publisher=r
        prices: app=arwd ingest=r publisher=r reports=r
        provider_costs: app=arw ingest=arw reports=r
        provider_credentials.provider_id: reports=r
        provider_credentials.tenant_id: reports=r
        provider_credentials: app=arwd publisher=rw
        provider_tests: app=arwd
        providers: app=arwd publisher=r
        reconciliation_lines: app=ar
        reconciliations: app=ar
        recovery_codes.user_id: reports=r
        recovery_codes: app=ard
        refresh_tokens: app=arwd
        refusal_minutes: app=rd ingest=arw reports=r
        refusal_samples: app=rd ingest=a reports=r
        report_schedules.enabled: reports=r
        report_schedules.id: reports=r
        report_schedules.next_at: reports=r
        report_schedules.tenant_id: reports=r
        report_schedules: app=arwd
        reratings: app=ard
        roles: app=arwd reports=r
        route_targets: app=arwd publisher=r
        rollouts: app=rw publisher=rw
        routes: app=arwd publisher=r
        scim_group_members: app=arwd
        scim_groups: app=arwd
        scim_users: app=arwd
        second_factors.confirmed_at: reports=r
        second_factors.user_id: reports=r
        second_factors: app=arwd
        service_accounts: app=arwd reports=r
        sessions: app=arwd reports=r
        sign_in_challenges: app=ard
        sign_in_failures: app=arwd
        sign_in_flows: app=ard
        sign_up_settings: app=rw
        snapshot_changes: app=a publisher=ard
        snapshot_objects: app=r publisher=ard
        snapshot_state: app=rw publisher=arw
        snapshot_versions: app=r publisher=ard
        tenant_security: app=arw reports=r
        tenants.content_days: ingest=r
        tenants.id: ingest=r
        tenants.retention_days: ingest=r
        tenants: app=arwd publisher=r reports=r
        usage_batches: ingest=ard
        usage_corrections: app=ard ingest=rd reports=r
        usage_days.cost_nanos: app=w
        usage_days: app=rd ingest=arw reports=r
        usage_events.id: ingest=r
        usage_events.started_at: ingest=r
        usage_events.tenant_id: ingest=r
        usage_events: app=rd ingest=ard reports=r
        usage_hours.cost_nanos: app=w
        usage_hours: app=rd ingest=arw reports=r
        usage_minutes.cost_nanos: app=w
        usage_minutes: app=rd ingest=arw reports=r
        usage_outcomes: app=rd ingest=arw
        usage_retention: app=rd ingest=arwd reports=r
        usage_streams: ingest=arw
        user_identities: app=arw
        users.created_at: reports=r
        users.email: reports=r
        users.email_verified_at: reports=r
        users.id: reports=r
        users.locale: reports=r
        users.name: reports=r
        users.status: reports=r
        users.updated_at: reports=r
        users: app=arwd
        workspaces: app=arwd publisher=r reports=r
        function create_usage_partition: ingest=X
        function drop_usage_partition: ingest=X
        """

    @Test("each role may do what is pinned here and nothing else; everybody may do nothing")
    func grants() async throws {
        let granted = try await texts(
            """
            with granted as (
                select 1 as kind, relname::text as thing, relacl as list
                  from pg_class
                 where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')
                union all
                select 1, attrelid::regclass || '.' || attname, attacl
                  from pg_attribute
                 where attacl is not null and attrelid in (select oid from pg_class
                                                            where relnamespace = 'public'::regnamespace)
                union all
                select 2, 'function ' || proname, proacl
                  from pg_proc
                 where proacl is not null and pronamespace = 'public'::regnamespace
                union all
                select 3, 'schema ' || nspname, nspacl from pg_namespace
                union all
                select 3, 'database', datacl from pg_database where datname = current_database()
            ), entries as (
                select kind, thing,
                       case when grantee = 0 then 'everybody' else grantee::regrole::text end as who,
                       string_agg(case privilege_type when 'SELECT' then 'r' when 'INSERT' then 'a'
                                       when 'UPDATE' then 'w' when 'DELETE' then 'd' when 'EXECUTE' then 'X'
                                       else privilege_type end || case when is_grantable then '*' else '' end,
                                  '' order by position(left(privilege_type, 1) in 'ISUD')) as what
                  from granted, aclexplode(list)
                 where (grantee = 0 and kind < 3) or grantee::regrole::text like 'eclusa%'
                 group by kind, thing, grantee
            )
            select thing || ': ' || string_agg(replace(who, 'eclusa_', '') || '=' || what, ' '
                                               order by who collate "C")
              from entries
             group by kind, thing
             order by kind, thing collate "C"
            """)
        #expect(
            Set(granted) == Set(Self.pinned.split(separator: "\n").map(String.init)),
            """
            more than pinned: \(Set(granted).subtracting(Self.pinned.split(separator: "\n").map(String.init)))
            less: \(Set(Self.pinned.split(separator: "\n").map(String.init)).subtracting(granted))
            """)
    }

    @Test("the roles own nothing, cannot sign in, are nobody's members, and bypass only where they must")
    func attributes() async throws {
        let owned = try await texts(
            """
            select classid::regclass || ' ' || objid
              from pg_shdepend
             where deptype = 'o' and refobjid in (select oid from pg_roles where rolname like 'eclusa_%')
            """)
        #expect(owned == [])
        let roles = try await texts(
            """
            select rolname || case when rolbypassrls then ' bypasses' else '' end
              from pg_roles
             where rolname like 'eclusa_%'
               and not (rolsuper or rolcanlogin or rolcreaterole or rolcreatedb or rolreplication
                        or exists (select from pg_auth_members where member = pg_roles.oid))
             order by 1
            """)
        #expect(
            roles == [
                "eclusa_app", "eclusa_ingest bypasses", "eclusa_publisher bypasses",
                "eclusa_reports bypasses",
            ])
    }

    @Test("no role may make tables, and the app may not reach a day's usage past the policy of the whole")
    func partitions() async throws {
        try await withTestDatabase { database in
            let ingest = database.makePool(size: 1, role: .ingest)
            let app = database.makePool(size: 1, role: .app)
            let made = try await ingest.withConnection { connection in
                try await connection.query("select create_usage_partition('2026-11-20')").first?.bool(0)
            }
            #expect(made == true)
            for (pool, statement) in [
                (ingest, "create table mine (n int8)"), (app, "create table mine (n int8)"),
                (app, "select create_usage_partition('2026-11-21')"),
                (app, "select from usage_events_20261120"),
            ] {
                let refused = await postgresFailure {
                    try await pool.withConnection { try await $0.executeScript(statement) }
                }
                #expect(refused?.sqlState == "42501", "\(statement)")
            }
            await ingest.close()
            await app.close()
        }
    }

    @Test("a user who may not make the roles is told what a superuser must run; after that it all works")
    func ordinaryOwner() async throws {
        try await withPrivateServer { loop, url in
            let superuser = PostgresPool(
                loop: loop, url: url, size: 1, purpose: "test", statementTimeoutMilliseconds: 30_000)
            for statement in ["create role \"an owner\" login", "create database plain owner \"an owner\""] {
                try await superuser.withConnection { try await $0.executeScript(statement) }
            }
            let plain = url.with(database: "plain").with(user: "an owner")
            func pool(_ role: DatabaseRole?) -> PostgresPool {
                PostgresPool(
                    loop: loop, url: plain, role: role?.name, size: 1, purpose: "test",
                    statementTimeoutMilliseconds: 30_000)
            }
            let owner = pool(nil)
            var statements: [String] = []
            do {
                try await Migrator.run(owner)
            } catch Migrator.Failure.rolesMissing(let missing, let reason) {
                statements = missing
                #expect(reason.contains("permission denied to create role"))
            }
            #expect(statements.contains("create role eclusa_ingest nologin bypassrls"))
            #expect(statements.contains { $0.hasPrefix("grant eclusa_app to \"an owner\"") })
            for statement in statements {
                try await superuser.withConnection { try await $0.executeScript(statement) }
            }
            let applied = try await Migrator.run(owner)
            #expect(applied == Migration.all.map(\.name))

            let tenant = try await Fixture().made(pool(.app))
            let seen = try await closing(pool(.reports)) { pool in
                try await pool.withConnection { try await $0.query("select from tenants").count }
            }
            let seenByOwner = try await owner.withConnection {
                try await $0.query("select from tenants").count
            }
            let made = try await closing(pool(.ingest)) { pool in
                try await pool.withConnection {
                    try await $0.query("select create_usage_partition('2026-11-20')").first?.bool(0)
                }
            }
            #expect(seen == 2 && seenByOwner == 0 && made == true && tenant.slug == "acme")
            // The owner, whose rights a function works with, is under the policies: a day it cannot look into
            // must not seem empty.
            let dropped = try await closing(pool(.ingest)) { pool in
                try await pool.withConnection { connection in
                    try await Self.dropDay(of: tenant.id, connection)
                }
            }
            #expect(dropped == [false, false, true])
            await owner.close()
            await superuser.close()
        }
    }

    /// Whether a day with one call goes: while its tenant keeps it, twice, and when nobody does.
    private static func dropDay(of tenant: TenantID, _ connection: PostgresConnection) async throws -> [Bool]
    {
        let day = CivilDate(year: 2020, month: 1, day: 1)!
        _ = try await UsageRetention.makePartitions(from: day, days: 1, connection)
        try await connection.execute(
            """
            insert into usage_events (
                tenant_id, id, started_at, workspace_id, key_id, route_id, provider_id, model_id, node_id,
                endpoint, latency_us, first_byte_us, input_tokens, cached_input_tokens, cache_write_tokens,
                output_tokens, reasoning_tokens, cost_nanos, cost_state, status_code, streamed, ending,
                attempts)
            select \(tenant), id, '2020-01-01T12:00:00Z', id, id, id, id, id, id, 'chat', 1, 1, 1, 0, 0, 1,
                   0, 1, 'settled', 200, false, 'completed', 1
              from gen_random_uuid() as id
            """)
        return [
            try await UsageRetention.drop(day, keeping: [tenant], connection),
            try await UsageRetention.drop(day, keeping: [tenant], connection),
            try await UsageRetention.drop(day, keeping: [], connection),
        ]
    }

    @Test("a role with more or fewer attributes than it should have is put right")
    func attributesAreRestored() async throws {
        try await withPrivateServer { loop, url in
            let pool = PostgresPool(
                loop: loop, url: url, size: 1, purpose: "test", statementTimeoutMilliseconds: 30_000)
            for statement in [
                "create role eclusa_app nologin bypassrls", "create role eclusa_reports nologin",
            ] {
                try await pool.withConnection { try await $0.executeScript(statement) }
            }
            try await Migrator.run(pool)
            let wrong = try await pool.withConnection { connection in
                try await connection.query(
                    """
                    select rolname::text
                      from pg_roles
                     where rolname like 'eclusa_%' and rolbypassrls = (rolname = 'eclusa_app')
                    """
                ).map { try $0.text(0) }
            }
            #expect(wrong == [])
            await pool.close()
        }
    }
}

extension Fixture {
    /// A tenant made as the admin API makes one; closes the pool.
    fileprivate func made(_ pool: PostgresPool) async throws -> Tenant {
        try await closing(pool) { pool in
            let now = now
            let tenant = Tenant(
                id: TenantID(at: now), slug: "acme", name: "Acme", createdAt: now, updatedAt: now)
            try await pool.withTenant(tenant.id) { try await TenantStore.create(tenant, $0) }
            return tenant
        }
    }
}

private func closing<T>(
    _ pool: PostgresPool, _ body: (PostgresPool) async throws -> T
) async throws -> T {
    do {
        let value = try await body(pool)
        await pool.close()
        return value
    } catch {
        await pool.close()
        throw error
    }
}

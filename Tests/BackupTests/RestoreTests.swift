import Cryptography
import Domain
import EventLoops
import PostgresDriver
import Store
import Telemetry
import TestSupport
import Testing

@testable import Backup

@Suite("backup and restore")
struct RestoreTests {
    static let workers = BlockingPool(threads: 2, queueLimit: 32, name: "test-backup")

    /// A database with something in it, another one that is empty, and a folder. Lives on its loop.
    final class Site {
        let source: TestDatabase
        let target: PostgresURL
        let folder = TemporaryDirectory()
        let clock = FakeClock()
        let key = BackupKey.key(SymmetricKey())
        var file: String { folder.path + "/b" }

        init(_ source: TestDatabase) async throws {
            self.source = source
            let name = "eclusa_target_\(source.url.database ?? "")"
            target = source.url.with(database: name)
            clock.advance(seconds: 1_700_000_000)
            try await source.pool.withConnection { connection in
                try await connection.executeScript("create database \(name) template template0")
            }
        }

        func drop() async throws {
            let name = target.database ?? ""
            try await source.pool.withConnection {
                try await $0.executeScript("drop database if exists \(name) with (force)")
            }
        }

        func backup(_ url: PostgresURL) -> Backup {
            Backup(
                loop: source.loop, workers: RestoreTests.workers, url: url, key: key, clock: clock.clock)
        }

        func make() async throws {
            _ = try await backup(source.url).make(
                at: file, program: "0.0.0", masterKey: Secret(utf8: "master"))
        }

        func restore(replace: Bool = false) async throws -> Backup.Restored {
            try await backup(target).restore(file, replace: replace)
        }

        /// One answer of the target, by a connection of its own.
        func ask(_ statement: SQL) async throws -> Int64? {
            let pool = PostgresPool(
                loop: source.loop, url: target, size: 1, purpose: "ask",
                statementTimeoutMilliseconds: 10_000)
            let value = try? await pool.withConnection {
                try await $0.query(statement).first?.optionalInt64(0)
            }
            await pool.close()
            return value ?? nil
        }

        func tenant(_ slug: String) async throws {
            let now = clock.now
            let tenant = Tenant(
                id: TenantID(at: now), slug: slug, name: slug, createdAt: now, updatedAt: now)
            try await source.pool.withTransaction { connection in
                try await TenantStore.create(tenant, connection)
                try await AuditStore.append(
                    AuditEvent(
                        id: AuditEventID(at: now), tenant: tenant.id, occurredAt: now, actor: .system,
                        action: "tenants.create", target: .init(kind: "tenant", tenant.id)), connection)
            }
        }

        /// A session and a join token that are in force.
        func signIn() async throws {
            let now = clock.now
            let user = User(
                id: UserID(at: now), email: "a@example.com", name: "A", createdAt: now, updatedAt: now)
            try await source.pool.withConnection { connection in
                try await UserStore.create(user, passwordHash: nil, connection)
                try await connection.executeScript(
                    """
                    insert into sessions (id, user_id, created_at, last_seen_at, expires_at)
                    select '00000000-0000-0000-0000-000000000002', id, now(), now(), 'infinity' from users;
                    insert into join_tokens (id, token_hash, node_name, region, created_at, expires_at)
                    values ('00000000-0000-0000-0000-000000000003', sha256('x'), 'n', 'eu', now(), 'infinity')
                    """)
            }
        }
    }

    func withSite(_ body: @escaping @Sendable (Site) async throws -> Void) async throws {
        try await withTestDatabase(timeLimitSeconds: 120) { database in
            let site = try await Site(database)
            do {
                try await body(site)
                try await site.drop()
            } catch {
                try? await site.drop()
                throw error
            }
        }
    }

    @Test("a restored database has what was there, a higher epoch, and nobody signed in")
    func wholeWay() async throws {
        try await withSite { site in
            try await site.tenant("before")
            try await site.signIn()
            try await site.make()
            try await site.tenant("after")
            let restored = try await site.restore()
            #expect(restored.counts.tenants == 1 && restored.counts.users == 1)
            #expect(restored.counts.brokenAuditLog == nil)
            #expect(restored.contents.masterKey == Secret(utf8: "master"))
            #expect(restored.epoch >= 1_700_000_000)
            let epoch = try await site.ask("select epoch from snapshot_state where built_from is null")
            let signedIn = try await site.ask("select count(*) from sessions where revoked_at is null")
            let permits = try await site.ask(
                "select count(*) from join_tokens where expires_at > '2400-01-01'")
            let stamps = try await site.ask("select count(*) from snapshot_changes")
            let noted = try await site.ask(
                "select count(*) from audit_events where action = 'platform.restore'")
            #expect(epoch == Int64(restored.epoch))
            #expect(signedIn == 0 && permits == 0 && stamps == 0 && noted == 1)
            // The same backup once more: above what the first restore may have published.
            site.clock.advance(seconds: 60)
            let again = try await site.restore(replace: true)
            #expect(again.epoch > restored.epoch)
            let left = try await site.ask(
                "select count(*) from pg_namespace where nspname = 'eclusa_replaced'")
            #expect(left == 0)
        }
    }

    @Test("a database that is not empty, or in use, is refused and untouched")
    func refusals() async throws {
        try await withSite { site in
            try await site.tenant("one")
            try await site.make()
            _ = try await site.restore()
            await #expect(throws: BackupFailure.notEmpty) { try await site.restore() }
            let pool = PostgresPool(
                loop: site.source.loop, url: site.target, size: 1, purpose: "admin",
                statementTimeoutMilliseconds: 10_000)
            try await pool.withConnection { _ in
                await #expect(throws: BackupFailure.inUse(1)) { try await site.restore(replace: true) }
            }
            await pool.close()
            #expect(try await site.ask("select count(*) from tenants where slug = 'one'") == 1)
        }
    }

    @Test("with a wrong key, a cut or a changed file nothing is touched")
    func damaged() async throws {
        try await withSite { site in
            try await site.tenant("one")
            try await site.make()
            _ = try await site.restore()
            let file = site.folder.content("b")
            var flipped = file
            flipped[file.count / 2] ^= 1
            for bytes in [Array(file.dropLast(100)), flipped] {
                site.folder.replace("b", bytes)
                await #expect(throws: BackupFailure.self) { try await site.restore(replace: true) }
            }
            site.folder.replace("b", file)
            let stranger = Backup(
                loop: site.source.loop, workers: Self.workers, url: site.target,
                key: .key(SymmetricKey()), clock: site.clock.clock)
            await #expect(throws: BackupFailure.wrongKey) {
                try await stranger.restore(site.file, replace: true)
            }
            #expect(try await site.ask("select count(*) from tenants where slug = 'one'") == 1)
        }
    }

    @Test("a restore that was cut short keeps programs away, and the next puts things right")
    func cutShort() async throws {
        try await withSite { site in
            try await site.tenant("one")
            try await site.make()
            _ = try await site.restore()
            let pool = PostgresPool(
                loop: site.source.loop, url: site.target, size: 1, purpose: "backup",
                statementTimeoutMilliseconds: 10_000)
            try await pool.withConnection { try await RestoreStore.begin($0) }
            await #expect {
                try await Migrator.run(pool)
            } throws: {
                "\($0)".contains("restore")
            }
            await pool.close()
            await #expect(throws: BackupFailure.notEmpty) { try await site.restore() }
            #expect(try await site.ask("select count(*) from tenants where slug = 'one'") == 1, "put back")
            _ = try await site.restore(replace: true)
            #expect(try await site.ask("select count(*) from tenants where slug = 'one'") == 1)
        }
    }

    @Test("a backup of a later release is refused by name")
    func later() async throws {
        try await withSite { site in
            try await site.source.pool.withConnection {
                try await $0.executeScript(
                    "insert into schema_migrations (number, name, sha256) values (9999, '9999_fly', '')")
            }
            try await site.make()
            await #expect(throws: BackupFailure.newerSchema("9999_fly")) { try await site.restore() }
            #expect(try await site.ask("select count(*) from pg_class where relname = 'tenants'") == 0)
        }
    }

    @Test("the keeper makes what is due and asked for, proves it, and deletes what is old")
    func keeper() async throws {
        try await withSite { site in
            try await site.tenant("one")
            var plan = BackupKeeper.Plan()
            plan.retention = BackupRetention(days: 2, weeks: 0)
            let database = site.source.makePool()
            func look(_ metrics: MetricsRegistry = MetricsRegistry()) async throws {
                let keeper = BackupKeeper(
                    loop: site.source.loop, database: database, backup: site.backup(site.source.url),
                    folder: BackupFolder(path: site.folder.path), plan: plan, program: "0.0.0",
                    masterKey: Secret(utf8: "master"), log: .silent, metrics: metrics)
                try await keeper.look()
            }
            func records() async throws -> [BackupRecord] {
                try await database.withConnection {
                    try await BackupStore.list(Page(limit: 50), $0).items
                }
            }
            try await look()
            try await look()
            var made = try await records()
            #expect(made.map(\.status) == [.done] && made.map(\.isScheduled) == [true])
            #expect(made[0].checkedAt != nil && made[0].checkProblem == nil)
            #expect(made[0].bytes == Int64(site.folder.content(made[0].file ?? "").count))
            let restarted = MetricsRegistry()
            try await look(restarted)
            let seconds = try #require(made[0].finishedAt).microseconds / 1_000_000
            let page = restarted.text()
            #expect(page.contains("\neclusa_backup_newest_seconds \(seconds)\n"), "also one that made none")
            for _ in 0..<3 {
                site.clock.advance(seconds: 86_400)
                try await look()
            }
            made = try await records()
            #expect(made.map(\.status) == [.done, .done, .done, .done])
            #expect(made.map { $0.removedAt != nil } == [false, false, true, true])
            #expect(made.map { $0.checkedAt != nil } == [false, false, false, true], "once a week")
            #expect(site.folder.names.count == 2)
            // Asked for, where nothing can be written.
            site.clock.advance(seconds: 1)
            let (now, id) = (site.clock.now, BackupID(at: site.clock.now))
            try await database.withTransaction { connection in
                _ = try await BackupStore.request(id, by: UserID(at: now), at: now, connection)
            }
            let broken = BackupKeeper(
                loop: site.source.loop, database: database, backup: site.backup(site.source.url),
                folder: BackupFolder(path: site.folder.path + "/missing"), plan: plan, program: "0.0.0",
                masterKey: Secret(utf8: "master"), log: .silent, metrics: MetricsRegistry())
            try await broken.look()
            let last = try #require(try await records().first)
            #expect(last.id == id && last.status == .failed && last.problem?.contains("missing") == true)
            await database.close()
        }
    }
}

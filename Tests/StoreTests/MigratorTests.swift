import EventLoops
import PostgresDriver
import TestSupport
import Testing

@testable import Store

@Suite("migrations")
struct MigratorTests {
    private func migration(_ name: String, _ text: String) throws -> Migration {
        try #require(Migration(name: name, text: text))
    }

    @Test("they are numbered upwards from 1, named by verb and noun, and not empty")
    func numbers() {
        let numbers = Migration.all.map(\.number)
        #expect(numbers.first == 1 && zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 })
        for migration in Migration.all {
            #expect(migration.name.wholeMatch(of: #/[0-9]{4}_[a-z]+_[a-z_]+/#) != nil, "\(migration.name)")
            #expect(migration.text.hasPrefix("-- ") && migration.text.hasSuffix("\n"), "\(migration.name)")
        }
        #expect(Migration(name: "no_number", text: "") == nil)
    }

    @Test("all are applied once, and a second run finds nothing to do")
    func twice() async throws {
        try await withTestDatabase(.empty) { database in
            let first = try await Migrator.run(database.pool)
            let second = try await Migrator.run(database.pool)
            #expect(first == Migration.all.map(\.name) && second.isEmpty)
        }
    }

    @Test("of two runners at once, one migrates and the other waits and finds it done")
    func race() async throws {
        try await withTestDatabase(.empty) { database in
            let done = Wakeup()
            var applied: [[String]] = []
            var failures: [any Error] = []
            for _ in 0..<3 {
                database.loop.spawn {
                    do { applied.append(try await Migrator.run(database.pool)) } catch {
                        failures.append(error)
                    }
                    if applied.count + failures.count == 3 { done.signal() }
                }
            }
            await done.wait()
            #expect(failures.isEmpty)
            #expect(applied.filter { !$0.isEmpty } == [Migration.all.map(\.name)])
        }
    }

    @Test("an applied migration whose text has changed stops everything")
    func changed() async throws {
        try await withTestDatabase(.empty) { database in
            let before = try migration("0001_create_things", "create table things (n int8);\n")
            let after = try migration("0001_create_things", "create table things (n int4);\n")
            try await Migrator.run(database.pool, migrations: [before])
            await #expect {
                try await Migrator.run(database.pool, migrations: [after])
            } throws: { error in
                guard case Migrator.Failure.changed("0001_create_things") = error else { return false }
                return "\(error)".contains("0001_create_things")
            }
        }
    }

    @Test("a migration that fails leaves nothing behind, and those before it stay")
    func failing() async throws {
        try await withTestDatabase(.empty) { database in
            let good = try migration("0001_create_good", "create table good (n int8);")
            let bad = try migration("0002_create_bad", "create table bad (n int8); select 1/0;")
            let error = await postgresFailure {
                try await Migrator.run(database.pool, migrations: [good, bad])
            }
            #expect(error?.sqlState == "22012")
            let tables = try await database.pool.withConnection { connection in
                try await connection.query(
                    "select relname::text from pg_class where relname in ('good', 'bad')"
                ).map { try $0.text(0) }
            }
            #expect(tables == ["good"])
            let fixed = try migration("0002_create_bad", "create table bad (n int8);")
            let applied = try await Migrator.run(database.pool, migrations: [good, fixed])
            #expect(applied == ["0002_create_bad"])
        }
    }

    @Test("migrations of a later release are left alone")
    func later() async throws {
        try await withTestDatabase(.empty) { database in
            let first = try migration("0001_create_good", "create table good (n int8);")
            let second = try migration("0002_create_more", "create table more (n int8);")
            try await Migrator.run(database.pool, migrations: [first, second])
            let applied = try await Migrator.run(database.pool, migrations: [first])
            #expect(applied.isEmpty)
        }
    }

    @Test("a table in use does not queue up behind a migration: it tries again later")
    func lockTimeout() async throws {
        try await withTestDatabase(.empty) { database in
            let first = try migration("0001_create_good", "create table good (n int8);")
            let second = try migration("0002_alter_good", "alter table good add m int8;")
            try await Migrator.run(database.pool, migrations: [first])
            let locked = Wakeup()
            let finished = Wakeup()
            database.loop.spawn {
                // Longer than one lock_timeout.
                try? await database.pool.withTransaction { connection in
                    _ = try await connection.query("select from good")
                    locked.signal()
                    _ = try await connection.query("select pg_sleep(3.3)")
                }
                finished.signal()
            }
            await locked.wait()
            let applied = try await Migrator.run(database.pool, migrations: [first, second])
            #expect(applied == ["0002_alter_good"])
            await finished.wait()
        }
    }
}

import Foundation
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("schema")
struct SchemaTests {
    private static let file = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "ControlPlane/Migrations/schema.sql")

    /// What pg_dump says, without what differs from run to run and from version to version.
    private static func dump(_ database: PostgresURL) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: try TestDatabase.program("pg_dump"))
        process.arguments = ["--schema-only", "--no-owner", "--dbname", "\(database)"]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        let noise = ["--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict"]
        var lines: [Substring] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if noise.contains(where: line.hasPrefix) || (line.isEmpty && lines.last?.isEmpty ?? true) {
                continue
            }
            lines.append(line)
        }
        let header =
            "-- The schema after all migrations, to read and to review. Written by `make schema`.\n\n"
        return header + lines.joined(separator: "\n")
    }

    @Test("schema.sql is what the migrations make")
    func replay() async throws {
        let (dump, version) = try await withTestDatabase { database in
            let version = try await database.pool.withConnection { connection in
                try await connection.query("select current_setting('server_version_num')::int8").first?.int64(
                    0)
            }
            return (try Self.dump(database.url), version ?? 0)
        }
        if ProcessInfo.processInfo.environment["WRITE_SCHEMA"] != nil {
            try dump.write(to: Self.file, atomically: true, encoding: .utf8)
        }
        // Each major version words its dumps a little differently; the file is of the one in packages.txt.
        guard version / 10_000 == 15 else { return }
        let committed = try String(contentsOf: Self.file, encoding: .utf8)
        #expect(committed == dump, "run `make schema` and commit the result")
    }

    private func texts(_ sql: SQL) async throws -> [String] {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                try await connection.query(sql).map { try $0.text(0) }
            }
        }
    }

    @Test("every constraint has a name that states a rule")
    func constraintNames() async throws {
        let unnamed = try await texts(
            """
            select conrelid::regclass || ': ' || conname
              from pg_constraint
             where connamespace = 'public'::regnamespace
               and conname ~ '_(check|fkey|key|excl)[0-9]*$'
               and conrelid::regclass::text not like 'usage_events_%'
            """)
        #expect(unnamed == [])
    }

    @Test("tables of tenants have tenant_id first in their key")
    func tenantKeys() async throws {
        let others = try await texts(
            """
            select attrelid::regclass::text
              from pg_attribute as tenant
             where attname = 'tenant_id' and attrelid in (select oid from pg_class
                                                           where relnamespace = 'public'::regnamespace
                                                             and relkind = 'r')
               and attrelid::regclass::text not like 'usage_events%'
               and not exists (select
                                 from pg_constraint
                                where conrelid = attrelid and contype = 'p' and conkey[1] = tenant.attnum)
            """)
        #expect(others == [])
    }

    @Test("foreign keys between tables of tenants carry the tenant")
    func tenantForeignKeys() async throws {
        let without = try await texts(
            """
            select conname::text
              from pg_constraint
             where contype = 'f'
               and exists (select from pg_attribute where attrelid = conrelid and attname = 'tenant_id')
               and exists (select from pg_attribute where attrelid = confrelid and attname = 'tenant_id')
               and not exists (select
                                 from pg_attribute
                                where attrelid = conrelid and attname in ('tenant_id', 'model_tenant_id')
                                  and attnum = conkey[1])
            """)
        #expect(without == [])
    }

    @Test("every table that feeds snapshots stamps its changes")
    func stamps() async throws {
        let stamped = try await texts(
            "select tgrelid::regclass::text from pg_trigger where tgname = 'stamp_change' order by 1")
        #expect(
            stamped == [
                "group_members", "guardrails", "keys", "limits", "models", "prices", "provider_credentials",
                "providers", "route_targets", "routes", "tenants", "workspaces",
            ])
    }
}

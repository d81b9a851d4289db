import EventLoops
import PostgresDriver
import TestSupport
import Testing

@Suite("round trips")
struct RoundTripTests {
    @Test(
        "a companion's rows come with the next statement's, or by themselves; its failure is everybody's"
    )
    func companions() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withTransaction(.readOnlySnapshot) { connection in
                let one = connection.sendAlong("select \(Int64(7))")
                let two = connection.sendAlong("select 'x'::text")
                let own = try await connection.query("select 1::int8").first?.int64(0)
                let second = try await connection.rows(of: two).first?.text(0)
                let first = try await connection.rows(of: one).first?.int64(0)
                let alone = connection.sendAlong("select 8::int8")
                let last = try await connection.rows(of: alone).first?.int64(0)
                #expect(own == 1 && second == "x" && first == 7 && last == 8)
                _ = connection.sendAlong("select 'not sent'::int8")
            }
            let error = await postgresFailure {
                try await database.pool.withTransaction { connection in
                    _ = connection.sendAlong("select 1 / (\(Int64(0)) - 0)")
                    _ = try? await connection.query("select 1::int8")
                }
            }
            #expect(error?.sqlState == "22012")
            let after = try await database.pool.withConnection {
                try await $0.query("select 2::int8").first?.int64(0)
            }
            #expect(after == 2)
        }
    }

    @Test(
        "a transaction without a statement never begins, nor one whose first cannot be prepared"
    )
    func opening() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: 1)
            try await pool.withConnection { try await $0.executeScript("create table t (n int8)") }
            let value = try await pool.withTransaction { _ in 3 }
            #expect(value == 3)
            let error = await postgresFailure {
                try await pool.withTransaction { connection in
                    _ = try? await connection.query("selec nothing")
                    try await connection.execute("insert into t values (1)")
                }
            }
            #expect(error?.sqlState == "42601")
            let count = try await pool.withConnection {
                try await $0.query("select count(*) from t").first?.int64(0)
            }
            #expect(count == 0)
            await pool.close()
        }
    }

    @Test(
        "a snapshot ends before its connection's next statement, and by itself when there is none"
    )
    func ending() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: 1)
            try await pool.withTransaction(.readOnlySnapshot) { _ = try await $0.query("select 1") }
            let isWriting = try await pool.withConnection { connection in
                try await connection.execute("create table t (n int8)")
                return try await connection.query("select current_setting('transaction_read_only')").first?
                    .text(0)
            }
            #expect(isWriting == "off")
            try await pool.withTransaction(.readOnlySnapshot) { _ = try await $0.query("select 1") }
            try await pool.withTransaction { try await $0.execute("insert into t values (1)") }
            try await pool.withTransaction(.readOnlySnapshot) { _ = try await $0.query("select n from t") }
            var open: Int64? = 1
            for _ in 0..<100 where open != 0 {
                await database.loop.yieldTurn()
                open = try await database.pool.withConnection {
                    try await $0.query(
                        """
                        select count(*) from pg_stat_activity
                         where datname = current_database() and state like 'idle in transaction%'
                        """
                    ).first?.int64(0)
                }
            }
            #expect(open == 0)
            await pool.close()
        }
    }

    @Test("a snapshot that begins as another ends sees what came since, and nothing holds that held there")
    func chaining() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: 1), tenant = PostgresUUID(high: 1, low: 2)
            try await database.pool.withConnection { try await $0.executeScript("create table t (n int8)") }
            var owner = ""
            let rounds: [(settings: [TransactionSetting], role: String?, tenant: String)] = [
                ([], nil, ""),
                (
                    [.uuid("eclusa.tenant", tenant), .role("pg_read_all_data")], "pg_read_all_data",
                    tenant.text
                ),
                ([], nil, ""), ([.role("pg_read_all_data")], "pg_read_all_data", ""),
                ([.uuid("eclusa.tenant", tenant)], nil, tenant.text), ([], nil, ""),
            ]
            for (number, round) in rounds.enumerated() {
                let seen = try await pool.withTransaction(.readOnlySnapshot, round.settings) { connection in
                    let rows = try await connection.query(
                        """
                        select current_user::text, coalesce(current_setting('eclusa.tenant', true), ''),
                               current_setting('transaction_isolation'),
                               current_setting('transaction_read_only'), (select count(*) from t)
                        """)
                    guard let row = rows.first else { return [] as [String] }
                    return try (0...3).map { try row.text($0) } + ["\(try row.int64(4))"]
                }
                if number == 0 { owner = seen[0] }
                #expect(
                    seen == [round.role ?? owner, round.tenant, "repeatable read", "on", "\(number)"])
                try await database.pool.withConnection { try await $0.execute("insert into t values (1)") }
            }
            await pool.close()
        }
    }
}

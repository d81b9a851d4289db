import EventLoops
import PostgresDriver
import TestSupport
import Testing

@Suite("transactions")
struct TransactionTests {
    struct Refusal: Error {}

    private func count(_ database: TestDatabase) async throws -> Int64? {
        try await database.pool.withConnection {
            try await $0.query("select count(*) from t").first?.int64(0)
        }
    }

    private func makeTable(_ database: TestDatabase) async throws {
        try await database.pool.withConnection {
            try await $0.executeScript("create table t (id int8 primary key, n int8 not null default 0)")
        }
    }

    @Test("what returns is committed, what throws is rolled back")
    func commitAndRollback() async throws {
        try await withTestDatabase(.empty) { database in
            try await makeTable(database)
            let value = try await database.pool.withTransaction { connection in
                try await connection.execute("insert into t values (1)")
                return "done"
            }
            #expect(value == "done")
            await #expect(throws: Refusal.self) {
                try await database.pool.withTransaction { connection in
                    try await connection.execute("insert into t values (2)")
                    throw Refusal()
                }
            }
            let rows = try await count(database)
            #expect(rows == 1)
            #expect(database.pool.statistics.idle == 1, "the connection was kept")
        }
    }

    @Test("an error the body swallowed still stops the commit")
    func swallowed() async throws {
        try await withTestDatabase(.empty) { database in
            try await makeTable(database)
            do {
                let error = await postgresFailure {
                    try await database.pool.withTransaction { connection in
                        try await connection.execute("insert into t values (1)")
                        _ = try? await connection.execute("insert into t values (1)")
                    }
                }
                #expect(error?.isUniqueViolation == true)
            }
            let rows = try await count(database)
            #expect(rows == 0)
        }
    }

    @Test("a cancelled task's transaction is rolled back and its connection stays good")
    func cancelled() async throws {
        try await withTestDatabase(.empty) { database in
            try await makeTable(database)
            var kind: PostgresError.Kind?
            let inserted = Wakeup()
            let cancelled = Wakeup()
            let ended = Wakeup()
            nonisolated(unsafe) let pool = database.pool
            let body = {
                do {
                    try await pool.withTransaction { connection in
                        try await connection.execute("insert into t values (1)")
                        inserted.signal()
                        await cancelled.wait()
                    }
                } catch {
                    kind = (error as? PostgresError)?.kind
                }
                ended.signal()
            }
            nonisolated(unsafe) let start = body
            let task = Task.immediate(executorPreference: database.loop) { await start() }
            await inserted.wait()
            task.cancel()
            cancelled.signal()
            await ended.wait()
            let rows = try await count(database)
            #expect(kind == .cancelled && rows == 0)
            #expect(database.pool.statistics.idle == 1)
        }
    }

    @Test("a serialization failure runs the transaction again, at most three times")
    func serialization() async throws {
        try await withTestDatabase(.empty) { database in
            try await makeTable(database)
            try await database.pool.withConnection { try await $0.executeScript("insert into t values (1)") }
            var attempts = 0
            try await database.pool.withTransaction(.serializable) { connection in
                attempts += 1
                _ = try await connection.query("select n from t")
                if attempts == 1 {
                    try await database.pool.withTransaction(.serializable) { other in
                        _ = try await other.query("select n from t")
                        try await other.execute("update t set n = n + 1")
                    }
                }
                try await connection.execute("update t set n = n + 1")
            }
            let sum = try await database.pool.withConnection {
                try await $0.query("select n from t").first?.int64(0)
            }
            #expect(attempts == 2 && sum == 2)

            attempts = 0
            do {
                let error = await postgresFailure {
                    try await database.pool.withTransaction { connection in
                        attempts += 1
                        try await connection.executeScript(
                            "do $$ begin raise exception 'again' using errcode = '40001'; end $$")
                    }
                }
                #expect(error?.isRetryable == true)
            }
            #expect(attempts == 3)
        }
    }

    @Test("a deadlock's victim runs again, and both get through")
    func deadlock() async throws {
        try await withTestDatabase(.empty) { database in
            try await makeTable(database)
            try await database.pool.withConnection {
                try await $0.executeScript("insert into t values (1), (2)")
            }
            let bothHoldOne = Wakeup()
            let done = Wakeup()
            var holders = 0
            var finished = 0
            for order in [[1, 2], [2, 1]] {
                database.loop.spawn {
                    try? await database.pool.withTransaction { connection in
                        try await connection.execute("update t set n = n + 1 where id = \(order[0])")
                        holders += 1
                        if holders == 1 { await bothHoldOne.wait() }
                        if holders == 2 { bothHoldOne.signal() }
                        try await connection.execute("update t set n = n + 1 where id = \(order[1])")
                    }
                    finished += 1
                    if finished == 2 { done.signal() }
                }
            }
            await done.wait()
            let sum = try await database.pool.withConnection {
                try await $0.query("select sum(n)::int8 from t").first?.int64(0)
            }
            #expect(sum == 4 && holders == 3, "one of them ran twice")
        }
    }

    @Test("a connection lost before COMMIT runs the transaction again on another")
    func lostConnection() async throws {
        try await withTestDatabase(.empty) { database in
            try await makeTable(database)
            var attempts = 0
            try await database.pool.withTransaction { connection in
                attempts += 1
                try await connection.execute("insert into t values (1)")
                if attempts == 1 { try await database.terminate([try await connection.processID()]) }
                try await connection.execute("insert into t values (2)")
            }
            let rows = try await count(database)
            #expect(attempts == 2 && rows == 2)
        }
    }

    @Test("a read-only snapshot sees one moment and refuses to write")
    func snapshot() async throws {
        try await withTestDatabase(.empty) { database in
            try await makeTable(database)
            try await database.pool.withTransaction(.readOnlySnapshot) { connection in
                let before = try await connection.query("select count(*) from t").first?.int64(0)
                try await database.pool.withTransaction { try await $0.execute("insert into t values (1)") }
                let after = try await connection.query("select count(*) from t").first?.int64(0)
                #expect(before == 0 && after == 0)
            }
            do {
                let error = await postgresFailure {
                    try await database.pool.withTransaction(.readOnlySnapshot) {
                        try await $0.execute("insert into t values (2)")
                    }
                }
                #expect(error?.sqlState == "25006")
            }
        }
    }

    @Test("a connection lost during COMMIT leaves the outcome unknown, and nothing is run twice")
    func unknownOutcome() async throws {
        try await withTestDatabase(.empty) { database in
            // COMMIT runs the deferred trigger, which ends the server process under it.
            try await database.pool.withConnection {
                try await $0.executeScript(
                    """
                    create table t (id int8);
                    create function die() returns trigger language plpgsql as
                        $$ begin
                            perform pg_terminate_backend(pg_backend_pid()), pg_sleep(1);
                            return null;
                        end $$;
                    create constraint trigger d after insert on t deferrable initially deferred
                        for each row execute function die();
                    """)
            }
            var attempts = 0
            do {
                let error = await postgresFailure {
                    try await database.pool.withTransaction { connection in
                        attempts += 1
                        try await connection.execute("insert into t values (1)")
                    }
                }
                #expect(error?.outcomeIsUnknown == true)
            }
            #expect(attempts == 1)
        }
    }
}

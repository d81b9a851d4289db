import EventLoops
import PostgresDriver
import TestSupport
import Testing

@Suite("queries")
struct QueryTests {
    @Test("values of every type come back as they were bound")
    func roundTrip() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                let uuid = PostgresUUID(high: 0x0194_0000_0000_7000, low: 0x8000_0000_0000_0001)
                let rows = try await connection.query(
                    """
                    select \(Int64.min), \("héllo\n"), \([0, 255] as [UInt8]), \(true), \(uuid), \(1.5),
                           \(.timestamp(microseconds: 1_773_057_600_123_456)), \(.date(days: -1)),
                           \(.json(#"{"b": 1, "a": [2]}"#)), \(Int32(-7)), 3::int2, 'x'::name, 'v'::varchar(3)
                    """)
                let row = try #require(rows.first)
                #expect(rows.count == 1)
                #expect(try row.int64(0) == .min)
                #expect(try row.text(1) == "héllo\n")
                #expect(try row.bytes(2) == [0, 255])
                #expect(try row.bool(3))
                #expect(try row.uuid(4) == uuid)
                #expect(try row.double(5) == 1.5)
                #expect(try row.timestampMicroseconds(6) == 1_773_057_600_123_456)
                #expect(try row.days(7) == -1)
                #expect(try row.text(8) == #"{"a": [2], "b": 1}"#)
                #expect(try row.int64(9) == -7)
                #expect(try row.int(10) == 3)
                #expect(try row.text(11) == "x")
                #expect(try row.text(12) == "v")
            }
        }
    }

    @Test("arrays come back as they were bound")
    func arrays() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                let uuids = [PostgresUUID(high: 1, low: 2), PostgresUUID(high: 3, low: 4)]
                let row = try #require(
                    try await connection.query(
                        """
                        select \(["a", "", "c"]), \(uuids), \([Int64.max, -1]), \([String]()),
                               \([[1, 0], []] as [[UInt8]]), \([1, nil, 3] as [Int?])
                        """
                    ).first)
                #expect(try row.textArray(0) == ["a", "", "c"])
                #expect(try row.uuidArray(1) == uuids)
                #expect(try row.int64Array(2) == [.max, -1])
                #expect(try row.textArray(3) == [])
                let unnested = try await connection.query(
                    "select part from unnest(\([[1, 0], []] as [[UInt8]])) as part")
                #expect(try unnested.map { try $0.bytes(0) } == [[1, 0], []])
                #expect(throws: PostgresError.self) { try row.int64Array(5) }
            }
        }
    }

    @Test("null is nil where it may be, and an error where not")
    func nulls() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                let row = try #require(
                    try await connection.query(
                        """
                        select \(nil as String?), \(nil as Int?), \(nil as [UInt8]?), \(nil as PostgresUUID?),
                               null::timestamptz, \(nil as Bool?)
                        """
                    ).first)
                #expect(try row.optionalText(0) == nil)
                #expect(try row.optionalInt64(1) == nil)
                #expect(try row.optionalBytes(2) == nil)
                #expect(try row.optionalUUID(3) == nil)
                #expect(try row.optionalTimestampMicroseconds(4) == nil)
                #expect(try row.optionalBool(5) == nil)
                #expect(try row.isNull(0))
                #expect(throws: PostgresError.self) { try row.text(0) }
                #expect(throws: PostgresError.self) { try row.int64(1) }
                #expect(throws: PostgresError.self) { try row.timestampMicroseconds(4) }
            }
        }
    }

    @Test("a wrong type, a missing column, an infinite time: an error, never a trap")
    func misreading() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                let row = try #require(
                    try await connection.query(
                        "select 'x'::text, 'infinity'::timestamptz, '-infinity'::date, array[[1::int8]], 1.5::numeric"
                    ).first)
                let misreadings: [() throws -> Void] = [
                    { _ = try row.int64(0) }, { _ = try row.uuid(0) }, { _ = try row.text(9) },
                    { _ = try row.text(-1) }, { _ = try row.timestampMicroseconds(1) },
                    { _ = try row.days(2) }, { _ = try row.int64Array(3) }, { _ = try row.isNull(5) },
                    { _ = try row.double(4) }, { _ = try row.textArray(3) },
                ]
                for misreading in misreadings {
                    #expect { try misreading() } throws: { ($0 as? PostgresError)?.kind == .decoding }
                }
            }
        }
    }

    @Test(
        "an injection attempt is data",
        arguments: [
            "'; drop table notes; --", "$1", "\\'; select pg_sleep(10); --", "\"", "%s", "{1,2}", "NULL", "",
            "\u{1F512} \u{202E}", String(repeating: "'", count: 10_000),
        ])
    func injection(_ text: String) async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                try await connection.executeScript("create table notes (body text)")
                try await connection.execute("insert into notes values (\(text))")
                let rows = try await connection.query("select body from notes where body = \(text)")
                #expect(try rows.map { try $0.text(0) } == [text])
                let listed = try await connection.query(
                    "select count(*) from notes where body = any(\([text]))")
                #expect(try listed.first?.int64(0) == 1)
            }
        }
    }

    @Test("a text with a NUL is refused, not cut short")
    func nul() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                do {
                    let error = await postgresFailure {
                        try await connection.query("select \("a\0b")")
                    }
                    #expect(error?.sqlState == "22021")
                }
            }
        }
    }

    @Test("rows touched are counted, also of statements without rows")
    func affected() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                let created = try await connection.execute("create table t (n int8 primary key)")
                let inserted = try await connection.execute("insert into t select generate_series(1, 5)")
                let deleted = try await connection.execute("delete from t where n > \(3)")
                let rows = try await connection.query("select from t")
                #expect(created == 0 && inserted == 5 && deleted == 2 && rows.count == 3)
            }
        }
    }

    @Test("an error names its state, its constraint and its table, and shows no values")
    func errors() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                try await connection.executeScript(
                    "create table t (name text constraint name_is_unique unique); insert into t values ('topsecret')"
                )
                do throws(PostgresError) {
                    try await connection.execute("insert into t values (\("topsecret"))")
                    Issue.record("a duplicate was taken")
                } catch {
                    #expect(error.kind == .refused && error.isUniqueViolation && !error.isUnavailable)
                    #expect(!error.isForeignKeyViolation && !error.isCheckViolation && !error.isRetryable)
                    #expect(error.constraint == "name_is_unique" && error.table == "t")
                    #expect(error.privateDetail.contains("topsecret"))
                    #expect(!"\(error)".contains("topsecret") && "\(error)".contains("name_is_unique"))
                }
                #expect(try await connection.query("select \(1)").count == 1, "the connection goes on")
            }
        }
    }

    @Test("more statements than the cache holds still work")
    func cacheOverflow() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                // The list's length is in the text here, on purpose.
                var list: SQL = "select \(0)"
                for number in 1...300 {
                    list = list + ", \(number)"
                    #expect(try await connection.query(list).first?.int64(number) == Int64(number))
                }
                let prepared = try await connection.query("select count(*) from pg_prepared_statements")
                #expect(try prepared.first?.int64(0) ?? 999 <= 256)
            }
        }
    }

    @Test("a statement whose table was changed by somebody else is prepared anew")
    func stalePlan() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                try await connection.executeScript("create table t (n int8); insert into t values (1)")
                #expect(try await connection.query("select * from t").first?.int64(0) == 1)
                try await database.pool.withConnection { other in
                    try await other.executeScript("alter table t alter column n type text using n::text")
                }
                #expect(try await connection.query("select * from t").first?.text(0) == "1")
                try await connection.executeScript("deallocate all")
                #expect(try await connection.query("select * from t").first?.text(0) == "1")
            }
            // Inside a transaction the whole transaction is run again.
            var attempts = 0
            let text = try await database.pool.withTransaction { connection in
                attempts += 1
                if attempts == 1 {
                    _ = try await connection.query("select n from t")
                    try await connection.executeScript("alter table t add m int4; deallocate all")
                }
                return try await connection.query("select n from t").first?.text(0)
            }
            // The statement that begins a transaction was lost too, and only the second attempt uses it.
            #expect(text == "1" && attempts == 3)
        }
    }

    @Test("two tasks on one connection is a mistake that is told")
    func sharing() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                var second: PostgresError?
                database.loop.spawn {
                    do { _ = try await connection.query("select pg_sleep(0.2)") } catch {}
                }
                do throws(PostgresError) {
                    _ = try await connection.query("select 1")
                } catch {
                    second = error
                }
                #expect(second?.kind == .misuse)
                await database.loop.sleep(nanoseconds: 400_000_000)
            }
        }
    }

    @Test("an empty statement is a mistake that is told")
    func empty() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                do {
                    let error = await postgresFailure {
                        try await connection.query("")
                    }
                    #expect(error?.kind == .misuse)
                }
                let after = try await connection.query("select 1")
                #expect(after.count == 1)
            }
        }
    }

    @Test("a large answer and a large value pass through")
    func large() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                let blob = [UInt8](repeating: 0xa5, count: 8 << 20)
                let row = try #require(try await connection.query("select \(blob), length(\(blob))").first)
                #expect(try row.bytes(0) == blob)
                let rows = try await connection.query("select n from generate_series(1, 200000) as n")
                #expect(rows.count == 200_000)
                #expect(try rows[199_999].int64(0) == 200_000)
            }
        }
    }
}

@Suite("pipelines")
struct PipelineTests {
    @Test("each statement has its own rows, in order")
    func order() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                #expect(try await connection.pipeline([]).isEmpty)
                let results = try await connection.pipeline([
                    "select \(1)", "create temporary table t (n int8)", "select \("two"), \(3)",
                ])
                #expect(results.count == 3)
                #expect(try results[0].first?.int64(0) == 1)
                #expect(results[1].isEmpty)
                #expect(try results[2].first?.text(0) == "two")
                let many = try await connection.pipeline((0..<500).map { "select \($0)" })
                #expect(try many.map { try $0.first?.int(0) ?? -1 } == Array(0..<500))
            }
        }
    }

    @Test("one failing statement undoes them all, and the connection goes on")
    func failure() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                try await connection.executeScript("create table t (n int8 primary key)")
                do {
                    let error = await postgresFailure {
                        try await connection.pipeline([
                            "insert into t values (\(1))", "insert into t values (\(1))",
                            "insert into t values (\(2))",
                        ])
                    }
                    #expect(error?.isUniqueViolation == true)
                }
                #expect(try await connection.query("select from t").isEmpty)
                #expect(try await connection.pipeline(["select 1"]).count == 1)
            }
        }
    }
}

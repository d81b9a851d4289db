import EventLoops
import PostgresDriver
import TestSupport
import Testing

@Suite("COPY")
struct CopyTests {
    @Test("odd bytes, empty texts, nulls and extremes arrive as they were")
    func oddBytes() async throws {
        struct Item {
            let id: PostgresUUID
            let text: String
            let blob: [UInt8]?
            let number: Int64?
            let at: Int64
        }
        let items = [
            Item(id: .init(high: 0, low: 0), text: "", blob: [], number: nil, at: 0),
            Item(id: .init(high: .max, low: .max), text: "\t\n\r\\.\\N\"'", blob: nil, number: .min, at: 1),
            Item(
                id: .init(high: 1, low: 2), text: "ünï\u{0001}\u{1F512}", blob: Array(0...255), number: .max,
                at: 1_773_057_600_999_999),
        ]
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                try await connection.executeScript(
                    """
                    create table t (id uuid, body text, blob bytea, number int8, at timestamptz, small int2,
                                    middle int4, yes bool, list int8[])
                    """)
                let copied = try await connection.copyIn(
                    "copy t from stdin (format binary)", columns: 9, items
                ) { item, row in
                    row.append(item.id)
                    row.append(item.text)
                    if let blob = item.blob { row.append(blob) } else { row.appendNull() }
                    row.append(item.number)
                    row.append(timestampMicroseconds: item.at)
                    row.append(Int16(-3))
                    row.append(Int32(70_000))
                    row.append(true)
                    row.appendNull()
                }
                #expect(copied == 3)
                let rows = try await connection.query(
                    "select id, body, blob, number, at, small, middle, yes from t order by at")
                for (row, item) in zip(rows, items) {
                    #expect(try row.uuid(0) == item.id)
                    #expect(try row.text(1) == item.text)
                    #expect(try row.optionalBytes(2) == item.blob)
                    #expect(try row.optionalInt64(3) == item.number)
                    #expect(try row.timestampMicroseconds(4) == item.at)
                    #expect(try row.int64(5) == -3 && row.int64(6) == 70_000 && row.bool(7))
                }
            }
        }
    }

    @Test("a row the server refuses undoes the whole copy, and the connection goes on")
    func refusedRow() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                try await connection.executeScript(
                    "create table t (n int8 constraint n_is_small check (n < 1000))")
                do {
                    let error = await postgresFailure {
                        try await connection.copyIn(
                            "copy t from stdin (format binary)", columns: 1, 0..<200_000
                        ) { number, row in row.append(Int64(number)) }
                    }
                    #expect(error?.constraint == "n_is_small")
                }
                let count = try await connection.query("select count(*) from t").first?.int64(0)
                #expect(count == 0)
            }
        }
    }

    @Test("a row with too few columns is a mistake that is told, and nothing is copied")
    func shortRow() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                try await connection.executeScript("create table t (a int8, b int8)")
                do {
                    let error = await postgresFailure {
                        try await connection.copyIn("copy t from stdin (format binary)", columns: 2, [1]) {
                            number, row in
                            row.append(Int64(number))
                        }
                    }
                    #expect(error?.kind == .misuse)
                }
                let count = try await connection.query("select count(*) from t").first?.int64(0)
                #expect(count == 0)
            }
        }
    }

    @Test("what is no COPY is refused")
    func noCopy() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                let noCopy = await postgresFailure {
                    try await connection.copyIn("select 1", columns: 1, [1]) { _, row in row.append(true) }
                }
                #expect(noCopy?.kind == .misuse)
                let nowhere = await postgresFailure {
                    try await connection.copyIn("copy nowhere from stdin", columns: 1, [1]) { _, row in
                        row.append(true)
                    }
                }
                #expect(nowhere?.sqlState == "42P01")
                let row = try await connection.query("select 1").first
                #expect(row != nil)
                let out = await postgresFailure {
                    try await connection.executeScript("copy (select 1) to stdout")
                }
                #expect(out?.kind == .misuse)
            }
        }
    }

    @Test("a hundred thousand rows take less than a second, even in a debug build")
    func speed() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                try await connection.executeScript("create table t (a int8, b text, c uuid)")
                let before = monotonicNanoseconds()
                let copied = try await connection.copyIn(
                    "copy t from stdin (format binary)", columns: 3, 0..<100_000
                ) { number, row in
                    row.append(Int64(number))
                    row.append("some text")
                    row.append(PostgresUUID(high: 1, low: UInt64(number)))
                }
                let seconds = Double(monotonicNanoseconds() - before) / 1e9
                #expect(copied == 100_000)
                #expect(seconds < 10, "\(seconds) s; a shared machine, so far above what it takes")
            }
        }
    }
}

@Suite("notifications")
struct ListenerTests {
    @Test("a notification wakes, and so does every connect, because some may have been missed")
    func wakes() async throws {
        try await withTestDatabase(.empty) { database in
            var signals = 0
            let signalled = Wakeup()
            let listener = PostgresListener(
                loop: database.loop, url: database.url, channel: "eclusa_test"
            ) {
                signals += 1
                signalled.signal()
            }
            listener.start()
            await signalled.wait()
            #expect(signals == 1, "connected")
            try await database.pool.withConnection { try await $0.executeScript("notify eclusa_test") }
            await signalled.wait()
            #expect(signals == 2)
            // Its connection is ended; it comes back by itself and signals.
            let processes = try await database.pool.withConnection { connection in
                try await connection.query(
                    "select pid::int8 from pg_stat_activity where application_name = 'eclusa-listen' and datname = current_database()"
                ).map { try $0.int64(0) }
            }
            #expect(processes.count == 1)
            try await database.terminate(processes)
            await signalled.wait()
            #expect(signals == 3, "connected again")
            try await database.pool.withConnection { try await $0.executeScript("notify eclusa_test") }
            await signalled.wait()
            #expect(signals == 4)
            await listener.close()
            try await database.pool.withConnection { try await $0.executeScript("notify eclusa_test") }
            #expect(signals == 4)
        }
    }

    @Test("closing one that never connected does not hang")
    func neverConnected() async throws {
        try await withLoop { loop in
            let listener = PostgresListener(
                loop: loop, url: try PostgresURL("host=/nonexistent"), channel: "x"
            ) {}
            listener.start()
            await loop.sleep(nanoseconds: 20_000_000)
            await listener.close()
            let idle = PostgresListener(loop: loop, url: try PostgresURL("host=/x"), channel: "x") {}
            await idle.close()
        }
    }
}

import EventLoops
import PostgresDriver
import Synchronization
import Telemetry
import TestSupport
import Testing

extension PostgresConnection {
    func processID() async throws -> Int64 {
        try await query("select pg_backend_pid()").first?.int64(0) ?? 0
    }
}

extension TestDatabase {
    /// Ends server processes as an operator or a crash would; connections of this database only.
    func terminate(_ processes: [Int64]) async throws {
        let other = makePool(size: 1)
        try await other.withConnection { connection in
            _ = try await connection.query(
                "select pg_terminate_backend(p::int4, 5000) from unnest(\(processes)) as p")
        }
        await other.close()
    }
}

/// What was logged. Any thread.
final class Lines: Sendable {
    private let content = Mutex("")
    var text: String { content.withLock { $0 } }
    func append(_ line: String) { content.withLock { $0 += line } }
}

@Suite("pools")
struct PoolTests {
    @Test("a connection is used again, not opened again")
    func reuse() async throws {
        try await withTestDatabase(.empty) { database in
            var processes: Set<Int64> = []
            for _ in 0..<5 {
                processes.insert(try await database.pool.withConnection { try await $0.processID() })
            }
            #expect(processes.count == 1)
            let statistics = database.pool.statistics
            #expect(statistics.idle == 1 && statistics.leased == 0)
            #expect(statistics.waiting == 0 && !statistics.isDown)
        }
    }

    @Test(
        "more tasks than connections are served in the order they came, and all of them", arguments: [1, 3])
    func queueing(_ size: Int) async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: size)
            var served: [Int] = []
            var processes: Set<Int64> = []
            let done = Wakeup()
            for number in 0..<20 {
                database.loop.spawn {
                    try? await pool.withConnection { connection in
                        processes.insert(try await connection.processID())
                        served.append(number)
                    }
                    if served.count == 20 { done.signal() }
                }
            }
            await done.wait()
            #expect(Set(served) == Set(0..<20))
            #expect(processes.count <= size, "never more connections than the pool's size")
            if size == 1 { #expect(served == Array(0..<20)) }
            await pool.close()
        }
    }

    @Test("who waits beyond the deadline is told so, and the pool goes on")
    func exhaustion() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: 1)
            try await pool.withConnection { _ in
                let before = monotonicNanoseconds()
                do {
                    let error = await postgresFailure {
                        try await pool.withConnection { _ in }
                    }
                    #expect(error?.isUnavailable == true)
                }
                let waited = monotonicNanoseconds() - before
                #expect(waited >= PostgresPool.waitNanoseconds * 9 / 10 && waited < 15_000_000_000)
            }
            let process = try await pool.withConnection { try await $0.processID() }
            #expect(process > 0)
            await pool.close()
        }
    }

    @Test("a connection left inside a transaction is not handed on")
    func leftovers() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: 1)
            let first = try await pool.withConnection { connection in
                try await connection.executeScript("begin; create table t (n int8)")
                return try await connection.processID()
            }
            let (second, exists) = try await pool.withConnection { connection in
                let exists = try await connection.query("select to_regclass('t') is not null")
                return (try await connection.processID(), try exists.first?.bool(0))
            }
            #expect(first != second && exists == false)
            await pool.close()
        }
    }

    @Test("a server process that ends while its connection is idle is noticed at once")
    func idleDeath() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: 1)
            let first = try await pool.withConnection { try await $0.processID() }
            try await database.terminate([first])
            // The end arrives on the socket; a few turns of the loop later the pool has let go of it.
            for _ in 0..<100 where pool.statistics.idle > 0 {
                await database.loop.sleep(nanoseconds: 5_000_000)
            }
            #expect(pool.statistics.idle == 0)
            let second = try await pool.withConnection { try await $0.processID() }
            #expect(second != first && second > 0)
            await pool.close()
        }
    }

    @Test("a server process that ends in the middle of a statement: an error now, a new connection next")
    func busyDeath() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: 1)
            var failure: PostgresError?
            do {
                try await pool.withConnection { connection in
                    let process = try await connection.processID()
                    database.loop.spawn { try? await database.terminate([process]) }
                    _ = try await connection.query("select pg_sleep(20)")
                }
            } catch let error as PostgresError {
                failure = error
            }
            #expect(failure?.isUnavailable == true)
            let next = try await pool.withConnection { try await $0.processID() }
            #expect(next > 0)
            await pool.close()
        }
    }

    @Test("a closed pool refuses work and waits for what is running")
    func closing() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: 1)
            var isFinished = false
            let entered = Wakeup()
            database.loop.spawn {
                try? await pool.withConnection { connection in
                    entered.signal()
                    _ = try await connection.query("select pg_sleep(0.2)")
                    isFinished = true
                }
            }
            await entered.wait()
            await pool.close()
            #expect(isFinished)
            let error = await postgresFailure { try await pool.withConnection { _ in } }
            #expect(error?.isUnavailable == true)
        }
    }

    @Test("nobody there: an error within five seconds, and at once when it has been so for a while")
    func unreachable() async throws {
        try await withLoop { loop in
            let url = try PostgresURL("host=/nonexistent dbname=x")
            let pool = PostgresPool(
                loop: loop, url: url, size: 2, purpose: "test", statementTimeoutMilliseconds: 1000)
            func attempt() async -> (isUnavailable: Bool, nanoseconds: Int64) {
                let before = monotonicNanoseconds()
                do {
                    try await pool.withConnection { _ in }
                    return (false, 0)
                } catch {
                    let isUnavailable = (error as? PostgresError)?.isUnavailable == true
                    return (isUnavailable, monotonicNanoseconds() - before)
                }
            }
            let first = await attempt()
            #expect(first.isUnavailable && first.nanoseconds < 15_000_000_000)
            #expect(pool.statistics.isDown)
            let second = await attempt()
            #expect(second.isUnavailable && second.nanoseconds < 100_000_000)
            await pool.close()
        }
    }

    @Test("the log says once why the database is away, and that it is back")
    func logging() async throws {
        try await withTestDatabase(.empty) { database in
            let lines = Lines()
            let output = LogOutput(level: .info) { bytes in
                lines.append(String(decoding: bytes, as: UTF8.self))
                return true
            }
            let pool = PostgresPool(
                loop: database.loop, url: database.url, size: 1, purpose: "test",
                statementTimeoutMilliseconds: 1000, log: Log(output: output))
            let process = try await pool.withConnection { try await $0.processID() }
            try await database.terminate([process])
            while pool.statistics.idle > 0 { await database.loop.sleep(nanoseconds: 5_000_000) }
            await pool.close()
            let away = PostgresPool(
                loop: database.loop, url: try PostgresURL("host=/nonexistent"), size: 1, purpose: "away",
                statementTimeoutMilliseconds: 1000, log: Log(output: output))
            _ = await postgresFailure { try await away.withConnection { _ in } }
            await away.close()
            let text = lines.text
            #expect(text.contains("idle database connection lost") && text.contains(#""pool":"test""#))
            #expect(text.split(separator: "\n").filter { $0.contains("database unavailable") }.count == 1)
        }
    }

    @Test("a server that refuses to sign us in is unavailable, with its reason")
    func refusedSignIn() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = PostgresPool(
                loop: database.loop, url: database.url.with(database: "no_such_database"), size: 1,
                purpose: "test", statementTimeoutMilliseconds: 1000)
            do {
                let error = await postgresFailure {
                    try await pool.withConnection { _ in }
                }
                #expect(error?.privateDetail.contains("no_such_database") == true)
            }
            await pool.close()
        }
    }

    @Test("a server that accepts and never speaks is given up", .timeLimit(.minutes(1)))
    func silence() async throws {
        try await withLoop { loop in
            let deaf = try DeafServer()
            let url = try PostgresURL("postgres://x@127.0.0.1:\(deaf.port)/x")
            let pool = PostgresPool(
                loop: loop, url: url, size: 1, purpose: "test", statementTimeoutMilliseconds: 1000)
            do {
                let error = await postgresFailure {
                    try await pool.withConnection { _ in }
                }
                #expect(error?.isUnavailable == true)
            }
            await pool.close()
            deaf.close()
        }
    }

    @Test("statements are ended by the timeout of the pool's purpose")
    func statementTimeout() async throws {
        try await withTestDatabase(.empty) { database in
            let pool = database.makePool(size: 1, purpose: "impatient", timeoutMilliseconds: 1500)
            try await pool.withConnection { connection in
                do {
                    let error = await postgresFailure {
                        try await connection.query("select pg_sleep(10)")
                    }
                    #expect(error?.kind == .timedOut)
                }
                let name = try await connection.query("select current_setting('application_name')")
                #expect(try name.first?.text(0) == "eclusa-impatient")
            }
            await pool.close()
        }
    }

    @Test("TCP works, by address and by name with a resolver")
    func network() async throws {
        try await withTestDatabase(.empty) { database in
            let resolver = BlockingPool(threads: 1, queueLimit: 8, name: "test-resolve")
            let byAddress = PostgresPool(
                loop: database.loop, url: database.tcpURL, size: 1, purpose: "test",
                statementTimeoutMilliseconds: 1000)
            let named = try database.tcpURL(host: "localhost")
            let byName = PostgresPool(
                loop: database.loop, url: named, size: 1, purpose: "test",
                statementTimeoutMilliseconds: 1000, resolver: resolver)
            let onTheLoop = PostgresPool(
                loop: database.loop, url: named, size: 1, purpose: "test", statementTimeoutMilliseconds: 1000)
            for pool in [byAddress, byName, onTheLoop] {
                let address = try await pool.withConnection { connection in
                    try await connection.query("select host(inet_server_addr())").first?.text(0)
                }
                #expect(address == "127.0.0.1" || address == "::1")
                await pool.close()
            }
        }
    }

    @Test("a name without an address is an unavailable database")
    func unknownName() async throws {
        try await withLoop { loop in
            let resolver = BlockingPool(threads: 1, queueLimit: 8, name: "test-resolve")
            let pool = PostgresPool(
                loop: loop, url: try PostgresURL("host=no-such-host.invalid"), size: 1, purpose: "test",
                statementTimeoutMilliseconds: 1000, resolver: resolver)
            do {
                let error = await postgresFailure {
                    try await pool.withConnection { _ in }
                }
                #expect(error?.isUnavailable == true)
            }
            await pool.close()
        }
    }
}

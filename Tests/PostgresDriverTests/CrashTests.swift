import EventLoops
import Glibc
import PostgresDriver
import TestSupport
import Testing

@Suite("crashes of the server")
struct CrashTests {
    private static func pool(_ loop: EventLoop, _ url: PostgresURL) -> PostgresPool {
        PostgresPool(loop: loop, url: url, size: 3, purpose: "test", statementTimeoutMilliseconds: 5000)
    }

    @Test("kill -9 of a server process: every connection is lost, and work goes on when the server is back")
    func killedBackend() async throws {
        try await withPrivateServer { loop, url in
            let pool = Self.pool(loop, url)
            try await pool.withConnection {
                try await $0.executeScript("set synchronous_commit = on; create table t (n int8)")
            }
            // One connection idle, one in the middle of a transaction.
            let victim = try await pool.withConnection { try await $0.processID() }
            var attempts = 0
            try await pool.withTransaction { connection in
                attempts += 1
                try await connection.execute("insert into t values (\(attempts))")
                if attempts == 1 {
                    #expect(kill(pid_t(victim), SIGKILL) == 0 || errno == ESRCH)
                    #expect(kill(pid_t(try await connection.processID()), SIGKILL) == 0)
                }
                try await connection.execute("insert into t values (\(attempts))")
            }
            let rows = try await pool.withConnection { connection in
                try await connection.query("select n from t").map { try $0.int64(0) }
            }
            #expect(attempts >= 2 && rows == [Int64(attempts), Int64(attempts)])
            await pool.close()
        }
    }

    @Test("a server that stops answers nobody; callers are told fast, and served again when it is back")
    func stoppedServer() async throws {
        try await withPrivateServer { loop, url in
            let pool = Self.pool(loop, url)
            let postmaster = try await pool.withConnection { connection in
                let text = try await connection.query("select pg_read_file('postmaster.pid')").first?.text(0)
                return pid_t(text?.split(separator: "\n").first ?? "") ?? 0
            }
            try #require(postmaster > 1)
            // SIGSTOP of the postmaster: connects are queued by the kernel and never answered.
            let idle = try await pool.withConnection { try await $0.processID() }
            #expect(kill(postmaster, SIGSTOP) == 0)
            #expect(kill(pid_t(idle), SIGKILL) == 0)
            while pool.statistics.idle > 0 { await loop.sleep(nanoseconds: 5_000_000) }
            let before = monotonicNanoseconds()
            let error = await postgresFailure { try await pool.withConnection { try await $0.processID() } }
            #expect(error?.isUnavailable == true)
            #expect(monotonicNanoseconds() - before < 15_000_000_000)
            #expect(kill(postmaster, SIGCONT) == 0)
            var served: Int64?
            for _ in 0..<200 where served == nil {
                served = try? await pool.withConnection { try await $0.processID() }
                if served == nil { await loop.sleep(nanoseconds: 50_000_000) }
            }
            #expect(served != nil)
            await pool.close()
        }
    }
}

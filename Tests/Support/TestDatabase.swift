package import EventLoops
package import PostgresDriver
package import Store
import Synchronization

/// A database of one test's own, and a loop and a pool to use it with. Lives on the loop's thread.
package final class TestDatabase {
    package enum Contents: Sendable {
        /// The schema of this program, copied from a template in some 30 ms.
        case migrated
        /// No tables at all.
        case empty
    }

    package let loop: EventLoop
    package let url: PostgresURL
    /// Through 127.0.0.1 instead of the unix socket.
    package let tcpURL: PostgresURL

    /// Through a name of this machine.
    package func tcpURL(host: String) throws -> PostgresURL {
        try TestCluster.shared().tcpURL(host: host, database: name)
    }

    package let pool: PostgresPool
    private let name: String
    private static let nextNumber = Mutex(0)

    private init(loop: EventLoop, name: String) throws {
        self.loop = loop
        self.name = name
        url = try TestCluster.shared().url(database: name)
        tcpURL = try TestCluster.shared().tcpURL(host: "127.0.0.1", database: name)
        pool = PostgresPool.forTests(loop, url)
    }

    /// Where one of Postgres' programs is (`pg_dump`).
    package static func program(_ name: String) throws -> String {
        "\(try TestCluster.binaries())/\(name)"
    }

    /// Another pool on the same database; close it. Without a role it works as a superuser, who is under no
    /// row-level security.
    package func makePool(
        size: Int = 4, role: DatabaseRole? = nil, purpose: String = "test", timeoutMilliseconds: Int = 30_000
    ) -> PostgresPool {
        PostgresPool(
            loop: loop, url: url, role: role?.name, size: size, purpose: purpose,
            statementTimeoutMilliseconds: timeoutMilliseconds)
    }

    fileprivate static func create(_ contents: Contents, on loop: EventLoop) async throws -> TestDatabase {
        let number = nextNumber.withLock { number in
            number += 1
            return number
        }
        let name = "test_\(number)"
        let template = contents == .migrated ? TestCluster.template : "template0"
        try await administer(loop) {
            try await $0.executeScript("create database \(name) template \(template)")
        }
        return try TestDatabase(loop: loop, name: name)
    }

    fileprivate func drop() async throws {
        await pool.close()
        try await Self.administer(loop) { [name] in
            try await $0.executeScript("drop database \(name) with (force)")
        }
    }

    private static func administer(
        _ loop: EventLoop, _ body: (PostgresConnection) async throws -> Void
    ) async throws {
        let server = PostgresPool.forTests(loop, try TestCluster.shared().url(database: "postgres"), size: 1)
        do {
            try await server.withConnection(body)
        } catch {
            await server.close()
            throw error
        }
        await server.close()
    }
}

/// Runs `body` on a loop of its own with a database of its own; both are gone afterwards.
@discardableResult
package func withTestDatabase<T: Sendable>(
    _ contents: TestDatabase.Contents = .migrated, timeLimitSeconds: Int = 60,
    _ body: @escaping @Sendable (TestDatabase) async throws -> T
) async throws -> T {
    _ = try TestCluster.shared()  // outside the time limit, and not on the loop
    return try await withLoop(timeLimitSeconds: timeLimitSeconds) { loop in
        let database = try await TestDatabase.create(contents, on: loop)
        do {
            let result = try await body(database)
            try await database.drop()
            return result
        } catch {
            try? await database.drop()
            throw error
        }
    }
}

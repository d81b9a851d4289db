package import EventLoops
import Glibc
package import PostgresDriver
import Store
import Synchronization

/// The private Postgres of this test process: started when the first test needs it, gone with the process.
///
/// A shell supervises the server: it holds the reading end of a pipe and ends the server when the pipe
/// closes, so nothing is left running or lying about, however the test process ends.
struct TestCluster: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let template = "eclusa_template"
    private static let started = Result {
        let cluster = try TestCluster()
        try cluster.migrateTemplate()
        return cluster
    }

    /// The one cluster. Blocks while it starts, about two seconds, once.
    static func shared() throws -> TestCluster { try started.get() }

    private let directory: String
    private let port: UInt16
    /// Closing it ends the server.
    private let lifeline: Int32
    private let supervisor: pid_t

    /// Through the unix socket. The user `postgres` may do anything.
    func url(database: String) throws -> PostgresURL {
        try PostgresURL("host=\(directory) port=\(port) user=postgres dbname=\(database)")
    }

    /// Through 127.0.0.1, or a name that resolves to it.
    func tcpURL(host: String, database: String) throws -> PostgresURL {
        try PostgresURL("postgres://postgres@\(host):\(port)/\(database)")
    }

    /// Starts a server with nothing in it. Blocks about a second.
    init() throws {
        (directory, port, lifeline, supervisor) = try Self.start()
        let running = self
        let isFirst = Self.running.withLock { list in
            list.append(running)
            return list.count == 1
        }
        if isFirst {
            atexit {
                let clusters = TestCluster.running.withLock { $0 }
                for cluster in clusters { close(cluster.lifeline) }
                for cluster in clusters { waitpid(cluster.supervisor, nil, 0) }
            }
        }
    }

    /// Ends the server and waits until nothing of it is left. Once more does nothing.
    func stop() {
        let wasRunning = Self.running.withLock { list in
            guard let index = list.firstIndex(where: { $0.supervisor == supervisor }) else { return false }
            list.remove(at: index)
            return true
        }
        guard wasRunning else { return }
        close(lifeline)
        waitpid(supervisor, nil, 0)
    }

    private static let running = Mutex<[TestCluster]>([])

    private static func makeDirectory() throws -> String {
        // Short, because a socket's path has at most 107 bytes.
        var path = Array("/tmp/eclusa-test-XXXXXX".utf8CString)
        guard mkdtemp(&path) != nil else { throw Failure(description: "mkdtemp: errno \(errno)") }
        return path.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    /// A port that was free a moment ago.
    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
            }
        }
        guard result else { throw Failure(description: "no free port: errno \(errno)") }
        return UInt16(bigEndian: address.sin_port)
    }

    /// Tries a few ports: one that was free may be somebody else's a moment later.
    private static func start() throws -> (String, UInt16, lifeline: Int32, supervisor: pid_t) {
        for _ in 0..<5 {
            let directory = try makeDirectory()
            let port = try freePort()
            if let running = try start(directory: directory, port: port) {
                return (directory, port, running.lifeline, running.supervisor)
            }
        }
        throw Failure(description: "Postgres did not start; see /tmp/eclusa-test-*.log")
    }

    /// Runs the supervisor and waits for its "ready"; nil when the server ended instead.
    private static func start(directory: String, port: UInt16) throws -> (lifeline: Int32, supervisor: pid_t)?
    {
        let account = geteuid() == 0 ? (getpwnam("postgres") != nil ? "postgres" : "nobody") : ""
        let arguments = [
            "setsid", "sh", "-c", script, "sh", try binaries(), directory, String(port), account,
        ]
        let stopper = try makePipe()
        let answers = try makePipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, stopper.read, 0)
        posix_spawn_file_actions_adddup2(&actions, answers.write, 1)
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process = pid_t()
        let result = posix_spawnp(&process, "setsid", &actions, nil, &pointers, environ)
        close(stopper.read)
        close(answers.write)
        defer { close(answers.read) }
        guard result == 0 else { throw Failure(description: "posix_spawnp setsid: errno \(result)") }
        var byte: UInt8 = 0
        if read(answers.read, &byte, 1) == 1 { return (stopper.write, process) }
        close(stopper.write)
        waitpid(process, nil, 0)
        return nil
    }

    private static func makePipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        // Not inherited by what other tests start, or the pipe would never close.
        guard pipe(&ends) == 0, fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0,
            fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0
        else { throw Failure(description: "pipe: errno \(errno)") }
        return (ends[0], ends[1])
    }

    /// The newest of Debian's versions, else whatever PATH has.
    static func binaries() throws -> String {
        var found = glob_t()
        defer { globfree(&found) }
        var best: (version: Int, path: String)?
        if glob("/usr/lib/postgresql/*/bin/initdb", 0, nil, &found) == 0 {
            for index in 0..<Int(found.gl_pathc) {
                guard let entry = found.gl_pathv[index] else { continue }
                let parts = String(cString: entry).split(separator: "/")
                guard parts.count >= 5, let version = Int(parts[3]), version > best?.version ?? 0 else {
                    continue
                }
                best = (version, "/" + parts.dropLast().joined(separator: "/"))
            }
        }
        if let best { return best.path }
        for folder in String(cString: getenv("PATH") ?? strdup("")).split(separator: ":")
        where access("\(folder)/initdb", X_OK) == 0 {
            return String(folder)
        }
        throw Failure(description: "no initdb: install postgresql (15 or later)")
    }

    /// Ends what it started whenever the test process goes, also while it is still starting (no SIGPIPE
    /// then). Nothing here needs to survive a crash, so nothing waits for the disk.
    private static let script = """
        trap '' HUP INT TERM PIPE
        bin=$1 dir=$2 port=$3 account=$4 as=
        if [ -n "$account" ]; then
            chown "$account" "$dir" || exit 1
            as="setpriv --reuid=$account --regid=$(id -g "$account") --clear-groups --"
        fi
        cd "$dir" || exit 1
        $as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync \
            >"$dir.log" 2>&1 || exit 1
        $as "$bin/postgres" -D "$dir/data" -k "$dir" -h 127.0.0.1 -p "$port" \
            -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal \
            -c max_wal_senders=0 -c max_connections=300 -c shared_buffers=64MB -c jit=off \
            -c log_statement=none >>"$dir.log" 2>&1 &
        server=$!
        until "$bin/pg_isready" -q -h "$dir" -p "$port"; do
            kill -0 $server 2>/dev/null || { rm -rf "$dir"; exit 1; }
            sleep 0.05
        done
        echo || :
        cat >/dev/null
        kill -QUIT $server
        wait $server
        rm -rf "$dir" "$dir.log"
        """

    /// Migrates one database that all others are copies of.
    private func migrateTemplate() throws {
        let admin = try url(database: "postgres")
        let template = try url(database: Self.template)
        let loop = try EventLoop()
        let outcome = Mutex<Result<Void, any Error>>(.failure(Failure(description: "the loop stopped")))
        loop.execute {
            loop.spawn {
                do {
                    let server = PostgresPool.forTests(loop, admin)
                    try await server.withConnection {
                        try await $0.executeScript("create database \(Self.template)")
                    }
                    await server.close()
                    let pool = PostgresPool.forTests(loop, template)
                    try await Migrator.run(pool)
                    await pool.close()
                    outcome.withLock { $0 = .success(()) }
                } catch {
                    outcome.withLock { $0 = .failure(error) }
                }
                loop.stop()
            }
        }
        spawnThread(name: "test-migrate") { loop.run() }.join()
        try outcome.withLock { $0 }.get()
    }
}

extension PostgresPool {
    static func forTests(_ loop: EventLoop, _ url: PostgresURL, size: Int = 4) -> PostgresPool {
        PostgresPool(
            loop: loop, url: url, size: size, purpose: "test", statementTimeoutMilliseconds: 30_000)
    }
}

/// Runs `body` with a server that nobody else uses, so that it may be hurt. The server is gone afterwards.
package func withPrivateServer<T: Sendable>(
    _ body: @escaping @Sendable (EventLoop, PostgresURL) async throws -> T
) async throws -> T {
    let cluster = try TestCluster()
    defer { cluster.stop() }
    let url = try cluster.url(database: "postgres")
    return try await withLoop(timeLimitSeconds: 60) { loop in try await body(loop, url) }
}

import Domain
import EventLoops
import Glibc
import PostgresDriver
import TestSupport

/// The exports of usage over HTTP, from `eclusa-control` as a process of its own: how soon the first row is
/// there, how many come a second, and what memory the server takes for it. Blocks its thread.
struct ExportBench {
    struct Failed: Error, CustomStringConvertible { let description: String }

    private static let goalMilliseconds: Int64 = 1_000
    private static let goalMemory: Int64 = 32
    private static let email = "bench@example.com"
    private static let password = SystemRandomNumberGenerator.word()

    let database: PostgresURL
    let tenant: TenantID
    let (from, to): (Timestamp, Timestamp)

    init(_ database: PostgresURL, tenant: TenantID, from: Timestamp, to: Timestamp) {
        (self.database, self.tenant, self.from, self.to) = (database, tenant, from, to)
    }

    func run() throws {
        let folder = TemporaryDirectory()
        let server = try start(in: folder)
        defer {
            kill(server, SIGTERM)
            waitpid(server, nil, 0)
        }
        let base = "http://\(try address(in: folder, of: server))/api/v1"
        let token = try signIn(base)
        let ofTenant = "\(base)/tenants/\(tenant)"
        let report = "from=\(from)&to=\(to)&step=day"
        for (name, url, pause) in [
            ("calls as ndjson", "\(ofTenant)/usage-events/export", 0),
            ("calls as csv", "\(ofTenant)/usage-events/export?format=csv", 0),
            ("calls as csv, read with a pause", "\(ofTenant)/usage-events/export?format=csv", 3),
            ("failed calls", "\(ofTenant)/usage-events/export?failed=true", 0),
            ("calls that there are none of", "\(ofTenant)/usage-events/export?endpoint=none", 0),
            ("report by key and model", "\(ofTenant)/usage/export?\(report)&group_by=key,model", 0),
            ("report of all tenants", "\(base)/usage/export?\(report)&group_by=tenant", 0),
        ] { try measure(name, url, pause: UInt32(pause), token: token, server) }
    }

    /// Reads one export to its end. `pause`: seconds in which nothing is read, soon after the start.
    private func measure(
        _ name: String, _ url: String, pause: UInt32, token: String, _ server: pid_t
    ) throws {
        let before = try memory("VmRSS:", of: "\(server)")
        let started = monotonicNanoseconds()
        // What is there is passed on at once; the last line is curl's own, when the answer began.
        let command =
            "curl -sSgf --no-buffer -w '\\n%{time_starttransfer}' "
            + "-H 'authorization: Bearer \(token)' '\(url)'"
        guard let pipe = popen(command, "r") else { throw Failed(description: "cannot run curl") }
        var (rows, bytes, most, paused) = (-1, 0, before, 0 as UInt32)
        var end: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(fileno(pipe), &buffer, buffer.count), count > 0 {
            rows += buffer[..<count].count { $0 == 0x0a }
            end = (end + buffer[..<count]).suffix(32)
            if bytes >> 20 != (bytes + count) >> 20 {
                if paused < pause { paused = pause - sleep(pause) }
                most = max(most, try memory("VmRSS:", of: "\(server)"))
            }
            bytes += count
        }
        let said = String(decoding: end.split(separator: 0x0a).last ?? [], as: UTF8.self)
        guard pclose(pipe) == 0, let seconds = Double(said) else {
            throw Failed(description: "the export \(url) failed")
        }
        let took = max(1, milliseconds(since: started) - 1_000 * Int64(paused))
        most = max(most, try memory("VmRSS:", of: "\(server)"))
        output("\(name), starts", Int64(seconds * 1_000), "ms", goal: Self.goalMilliseconds)
        output("\(name), memory gained", (most - before) / 1_024, "MiB", goal: Self.goalMemory)
        output(
            "  \(rows) lines, \(bytes >> 10) KiB, \(Int64(rows) * 1_000 / took) lines/s; "
                + "the server's memory \(before / 1_024) MiB before, \(most / 1_024) at the most")
    }

    // MARK: The server

    /// The control plane that lies beside this program, with limits for one user lifted.
    private func start(in folder: TemporaryDirectory) throws -> pid_t {
        var path = [CChar](repeating: 0, count: 4_096)
        guard readlink("/proc/self/exe", &path, path.count - 1) > 0 else {
            throw Failed(description: "this program does not know where it lies")
        }
        let programs = String(cString: dirname(&path))
        let words = [
            "setpriv", "--pdeathsig", "TERM", "--", "\(programs)/eclusa-control", "--admin-listen-address",
            "127.0.0.1:0", "--node-listen-address", "127.0.0.1:0", "--address-rate", "0", "--user-rate", "0",
        ]
        let environment = [
            "PATH=/usr/bin:/bin", "ECLUSA_DATABASE_URL=\(database)",
            "ECLUSA_MASTER_KEY=\(SystemRandomNumberGenerator.word())",
            "ECLUSA_BOOTSTRAP_ADMIN_EMAIL=\(Self.email)",
            "ECLUSA_BOOTSTRAP_ADMIN_PASSWORD=\(Self.password)",
        ]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "\(folder.path)/log", O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var (argv, envp) = (words.map { strdup($0) } + [nil], environment.map { strdup($0) } + [nil])
        defer { for text in argv + envp { free(text) } }
        var process = pid_t()
        guard posix_spawnp(&process, words[0], &actions, nil, &argv, &envp) == 0 else {
            throw Failed(description: "cannot start \(words[4])")
        }
        return process
    }

    /// Where the server answers, by its own word.
    private func address(in folder: TemporaryDirectory, of server: pid_t) throws -> String {
        for _ in 0..<600 {
            let log = String(decoding: folder.content("log"), as: UTF8.self)
            if let place = log.firstRange(of: #""ready","admin":""#) {
                return String(log[place.upperBound...].prefix { $0 != "\"" })
            }
            guard waitpid(server, nil, WNOHANG) == 0 else {
                throw Failed(description: "eclusa-control ended:\n\(log)")
            }
            poll(nil, 0, 100)
        }
        throw Failed(description: "eclusa-control is not ready within a minute")
    }

    private func signIn(_ base: String) throws -> String {
        let body = #"{"email":"\#(Self.email)","password":"\#(Self.password)"}"#
        let command = "curl -sS -H 'content-type: application/json' -d '\(body)' \(base)/sessions"
        guard let pipe = popen(command, "r") else { throw Failed(description: "cannot run curl") }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(fileno(pipe), &buffer, buffer.count), count > 0 {
            answer += buffer[..<count]
        }
        pclose(pipe)
        let text = String(decoding: answer, as: UTF8.self)
        guard let place = text.firstRange(of: #""access_token":""#) else {
            throw Failed(description: "cannot sign in: \(text)")
        }
        return String(text[place.upperBound...].prefix { $0 != "\"" })
    }
}

extension SystemRandomNumberGenerator {
    /// 64 hexadecimal digits nobody can guess.
    fileprivate static func word() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<64).map { _ in String(Int.random(in: 0..<16, using: &generator), radix: 16) }.joined()
    }
}

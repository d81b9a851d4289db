import Glibc

/// One of Postgres' client programs, run with a pipe on one side. Blocking: one thread, not a loop's. It ends
/// with the thread that started it, also when that is killed.
struct PostgresProgram {
    let name: String
    let pid: pid_t
    /// Our end of the pipe.
    let pipe: Int32
    private let words: Int32

    enum Direction { case reading, writing }

    /// Starts `name`; `.reading` reads what it prints, `.writing` writes what it reads.
    static func start(
        _ name: String, _ arguments: [String], environment: [String: String], _ direction: Direction
    ) throws(BackupFailure) -> PostgresProgram {
        let path = try find(name)
        var ends: [Int32] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else { throw .io("cannot make a pipe: \(systemError())") }
        // Swift's Glibc has no pipe2. A child that inherited an end would keep the pipe open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let words = temporaryFile()
        let (ours, theirs) = direction == .reading ? (ends[0], ends[1]) : (ends[1], ends[0])
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if direction == .reading {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_adddup2(&actions, theirs, 1)
        } else {
            posix_spawn_file_actions_adddup2(&actions, theirs, 0)
            posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, words, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let argv = ["setpriv", "--pdeathsig", "TERM", "--", path] + arguments
        let envp = environment.map { "\($0.key)=\($0.value)" }.sorted()
        var pid: pid_t = 0
        let code = withTexts(argv) { argv in
            withTexts(envp) { envp in posix_spawnp(&pid, "setpriv", &actions, &attributes, argv, envp) }
        }
        close(theirs)
        guard code == 0 else {
            close(ours)
            close(words)
            throw .io("cannot start \(name): \(String(cString: strerror(code)))")
        }
        return PostgresProgram(name: name, pid: pid, pipe: ours, words: words)
    }

    /// Closes the pipe and waits; `.program` with its last words unless it ended well.
    func finish() throws(BackupFailure) {
        close(pipe)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        defer { close(words) }
        guard status != 0 else { return }
        throw .program(name, lastWords())
    }

    /// Ends it, whatever it is doing.
    func abandon() {
        kill(pid, SIGKILL)
        try? finish()
    }

    private func lastWords() -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let size = lseek(words, 0, SEEK_END)
        let count = pread(words, &bytes, bytes.count, max(0, size - 4096))
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        let lines = text.split(separator: "\n").suffix(4).joined(separator: "; ")
        return lines.isEmpty ? "without a word" : lines
    }

    private static func temporaryFile() -> Int32 {
        let descriptor = open("/tmp", unnamedFile | O_RDWR | O_CLOEXEC, 0o600)
        return descriptor >= 0 ? descriptor : open("/dev/null", O_RDWR | O_CLOEXEC)
    }

    // `O_TMPFILE` is a macro Swift cannot read: __O_TMPFILE | O_DIRECTORY.
    private static let unnamedFile: Int32 = 0o20000000 | O_DIRECTORY

    /// The newest of Debian's layout, else the one on the PATH.
    static func find(_ name: String) throws(BackupFailure) -> String {
        let versions = (15...30).reversed().map { "/usr/lib/postgresql/\($0)/bin" }
        let path = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map(String.init)
        guard let folder = (versions + path).first(where: { access("\($0)/\(name)", X_OK) == 0 }) else {
            throw .noProgram(name)
        }
        return "\(folder)/\(name)"
    }
}

/// Calls `body` with a NULL-ended array of C strings.
private func withTexts<R>(_ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    let copies = texts.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    return body(copies + [nil])
}

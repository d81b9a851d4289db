import Glibc

/// One process that `eclusa up` started, with its log file; ends with its parent, also when the parent is
/// killed.
struct ChildProcess {
    let name: String
    let pid: pid_t
    let logPath: String
    /// The signal that asks this program for an orderly stop.
    let stopSignal: Int32

    enum Ending: Equatable {
        case exited(Int32)
        case signalled(Int32)
    }

    struct Recipe {
        var name: String
        var executable: String
        var arguments: [String] = []
        var environment: [String: String] = [:]
        var logPath: String
        var stopSignal = SIGTERM
        /// Runs as this user; nil keeps the caller's.
        var user: UnprivilegedUser?
        var workingDirectory: String?
    }

    /// Starts the recipe's program with standard output and error appended to its log.
    ///
    /// `setpriv` sets the parent-death signal (and the user) between fork and exec, where Swift cannot run
    /// code safely.
    static func start(_ recipe: Recipe) throws(CommandFailure) -> ChildProcess {
        var words = ["setpriv", "--pdeathsig", recipe.stopSignal == SIGINT ? "INT" : "TERM"]
        if let user = recipe.user {
            words += ["--reuid", "\(user.uid)", "--regid", "\(user.gid)", "--clear-groups"]
        }
        words.append("--")
        if let folder = recipe.workingDirectory { words += ["env", "--chdir=\(folder)"] }
        words += [recipe.executable] + recipe.arguments
        let pid = try spawn(words, recipe)
        return ChildProcess(
            name: recipe.name, pid: pid, logPath: recipe.logPath, stopSignal: recipe.stopSignal)
    }

    /// Runs a short program to its end; its output goes to the recipe's log.
    static func run(_ recipe: Recipe) throws(CommandFailure) {
        let child = try start(recipe)
        var status: Int32 = 0
        while waitpid(child.pid, &status, 0) < 0, errno == EINTR {}
        guard ending(of: status) == .exited(0) else {
            throw .software(
                "\(recipe.name) failed; the end of \(recipe.logPath):\n\(tail(of: recipe.logPath))")
        }
    }

    /// How the process ended, or nil while it runs.
    func ended() -> Ending? {
        var status: Int32 = 0
        let found = waitpid(pid, &status, WNOHANG)
        if found == 0 { return nil }
        return found == pid ? Self.ending(of: status) : .exited(0)
    }

    func ask(toStopWith signal: Int32? = nil) { kill(pid, signal ?? stopSignal) }

    static func ending(of status: Int32) -> Ending {
        let signal = status & 0x7f
        return signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
    }

    private static func spawn(_ words: [String], _ recipe: Recipe) throws(CommandFailure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, recipe.logPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Its own process group: Ctrl-C reaches `eclusa up` alone, which then stops the parts in order.
        // Signals blocked in this process must not stay blocked in the child.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))

        let environment = recipe.environment.map { "\($0.key)=\($0.value)" }.sorted()
        var pid: pid_t = 0
        let code = withCStrings(words) { argv in
            withCStrings(environment) { envp in
                posix_spawnp(&pid, words[0], &actions, &attributes, argv, envp)
            }
        }
        guard code == 0 else {
            throw .software("cannot start \(recipe.name): \(String(cString: strerror(code)))")
        }
        return pid
    }

    /// The last lines of a log, for an error message.
    static func tail(of path: String, lines: Int = 12) -> String {
        guard let bytes = try? StateDirectory.read(path, maximumBytes: 1 << 20) else { return "(no log)" }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.split(separator: "\n").suffix(lines).map { "  \($0)" }.joined(separator: "\n")
    }
}

/// The user a root caller runs Postgres as, since Postgres refuses root.
struct UnprivilegedUser {
    let uid: uid_t
    let gid: gid_t

    /// Nil where the caller is not root; else `postgres`, or `nobody` where there is none.
    static func forPostgres() -> UnprivilegedUser? {
        guard geteuid() == 0 else { return nil }
        for name in ["postgres", "nobody"] {
            if let entry = getpwnam(name) {
                return UnprivilegedUser(uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
            }
        }
        return UnprivilegedUser(uid: 65534, gid: 65534)
    }

    /// Whether this user may walk down to `folder`: each of its parents is searchable by others.
    func canReach(_ folder: String) -> Bool {
        var path = folder
        while let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            path = String(path[..<slash])
            var info = stat()
            if stat(path, &info) == 0, info.st_mode & 0o001 == 0, info.st_uid != uid { return false }
        }
        return true
    }
}

/// Calls `body` with a NULL-ended array of C strings.
func withCStrings<R>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    let copies = strings.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    return body(copies + [nil])
}

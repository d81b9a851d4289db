import Glibc

/// A Postgres of our own under the state directory: made by initdb, reached by Unix socket alone, no TCP
/// port.
struct PrivateCluster {
    let dataDirectory: String
    let socketDirectory: String
    let binaries: String
    let user: UnprivilegedUser?

    /// Where root's clusters stand when the state directory is closed to the Postgres user.
    static let sharedPlace = "/var/lib/eclusa"

    /// `host=` of a socket folder must be short: a Unix socket's path holds 107 bytes.
    static let longestSocketFolder = 80

    /// Finds Postgres' programs and the places of its data; makes nothing yet.
    init(state: StateDirectory) throws(CommandFailure) {
        guard let binaries = Self.findBinaries() else {
            throw .unavailable(
                "no Postgres found (looked for initdb in /usr/lib/postgresql/*/bin and the PATH). "
                    + "Install it with: infrastructure/ci/install")
        }
        self.binaries = binaries
        user = UnprivilegedUser.forPostgres()
        let home = state.file("postgres")
        // Root's Postgres runs as another user, who may not be able to walk into root's own folders.
        let reachable = user?.canReach(home) ?? true
        let place = reachable ? home : "\(Self.sharedPlace)/\(try Self.tag(in: state))"
        dataDirectory = "\(place)/data"
        socketDirectory =
            place.utf8.count <= Self.longestSocketFolder
            ? "\(place)/socket" : "/tmp/eclusa-\(try Self.tag(in: state))"
    }

    var databaseURL: String {
        let host = socketDirectory.replacing("/", with: "%2F")
        return "postgresql://eclusa@\(host)/eclusa"
    }

    /// Makes the cluster when it is not there yet.
    func create(logPath: String) throws(CommandFailure) {
        if dataDirectory.hasPrefix(Self.sharedPlace) {
            try StateDirectory.makeFolder(Self.sharedPlace, mode: 0o755)
            chmod(Self.sharedPlace, 0o755)
        }
        for folder in [dataDirectory, socketDirectory] {
            try StateDirectory.makeFolder(folder, mode: 0o700)
            if let user { try give(folder, to: user) }
        }
        if access("\(dataDirectory)/PG_VERSION", F_OK) == 0 { return }
        try ChildProcess.run(
            recipe(
                "initdb", "\(binaries)/initdb",
                [
                    "--pgdata", dataDirectory, "--username", "eclusa", "--auth-local", "trust",
                    "--auth-host", "reject", "--encoding", "UTF8", "--no-locale", "--no-instructions",
                    "--no-sync",
                ], logPath: logPath))
    }

    func start(logPath: String) throws(CommandFailure) -> ChildProcess {
        // A postmaster.pid left by a kill -9 is Postgres' own to judge; a live one answers with a clear log
        // line.
        try ChildProcess.start(
            recipe(
                "postgres", "\(binaries)/postgres",
                [
                    "-D", dataDirectory, "-k", socketDirectory, "-c", "listen_addresses=", "-c",
                    "unix_socket_permissions=0700", "-c", "max_connections=60", "-c", "shared_buffers=64MB",
                    "-c", "log_min_messages=warning",
                ], logPath: logPath))
    }

    /// Makes the database when it is not there yet; answers false while the server still starts.
    func createDatabase(logPath: String) -> Bool {
        var check = recipe(
            "createdb", "\(binaries)/psql",
            [
                "-h", socketDirectory, "-U", "eclusa", "-d", "postgres", "-qtA", "-v", "ON_ERROR_STOP=1",
                "-c",
                "select 1 from pg_database where datname = 'eclusa'",
            ], logPath: "/dev/null")
        guard (try? ChildProcess.run(check)) != nil else { return false }
        check.executable = "\(binaries)/createdb"
        check.arguments = ["-h", socketDirectory, "-U", "eclusa", "eclusa"]
        check.logPath = logPath
        // Fails when the database is there, which is what we want; a true failure shows when the control
        // plane connects.
        _ = try? ChildProcess.run(check)
        return true
    }

    private func recipe(
        _ name: String, _ executable: String, _ arguments: [String], logPath: String
    ) -> ChildProcess.Recipe {
        ChildProcess.Recipe(
            name: name, executable: executable, arguments: arguments,
            environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"], logPath: logPath,
            stopSignal: SIGINT, user: user, workingDirectory: "/")
    }

    private func give(_ folder: String, to user: UnprivilegedUser) throws(CommandFailure) {
        let parent = String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])
        for path in [parent, folder] where !path.isEmpty && path != "/tmp" {
            guard chown(path, user.uid, user.gid) == 0 else {
                throw .cannotCreate(
                    "cannot give \(path) to the Postgres user: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// The newest Postgres of Debian's layout, else the one on the PATH.
    static func findBinaries() -> String? {
        let versions = (9...30).reversed().map { "/usr/lib/postgresql/\($0)/bin" }
        let path = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map(String.init)
        return (versions + path).first {
            access("\($0)/initdb", X_OK) == 0 && access("\($0)/postgres", X_OK) == 0
        }
    }

    /// A short name that belongs to this state directory: a new one never finds an old one's cluster.
    private static func tag(in state: StateDirectory) throws(CommandFailure) -> String {
        if let tag = state.text(of: "cluster") { return tag }
        let tag = Secrets.token(bytes: 9)
        try state.write(tag, to: "cluster")
        return tag
    }
}

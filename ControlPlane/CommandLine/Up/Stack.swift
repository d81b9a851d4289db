import EventLoops
import Glibc

/// The processes of one machine's Eclusa: started in order, watched, stopped in reverse.
final class Stack {
    let state: StateDirectory
    let ports: Ports
    let programs: String
    private let loop: EventLoop
    private let probe: HealthProbe
    private(set) var children: [ChildProcess] = []

    init(state: StateDirectory, ports: Ports, programs: String, loop: EventLoop, probe: HealthProbe) {
        self.state = state
        self.ports = ports
        self.programs = programs
        self.loop = loop
        self.probe = probe
    }

    func logPath(_ name: String) throws(CommandFailure) -> String {
        "\(try state.folder("logs"))/\(name).log"
    }

    /// Starts Postgres, unless the caller brings a database; answers the database's URL.
    func startDatabase() async throws(CommandFailure) -> String {
        if let url = Self.environment("ECLUSA_DATABASE_URL") ?? Self.environment("DATABASE_URL") {
            return url
        }
        let cluster = try PrivateCluster(state: state)
        let log = try logPath("postgres")
        try cluster.create(logPath: log)
        let server = try cluster.start(logPath: log)
        children.append(server)
        try await wait(for: server, seconds: 60) { cluster.createDatabase(logPath: log) }
        return cluster.databaseURL
    }

    func startControl(
        databaseURL: String, adminEmail: String, adminPassword: String
    ) async throws(CommandFailure) {
        let secrets = try state.folder("secrets")
        if !state.exists("secrets/master.key") {
            try state.write(Secrets.token(bytes: 32), to: "secrets/master.key")
        }
        let child = try start(
            "control", "eclusa-control",
            [
                "--admin-listen-address", "127.0.0.1:\(ports.admin)",
                "--node-listen-address", "127.0.0.1:\(ports.node)",
                "--node-public-url", "https://127.0.0.1:\(ports.node)",
                "--master-key-file", "\(secrets)/master.key",
                "--public-url", "http://127.0.0.1:\(ports.admin)",
                "--mail-folder", try state.folder("mail"),
                "--allow-egress", "127.0.0.1:\(ports.standIn)",
                "--gateway-url", "http://127.0.0.1:\(ports.gateway)",
            ] + Self.webFiles,
            environment: [
                "ECLUSA_DATABASE_URL": databaseURL, "ECLUSA_BOOTSTRAP_ADMIN_EMAIL": adminEmail,
                "ECLUSA_BOOTSTRAP_ADMIN_PASSWORD": adminPassword,
            ])
        try await waitForReady(child, "http://127.0.0.1:\(ports.admin)/health/ready")
    }

    /// The console of these sources, and the page about the API where `make install` has put its files.
    private static var webFiles: [String] {
        var arguments: [String] = []
        for (setting, path) in [("console", "ControlPlane/Console"), ("api-docs", ".api-docs")] {
            guard let folder = realpath(path, nil) else { continue }
            defer { free(folder) }
            arguments += ["--\(setting)-folder", String(cString: folder)]
        }
        return arguments
    }

    func startStandIn() async throws(CommandFailure) {
        let child = try start(
            "stand-in", "eclusa-stand-in", ["--listen-address", "127.0.0.1:\(ports.standIn)"])
        try await waitForReady(child, "http://127.0.0.1:\(ports.standIn)/stand-in/totals")
    }

    /// Starts the gateway; `join` is the bundle of a fresh join token, nil for a node that is enrolled
    /// already.
    func startGateway(join: String?, allowedEgress: [String], loops: Int?) async throws(CommandFailure) {
        var arguments = [
            "--listen-address", "127.0.0.1:\(ports.gateway)",
            "--operations-listen-address", "127.0.0.1:\(ports.operations)",
            "--data-directory", try state.folder("node"),
            "--cors-origins", "http://127.0.0.1:\(ports.admin),http://localhost:\(ports.admin)",
        ]
        if let loops { arguments += ["--loops", "\(loops)"] }
        if !allowedEgress.isEmpty { arguments += ["--allow-egress", allowedEgress.joined(separator: ",")] }
        let environment = join.map { ["ECLUSA_JOIN": $0] } ?? [:]
        let child = try start("gateway", "eclusa-gateway", arguments, environment: environment)
        try await waitForReady(child, "http://127.0.0.1:\(ports.operations)/health/ready")
    }

    /// Stops every part in reverse order, the gateway first, so that its last usage still finds the control
    /// plane.
    func stop(progress: Progress) async {
        while let child = children.popLast() {
            let step = progress.begin("stopping \(child.name)")
            child.ask(toStopWith: nil)
            let deadline = loop.now + 20_000_000_000
            while child.ended() == nil {
                if loop.now > deadline {
                    child.ask(toStopWith: SIGKILL)
                }
                await loop.sleep(nanoseconds: 20_000_000)
            }
            step.end()
        }
    }

    /// The first child that ended by itself, with how.
    func firstEnded() -> (child: ChildProcess, ending: ChildProcess.Ending)? {
        for (index, child) in children.enumerated() {
            if let ending = child.ended() {
                children.remove(at: index)
                return (child, ending)
            }
        }
        return nil
    }

    private func start(
        _ name: String, _ program: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws(CommandFailure) -> ChildProcess {
        var inherited = ["PATH": "/usr/bin:/bin", "TZ": "UTC"]
        for key in ["SSL_CERT_FILE", "SSL_CERT_DIR", "LANG"] {
            if let value = Self.environment(key) { inherited[key] = value }
        }
        let recipe = ChildProcess.Recipe(
            name: name, executable: "\(programs)/\(program)", arguments: arguments,
            environment: inherited.merging(environment) { $1 }, logPath: try logPath(name))
        let child = try ChildProcess.start(recipe)
        children.append(child)
        return child
    }

    private func waitForReady(_ child: ChildProcess, _ url: String) async throws(CommandFailure) {
        let probe = probe
        try await wait(for: child, seconds: 60) { await probe.isReady(url) }
    }

    private func wait(
        for child: ChildProcess, seconds: Int64, until isReady: () async -> Bool
    ) async throws(CommandFailure) {
        let deadline = loop.now + seconds * 1_000_000_000
        while true {
            if let ending = child.ended() {
                children.removeAll { $0.pid == child.pid }
                throw Self.failure(child, ending)
            }
            if await isReady() { return }
            if loop.now > deadline {
                throw .software(
                    "\(child.name) was not ready within \(seconds) s; the end of \(child.logPath):\n"
                        + ChildProcess.tail(of: child.logPath))
            }
            await loop.sleep(nanoseconds: 25_000_000)
        }
    }

    static func failure(_ child: ChildProcess, _ ending: ChildProcess.Ending) -> CommandFailure {
        let tail = ChildProcess.tail(of: child.logPath)
        let how =
            switch ending {
            case .exited(let code): "ended with exit code \(code)"
            case .signalled(let signal): "was killed by signal \(signal)"
            }
        return .software("\(child.name) \(how); the end of \(child.logPath):\n\(tail)")
    }

    static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }
}

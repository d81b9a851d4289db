import EventLoops
import Glibc
import HTTPCalling
import JSONText

/// `eclusa up`: everything on this machine, in the foreground, until Ctrl-C.
struct UpCommand {
    let invocation: Invocation
    let context: CommandContext

    static let adminEmail = "admin@eclusa.localhost"
    static let defaultState = ".eclusa"

    static func stateDirectory(_ invocation: Invocation) -> String {
        invocation.options["state-directory"] ?? Stack.environment("ECLUSA_STATE_DIRECTORY") ?? defaultState
    }

    func run() async throws(CommandFailure) {
        let offset = try invocation.integer("port-offset", in: 0...Ports.largestOffset) ?? 0
        let ports = Ports(offset: offset)
        let state = try StateDirectory(Self.stateDirectory(invocation))
        let lock = try RunLock(state: state)
        defer { lock.release() }
        try ports.check()

        let progress = Progress(loop: context.loop)
        let stack = Stack(
            state: state, ports: ports, programs: Self.programFolder(), loop: context.loop,
            probe: HealthProbe(http: context.http))
        let stopped = context.stopRequests
        let failure: CommandFailure?
        do {
            try await start(stack, state, ports, progress)
            failure = await watch(stack, until: stopped)
        } catch {
            failure = error
        }
        Console.error("")
        await stack.stop(progress: progress)
        if let failure { throw failure }
    }

    private func start(
        _ stack: Stack, _ state: StateDirectory, _ ports: Ports, _ progress: Progress
    ) async throws(CommandFailure) {
        var step = progress.begin("postgres")
        let database = try await stack.startDatabase()
        step.end("ready")

        let isNew = !state.exists("secrets/admin.password")
        if isNew {
            _ = try state.folder("secrets")
            try state.write(Secrets.password(), to: "secrets/admin.password")
        }
        let password = state.text(of: "secrets/admin.password") ?? ""
        step = progress.begin("control plane")
        try await stack.startControl(
            databaseURL: database, adminEmail: Self.adminEmail, adminPassword: password)
        step.end("ready")

        step = progress.begin("stand-in provider")
        try await stack.startStandIn()
        step.end("ready")

        step = progress.begin("tenant, provider, route and key")
        let url = "http://127.0.0.1:\(ports.admin)"
        let admin = try await signIn(url: url, password: password, state: state)
        let seed = Seed(admin: admin, state: state, ports: ports)
        _ = try await seed.plant()
        step.end(isNew ? "made" : "found")

        step = progress.begin("gateway node")
        let join = state.exists("node/cache.db") ? nil : try await seed.joinBundle()
        try await stack.startGateway(
            join: join, allowedEgress: Self.egress(ports),
            loops: try invocation.integer("gateway-loops", in: 1...256))
        let key = state.text(of: "demo-key") ?? ""
        try await waitForKey(key, ports, log: state.file("logs/gateway.log"))
        step.end("ready")
        let welcome = Welcome(
            ports: ports, key: key, password: isNew ? password : nil,
            passwordFile: state.file("secrets/admin.password"), program: CommandLine.arguments[0],
            programFolder: Self.programFolder(),
            isSessionFound: StateDirectory.absolute(Session.path()) == state.file("session.json"))
        Console.out(welcome.text)
    }

    private func signIn(
        url: String, password: String, state: StateDirectory
    ) async throws(CommandFailure) -> AdminClient {
        let path = state.file("session.json")
        let session: Session
        if let stored = Session.read(path), stored.url == url {
            session = stored
        } else {
            session = try await AdminClient.login(
                http: context.http, url: url, email: Self.adminEmail, password: password)
            try session.write(path)
        }
        let client = AdminClient(http: context.http, session: session) { renewed throws(CommandFailure) in
            try renewed.write(path)
        }
        do {
            _ = try await client.get("/me")
            return client
        } catch .signedOut {
            let fresh = try await AdminClient.login(
                http: context.http, url: url, email: Self.adminEmail, password: password)
            try fresh.write(path)
            return AdminClient(http: context.http, session: fresh) { renewed throws(CommandFailure) in
                try renewed.write(path)
            }
        }
    }

    private func waitForKey(_ key: String, _ ports: Ports, log: String) async throws(CommandFailure) {
        let probe = HealthProbe(http: context.http)
        let deadline = context.loop.now + 20_000_000_000
        while await !probe.isReady("http://127.0.0.1:\(ports.gateway)/v1/models", bearer: key) {
            if context.loop.now > deadline {
                throw .software(
                    "the demo key did not reach the gateway within 20 s; see \(log)")
            }
            await context.loop.sleep(nanoseconds: 25_000_000)
        }
    }

    /// Waits for Ctrl-C (nil), or for a part that ends by itself.
    private func watch(_ stack: Stack, until stopped: StopRequests) async -> CommandFailure? {
        while !stopped.isRequested {
            if let (child, ending) = stack.firstEnded() { return Stack.failure(child, ending) }
            await context.loop.sleep(nanoseconds: 50_000_000)
        }
        return nil
    }

    /// What this machine's gateway may dial besides the public internet.
    static func egress(_ ports: Ports) -> [String] {
        var allowed = ["127.0.0.1:\(ports.standIn)"]
        if let host = Stack.environment("OLLAMA_HOST") {
            let authority =
                host.split(separator: "/", omittingEmptySubsequences: true).last.map(String.init) ?? host
            allowed.append(authority.contains(":") ? authority : "\(authority):11434")
        }
        return allowed
    }

    /// The folder this program stands in; the others stand beside it.
    static func programFolder() -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let bytes = buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }
        let path = String(decoding: bytes, as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }
}

/// What `eclusa up` prints when everything runs.
struct Welcome {
    let ports: Ports
    let key: String
    /// Shown the first time only.
    let password: String?
    let passwordFile: String
    /// This program, as it was called.
    let program: String
    let programFolder: String
    /// Whether commands of this folder are signed in by what `eclusa up` keeps.
    let isSessionFound: Bool

    /// Works in any folder.
    private var login: String {
        let program = program.contains("/") ? "\(programFolder)/eclusa" : program
        return "  \(program) login --url http://127.0.0.1:\(ports.admin) --email \(UpCommand.adminEmail) "
            + "--password-file \(passwordFile)"
    }

    var text: String {
        var lines = ["", "Eclusa runs.", ""]
        lines += ["  console    http://127.0.0.1:\(ports.admin)/console/"]
        if let password {
            lines += [
                "  admin      \(UpCommand.adminEmail)",
                "  password   \(password)   (shown this once; kept in \(passwordFile))",
            ]
        }
        lines.append("")
        lines += [
            "Make a call (add \"stream\":true for a stream):", "",
            "  curl http://127.0.0.1:\(ports.gateway)/v1/chat/completions -H 'Authorization: Bearer \(key)' "
                + "-H 'Content-Type: application/json' "
                + "-d '{\"model\":\"\(Seed.routeName)\","
                + "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'",
            "",
        ]
        if isSessionFound {
            lines += ["See it in the report:", "", "  \(program) usage", ""]
            lines += ["From another folder, first:", "", login, ""]
        } else {
            lines += ["See it in the report:", "", login, "  \(program) usage", ""]
        }
        lines += [
            "A real provider: set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY, `make up` again,",
            "or: \(program) providers create --name openai --base-url https://api.openai.com/v1",
            "",
            "Admin API  http://127.0.0.1:\(ports.admin)/api/v1",
            "Metrics    http://127.0.0.1:\(ports.operations)/metrics",
            "Ctrl-C stops everything; the data stays.",
        ]
        return lines.joined(separator: "\n")
    }
}

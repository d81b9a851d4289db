import Glibc

/// A whole Eclusa for the bench, started by `eclusa up` on ports of its own, with the pieces found by
/// process.
struct Installation {
    let folder: String
    let programs: String
    let offset: Int
    let runner: Child
    let key: String
    private(set) var gateway: ProcessMeter
    let control: pid_t
    /// The gateway once the bench has started it itself, and how it was started at first.
    private var restarted: Child?
    private var usualGateway: (arguments: [String], environment: [String])?
    private let standIn: pid_t
    let databaseURL: String

    var gatewayPort: UInt16 { UInt16(8080 + offset) }
    var adminPort: UInt16 { UInt16(7070 + offset) }
    var standInPort: UInt16 { UInt16(9100 + offset) }

    static func start(
        programs: String, folder: String, offset: Int
    ) throws -> Installation {
        let log = "\(folder)/up.log"
        let runner = try Child.start(
            [
                "\(programs)/eclusa", "up", "--state-directory", "\(folder)/state", "--port-offset",
                "\(offset)",
                "--gateway-loops", "1",
            ], log: log)
        for _ in 0..<1200 {
            if (ProcessMeter.read(log) ?? "").contains("Ctrl-C") { break }
            guard runner.isRunning else {
                throw BenchFailure(text: "eclusa up ended:\n\(ProcessMeter.read(log) ?? "")")
            }
            pause(milliseconds: 50)
        }
        let children = Dictionary(ProcessMeter.children(of: runner.pid)) { first, _ in first }
        guard let gateway = children["eclusa-gateway"], let control = children["eclusa-control"],
            let standIn = children["eclusa-stand-in"],
            let key = ProcessMeter.read("\(folder)/state/demo-key")
        else {
            throw BenchFailure(text: "eclusa up did not start everything:\n\(ProcessMeter.read(log) ?? "")")
        }
        let name = "ECLUSA_DATABASE_URL="
        guard let url = command(of: control).environment.first(where: { $0.hasPrefix(name) }) else {
            throw BenchFailure(text: "the control plane has no database")
        }
        return Installation(
            folder: folder, programs: programs, offset: offset, runner: runner, key: key,
            gateway: ProcessMeter(pid: gateway), control: control, standIn: standIn,
            databaseURL: String(url.dropFirst(name.count)))
    }

    /// Ends the stand-in provider, so that the load can answer at its address: egress is allowed there.
    func replaceStandIn() throws {
        // `eclusa up` would end everything with it; it need not run meanwhile.
        kill(runner.pid, SIGSTOP)
        kill(standIn, SIGKILL)
        for _ in 0..<100 {
            if ProcessMeter(pid: standIn).isOver { return }
            pause(milliseconds: 10)
        }
        throw BenchFailure(text: "the stand-in provider does not end")
    }

    /// The number of calls the control plane's report has.
    func reportedCalls() throws -> Int {
        try command(["usage", "--json"])
        let text = ProcessMeter.read("\(folder)/command.log") ?? ""
        guard let totals = text.range(of: "\"total\":"),
            let calls = text[totals.upperBound...].firstRange(of: "\"calls\":")
        else { throw BenchFailure(text: "no totals in: \(text.prefix(200))") }
        return Int(text[calls.upperBound...].prefix { $0.isNumber }) ?? 0
    }

    func command(_ words: [String]) throws {
        let log = "\(folder)/command.log"
        let code = try Child.run(
            ["\(programs)/eclusa"] + words, log: log, environment: ["ECLUSA_STATE_DIRECTORY=\(folder)/state"])
        guard code == 0 else {
            throw BenchFailure(
                text: "eclusa \(words.joined(separator: " ")): \(ProcessMeter.read(log) ?? "")")
        }
    }

    /// Starts the control plane again without its limits a user and an address: one client is all there is.
    /// The rest of the installation sleeps from here on.
    func restartControlWithoutLimits() throws -> Child {
        for pid in [runner.pid, gateway.pid, standIn] { kill(pid, SIGSTOP) }
        let (arguments, environment) = Self.command(of: control)
        kill(control, SIGKILL)
        pause(milliseconds: 500)
        return try Child.start(
            arguments + ["--user-rate", "0", "--address-rate", "0"], log: "\(folder)/control.log",
            environment: environment)
    }

    /// How a process was started.
    private static func command(of pid: pid_t) -> (arguments: [String], environment: [String]) {
        func words(_ file: String) -> [String] {
            (ProcessMeter.read("/proc/\(pid)/\(file)") ?? "").split(separator: "\0").map(String.init)
        }
        return (words("cmdline"), words("environ").filter { !$0.hasPrefix("PATH=") })
    }

    /// Starts the gateway again as it was at first, with further arguments or others in the place of its own,
    /// and waits until it serves.
    ///
    /// - Parameter rest: what is done while it does not run.
    mutating func restartGateway(
        adding arguments: [String], whileStopped rest: (Installation) throws -> Void = { _ in }
    ) throws {
        let usual = stopGateway()
        kill(control, SIGCONT)
        pause(milliseconds: 500)
        try rest(self)
        var words = usual.arguments
        for flag in arguments where flag.hasPrefix("--") {
            if let place = words.firstIndex(of: flag) { words.removeSubrange(place...place + 1) }
        }
        let child = try Child.start(words + arguments, log: restartedLog, environment: usual.environment)
        restarted = child
        for _ in 0..<200 {
            let said = ProcessMeter.read(gatewayLog) ?? ""
            if said.contains("\"serving\"") { break }
            guard child.isRunning else { throw BenchFailure(text: "the gateway ended: \(said)") }
            pause(milliseconds: 50)
        }
        // A moment for what the control plane has to say.
        pause(milliseconds: 2_000)
        gateway = ProcessMeter(pid: child.pid)
        try gateway.pin(toCore: 0)
        kill(control, SIGSTOP)
    }

    /// How long a gateway takes that is started with its cache, every core and no control plane: from exec to
    /// the first 200 of its readiness, and to that of an answer to the demo key. Milliseconds.
    mutating func boot() throws -> (ready: Double, answer: Double) {
        let usual = stopGateway()
        let began = monotonicNow()
        let child = try Child.start(
            ["taskset", "-c", "0-1"] + usual.arguments, log: restartedLog, environment: usual.environment)
        restarted = child
        gateway = ProcessMeter(pid: child.pid)
        func milliseconds(to path: String, _ port: UInt16) throws -> Double {
            while monotonicNow() < began + 60_000_000_000 {
                if LoadEngine.status(of: path, on: port, key: key) == 200 {
                    return Double(monotonicNow() - began) / 1e6
                }
                poll(nil, 0, 1)
            }
            throw BenchFailure(text: "no \(path) in a minute: \(ProcessMeter.read(gatewayLog) ?? "")")
        }
        let ready = try milliseconds(to: "/health/ready", gatewayPort + 1)
        let answer = try milliseconds(to: "/v1/models", gatewayPort)
        try gateway.pin(toCore: 0)
        return (ready, answer)
    }

    /// Ends the gateway; how it was started at first.
    private mutating func stopGateway() -> (arguments: [String], environment: [String]) {
        let usual = usualGateway ?? Self.command(of: gateway.pid)
        usualGateway = usual
        if let restarted { restarted.stop() } else { kill(gateway.pid, SIGKILL) }
        while !gateway.isOver { pause(milliseconds: 1) }
        return usual
    }

    /// What the gateway says, since its last start.
    var gatewayLog: String { restarted == nil ? "\(folder)/state/logs/gateway.log" : restartedLog }
    /// The end of it.
    func lastWords() -> String {
        let log = "\(folder)/last-words"
        _ = try? Child.run(["tail", "-n", "12", gatewayLog], log: log)
        return ProcessMeter.read(log) ?? ""
    }
    private var restartedLog: String { "\(folder)/gateway.log" }

    /// Keeps the node's files elsewhere; nothing of it may run.
    func moveNode(to other: String) throws {
        let node = "\(folder)/state/node"
        try shell("mv '\(node)' '\(other)' && ln -s '\(other)' '\(node)'")
    }

    /// Brings them back.
    func moveNode(from other: String) throws {
        let node = "\(folder)/state/node"
        try shell("rm '\(node)' && mv '\(other)' '\(node)'")
    }

    private func shell(_ words: String) throws {
        let log = "\(folder)/shell.log"
        guard try Child.run(["sh", "-c", words], log: log) == 0 else {
            throw BenchFailure(text: "\(words): \(ProcessMeter.read(log) ?? "")")
        }
    }

    /// Does something for which the control plane must be awake.
    func awake(_ body: () throws -> Void) throws {
        kill(control, SIGCONT)
        defer { kill(control, SIGSTOP) }
        try ProcessMeter(pid: control).pin(toCore: 1)
        try body()
    }

    /// The process of Postgres that starts all others.
    func postmaster() throws -> ProcessMeter {
        let first = try sql("select split_part(pg_read_file('postmaster.pid'), chr(10), 1)")
        guard let pid = pid_t(first) else { throw BenchFailure(text: "no Postgres in: \(first)") }
        return ProcessMeter(pid: pid)
    }

    /// Puts every process of Postgres on one core.
    func pinDatabase(toCore core: Int) throws {
        for process in try postmaster().family { try process.pin(toCore: core) }
    }

    /// Gives the demo tenant further keys that look as if they had always been there, and has them published.
    func fill(keys: Int) throws {
        _ = try sql(
            """
            set session_replication_role = replica;
            insert into keys (tenant_id, id, workspace_id, name, public_id, secret_hash, endpoints, routes,
                              created_at, updated_at)
            select tenant_id, \(Self.numbered), id, 'key ' || n, lpad(n::text, 16, '0'),
                   sha256(n::text::bytea), 1, '{}', now(), now()
              from generate_series(1, \(keys)) n,
                   (select tenant_id, id from workspaces
                     where tenant_id = (select id from tenants where slug = 'demo') limit 1) w;
            insert into snapshot_changes (tenant_id, part, changed_by)
            select id, '*', pg_current_xact_id() from tenants where slug = 'demo';
            """)
        _ = try sql("vacuum analyze keys")
        _ = try sql("select pg_notify('eclusa_changed', '')")
    }

    /// The identifier of a thing by its number `n`, in SQL.
    static let numbered = "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"

    /// What Postgres answers to a statement, as text.
    func sql(_ text: String) throws -> String {
        let log = "\(folder)/sql.log"
        guard
            try Child.run(
                ["psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", databaseURL, "-c", text], log: log)
                == 0
        else { throw BenchFailure(text: "psql: \(ProcessMeter.read(log) ?? "")") }
        return (ProcessMeter.read(log) ?? "").split(separator: "\n").joined(separator: " ")
    }

    /// Ends everything and deletes its data: a database of root's lies outside the folder.
    func stop() {
        restarted?.stop()
        for pid in [control, gateway.pid, standIn, runner.pid] { kill(pid, SIGCONT) }
        runner.stop(SIGINT)
        _ = try? Child.run(
            ["\(programs)/eclusa", "reset", "--yes", "--state-directory", "\(folder)/state"],
            log: "/dev/null")
    }
}

extension StringProtocol {
    /// The first place of `text`, without Foundation.
    func range(of text: String) -> Range<Index>? { firstRange(of: text) }
}

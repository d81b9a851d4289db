import Glibc

/// The control plane on a private Postgres: authorised reads, pages of large lists, and what a flood of
/// sign-ins does to everybody else; beside nginx that serves the same bytes of one read from a file.
struct ControlBench {
    let seconds: Int
    let rounds: Int
    let keys: Int

    static let connections = 32
    static let floodPerSecond = 200

    func run() throws {
        var template = Array("/tmp/eclusa-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchFailure(text: "cannot make a folder in /tmp") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = try? Child.run(["rm", "-rf", folder], log: "/dev/null") }
        output("starting Eclusa, filling \(keys) keys and \(keys / 10) users …")
        let eclusa = try Installation.start(
            programs: Bench.programFolder(), folder: folder, offset: Bench.offset)
        defer { eclusa.stop() }
        let tenant = try eclusa.sql("select id from tenants where slug = 'demo'")
        try fill(eclusa)
        let control = try eclusa.restartControlWithoutLimits()
        defer { control.stop() }
        try waitForSnapshot(of: keys, eclusa)
        let postmaster = try eclusa.postmaster()
        try waitForQuiet([ProcessMeter(pid: control.pid)] + postmaster.family)
        let token = try signIn(eclusa)
        let path = "/tenants/\(Self.identifier("tenant", tenant))/keys"
        let one = "\(path)/\(Self.identifier("key", Self.uuid(keys / 2)))"
        let nginx = try serve(try body(of: one, eclusa, token), eclusa)
        defer { nginx.stop() }

        try ProcessMeter(pid: control.pid).pin(toCore: 0)
        try ProcessMeter(pid: nginx.pid).pin(toCore: 0)
        try ProcessMeter(pid: getpid()).pin(toCore: 1)
        try eclusa.pinDatabase(toCore: 1)
        func get(_ name: String, _ path: String) -> Contender {
            Contender(
                name: name, meter: ProcessMeter(pid: control.pid), port: eclusa.adminPort,
                request: Self.request("/api/v1\(path)", token))
        }
        let file = Contender(
            name: "nginx, one key from a file", meter: ProcessMeter(pid: nginx.pid), port: Self.nginxPort,
            request: Self.request("/key.json", token))
        try measure(
            [
                file, get("one key", one), get("page of \(keys) keys", "\(path)?limit=50"),
                get("page of \(keys / 10) users", "/users?limit=50"),
            ], postmaster)
    }

    /// The first of the contenders is the anchor, the second what others wait for during the flood.
    private func measure(_ contenders: [Contender], _ postmaster: ProcessMeter) throws {
        let engine = try LoadEngine(providerPort: 0)
        engine.sharesItsCore = true
        var seen = [[Figures]](repeating: [], count: contenders.count)
        for round in 1...rounds {
            for (index, contender) in contenders.enumerated() {
                seen[index].append(try figures(of: contender, postmaster, engine))
            }
            output("round \(round) of \(rounds) done")
        }
        output("")
        output(
            "core 0: the control plane or nginx; core 1: the load and Postgres with all its processes; "
                + "\(Self.connections) connections")
        output(
            row(
                "medians of \(rounds)",
                ["requests/s", "CPU µs", "Postgres µs", "p50 µs, 100/s", "p99 µs, 100/s"]))
        let medians = seen.map(median)
        for (contender, figures) in zip(contenders, medians) {
            output(
                row(
                    contender.name,
                    [
                        decimal(figures.callsPerSecond, 0), decimal(figures.cpuPerCall, 1),
                        decimal(figures.databaseCPUPerCall, 1), "\(figures.p50)", "\(figures.p99)",
                    ]))
        }
        try flood(contenders[1], engine)
        output("")
        let (anchor, one) = (medians[0], medians[1])
        output(
            "{\"reads_per_second\": \(decimal(one.callsPerSecond, 0)), \"reads_vs_nginx_file\": "
                + "\(decimal(one.callsPerSecond / max(anchor.callsPerSecond, 1), 3)), \"cpu_per_read\": "
                + "\(decimal(one.cpuPerCall, 1)), \"database_cpu_per_read\": "
                + "\(decimal(one.databaseCPUPerCall, 1))}")
    }

    /// One round: as many requests as it answers in half of the time, then 100 a second.
    private func figures(
        of contender: Contender, _ postmaster: ProcessMeter, _ engine: LoadEngine
    ) throws -> Figures {
        let half = max(1, seconds / 2)
        func run(seconds: Int) throws -> LoadResult {
            try engine.closedLoop(
                contender.request, to: contender.port, connections: Self.connections, seconds: seconds)
        }
        func databaseCPU() -> Int64 { database.reduce(0) { $0 + $1.cpuNanoseconds() } }
        _ = try run(seconds: 1)
        let database = postmaster.family
        let (cpu, others) = (contender.meter.cpuNanoseconds(), databaseCPU())
        let busy = try run(seconds: half)
        var figures = Figures()
        let each = 1000 * Double(max(busy.answers, 1))
        figures.cpuPerCall = Double(contender.meter.cpuNanoseconds() - cpu) / each
        figures.databaseCPUPerCall = Double(databaseCPU() - others) / each
        figures.callsPerSecond = Double(busy.answers) / busy.seconds
        let paced = try engine.openLoop(
            contender.request, to: contender.port, connections: Self.connections, perSecond: 100,
            seconds: half)
        (figures.p50, figures.p99) = (paced.percentile(0.5), paced.percentile(0.99))
        guard busy.failures == 0, paced.failures == 0 else {
            throw BenchFailure(
                text: "\(contender.name): \(busy.failures + paced.failures) requests failed, status "
                    + "\(max(busy.unexpectedStatus, paced.unexpectedStatus))")
        }
        return figures
    }

    private func flood(_ contender: Contender, _ engine: LoadEngine) throws {
        let flooded = try engine.openLoop(
            contender.request, to: contender.port, connections: Self.connections, perSecond: 100,
            seconds: seconds, background: (Self.floodPerSecond, Self.signInRequest))
        output(
            row(
                "\(contender.name), \(Self.floodPerSecond) sign-ins/s",
                ["", "", "", "\(flooded.percentile(0.5))", "\(flooded.percentile(0.99))"]))
        output(
            "sign-ins answered: "
                + flooded.background.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
                .joined(separator: ", ") + "; reads failed: \(flooded.failures)")
    }

    // MARK: What is asked, and who answers

    private static let nginxPort = UInt16(8090 + Bench.offset)

    private static func request(_ path: String, _ token: String) -> [UInt8] {
        Array("GET \(path) HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer \(token)\r\n\r\n".utf8)
    }

    /// What the control plane answers.
    private func body(of path: String, _ eclusa: Installation, _ token: String) throws -> String {
        let answer = "\(eclusa.folder)/read.json"
        let code = try Child.run(
            [
                "curl", "-s", "-f", "-H", "authorization: Bearer \(token)",
                "http://127.0.0.1:\(eclusa.adminPort)/api/v1\(path)",
            ], log: answer)
        guard code == 0, let text = ProcessMeter.read(answer) else {
            throw BenchFailure(text: "cannot read \(path): \(ProcessMeter.read(answer) ?? "")")
        }
        return text
    }

    /// nginx with one file and nothing else to do.
    private func serve(_ text: String, _ eclusa: Installation) throws -> Child {
        try write(text, to: "\(eclusa.folder)/key.json")
        let server = """
            server {
                listen 127.0.0.1:\(Self.nginxPort);
                location = /key.json { root \(eclusa.folder); default_type application/json; }
            }
            """
        let nginx = try Bench.nginx("file", server, eclusa.folder)
        pause(milliseconds: 500)
        return nginx
    }

    /// The control plane has told its nodes of the keys: what is timed is not timed beside that.
    private func waitForSnapshot(of keys: Int, _ eclusa: Installation) throws {
        for _ in 0..<1200 {
            let log = ProcessMeter.read("\(eclusa.folder)/control.log") ?? ""
            if log.split(separator: "\n").contains(where: {
                $0.contains("published a snapshot") && $0.contains("\"keys\":\(keys + 1)}")
            }) {
                return
            }
            pause(milliseconds: 100)
        }
        throw BenchFailure(text: "no snapshot of \(keys) keys within two minutes")
    }

    /// They have nothing left to do by themselves: the publisher has compared once more what it published.
    private func waitForQuiet(_ processes: [ProcessMeter]) throws {
        func cpu() -> Int64 { processes.reduce(0) { $0 + $1.cpuNanoseconds() } }
        var quietSeconds = 0
        for _ in 0..<120 {
            let before = cpu()
            pause(milliseconds: 1_000)
            quietSeconds = cpu() - before < 20_000_000 ? quietSeconds + 1 : 0
            if quietSeconds == 2 { return }
        }
        throw BenchFailure(text: "the control plane and Postgres do not come to rest within two minutes")
    }

    /// The access token of the first administrator.
    private func signIn(_ eclusa: Installation) throws -> String {
        guard let password = ProcessMeter.read("\(eclusa.folder)/state/secrets/admin.password") else {
            throw BenchFailure(text: "there is no administrator's password")
        }
        let answer = "\(eclusa.folder)/signin.json"
        for _ in 0..<100 {
            if try Child.run(
                ["curl", "-s", "-f", "http://127.0.0.1:\(eclusa.adminPort)/health/ready"], log: answer) == 0
            {
                break
            }
            pause(milliseconds: 100)
        }
        let code = try Child.run(
            [
                "curl", "-s", "-H", "content-type: application/json", "-d",
                #"{"email":"admin@eclusa.localhost","password":"\#(password)"}"#,
                "http://127.0.0.1:\(eclusa.adminPort)/api/v1/sessions",
            ], log: answer)
        let text = ProcessMeter.read(answer) ?? ""
        guard code == 0, let start = text.range(of: #""access_token":""#) else {
            let log = ProcessMeter.read("\(eclusa.folder)/control.log") ?? ""
            throw BenchFailure(text: "cannot sign in: \(text)\n\(log)")
        }
        return String(text[start.upperBound...].prefix { $0 != "\"" })
    }

    /// A sign-in with an address nobody has: each costs as much as a wrong password.
    private static func signInRequest(_ number: Int) -> [UInt8] {
        let body = #"{"email":"flood\#(number)@example.com","password":"wrong-password-\#(number)"}"#
        return Array(
            ("POST /api/v1/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
                + "content-length: \(body.utf8.count)\r\n\r\n" + body).utf8)
    }

    /// A UUID as the API writes it: the noun's prefix and 26 digits of Crockford's base 32.
    private static func identifier(_ prefix: String, _ uuid: String) -> String {
        let digits = Array("0123456789abcdefghjkmnpqrstvwxyz")
        let values = uuid.compactMap(\.hexDigitValue).flatMap { value in
            [value >> 3 & 1, value >> 2 & 1, value >> 1 & 1, value & 1]
        }
        var bits = ArraySlice([0, 0] + values)
        var text = prefix + "_"
        while !bits.isEmpty {
            text.append(digits[bits.prefix(5).reduce(0) { $0 * 2 + $1 }])
            bits = bits.dropFirst(5)
        }
        return text
    }

    private static func uuid(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return "00000000-0000-7000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
    }

    private func fill(_ eclusa: Installation) throws {
        try eclusa.fill(keys: keys)
        _ = try eclusa.sql(
            """
            set session_replication_role = replica;
            insert into users (id, email, name, status, created_at, updated_at)
            select \(Installation.numbered), 'user' || n || '@example.com', 'User ' || n, 'active',
                   now(), now()
              from generate_series(1, \(keys / 10)) n
            """)
        _ = try eclusa.sql("vacuum analyze users")
        // What the filling left to be written is written before anything is timed.
        _ = try eclusa.sql("checkpoint")
    }
}

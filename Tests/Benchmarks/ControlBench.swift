import Glibc

/// The control plane on a private Postgres: authorised reads, pages of large lists, and what a flood of
/// sign-ins does to everybody else.
struct ControlBench {
    let seconds: Int
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
        try fill(eclusa, tenant)
        let control = try eclusa.restartControlWithoutLimits()
        defer { control.stop() }
        try waitForSnapshot(of: keys, eclusa)
        let meter = ProcessMeter(pid: control.pid)
        try meter.pin(toCore: 0)
        try ProcessMeter(pid: getpid()).pin(toCore: 1)
        let token = try signIn(eclusa)
        let engine = try LoadEngine(providerPort: 0)
        try measure(engine, eclusa.adminPort, token, tenant, meter)
    }

    private func measure(
        _ engine: LoadEngine, _ port: UInt16, _ token: String, _ tenant: String, _ meter: ProcessMeter
    ) throws {
        func get(_ path: String) -> [UInt8] {
            Array(
                ("GET /api/v1\(path) HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer \(token)\r\n\r\n")
                    .utf8)
        }
        output(row("", ["requests/s", "CPU µs", "p50 µs", "p99 µs"]))
        let tenant = Self.identifier("tenant", tenant)
        let one = get("/tenants/\(tenant)/keys/\(Self.identifier("key", Self.uuid(keys / 2)))")
        for (name, request) in [
            ("one key", one), ("page of \(keys) keys", get("/tenants/\(tenant)/keys?limit=50")),
            ("page of \(keys / 10) users", get("/users?limit=50")),
        ] {
            _ = try engine.closedLoop(request, to: port, connections: Self.connections, seconds: 1)
            let cpu = meter.cpuNanoseconds()
            let busy = try engine.closedLoop(
                request, to: port, connections: Self.connections, seconds: seconds)
            let each = Double(meter.cpuNanoseconds() - cpu) / 1000 / Double(max(busy.answers, 1))
            guard busy.failures == 0 else { throw BenchFailure(text: "\(name): requests failed") }
            let paced = try engine.openLoop(
                request, to: port, connections: Self.connections, perSecond: 100, seconds: seconds)
            guard paced.failures == 0 else {
                throw BenchFailure(text: "\(name): requests failed")
            }
            output(
                row(
                    name,
                    [
                        decimal(Double(busy.answers) / busy.seconds, 0), decimal(each, 0),
                        "\(paced.percentile(0.5))", "\(paced.percentile(0.99))",
                    ]))
        }
        let flooded = try engine.openLoop(
            one, to: port, connections: Self.connections, perSecond: 100, seconds: seconds,
            background: (Self.floodPerSecond, Self.signInRequest))
        output(
            row(
                "one key, \(Self.floodPerSecond) sign-ins/s",
                ["", "", "\(flooded.percentile(0.5))", "\(flooded.percentile(0.99))"]))
        output(
            "sign-ins answered: "
                + flooded.background.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
                .joined(separator: ", ") + "; reads failed: \(flooded.failures)")
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

    private func fill(_ eclusa: Installation, _ tenant: String) throws {
        let id = "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
        _ = try eclusa.sql(
            """
            set session_replication_role = replica;
            insert into keys (tenant_id, id, workspace_id, name, public_id, secret_hash, endpoints, routes,
                              created_at, updated_at)
            select '\(tenant)', \(id), (select id from workspaces where tenant_id = '\(tenant)' limit 1),
                   'key ' || n, lpad(n::text, 16, '0'), sha256(n::text::bytea), 1, '{}', now(), now()
              from generate_series(1, \(keys)) n;
            insert into snapshot_changes (tenant_id, part, changed_by)
            values ('\(tenant)', '*', pg_current_xact_id());
            insert into users (id, email, name, status, created_at, updated_at)
            select \(id), 'user' || n || '@example.com', 'User ' || n, 'active', now(), now()
              from generate_series(1, \(keys / 10)) n
            """)
        for table in ["keys", "users"] { _ = try eclusa.sql("vacuum analyze \(table)") }
        // What the filling left to be written is written before anything is timed.
        _ = try eclusa.sql("checkpoint")
    }
}

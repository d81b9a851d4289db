import Glibc

/// The run itself: start everything, measure in alternation, print.
final class Bench {
    let seconds: Int
    let rounds: Int

    static let route = "chat"
    static let connections = 64
    static let streams = 200
    /// How many at a time, when nothing else is measured.
    let onlyStreams: Int?
    static let offset = 21_000
    static let growthCalls = 200_000
    /// What is measured; nil: the calls and streams every run has.
    let parts: [BenchPart]?
    /// How many streams are open at a time in that part.
    let openStreams: Int
    /// How many keys there are in that part.
    let keys: Int
    /// Calls of a long run that looks for growth alone.
    let endurance: Int?
    /// LiteLLM's program, when it is the anchor.
    let liteLLM: String?

    init(
        seconds: Int, rounds: Int, onlyStreams: Int? = nil, parts: [BenchPart]? = nil,
        openStreams: Int = 10_000, keys: Int = 100_000, endurance: Int? = nil, liteLLM: String? = nil
    ) {
        self.seconds = seconds
        self.rounds = rounds
        self.onlyStreams = onlyStreams
        self.parts = parts
        self.openStreams = openStreams
        self.keys = keys
        self.endurance = endurance
        self.liteLLM = liteLLM
    }

    func run() throws {
        var template = Array("/tmp/eclusa-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchFailure(text: "cannot make a folder in /tmp") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = try? Child.run(["rm", "-rf", folder], log: "/dev/null") }
        output("starting Eclusa and nginx …")
        var eclusa = try Installation.start(
            programs: Self.programFolder(), folder: folder, offset: Self.offset)
        defer { eclusa.stop() }
        do { try measure(&eclusa) } catch {
            // It is deleted with everything else.
            output("what the gateway said last:\n\(eclusa.lastWords())")
            throw error
        }
    }

    private func measure(_ eclusa: inout Installation) throws {
        let folder = eclusa.folder
        try eclusa.replaceStandIn()
        let engine = try LoadEngine(providerPort: eclusa.standInPort)
        let anchor = try Anchor.start(
            folder: folder, upstream: engine.providerPort, port: UInt16(8090 + Self.offset))
        defer { anchor.child.stop() }
        let nginx = ProcessMeter(pid: anchor.child.pid)
        pause(milliseconds: 1_500)

        try eclusa.gateway.pin(toCore: 0)
        try nginx.pin(toCore: 0)
        try ProcessMeter(pid: getpid()).pin(toCore: 1)
        // Core 1 is the load's: the control plane is away, as it may be, and its usage waits in the outbox.
        kill(eclusa.control, SIGSTOP)

        if let liteLLM { return try runLiteLLM(liteLLM, eclusa, engine) }
        if let endurance { return try endure(calls: endurance, eclusa, engine) }
        if let parts {
            output("")
            for part in parts { try run(part, &eclusa, nginx, anchor, engine) }
            return
        }
        if onlyStreams != nil { return try runStreams(eclusa, nginx, anchor, engine) }
        // Streams first: their high-water mark of pooled buffers is no growth of calls.
        _ = try engine.closedLoop(
            Self.request(path: "", key: eclusa.key, isStream: true), to: eclusa.gatewayPort,
            connections: Self.streams, seconds: 1)
        let before = try resident(eclusa, engine, after: Self.growthCalls / 2)
        var ours: [Figures] = []
        var theirs: [Figures] = []
        for round in 1...rounds {
            theirs.append(try measure("nginx", nginx, anchor.port, eclusa.key, streamed: "/streamed", engine))
            ours.append(
                try measure("eclusa", eclusa.gateway, eclusa.gatewayPort, eclusa.key, streamed: "", engine))
            output("round \(round) of \(rounds) done")
        }
        let after = try resident(eclusa, engine, after: Self.growthCalls)
        let direct = try latency(engine.providerPort, eclusa.key, engine)
        print(ours: median(ours), theirs: median(theirs), direct: direct, grown: after - before)
    }

    /// Resident MiB of the gateway after a run of calls.
    private func resident(
        _ eclusa: Installation, _ engine: LoadEngine, after calls: Int
    ) throws -> Double {
        var made = 0
        while made < calls {
            let result = try engine.closedLoop(
                Self.request(path: "", key: eclusa.key, isStream: false), to: eclusa.gatewayPort,
                connections: Self.connections, seconds: 1)
            guard result.failures == 0, result.answers > 0 else {
                throw BenchFailure(text: "\(result.failures) failed, \(result.answers) answered")
            }
            made += result.answers
        }
        return Double(eclusa.gateway.residentBytes()) / 1_048_576
    }

    private func measure(
        _ name: String, _ meter: ProcessMeter, _ port: UInt16, _ key: String, streamed: String,
        _ engine: LoadEngine
    ) throws -> Figures {
        var figures = Figures()
        let call = Self.request(path: "", key: key, isStream: false)
        _ = try engine.closedLoop(call, to: port, connections: Self.connections, seconds: 1)
        let cpu = meter.cpuNanoseconds()
        let plain = try engine.closedLoop(call, to: port, connections: Self.connections, seconds: seconds)
        figures.cpuPerCall = Double(meter.cpuNanoseconds() - cpu) / 1000 / Double(max(plain.answers, 1))
        figures.callsPerSecond = Double(plain.answers) / plain.seconds
        figures.residentMiB = Double(meter.residentBytes()) / 1_048_576

        let paced = try latency(port, key, engine)
        (figures.p50, figures.p99) = (paced.percentile(0.5), paced.percentile(0.99))

        guard plain.failures == 0 else { throw BenchFailure(text: "\(name): \(plain.failures) calls failed") }
        try measureStreams(&figures, name, meter, port, key, streamed: streamed, engine)
        return figures
    }

    private func measureStreams(
        _ figures: inout Figures, _ name: String, _ meter: ProcessMeter, _ port: UInt16, _ key: String,
        streamed: String, _ engine: LoadEngine
    ) throws {
        let cpu = meter.cpuNanoseconds()
        let events = try engine.closedLoop(
            Self.request(path: streamed, key: key, isStream: true), to: port,
            connections: onlyStreams ?? Self.streams, seconds: seconds)
        figures.cpuPerChunk = Double(meter.cpuNanoseconds() - cpu) / 1000 / Double(max(events.events, 1))
        figures.chunksPerSecond = Double(events.events) / events.seconds
        guard events.failures == 0 else {
            throw BenchFailure(text: "\(name): \(events.failures) streams failed")
        }
    }

    private func runStreams(
        _ eclusa: Installation, _ nginx: ProcessMeter, _ anchor: Anchor, _ engine: LoadEngine
    ) throws {
        var ours: [Figures] = []
        var theirs: [Figures] = []
        for _ in 1...rounds {
            var (our, their) = (Figures(), Figures())
            try measureStreams(
                &their, "nginx", nginx, anchor.port, eclusa.key, streamed: "/streamed", engine)
            try measureStreams(
                &our, "eclusa", eclusa.gateway, eclusa.gatewayPort, eclusa.key, streamed: "", engine)
            ours.append(our)
            theirs.append(their)
            output(
                "µs a chunk: \(decimal(our.cpuPerChunk, 2)), nginx \(decimal(their.cpuPerChunk, 2)); chunks/s: "
                    + "\(decimal(our.chunksPerSecond, 0)), nginx \(decimal(their.chunksPerSecond, 0))")
        }
        let (our, their) = (median(ours).cpuPerChunk, median(theirs).cpuPerChunk)
        output("{\"cpu_per_chunk_vs_nginx\": \(decimal(our / max(their, 0.001), 3))}")
    }

    private func latency(_ port: UInt16, _ key: String, _ engine: LoadEngine) throws -> LoadResult {
        try engine.openLoop(
            Self.request(path: "", key: key, isStream: false), to: port, connections: Self.connections,
            perSecond: 1000, seconds: max(2, seconds / 2))
    }

    /// A chat request of about 1 KB unless another length is asked for.
    static func request(path: String, key: String, isStream: Bool, promptBytes: Int = 840) -> [UInt8] {
        let sentence = "The keeper opens the gate when the levels are the same. "
        let prompt = String(repeating: sentence, count: promptBytes / sentence.utf8.count)
        let stream = isStream ? "\"stream\":true," : ""
        let body =
            "{\"model\":\"\(route)\",\(stream)\"messages\":[{\"role\":\"system\",\"content\":\"Answer briefly.\"},"
            + "{\"role\":\"user\",\"content\":\"\(prompt)\"}],\"temperature\":0.2,\"max_tokens\":256}"
        let head =
            "POST \(path)/v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer \(key)\r\n"
            + "content-type: application/json\r\naccept: application/json\r\nuser-agent: eclusa-bench\r\n"
            + "content-length: \(body.utf8.count)\r\n\r\n"
        return Array((head + body).utf8)
    }

    /// The same call in Anthropic's dialect.
    static func messagesRequest(key: String) -> [UInt8] {
        let prompt = String(repeating: "The keeper opens the gate when the levels are the same. ", count: 15)
        let body =
            "{\"model\":\"\(route)\",\"max_tokens\":256,\"system\":\"Answer briefly.\",\"messages\":"
            + "[{\"role\":\"user\",\"content\":\"\(prompt)\"}],\"temperature\":0.2}"
        let head =
            "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: \(key)\r\n"
            + "anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
            + "content-length: \(body.utf8.count)\r\n\r\n"
        return Array((head + body).utf8)
    }

    private func print(ours: Figures, theirs: Figures, direct: LoadResult, grown: Double) {
        func line(_ name: String, _ path: KeyPath<Figures, Double>, _ places: Int) -> String {
            let (we, they) = (ours[keyPath: path], theirs[keyPath: path])
            return row(name, [decimal(we, places), decimal(they, places), decimal(we / max(they, 0.001), 2)])
        }
        let calls = ours.callsPerSecond / max(theirs.callsPerSecond, 1)
        let cpuCall = ours.cpuPerCall / max(theirs.cpuPerCall, 0.001)
        let cpuChunk = ours.cpuPerChunk / max(theirs.cpuPerChunk, 0.001)
        let base = direct.percentile(0.5)
        let baseTail = direct.percentile(0.99)
        output("")
        output(row("one core, medians of \(rounds)", ["eclusa", "nginx", "ratio"]))
        output(line("calls/s, 64 connections", \.callsPerSecond, 0))
        output(line("CPU µs a call", \.cpuPerCall, 2))
        output(line("CPU µs a streamed chunk", \.cpuPerChunk, 2))
        output(line("chunks/s, 200 streams", \.chunksPerSecond, 0))
        output(row("added p50 µs at 1,000 calls/s", ["\(ours.p50 - base)", "\(theirs.p50 - base)", ""]))
        output(
            row("added p99 µs at 1,000 calls/s", ["\(ours.p99 - baseTail)", "\(theirs.p99 - baseTail)", ""]))
        output(line("RSS MiB after the calls", \.residentMiB, 1))
        output(row("RSS MiB grown in \(Self.growthCalls) calls", [decimal(grown, 1), "", ""]))
        output("")
        output(
            "on: key, permissions, route, metering, durable outbox, metrics, headers. nginx: proxy_pass alone, no log."
        )
        output(
            "{\"calls_per_second_vs_nginx\": \(decimal(calls, 3)), \"cpu_per_call_vs_nginx\": \(decimal(cpuCall, 3)), "
                + "\"cpu_per_chunk_vs_nginx\": \(decimal(cpuChunk, 3)), \"calls_per_second\": \(decimal(ours.callsPerSecond, 0)), "
                + "\"resident_mib\": \(decimal(ours.residentMiB, 1)), \"grown_mib\": \(decimal(grown, 1))}")
    }

    static func programFolder() -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let path = String(decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }
}

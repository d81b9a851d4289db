import Glibc

/// What `make bench` measures besides the 1 KB calls and the streams, one at a time by `--only`.
enum BenchPart: String, CaseIterable {
    /// nginx that does a gateway's work with Lua.
    case job
    /// Requests of 20 KB.
    case large
    /// Calls with a key nobody has, beside nginx `return 401`.
    case refusals
    /// Thousands of streams with a chunk a second.
    case open
    /// TLS to the gateway and from it, beside nginx doing the same.
    case tls
    /// What is added to a call, with the outbox on and off a disk, and to a stream's first event.
    case latency
    /// One loop and two.
    case loops
    /// With very many keys: the start from the cache, and what the swap of a snapshot does to calls.
    case keys
    /// What a translation, a durable disk, traces and limits cost a call. The last: limits stay.
    case features
}

/// One system under one kind of load: medians of the rounds.
struct Rate {
    var callsPerSecond = 0.0
    var cpuPerCall = 0.0
}

/// A system that is measured, and what it is asked.
struct Contender {
    let name: String
    let meter: ProcessMeter
    let port: UInt16
    let request: [UInt8]
}

extension Bench {
    func run(
        _ part: BenchPart, _ eclusa: inout Installation, _ nginx: ProcessMeter, _ anchor: Anchor,
        _ engine: LoadEngine
    ) throws {
        let ours = Contender(
            name: "eclusa", meter: eclusa.gateway, port: eclusa.gatewayPort,
            request: Self.request(path: "", key: eclusa.key, isStream: false))
        switch part {
        case .job:
            let job = try Anchor.startDoingTheJob(
                folder: eclusa.folder, upstream: engine.providerPort, port: anchor.port + 1, key: eclusa.key)
            defer { job.child.stop() }
            let meter = ProcessMeter(pid: job.child.pid)
            try meter.pin(toCore: 0)
            let lua = Contender(
                name: "nginx, Lua", meter: meter, port: job.port,
                request: Self.request(path: "", key: eclusa.key, isStream: false))
            try compare("the whole job", ours, lua, engine)
        case .large:
            let request = Self.request(path: "", key: eclusa.key, isStream: false, promptBytes: 20_000)
            try compare("20 KB calls", ours.asking(request), anchored(nginx, anchor, request), engine)
        case .refusals:
            let unknown = String(repeating: "A", count: max(0, eclusa.key.utf8.count - 3))
            let request = Self.request(path: "", key: "ek_" + unknown, isStream: false)
            let refused = Self.request(path: "/refused", key: eclusa.key, isStream: false)
            engine.expectedStatus = 401
            defer { engine.expectedStatus = 200 }
            try compare("refusals", ours.asking(request), anchored(nginx, anchor, refused), engine)
        case .open: try measureOpenStreams(eclusa, nginx, anchor, engine)
        case .tls: try measureTLS(&eclusa, engine)
        case .latency: try measureLatency(&eclusa, anchor, engine)
        case .loops: try measureLoops(&eclusa, engine)
        case .keys: try measureKeys(&eclusa, anchor, engine)
        case .features: try measureFeatures(&eclusa, engine)
        }
    }

    private func anchored(_ nginx: ProcessMeter, _ anchor: Anchor, _ request: [UInt8]) -> Contender {
        Contender(name: "nginx", meter: nginx, port: anchor.port, request: request)
    }

    /// Both in alternation; prints a row each for calls/s and CPU, with their ratios.
    func compare(_ name: String, _ ours: Contender, _ theirs: Contender, _ engine: LoadEngine) throws {
        let rates = try alternate([ours, theirs], engine)
        output(row("\(name), medians of \(rounds)", [ours.name, theirs.name, "ratio"]))
        for (what, path, places) in [
            ("\(name)/s", \Rate.callsPerSecond, 0), ("CPU µs each", \Rate.cpuPerCall, 2),
        ] {
            let (we, they) = (rates[0][keyPath: path], rates[1][keyPath: path])
            output(
                row(what, [decimal(we, places), decimal(they, places), decimal(we / max(they, 0.001), 2)]))
        }
        output("")
    }

    func alternate(_ contenders: [Contender], _ engine: LoadEngine) throws -> [Rate] {
        var seen = [[Rate]](repeating: [], count: contenders.count)
        for _ in 1...rounds {
            for (index, contender) in contenders.enumerated() {
                seen[index].append(try rate(of: contender, engine))
            }
        }
        return seen.map { rates in
            let middle = rates.count / 2
            return Rate(
                callsPerSecond: rates.map(\.callsPerSecond).sorted()[middle],
                cpuPerCall: rates.map(\.cpuPerCall).sorted()[middle])
        }
    }

    func rate(
        of contender: Contender, _ engine: LoadEngine, connections: Int = Bench.connections
    ) throws -> Rate {
        _ = try engine.closedLoop(
            contender.request, to: contender.port, connections: connections, seconds: 1)
        let cpu = contender.meter.cpuNanoseconds()
        let result = try engine.closedLoop(
            contender.request, to: contender.port, connections: connections, seconds: seconds)
        guard result.failures == 0, result.answers > 0 else {
            throw BenchFailure(
                text: "\(contender.name): \(result.failures) calls failed, \(result.answers) answered, "
                    + "status \(result.unexpectedStatus)")
        }
        return Rate(
            callsPerSecond: Double(result.answers) / result.seconds,
            cpuPerCall: Double(contender.meter.cpuNanoseconds() - cpu) / 1000 / Double(result.answers))
    }

    // MARK: Open streams

    private func measureOpenStreams(
        _ eclusa: Installation, _ nginx: ProcessMeter, _ anchor: Anchor, _ engine: LoadEngine
    ) throws {
        // A proxy has two sockets a stream, and so has the load, which is the provider too.
        let (needed, allowed) = (2 * openStreams + 100, raiseOpenFiles())
        guard allowed >= needed else {
            throw BenchFailure(
                text: "\(openStreams) open streams take \(needed) descriptors a process and \(allowed) are "
                    + "allowed here: raise `ulimit -Hn`, or ask for fewer with --open")
        }
        engine.setGap(milliseconds: 1000)
        defer { engine.setGap(milliseconds: 20) }
        output(
            row(
                "\(openStreams) streams, a chunk a second",
                ["open", "RSS MiB", "MiB grown", "chunks/s", "CPU µs/chunk"]))
        for (name, meter, port, path) in [
            ("nginx", nginx, anchor.port, "/streamed"), ("eclusa", eclusa.gateway, eclusa.gatewayPort, ""),
        ] {
            let before = meter.residentBytes()
            var cpu: Int64 = 0
            let length = max(seconds * 2, 10)
            let result = try engine.holdOpen(
                Self.request(path: path, key: eclusa.key, isStream: true), to: port, streams: openStreams,
                seconds: length
            ) { cpu = meter.cpuNanoseconds() }
            let used = Double(meter.cpuNanoseconds() - cpu) / 1000
            let resident = Double(meter.residentBytes()) / 1_048_576
            output(
                row(
                    name,
                    [
                        "\(result.answers)", decimal(resident, 1),
                        decimal(resident - Double(before) / 1_048_576, 1),
                        decimal(Double(result.events) / (Double(length) / 2), 0),
                        decimal(used / Double(max(result.events, 1)), 2),
                    ]))
            guard result.failures == 0 else {
                throw BenchFailure(text: "\(name): \(result.failures) of \(openStreams) streams broke")
            }
            // Connections that were dropped are noticed before the next ones come.
            pause(milliseconds: 2_000)
        }
        output("")
    }

    // MARK: Features

    /// Each beside the same calls without it, in the same minute.
    private func measureFeatures(_ eclusa: inout Installation, _ engine: LoadEngine) throws {
        output(row("features, medians of \(rounds)", ["calls/s", "CPU µs", "without", "costs µs"]))
        let plain = Contender(
            name: "plain", meter: eclusa.gateway, port: eclusa.gatewayPort,
            request: Self.request(path: "", key: eclusa.key, isStream: false))
        let translated = Self.messagesRequest(key: eclusa.key)
        feature("Anthropic's dialect, translated", try alternate([plain.asking(translated), plain], engine))
        for (name, arguments) in [
            ("outbox survives power cuts", ["--outbox-synchronous", "full"]),
            ("traces of every call", ["--otlp-endpoint", "http://127.0.0.1:\(engine.providerPort)"]),
        ] {
            let without = try alternate([plain.measured(eclusa.gateway)], engine)[0]
            try eclusa.restartGateway(adding: arguments)
            let with = try alternate([plain.measured(eclusa.gateway)], engine)[0]
            feature(name, [with, without])
            try eclusa.restartGateway(adding: [])
        }
        let unbound = try alternate([plain.measured(eclusa.gateway)], engine)[0]
        try eclusa.awake {
            let limits = [("requests", "1000000000", "minute"), ("cost", "1000000", "month")]
            for (metric, amount, period) in limits {
                try eclusa.command([
                    "limits", "create", "--name", "bench-\(metric)", "--metric", metric, "--amount", amount,
                    "--period", period,
                ])
            }
            // Nodes hear of it, and what they may spend is lent.
            pause(milliseconds: 3_000)
            feature(
                "a rate and a budget",
                [try alternate([plain.measured(eclusa.gateway)], engine)[0], unbound])
        }
        output("")
    }

    private func feature(_ name: String, _ rates: [Rate]) {
        let (with, without) = (rates[0], rates[1])
        output(
            row(
                name,
                [
                    decimal(with.callsPerSecond, 0), decimal(with.cpuPerCall, 2),
                    decimal(without.cpuPerCall, 2), decimal(with.cpuPerCall - without.cpuPerCall, 2),
                ]))
    }
}

extension Contender {
    func asking(_ request: [UInt8]) -> Contender {
        Contender(name: name, meter: meter, port: port, request: request)
    }
    func measured(_ meter: ProcessMeter) -> Contender {
        Contender(name: name, meter: meter, port: port, request: request)
    }
}

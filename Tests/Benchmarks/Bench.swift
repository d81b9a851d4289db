import EventLoops
import Glibc
import Transport

/// The run itself: start everything, measure in alternation, print.
final class Bench {
    let loop: EventLoop
    let seconds: Int
    let rounds: Int
    let dialer: Dialer

    static let callModel = "stand-in-bytes-600"
    static let streamModel = "stand-in-chunks-50-gap-20ms"
    static let connections = 64
    static let streams = 200
    static let offset = 21_000
    static let growthCalls = 200_000

    init(loop: EventLoop, seconds: Int, rounds: Int) throws {
        self.loop = loop
        self.seconds = seconds
        self.rounds = rounds
        let resolver = BlockingPool(threads: 1, queueLimit: 16, name: "resolve")
        dialer = Dialer(loop: loop, resolver: resolver, policy: .unrestricted)
    }

    func run() async throws {
        var template = Array("/tmp/eclusa-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchFailure(text: "cannot make a folder in /tmp") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = try? Child.run(["rm", "-rf", folder], log: "/dev/null") }
        output("starting Eclusa and nginx …")
        let eclusa = try await Installation.start(
            programs: Self.programFolder(), folder: folder, offset: Self.offset, loop: loop)
        defer { eclusa.stop() }
        for model in [Self.callModel, Self.streamModel] { try eclusa.addRoute(model) }
        let anchor = try Anchor.start(
            folder: folder, upstream: eclusa.standInPort, port: UInt16(8090 + Self.offset))
        defer { anchor.child.stop() }
        let nginx = ProcessMeter(pid: anchor.child.pid)
        await loop.sleep(nanoseconds: 1_500_000_000)

        try eclusa.gateway.pin(toCore: 0)
        try nginx.pin(toCore: 0)
        try eclusa.standIn.pin(toCore: 1)
        try ProcessMeter(pid: getpid()).pin(toCore: 1)
        // Core 1 is the load's: the control plane is away, as it may be, and its usage waits in the outbox.
        kill(eclusa.control, SIGSTOP)
        defer { kill(eclusa.control, SIGCONT) }

        let before = try await growth(eclusa)
        var ours: [Figures] = []
        var theirs: [Figures] = []
        for round in 1...rounds {
            theirs.append(try await measure("nginx", nginx, anchor.port, eclusa.key, streamed: "/streamed"))
            ours.append(
                try await measure("eclusa", eclusa.gateway, eclusa.gatewayPort, eclusa.key, streamed: ""))
            output("round \(round) of \(rounds) done")
        }
        let after = try await growth(eclusa)
        let direct = try await latency(eclusa.standInPort, eclusa.key)
        print(ours: median(ours), theirs: median(theirs), direct: direct, grown: after - before)
    }

    /// Resident MiB of the gateway after a run of calls.
    private func growth(_ eclusa: Installation) async throws -> Double {
        var made = 0
        while made < Self.growthCalls / 2 {
            let load = Load(
                loop: loop, dialer: dialer, port: eclusa.gatewayPort,
                request: Self.request(path: "", key: eclusa.key, model: Self.callModel, isStream: false))
            let result = await load.closedLoop(connections: Self.connections, seconds: 1)
            guard result.failures == 0, result.answers > 0 else {
                throw BenchFailure(text: "\(result.failures) failed, \(result.answers) answered")
            }
            made += result.answers
        }
        return Double(eclusa.gateway.residentBytes()) / 1_048_576
    }

    private func measure(
        _ name: String, _ meter: ProcessMeter, _ port: UInt16, _ key: String, streamed: String
    ) async throws -> Figures {
        var figures = Figures()
        let calls = Load(
            loop: loop, dialer: dialer, port: port,
            request: Self.request(path: "", key: key, model: Self.callModel, isStream: false))
        _ = await calls.closedLoop(connections: Self.connections, seconds: 1)
        var cpu = meter.cpuNanoseconds()
        let plain = await calls.closedLoop(connections: Self.connections, seconds: seconds)
        figures.cpuPerCall = Double(meter.cpuNanoseconds() - cpu) / 1000 / Double(max(plain.answers, 1))
        figures.callsPerSecond = Double(plain.answers) / plain.seconds
        figures.residentMiB = Double(meter.residentBytes()) / 1_048_576

        let paced = try await latency(port, key)
        (figures.p50, figures.p99) = (paced.percentile(0.5), paced.percentile(0.99))

        let streams = Load(
            loop: loop, dialer: dialer, port: port,
            request: Self.request(path: streamed, key: key, model: Self.streamModel, isStream: true))
        cpu = meter.cpuNanoseconds()
        let events = await streams.closedLoop(connections: Self.streams, seconds: seconds)
        figures.cpuPerChunk = Double(meter.cpuNanoseconds() - cpu) / 1000 / Double(max(events.events, 1))
        figures.chunksPerSecond = Double(events.events) / events.seconds
        guard plain.failures + events.failures == 0 else {
            throw BenchFailure(text: "\(name): \(plain.failures) calls and \(events.failures) streams failed")
        }
        return figures
    }

    private func latency(_ port: UInt16, _ key: String) async throws -> LoadResult {
        let load = Load(
            loop: loop, dialer: dialer, port: port,
            request: Self.request(path: "", key: key, model: Self.callModel, isStream: false))
        return await load.openLoop(
            connections: Self.connections, perSecond: 1000, seconds: max(2, seconds / 2))
    }

    /// A chat request of about 1 KB.
    static func request(path: String, key: String, model: String, isStream: Bool) -> [UInt8] {
        let prompt = String(repeating: "The keeper opens the gate when the levels are the same. ", count: 15)
        let stream = isStream ? "\"stream\":true," : ""
        let body =
            "{\"model\":\"\(model)\",\(stream)\"messages\":[{\"role\":\"system\",\"content\":\"Answer briefly.\"},"
            + "{\"role\":\"user\",\"content\":\"\(prompt)\"}],\"temperature\":0.2,\"max_tokens\":256}"
        let head =
            "POST \(path)/v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer \(key)\r\n"
            + "content-type: application/json\r\naccept: application/json\r\nuser-agent: eclusa-bench\r\n"
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
        output(row("RSS MiB grown since \(Self.growthCalls / 2) calls", [decimal(grown, 1), "", ""]))
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

import Glibc

extension Bench {
    /// What the proxy adds to the provider's own time: to the end of a call, with the outbox kept three ways,
    /// and to a stream's first event.
    func measureLatency(
        _ eclusa: inout Installation, _ anchor: Anchor, _ engine: LoadEngine
    ) throws {
        output(row("added at 1,000 calls/s, medians of \(rounds)", ["p50 µs", "p99 µs"]))
        let call = Self.request(path: "", key: eclusa.key, isStream: false)
        try printAdded("nginx", call, to: anchor.port, engine)
        try printAdded("eclusa", call, to: eclusa.gatewayPort, engine)
        let memory = "/dev/shm/eclusa-bench-\(getpid())"
        defer { _ = try? Child.run(["rm", "-rf", memory], log: "/dev/null") }
        try eclusa.restartGateway(adding: []) { try $0.moveNode(to: memory) }
        try printAdded("eclusa, outbox in memory", call, to: eclusa.gatewayPort, engine)
        try eclusa.restartGateway(adding: ["--outbox-synchronous", "full"]) { try $0.moveNode(from: memory) }
        try printAdded("eclusa, outbox survives power cuts", call, to: eclusa.gatewayPort, engine)
        try eclusa.restartGateway(adding: [])
        output("")

        output(row("added to a stream's first event", ["p50 µs", "p99 µs"]))
        engine.timesFirstEvent = true
        defer { engine.timesFirstEvent = false }
        let streamed = Self.request(path: "/streamed", key: eclusa.key, isStream: true)
        try printAdded("nginx, 200 streams a second", streamed, to: anchor.port, engine)
        let stream = Self.request(path: "", key: eclusa.key, isStream: true)
        try printAdded("eclusa, 200 streams a second", stream, to: eclusa.gatewayPort, engine)
        output("")
    }

    /// Beside the provider alone, by turns.
    private func printAdded(
        _ name: String, _ request: [UInt8], to port: UInt16, _ engine: LoadEngine
    ) throws {
        var (half, last): ([Int], [Int]) = ([], [])
        for _ in 1...rounds {
            let direct = try paced(request, to: engine.providerPort, engine)
            let proxied = try paced(request, to: port, engine)
            guard proxied.failures == 0 else {
                throw BenchFailure(text: "\(name): \(proxied.failures) calls failed")
            }
            half.append(proxied.percentile(0.5) - direct.percentile(0.5))
            last.append(proxied.percentile(0.99) - direct.percentile(0.99))
        }
        output(row(name, ["\(half.sorted()[rounds / 2])", "\(last.sorted()[rounds / 2])"]))
    }

    /// A thousand calls a second, or two hundred streams, which last a second each.
    private func paced(_ request: [UInt8], to port: UInt16, _ engine: LoadEngine) throws -> LoadResult {
        let (rate, connections) = engine.timesFirstEvent ? (200, 600) : (1000, Self.connections)
        return try engine.openLoop(
            request, to: port, connections: connections, perSecond: rate, seconds: max(2, seconds / 2))
    }

    /// The same calls a second for one loop and for two, on the same core: what it costs to be divided.
    func measureLoops(_ eclusa: inout Installation, _ engine: LoadEngine) throws {
        let request = Self.request(path: "", key: eclusa.key, isStream: false)
        var costs: [[Double]] = [[], []]
        for _ in 1...rounds {
            for loops in 1...2 {
                try eclusa.restartGateway(adding: ["--loops", "\(loops)"])
                _ = try engine.closedLoop(
                    request, to: eclusa.gatewayPort, connections: Self.connections, seconds: 1)
                let before = eclusa.gateway.cpuNanoseconds()
                let result = try engine.openLoop(
                    request, to: eclusa.gatewayPort, connections: Self.connections, perSecond: 10_000,
                    seconds: seconds)
                guard result.failures == 0 else {
                    throw BenchFailure(text: "\(loops) loops: \(result.failures) calls failed")
                }
                costs[loops - 1].append(
                    Double(eclusa.gateway.cpuNanoseconds() - before) / 1000 / Double(result.answers))
            }
        }
        try eclusa.restartGateway(adding: [])
        let (one, two) = (costs[0].sorted()[rounds / 2], costs[1].sorted()[rounds / 2])
        output(row("10,000 calls/s, medians of \(rounds)", ["two loops", "one loop", "ratio"]))
        output(row("CPU µs a call", [decimal(two, 2), decimal(one, 2), decimal(two / one, 2)]))
        output("")
    }
}

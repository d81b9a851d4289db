import Glibc

extension Bench {
    /// The gateway beside LiteLLM's proxy, one worker, no database, both on core 0 in the same minute and
    /// before the same provider.
    func runLiteLLM(_ program: String, _ eclusa: Installation, _ engine: LoadEngine) throws {
        let port = eclusa.gatewayPort + 20
        let configuration = """
            model_list:
              - model_name: \(Self.route)
                litellm_params:
                  model: openai/bench
                  api_base: http://127.0.0.1:\(engine.providerPort)/v1
                  api_key: sk-bench
            general_settings:
              master_key: sk-bench
            litellm_settings:
              telemetry: false

            """
        let path = "\(eclusa.folder)/litellm.yaml"
        try write(configuration, to: path)
        output("starting LiteLLM …")
        let log = "\(eclusa.folder)/litellm.log"
        let child = try Child.start(
            [program, "--config", path, "--host", "127.0.0.1", "--port", "\(port)", "--num_workers", "1"],
            log: log,
            environment: ["LITELLM_LOCAL_MODEL_COST_MAP=True", "HOME=\(eclusa.folder)", "LITELLM_LOG=ERROR"])
        defer { child.stop(SIGKILL) }
        let theirs = Contender(
            name: "LiteLLM", meter: ProcessMeter(pid: child.pid), port: port,
            request: Self.request(path: "", key: "sk-bench", isStream: false))
        try wait(for: theirs, child, log, engine)
        try theirs.meter.pin(toCore: 0)
        let ours = Contender(
            name: "eclusa", meter: eclusa.gateway, port: eclusa.gatewayPort,
            request: Self.request(path: "", key: eclusa.key, isStream: false))
        var seen: [(our: Rate, their: Rate)] = []
        for _ in 1...rounds {
            seen.append(
                (
                    our: try rate(of: ours, engine),
                    // More connections at a time only wait longer.
                    their: try rate(of: theirs, engine, connections: 16)
                ))
        }
        let ratios = seen.map { $0.our.callsPerSecond / max($0.their.callsPerSecond, 0.001) }.sorted()
        let middle = seen.sorted { $0.our.callsPerSecond < $1.our.callsPerSecond }[seen.count / 2]
        func line(_ name: String, _ path: KeyPath<Rate, Double>) {
            let (we, they) = (middle.our[keyPath: path], middle.their[keyPath: path])
            output(row(name, [decimal(we, 1), decimal(they, 1), decimal(we / max(they, 0.001), 4)]))
        }
        output("")
        output(row("one core, \(rounds) rounds", ["eclusa", "LiteLLM", "ratio"]))
        line("calls/s", \.callsPerSecond)
        line("CPU µs a call", \.cpuPerCall)
        output("")
        output("on: key, permissions, route, metering, durable outbox. LiteLLM: master key, no database.")
        output("{\"calls_per_second_vs_litellm\": \(decimal(ratios[ratios.count / 2], 1))}")
    }

    /// Its start takes many seconds; the first good answer ends the wait.
    private func wait(
        for contender: Contender, _ child: Child, _ log: String, _ engine: LoadEngine
    ) throws {
        for _ in 0..<120 {
            guard child.isRunning else {
                throw BenchFailure(text: "LiteLLM ended:\n\(ProcessMeter.read(log) ?? "")")
            }
            let result = try? engine.closedLoop(
                contender.request, to: contender.port, connections: 1, seconds: 1)
            if let result, result.answers > 0, result.failures == 0 { return }
            pause(milliseconds: 1_000)
        }
        throw BenchFailure(text: "LiteLLM does not answer:\n\(ProcessMeter.read(log) ?? "")")
    }
}

import Glibc

/// A whole Eclusa for the bench, started by `eclusa up` on ports of its own, with the pieces found by
/// process.
struct Installation {
    let folder: String
    let programs: String
    let offset: Int
    let runner: Child
    let key: String
    let gateway: ProcessMeter
    let control: pid_t
    private let standIn: pid_t

    var gatewayPort: UInt16 { UInt16(8080 + offset) }
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
        let children = ProcessMeter.children(of: runner.pid)
        guard let gateway = children["eclusa-gateway"], let control = children["eclusa-control"],
            let standIn = children["eclusa-stand-in"],
            let key = ProcessMeter.read("\(folder)/state/demo-key")
        else {
            throw BenchFailure(text: "eclusa up did not start everything:\n\(ProcessMeter.read(log) ?? "")")
        }
        return Installation(
            folder: folder, programs: programs, offset: offset, runner: runner, key: key,
            gateway: ProcessMeter(pid: gateway), control: control,
            standIn: standIn)
    }

    /// Ends the stand-in provider, so that the load can answer at its address: egress is allowed there.
    func replaceStandIn() throws {
        // `eclusa up` would end everything with it; it need not run meanwhile.
        kill(runner.pid, SIGSTOP)
        kill(standIn, SIGKILL)
        for _ in 0..<100 {
            if (ProcessMeter.read("/proc/\(standIn)/stat") ?? ") Z").contains(") Z") { return }
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

    private func command(_ words: [String]) throws {
        let log = "\(folder)/command.log"
        let code = try Child.run(
            ["\(programs)/eclusa"] + words, log: log, environment: ["ECLUSA_STATE_DIRECTORY=\(folder)/state"])
        guard code == 0 else {
            throw BenchFailure(
                text: "eclusa \(words.joined(separator: " ")): \(ProcessMeter.read(log) ?? "")")
        }
    }

    func stop() {
        kill(control, SIGCONT)
        kill(runner.pid, SIGCONT)
        runner.stop(SIGINT)
    }
}

extension StringProtocol {
    /// The first place of `text`, without Foundation.
    func range(of text: String) -> Range<Index>? { firstRange(of: text) }
}

import EventLoops
import Glibc
import HTTPServing
import Lifecycle
import Settings
import Synchronization
import Telemetry
import Transport

@main enum StandInMain {
    // Closures written here would belong to the main actor, whose queue nobody runs: the main thread is the
    // loop's.
    static func main() { exit(StandInProgram.run()) }
}

/// `eclusa-stand-in`: a provider that speaks the real wire formats and does what the model's name says.
enum StandInProgram {
    static let listenAddress = Setting<SocketAddress>.value(
        "listen-address", as: "HOST:PORT", default: "127.0.0.1:9100", help: "Where to answer.",
        expects: "an address and a port, as in 127.0.0.1:9100"
    ) { SocketAddress($0) }
    static let apiKey = Setting<String?>.optionalText(
        "api-key",
        help: "The only key taken; without it any key is. No secret: the stand-in protects nothing.")
    static let loops = Setting<Int>.integer(
        "loops", default: 1, in: 1...64, help: "Event loops, each with a thread of its own.")
    static let logLevel = Setting<String>.text(
        "log-level", as: "debug|info|warning|error", default: "info", help: "What to log.")

    static let schema = SettingsSchema(
        program: "eclusa-stand-in",
        summary: "A stand-in for an LLM provider: deterministic answers, and errors on demand.",
        version: "0.1.0", groups: [SettingGroup("Stand-in", [listenAddress, apiKey, loops, logLevel])])

    static func run() -> Int32 {
        prepareProcess()
        let values = schema.valuesOrExit()
        let log = Log(level: LogLevel(name: values[logLevel]) ?? .info)
        do {
            let lifecycle = try Lifecycle(log: log, drainNanoseconds: 2_000_000_000)
            return lifecycle.run { parts in try await start(parts, values, log) }.rawValue
        } catch {
            log.error("cannot start", ["error": LogValue(error)])
            return ExitCode.internalError.rawValue
        }
    }

    private static func start(_ parts: Parts, _ values: SettingsValues, _ log: Log) async throws {
        let totals = Totals()
        let options = StandIn.Options(apiKey: values[apiKey])
        let threads = try await parts.start("loops") {
            try LoopThreads(count: values[loops], name: "stand-in")
        } stop: { threads, _ in
            threads.stop()
            threads.join()
        }
        let isAlone = threads.loops.count == 1
        for loop in threads.loops {
            try await parts.start("listener") {
                try await loop.run {
                    let standIn = StandIn(loop: loop, options: options, totals: totals)
                    try open(standIn, at: values[listenAddress], reusePort: !isAlone)
                    return Held(standIn)
                }
            } stop: { held, within in
                try? await loop.run { await held.standIn.drain(withinNanoseconds: within / 2) }
            }
        }
        log.info("the stand-in answers", ["address": "\(values[listenAddress])"])
    }

    private static func open(_ standIn: StandIn, at address: SocketAddress, reusePort: Bool) throws {
        do throws(SystemError) {
            try standIn.listen(on: address, reusePort: reusePort)
        } catch {
            throw StartFailure(
                .cannotCreate, "cannot listen on \(address): \(error); give another --listen-address")
        }
    }

    /// A stand-in as other threads hold it: only carried to its loop.
    private struct Held: Sendable {
        nonisolated(unsafe) let standIn: StandIn
        init(_ standIn: sending StandIn) { self.standIn = standIn }
    }
}
